package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/tracing/tracingtest"
)

func TestARequestIsOneTraceDownToTheDatabase(t *testing.T) {
	collector := tracingtest.New(t)
	cfg := settings(t)
	cfg.Telemetry.OTLPEndpoint = collector.URL
	s := start(t, cfg)
	template := "shell"
	students := []client.StudentInput{{Name: "Ana Pérez", Email: "ana@example.edu"}}
	if _, err := s.client.CreateClass(t.Context(), client.ClassInput{Cohort: "Fall 26", Course: "linux", Template: &template, Students: &students}); err != nil {
		t.Fatal(err)
	}
	// Refused: its text names the student.
	if _, err := s.client.EnrollStudent(t.Context(), "fall-26", students[0]); err == nil {
		t.Fatal("a student is enrolled twice")
	}
	s.stop() // what is left is sent at the end

	byName := map[string]tracingtest.Span{}
	for _, span := range collector.Spans() {
		byName[span.Name] = span
		text := fmt.Sprint(span)
		for _, private := range []string{"Ana", "ana", "Pérez", "example.edu", token} {
			if strings.Contains(text, private) {
				t.Errorf("a span holds %q: %s", private, text)
			}
		}
		if strings.HasPrefix(span.Name, "probe:") {
			t.Errorf("a probe is traced: %s", text)
		}
	}
	request, change := byName["createClass"], byName["store create a class"]
	if request.ID == "" || request.Parent != "" || change.Parent != request.ID || change.Trace != request.Trace {
		t.Errorf("the request is %+v, its transaction %+v", request, change)
	}
	if request.Attributes["bothy.request_id"] == "" || !strings.Contains(request.Attributes["http.response.status_code"], "201") {
		t.Errorf("the request says %v", request.Attributes)
	}
	if refused := byName["store enroll students"]; refused.Error != "conflict" {
		t.Errorf("the refused transaction is %+v", refused)
	}
	found := false
	for line := range strings.Lines(s.log.String()) {
		found = found || strings.Contains(line, "operation=createClass") && strings.Contains(line, "trace_id="+request.Trace)
	}
	if !found {
		t.Errorf("no line of the request's names its trace:\n%s", s.log.String())
	}
}

func TestATraceGoesOnFromTheCallers(t *testing.T) {
	collector := tracingtest.New(t)
	cfg := settings(t)
	cfg.Telemetry.OTLPEndpoint = collector.URL
	s := start(t, cfg)
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address+"/v1/cohorts", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Traceparent", "00-"+trace+"-"+parent+"-01")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	s.stop()
	for _, span := range collector.Spans() {
		if span.Name == "listCohorts" && span.Trace == trace && span.Parent == parent {
			return
		}
	}
	t.Errorf("got %+v", collector.Spans())
}

// Nobody waits for a collector: requests are answered while it holds every export
// back, and the server's end comes without it.
func TestACollectorThatHangsHoldsNothingUp(t *testing.T) {
	release := make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(collector.Close)
	t.Cleanup(func() { close(release) })
	cfg := settings(t)
	cfg.Telemetry.OTLPEndpoint = collector.URL
	s := start(t, cfg)
	for range 100 {
		if _, err := s.client.Cohorts(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.stop()
}

func TestACollectorThatIsGoneIsInTheLogAndHarmsNothing(t *testing.T) {
	cfg := settings(t)
	cfg.Telemetry.OTLPEndpoint = "http://127.0.0.1:1"
	s := start(t, cfg)
	if _, err := s.client.Cohorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if log := s.log.String(); strings.Count(log, "the collector of traces does not take them") != 1 {
		t.Errorf("the log does not say so once:\n%s", log)
	}
}
