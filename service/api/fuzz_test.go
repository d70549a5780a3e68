package api_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/bothylabs/bothy/service/api"
)

// FuzzBodies: whatever is sent, the answer is a success or a problem that names
// something, and never a fault of Bothy's.
func FuzzBodies(f *testing.F) {
	b := newBench(f)
	targets := []struct{ method, target, mediaType string }{
		{http.MethodPost, "/v1/classes", "application/json"},
		{http.MethodPost, "/v1/cohorts", "application/json"},
		{http.MethodPost, "/v1/courses", "application/json"},
		{http.MethodPatch, "/v1/courses/py101", "application/json"},
		{http.MethodPost, "/v1/cohorts/fall-26/students", "application/json"},
		{http.MethodPost, "/v1/cohorts/fall-26/roster", "text/csv"},
	}
	for _, seed := range []string{
		`{"name":"Fall 26"}`, `{"cohort":"a","course":"b","students":[{"name":"A","email":"a@b.c"}],"parameters":{"x":[1,null,{}]}}`,
		`{"name":"A","email":"a@b.c"}`, `{"name":"A","name":"B"}`, "name,email\nAda,ada@example.edu\n", "\xff\xfe", `{"a":`, `[[[[`, `null`, `1e999`, `"\ud800"`, "",
	} {
		for i := range targets {
			f.Add(uint8(i), seed)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		b.log.Reset()
		b.registrar.answers(nil)
		to := targets[int(which)%len(targets)]
		r := request(to.method, to.target, body)
		r.Header.Set("Content-Type", to.mediaType)
		answer := b.do(r)
		sent := answer.Body
		switch {
		case answer.StatusCode >= http.StatusInternalServerError:
			t.Fatalf("%d: %s\n%s", answer.StatusCode, sent, b.log)
		case answer.StatusCode >= http.StatusBadRequest:
			var p api.Problem
			if err := json.Unmarshal([]byte(sent), &p); err != nil || p.Detail == "" {
				t.Fatalf("%v: %s", err, sent)
			}
			if answer.StatusCode == http.StatusBadRequest && len(p.Fields) == 0 {
				t.Fatalf("no field is named: %s", sent)
			}
			if calls := b.registrar.called(); len(calls) != 0 {
				t.Fatalf("called the registrar: %v", calls)
			}
		}
	})
}
