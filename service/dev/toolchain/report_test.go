package toolchain

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTextReporter(t *testing.T) {
	var b strings.Builder
	report := TextReporter(&b)
	for _, e := range []Event{
		{Kind: Found, Tool: Nomad, Text: "1.11.3 (on PATH) /usr/bin/nomad"},
		{Kind: Note, Text: "another process is using apt; waiting for that"},
		{Kind: Started, Step: 1, Steps: 2, Text: "installs from Debian:\n  iptables: rules"},
		{Kind: Done, Step: 1, Steps: 2, Elapsed: 4 * time.Second},
		{Kind: Started, Tool: Consul, Step: 2, Steps: 2, Text: "builds version 1.22.5"},
		{Kind: Progress, Tool: Consul, Step: 2, Steps: 2, Elapsed: 10 * time.Second},
		{Kind: Progress, Tool: Consul, Step: 2, Steps: 2, Text: "31 packages compiled", Elapsed: 80 * time.Second},
		{Kind: Done, Tool: Consul, Step: 2, Steps: 2, Elapsed: 5 * time.Minute},
	} {
		report(e)
	}
	want := `nomad: 1.11.3 (on PATH) /usr/bin/nomad
another process is using apt; waiting for that
[1/2] packages: installs from Debian:
  iptables: rules
[1/2] packages: done in 4s
[2/2] consul: builds version 1.22.5
[2/2] consul: 10s
[2/2] consul: 1m20s, 31 packages compiled
[2/2] consul: done in 5m0s
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestStepThatFailsIsNotReportedAsDone(t *testing.T) {
	var kinds []Kind
	r := &reporter{to: func(e Event) { kinds = append(kinds, e.Kind) }, now: time.Now}
	broken := errors.New("broken")
	if err := r.step(Event{Tool: Nomad}, func(*progress) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]Kind{Started}, kinds); diff != "" {
		t.Error(diff)
	}
}
