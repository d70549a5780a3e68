package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

const token = "a-token-that-is-long-enough"

// serve starts a server that gives every request one answer, and a client of it.
func serve(t *testing.T, status int, mediaType, body string) (*client.Client, *[]*http.Request) {
	t.Helper()
	var seen []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r)
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Location", "http://elsewhere.invalid/")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return connect(t, server.URL), &seen
}

func connect(t *testing.T, addr string) *client.Client {
	t.Helper()
	c, err := client.New(addr, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAProblemBecomesACodedError(t *testing.T) {
	c, _ := serve(t, http.StatusConflict, "application/problem+json", `{
		"type": "urn:bothy:problem:conflict", "title": "Conflict", "status": 409, "code": "conflict",
		"detail": "the key is taken", "hint": "choose another", "request_id": "r-1",
		"fields": [{"name": "key", "problem": "is taken", "remedy": "choose another"}]}`)
	_, err := c.CreateCohort(t.Context(), client.CohortInput{Name: "Fall 26"})

	var problem *client.Problem
	if !errors.As(err, &problem) || problem.Status != http.StatusConflict || problem.RequestID != "r-1" {
		t.Fatalf("got %v", err)
	}
	if lab.CodeOf(err) != lab.CodeConflict {
		t.Errorf("the code is %s", lab.CodeOf(err))
	}
	var coded *lab.Error
	want := &lab.Error{
		Code: lab.CodeConflict, Message: "the key is taken", Hint: "choose another",
		Fields: []lab.Field{{Name: "key", Problem: "is taken", Remedy: "choose another"}},
	}
	if !errors.As(err, &coded) || cmp.Diff(want, coded) != "" {
		t.Error(cmp.Diff(want, coded))
	}
	if err.Error() != "the key is taken: key: is taken (choose another)" {
		t.Error(err)
	}
}

func TestEveryOtherAnswerIsExplained(t *testing.T) {
	for name, test := range map[string]struct {
		status          int
		mediaType, body string
	}{
		"a web page":                   {http.StatusOK, "text/html", "<h1>Welcome to nginx</h1>"},
		"an error of a proxy":          {http.StatusBadGateway, "text/html", "<h1>Bad Gateway</h1>"},
		"a redirect":                   {http.StatusFound, "text/html", ""},
		"half a document":              {http.StatusOK, "application/json", `{"items": [`},
		"a success that is not known":  {http.StatusPartialContent, "application/json", `{}`},
		"a problem without a code":     {http.StatusBadGateway, "application/problem+json", `{}`},
		"a problem that is cut short":  {http.StatusBadGateway, "application/problem+json", `{`},
		"another kind of JSON success": {http.StatusOK, "application/json", `[]`},
	} {
		t.Run(name, func(t *testing.T) {
			c, seen := serve(t, test.status, test.mediaType, test.body)
			_, err := c.Cohorts(t.Context())
			if lab.CodeOf(err) != lab.CodeUnavailable {
				t.Errorf("got %v", err)
			}
			if len(*seen) != 1 {
				t.Errorf("sent %d requests", len(*seen))
			}
		})
	}
}

func TestAServerThatIsAwayIsUnavailableWithAHint(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = connect(t, addr).Cohorts(t.Context())
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code != lab.CodeUnavailable || !strings.Contains(coded.Message, addr) || !strings.Contains(coded.Hint, "BOTHY_ADDR") {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), token) {
		t.Errorf("the error tells the token: %v", err)
	}
}

func TestACallThatIsGivenUpSaysSo(t *testing.T) {
	c, _ := serve(t, http.StatusOK, "application/json", `{}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Cohorts(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRequestsCarryTheTokenAndTheNames(t *testing.T) {
	c, seen := serve(t, http.StatusAccepted, "application/json", `{"id": "o", "affected": 2}`)
	result, err := c.LaunchClass(t.Context(), "fall-26/py101")
	if err != nil || result.Affected != 2 {
		t.Fatalf("got %+v, %v", result, err)
	}
	r := (*seen)[0]
	if r.URL.Path != "/v1/classes/fall-26~py101/launch" || r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+token {
		t.Errorf("sent %s %s", r.Method, r.URL)
	}
}

func TestAFilterBecomesAQuery(t *testing.T) {
	c, seen := serve(t, http.StatusOK, "application/json", `{"items": [{"slug": "a-b-c"}], "next_cursor": null}`)
	for _, filter := range []client.WorkspaceFilter{{}, {Class: "fall-26/py101", Cohort: "fall-26", IncludeDeleted: true}} {
		workspaces, err := c.Workspaces(t.Context(), filter)
		if err != nil || len(workspaces) != 1 || workspaces[0].Slug != "a-b-c" {
			t.Fatalf("got %+v, %v", workspaces, err)
		}
	}
	if got := (*seen)[0].URL.RawQuery; got != "limit=1000" {
		t.Errorf("sent %s", got)
	}
	want := map[string][]string{"limit": {"1000"}, "class": {"fall-26~py101"}, "cohort": {"fall-26"}, "include_deleted": {"true"}}
	if diff := cmp.Diff(want, map[string][]string((*seen)[1].URL.Query())); diff != "" {
		t.Error(diff)
	}
}

func TestNamesUnderLocalhostReachThisMachine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(client.CohortList{Items: []client.Cohort{{Name: r.Host}}})
	}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cohorts, err := connect(t, "http://bothy.localhost:"+port+"/").Cohorts(t.Context())
	if err != nil || cohorts[0].Name != "bothy.localhost:"+port {
		t.Fatalf("got %v, %v", cohorts, err)
	}
}

func TestAnUnusableAddressOrTokenIsRefused(t *testing.T) {
	for addr, token := range map[string]string{
		"":                                token,
		"127.0.0.1:8080":                  token,
		"ftp://127.0.0.1":                 token,
		"http://":                         token,
		"http://me:secret@127.0.0.1:8080": token,
		"http://127.0.0.1:8080?x=y":       token,
		"http://127.0.0.1:8080":           "",
		"http://127.0.0.1:8081":           "two\nlines",
	} {
		_, err := client.New(addr, token)
		var coded *lab.Error
		if !errors.As(err, &coded) || coded.Code != lab.CodeInvalid || len(coded.Fields) != 1 || coded.Fields[0].Remedy == "" {
			t.Errorf("%q: got %v", addr, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells a secret: %v", addr, err)
		}
	}
}

func problemOf(t *testing.T, err error) *client.Problem {
	t.Helper()
	var problem *client.Problem
	if !errors.As(err, &problem) {
		t.Fatalf("got %v", err)
	}
	return problem
}

func TestAMessageThatIsCutOffIsNotGivenAndReadAgain(t *testing.T) {
	var resumed []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resumed = append(resumed, r.Header.Get("Last-Event-ID"))
		w.Header().Set("Content-Type", "text/event-stream")
		first := "id: 1-a\nevent: hello\ndata: {\"id\":\"1-a\"}\n\n: alive\nid: 5-a\n\nid: 6-a\nevent: class.changed\ndata: {\"id\":\"6-a\"}\n"
		if len(resumed) > 1 {
			first = "id: 6-a\nevent: class.changed\ndata: {\"id\":\"6-a\"}\n\n"
		}
		_, _ = w.Write([]byte(first))
	}))
	defer server.Close()
	var got []string
	for event, err := range connect(t, server.URL).Events(t.Context(), client.EventFilter{}, "") {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, event.ID); len(got) == 2 {
			break
		}
	}
	if diff := cmp.Diff([][]string{{"1-a", "6-a"}, {"", "5-a"}}, [][]string{got, resumed}); diff != "" {
		t.Error(diff)
	}
}

func TestAServerThatIsAwayIsTriedAgain(t *testing.T) {
	answers := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if answers++; answers < 3 {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"code":"unavailable","status":503,"detail":"not now"}`))
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("id: 1-a\nevent: hello\ndata: {\"id\":\"1-a\"}\n\n"))
	}))
	defer server.Close()
	var codes []lab.Code
	for event, err := range connect(t, server.URL).Events(t.Context(), client.EventFilter{}, "") {
		if codes = append(codes, lab.CodeOf(err)); event.Type == client.EventHello {
			break
		}
	}
	if diff := cmp.Diff([]lab.Code{lab.CodeUnavailable, lab.CodeUnavailable, ""}, codes); diff != "" {
		t.Error(diff)
	}
}
