package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/roster"
)

func sendRoster(b *bench, query, mediaType, body string) answer {
	r := request(http.MethodPost, "/v1/cohorts/fall-26/roster"+query, body)
	r.Header.Set("Content-Type", mediaType)
	return b.do(r)
}

func TestARosterIsReadAsItIsSaidToBe(t *testing.T) {
	b := newBench(t)
	want := registrar.RosterInput{Roster: roster.Roster{Rows: []roster.Row{{Name: "Zoë", Email: "z@b.c", Line: 2}}}}
	for name, test := range map[string]struct{ query, mediaType, body string }{
		"UTF-8":                   {"", "text/csv", "name,email\nZoë,z@b.c\n"},
		"UTF-8, said":             {"", "text/csv; charset=UTF-8", "name,email\nZoë,z@b.c\n"},
		"a charset":               {"", "text/csv; charset=iso-8859-1", "name,email\nZo\xeb,z@b.c\n"},
		"a charset in quotes":     {"", `Text/CSV; charset="windows-1252"; header=present`, "name;email\r\nZo\xeb;z@b.c\r\n"},
		"an encoding":             {"?encoding=latin1", "text/csv", "name,email\nZo\xeb,z@b.c\n"},
		"both, the same":          {"?encoding=latin1", "text/csv; charset=ISO-8859-1", "name,email\nZo\xeb,z@b.c\n"},
		"UTF-16":                  {"", "text/csv", "\xff\xfen\x00a\x00m\x00e\x00,\x00e\x00m\x00a\x00i\x00l\x00\n\x00Z\x00o\x00\xeb\x00,\x00z\x00@\x00b\x00.\x00c\x00"},
		"tabs":                    {"", "text/tab-separated-values", "name\temail\nZoë\tz@b.c\n"},
		"tabs, and another after": {"?delimiter=semicolon", "text/tab-separated-values; charset=utf-8", "name;email\nZoë;z@b.c\n"},
		"bars":                    {"?delimiter=pipe", "text/csv", "name|email\nZoë|z@b.c\n"},
	} {
		t.Run(name, func(t *testing.T) {
			b.registrar.answers(nil)
			if answer := sendRoster(b, test.query, test.mediaType, test.body); answer.StatusCode != http.StatusOK {
				t.Fatalf("got %d: %s", answer.StatusCode, answer.Body)
			}
			calls := b.registrar.called()
			if diff := cmp.Diff([]any{"fall-26", want}, calls[0].Args, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestARosterIsImportedAsItIsAskedFor(t *testing.T) {
	b := newBench(t)
	// Wrong rows are the registrar's to judge.
	answer := sendRoster(b, "?dry_run=true&withdraw_missing=true", "text/csv", "name,email,Section\nAda,a@b.c,1\nBob,bob,2\n")
	in, _ := b.registrar.called()[0].Args[1].(registrar.RosterInput)
	if dry := b.registrar.called()[0].DryRun; !dry || !in.WithdrawMissing || len(in.Rows) != 1 || len(in.Wrong) != 1 || in.Ignored[0] != "Section" {
		t.Errorf("called with %+v, %v", in, dry)
	}
	want := `{"counts":{"changed":1,"new":1,"unchanged":0,"withdrawn":1,"wrong":1},"ignored_columns":["Section"],"rows":[` +
		`{"changes":[],"email":"ada@example.edu","fields":[],"line":2,"name":"Ada","outcome":"new","student_id":"id-student"},` +
		`{"changes":[{"from":"Robert","name":"name","to":"Bob"}],"email":"bob@example.edu","fields":[],"line":3,"name":"Bob","outcome":"changed","student_id":"id-bob"},` +
		`{"changes":[],"email":"x","fields":[{"name":"email","problem":"is odd","remedy":"even it out"}],"line":4,"name":"","outcome":"wrong","student_id":null},` +
		`{"changes":[],"email":"eve@example.edu","fields":[],"line":null,"name":"Eve","outcome":"withdrawn","student_id":"id-eve"}]}`
	if got := strings.TrimSpace(answer.Body); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestARosterThatCannotBeReadSaysWhy(t *testing.T) {
	b := newBench(t)
	for name, test := range map[string]struct {
		query, mediaType, body string
		status                 int
		field                  string
	}{
		"another encoding":       {"", "text/csv", "name,email\nZo\xeb,z@b.c\n", http.StatusBadRequest, "roster:2:3"},
		"two encodings":          {"?encoding=latin1", "text/csv; charset=utf-8", "name,email\nA,z@b.c\n", http.StatusBadRequest, "encoding"},
		"an encoding of no use":  {"?encoding=ebcdic", "text/csv", "name,email\nA,z@b.c\n", http.StatusBadRequest, "encoding"},
		"a delimiter of no use":  {"?delimiter=x", "text/csv", "name,email\nA,z@b.c\n", http.StatusBadRequest, "delimiter"},
		"a charset of no use":    {"", "text/csv; charset=koi8-r", "name,email\nA,z@b.c\n", http.StatusUnsupportedMediaType, ""},
		"a workbook":             {"", "application/vnd.ms-excel", "PK", http.StatusUnsupportedMediaType, ""},
		"JSON":                   {"", "application/json", "[]", http.StatusUnsupportedMediaType, ""},
		"no type":                {"", "", "name,email\n", http.StatusUnsupportedMediaType, ""},
		"no columns":             {"", "text/tab-separated-values", "name,email\nA,z@b.c\n", http.StatusBadRequest, "roster:1:1"},
		"nothing":                {"", "text/csv", "", http.StatusBadRequest, "body"},
		"nothing but the header": {"", "text/csv", "name,email\n", http.StatusBadRequest, "roster:1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			b.registrar.answers(nil)
			p := problem(t, sendRoster(b, test.query, test.mediaType, test.body), test.status)
			if test.field != "" && (len(p.Fields) == 0 || p.Fields[0].Name != test.field) || test.field == "" && p.Hint == "" {
				t.Errorf("%+v", p)
			}
			if calls := b.registrar.called(); len(calls) != 0 {
				t.Errorf("called the registrar: %v", calls)
			}
		})
	}
	b.registrar.answers(lab.NotFound("cohort", "fall-26"))
	problem(t, sendRoster(b, "", "text/csv", "name,email\nA,z@b.c\n"), http.StatusNotFound)
}
