package reconcile

import (
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// TestASubmissionOfUnknownOutcomeIsSettledByItsSource: the process died after Nomad
// took the job and before that was recorded.
func TestASubmissionOfUnknownOutcomeIsSettledByItsSource(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*world, *simJob)
		drifted bool
	}{
		{"it is ours", func(*world, *simJob) {}, false},
		{"another hand changed it since", func(w *world, job *simJob) {
			w.index++
			job.index, job.source = w.index, "theirs"
		}, true},
		{"the cluster keeps no sources", func(_ *world, job *simJob) { job.source = "" }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			w.add(1, lab.DesiredRunning)
			r := process(w)
			e := effects{cfg: r.cfg, epoch: r.epoch}
			if err := e.do(t.Context(), task{action: Action{Kind: KindRegister}, item: Item{WorkItem: *w.items["w1"]}}); err != nil {
				t.Fatal(err)
			}
			item := w.items["w1"]
			item.Submitted.At, item.Submitted.JobModifyIndex = time.Time{}, 0 // as it was recorded before Nomad was asked
			test.change(w, w.jobs[item.Slug.JobID()])

			for range 3 {
				if err := r.pass(t.Context()); err != nil {
					t.Fatal(err)
				}
				for _, next := range r.queue {
					if err := e.do(t.Context(), next); err != nil {
						t.Fatal(err)
					}
				}
				w.step()
			}
			if meant(item.Submitted) || item.Status.Drifted != test.drifted || item.Status.Phase != lab.PhaseReady {
				t.Errorf("submitted %+v, status %+v; want it settled and drifted %v", item.Submitted, item.Status, test.drifted)
			}
			if w.count("register") != 1 {
				t.Errorf("registered %d times", w.count("register"))
			}
		})
	}
}
