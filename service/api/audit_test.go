package api_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
)

func TestTheRecordOfChangesIsFiltered(t *testing.T) {
	b := newBench(t)
	answer := b.do(request(http.MethodGet, "/v1/audit?actor=ada&role=student&action=class.&target=x&result=refused&from=2026-09-01T08:00:00Z&to=2026-09-02T08:00:00%2B02:00&limit=7&cursor=c", ""))
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Body)
	}
	want := []any{lab.AuditFilter{
		Actor: "ada", Role: lab.RoleStudent, Action: "class.", Target: "x", Result: lab.AuditRefused,
		From: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), To: time.Date(2026, 9, 2, 6, 0, 0, 0, time.UTC),
	}, lab.Page{Limit: 7, Cursor: "c"}}
	if diff := cmp.Diff(want, b.registrar.called()[0].Args); diff != "" {
		t.Error(diff)
	}
	for _, query := range []string{"from=yesterday", "role=king", "result=maybe", "format=xml"} {
		if answer := b.do(request(http.MethodGet, "/v1/audit?"+query, "")); answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", query, answer.StatusCode)
		}
	}
}

func TestTheRecordOfChangesIsExportedWhole(t *testing.T) {
	b := newBench(t)
	for how, ask := range map[string]func(media, format string) *http.Request{
		"by Accept": func(media, _ string) *http.Request {
			r := request(http.MethodGet, "/v1/audit", "")
			r.Header.Set("Accept", media)
			return r
		},
		"by format": func(_, format string) *http.Request { return request(http.MethodGet, "/v1/audit?format="+format, "") },
	} {
		t.Run(how, func(t *testing.T) {
			answer := b.do(ask("text/csv", "csv"))
			rows, err := csv.NewReader(strings.NewReader(answer.Body)).ReadAll()
			if err != nil || len(rows) != 3 { // the head and two pages of one row each
				t.Fatalf("%d rows, %v: %s", len(rows), err, answer.Body)
			}
			want := []string{
				"id-audit", "2026-09-01T12:00:00Z", "token:test", "", "admin", "192.0.2.1", "workspace.stop", "id-workspace", "done",
				`{"slug":"=HYPERLINK()"}`, `{"desired":"running"}`, `{"desired":"stopped"}`,
			}
			if diff := cmp.Diff(want, rows[2]); diff != "" {
				t.Error(diff)
			}
			if got := answer.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/csv") {
				t.Errorf("it is called %s", got)
			}

			answer = b.do(ask("application/x-ndjson", "ndjson"))
			lines := strings.Split(strings.TrimSpace(answer.Body), "\n")
			if len(lines) != 2 || answer.Header.Get("Content-Type") != "application/x-ndjson" {
				t.Fatalf("%s: %s", answer.Header.Get("Content-Type"), answer.Body)
			}
			for _, line := range lines {
				var row struct{ Action string }
				if err := json.Unmarshal([]byte(line), &row); err != nil || row.Action != "workspace.stop" {
					t.Errorf("%v: %s", err, line)
				}
			}
		})
	}
}

func TestAnExportThatCanNotBeginIsAProblem(t *testing.T) {
	b := newBench(t)
	b.registrar.answers(lab.Errorf(lab.CodeUnavailable, "the database is away"))
	if answer := b.do(request(http.MethodGet, "/v1/audit?format=csv", "")); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d: %s", answer.StatusCode, answer.Body)
	}
}

func TestWhatASpreadsheetWouldTakeForAFormulaIsInert(t *testing.T) {
	b := newBench(t)
	name := anAudit.Actor.Name
	t.Cleanup(func() { anAudit.Actor.Name = name })
	anAudit.Actor.Name = "=cmd|'/c calc'!A1"
	answer := b.do(request(http.MethodGet, "/v1/audit?format=csv", ""))
	rows, err := csv.NewReader(strings.NewReader(answer.Body)).ReadAll()
	if err != nil || rows[1][2] != "'=cmd|'/c calc'!A1" {
		t.Errorf("%v: %s", err, answer.Body)
	}
}

func TestWhatIsRefusedIsRecorded(t *testing.T) {
	b := newBench(t)
	b.registrar.answers(fmt.Errorf("at work: %w", lab.Errorf(lab.CodeForbidden, "students launch nothing")))
	if answer := b.do(request(http.MethodPost, "/v1/classes/fall-26~py101/launch", "")); answer.StatusCode != http.StatusForbidden {
		t.Fatal(answer.Body)
	}
	b.registrar.answers(lab.NotFound("class", "x"))
	b.do(request(http.MethodPost, "/v1/classes/x/launch", ""))
	unknown := request(http.MethodPost, "/v1/classes/x/launch", "")
	unknown.Header.Set("Authorization", "Bearer nobody-knows-this-one")
	b.do(unknown)
	want := [][]any{{lab.Actor{Name: "token:test", Role: lab.RoleAdmin, Remote: "192.0.2.1"}, "launchClass", "fall-26~py101"}}
	if diff := cmp.Diff(want, b.registrar.refused); diff != "" {
		t.Error(diff)
	}
}
