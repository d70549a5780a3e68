package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/tracing/tracingtest"
)

// traces: a launch is told from the request to the servers. The collector is the
// test's own; Nomad, Vault and Consul are real.
func traces(t *testing.T, d *dev) {
	collector := tracingtest.New(t)
	s := newServer(t, d, "traced", fmt.Sprintf("telemetry {\n  otlp_endpoint = %q\n}\n", collector.URL))
	second := *d
	second.api = s.api
	class := second.createClass(t, "Traces", "trace", "shell", nil, student("Mary Somerville", 1))
	defer second.deleteClass(t, class.Key)
	if _, err := s.api.LaunchClass(t.Context(), class.Key); err != nil {
		t.Fatal(err)
	}
	slug := second.classReady(t, class.Key)[0].Slug

	ctx, cancel := context.WithTimeout(t.Context(), readyLimit)
	defer cancel()
	await := func(name string) tracingtest.Span {
		t.Helper()
		span, err := collector.Await(ctx, func(s tracingtest.Span) bool { return s.Name == name })
		if err != nil {
			t.Fatalf("%s: %v; there are %v", name, err, namesOf(collector.Spans()))
		}
		return span
	}
	request := await("launchClass")
	// The end of an action is the last of it to be sent.
	action := await("reconcile register")
	pass, err := collector.Await(ctx, func(s tracingtest.Span) bool {
		return s.Name == "reconcile pass" && slices.Contains(action.Links, s.Trace)
	})
	if err != nil {
		t.Errorf("the pass that decided the action: %v", err)
	}
	if request.Parent != "" || action.Parent != "" || pass.Parent != "" {
		t.Errorf("these begin traces: %+v, %+v, %+v", request, action, pass)
	}
	for parent, children := range map[string][]string{
		request.ID: {"nomad PUT /v1/jobs/parse", "nomad PUT /v1/job/*/plan", "store change a class"},
		action.ID: {
			"vault PUT /v1/bothy/data/workspaces/*/env", "nomad PUT /v1/volume/host/create", "nomad PUT /v1/jobs/parse", "nomad PUT /v1/jobs",
			"store record a submission",
		},
	} {
		for _, name := range children {
			if !slices.ContainsFunc(collector.Spans(), func(s tracingtest.Span) bool { return s.Parent == parent && s.Name == name }) {
				t.Errorf("no span %q below its parent; there are %v", name, childrenOf(collector.Spans(), parent))
			}
		}
	}
	// Nomad's client opens a WebSocket on a plain transport only.
	// Consul may have seen the workspace answer before Nomad's servers know that it runs.
	eventually(t, readyLimit, "a command on a traced server", func(ctx context.Context) error {
		var said strings.Builder
		code, err := s.api.Exec(ctx, slug, client.ExecOptions{Command: []string{"echo", "hello"}, Stdout: &said, Stderr: &said})
		if err != nil || code != 0 || said.String() != "hello\n" {
			return fmt.Errorf("exit code %d, %w, %q", code, err, said.String())
		}
		return nil
	})
	if _, err := s.api.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	status := await("getStatus")
	eventually(t, readyLimit, "Consul's span", func(context.Context) error {
		if children := childrenOf(collector.Spans(), status.ID); !slices.Contains(children, "consul GET /v1/status/leader") {
			return fmt.Errorf("there are %v", children)
		}
		return nil
	})
	for _, span := range collector.Spans() {
		text := fmt.Sprint(span)
		if names := d.seen.in([]byte(text)); len(names) > 0 {
			t.Errorf("the span %s holds %v", span.Name, names)
		}
		for _, private := range []string{slug, "Somerville", "somerville", "example"} {
			if strings.Contains(text, private) {
				t.Errorf("a span holds %q: %s", private, text)
			}
		}
	}
	t.Logf("the request: %v", childrenOf(collector.Spans(), request.ID))
	t.Logf("the action: %v", childrenOf(collector.Spans(), action.ID))
}

func namesOf(spans []tracingtest.Span) []string {
	var names []string
	for _, s := range spans {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func childrenOf(spans []tracingtest.Span, parent string) []string {
	var names []string
	for _, s := range spans {
		if s.Parent == parent {
			names = append(names, s.Name)
		}
	}
	return names
}
