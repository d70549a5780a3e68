package reconcile

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/bothylabs/bothy/service/lab"
)

// process is one life of the reconciler: everything in it is lost when it is killed.
func process(w *world) *round {
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		panic(err)
	}
	epoch, _ := w.ClaimEpoch(nil) //nolint:staticcheck // the world has no use for a context
	return &round{
		cfg: Config{
			Store: w, Nomad: w, Health: consul{w}, Secrets: w, Jobs: w, Installation: here,
			Logger: slog.New(slog.DiscardHandler), Now: w.now, Passed: func(Pass) {},
		},
		metrics: m, epoch: epoch, faults: newFaults(0), busy: map[string]struct{}{},
	}
}

// turnOnce passes and does all that was decided, one after the other, until killed.
func (r *round) turnOnce(t *rapid.T) (acted int, killed bool) {
	ctx := t.Context()
	if err := r.pass(ctx); err != nil {
		if errors.Is(err, errKilled) {
			return 0, true
		}
		t.Fatalf("pass: %v", err)
	}
	e := effects{cfg: r.cfg, epoch: r.epoch}
	for _, task := range r.queue {
		acted++
		err := e.do(ctx, task)
		switch {
		case errors.Is(err, errKilled):
			return acted, true
		case err != nil && lab.CodeOf(err) != lab.CodeConflict:
			t.Fatalf("%s %s: %v", task.action.Kind, task.action.JobID, err)
		}
	}
	return acted, false
}

// TestKilledAnywhereItConverges kills the reconciler at every line, several times,
// between changes of mind, and then lets it run: everything ends as wanted, is
// recorded truly, and what is not ours was not touched.
func TestKilledAnywhereItConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		wishes := rapid.SampledFrom([]lab.Desired{lab.DesiredRunning, lab.DesiredStopped, lab.DesiredDeleted})
		for range rapid.IntRange(1, 4).Draw(t, "workspaces") {
			w.add(1, wishes.Draw(t, "wish"))
		}
		foreign := &simJob{mark: lab.Mark{InstallationID: "another", WorkspaceID: "w9"}, source: "theirs", index: 7}
		if rapid.Bool().Draw(t, "one is taken by a foreign job") {
			foreign.allocs = []lab.Alloc{{ID: "theirs", Client: lab.AllocRunning, WantedRunning: true}}
			w.jobs[w.items["w1"].Slug.JobID()] = foreign
		}
		untouched := foreign.index

		for range rapid.IntRange(1, 12).Draw(t, "lives") {
			w.killAt = rapid.IntRange(0, 14).Draw(t, "killed at call")
			w.killAfterEffect = rapid.Bool().Draw(t, "after its effect")
			r := process(w)
			for range 3 {
				if _, killed := r.turnOnce(t); killed {
					break
				}
				if rapid.Bool().Draw(t, "Nomad goes on") {
					w.step()
				}
			}
			w.changeOfMind(t, wishes)
		}

		w.killAt = -1
		r := process(w)
		rounds := 0
		for acted := 1; acted > 0 || rounds < 3; rounds++ {
			acted, _ = r.turnOnce(t)
			w.step()
			if rounds > 12 {
				t.Fatalf("it never comes to rest: %v", r.queue)
			}
		}
		if err := r.pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.assertSettled(t, foreign, untouched)
	})
}

// changeOfMind is what people and operators do between two lives.
func (w *world) changeOfMind(t *rapid.T, wishes *rapid.Generator[lab.Desired]) {
	for _, id := range []string{"w1", "w2"} {
		item := w.items[id]
		if item == nil || item.Desired == lab.DesiredDeleted {
			continue
		}
		switch rapid.IntRange(0, 5).Draw(t, "change of mind") {
		case 0:
			item.Desired = wishes.Draw(t, "wish")
			item.ReleaseHome = rapid.Bool().Draw(t, "release the home")
		case 1:
			item.RestartsWanted++
			w.owed[id] = 0
			if job := w.jobs[item.Slug.JobID()]; job != nil {
				w.owed[id] = job.starts
			}
		case 3:
			item.ResetsWanted++
			w.owedHomes[id] = w.made[item.Slug.HomeVolume()]
		case 2:
			w.version = rapid.SampledFrom([]string{"v1", "v2", "v3"}).Draw(t, "version")
		}
	}
}

// assertReset says that no home is left that was there when a reset was asked for.
func (w *world) assertReset(t *rapid.T, item *lab.WorkItem) {
	home := item.Slug.HomeVolume()
	before, asked := w.owedHomes[item.ID]
	if !asked || item.Desired == lab.DesiredDeleted {
		return
	}
	if item.ResetsDone != item.ResetsWanted || w.homes[home] > 0 && w.made[home] <= before {
		t.Errorf("%s: %d resets wanted, %d done, home made %d times, %d before", home, item.ResetsWanted, item.ResetsDone, w.made[home], before)
	}
}

func (w *world) assertSettled(t *rapid.T, foreign *simJob, untouched uint64) {
	if len(w.deletedInUse) > 0 {
		t.Errorf("homes were deleted while in use: %v", w.deletedInUse)
	}
	for _, item := range w.items {
		id := item.Slug.JobID()
		job := w.jobs[id]
		if job == foreign {
			if foreign.index != untouched || foreign.stopped {
				t.Errorf("%s: the foreign job was touched", id)
			}
			continue
		}
		live := job != nil && !job.stopped
		if w.homes[item.Slug.HomeVolume()] > 1 {
			t.Errorf("%s has %d homes", id, w.homes[item.Slug.HomeVolume()])
		}
		w.assertReset(t, item)
		switch item.Desired {
		case lab.DesiredRunning:
			if !live || item.Status.Phase != lab.PhaseReady {
				t.Errorf("%s should run: live %v, %s: %s", id, live, item.Status.Phase, item.Status.Reason)
				continue
			}
			if item.Status.Drifted {
				t.Errorf("%s counts as drifted", id)
			}
			if !item.Status.Outdated && (meant(item.Submitted) || item.Submitted.JobModifyIndex != job.index) {
				t.Errorf("%s: recorded %+v, Nomad has index %d", id, item.Submitted, job.index)
			}
			if owed, ok := w.owed[item.ID]; ok && job.starts <= owed || item.RestartsWanted != item.Submitted.RestartsDone {
				t.Errorf("%s: %d restarts wanted, %d done, and %d starts", id, item.RestartsWanted, item.Submitted.RestartsDone, job.starts)
			}
			if w.homes[item.Slug.HomeVolume()] != 1 || !w.secrets[id] {
				t.Errorf("%s runs without its home or its secret", id)
			}
		case lab.DesiredStopped:
			if live || item.Status.Phase != lab.PhaseStopped {
				t.Errorf("%s should be stopped: live %v, %s", id, live, item.Status.Phase)
			}
		case lab.DesiredDeleted:
			if live || item.DeletedAt == nil || w.secrets[id] {
				t.Errorf("%s should be gone: live %v, deleted %v, secret %v", id, live, item.DeletedAt, w.secrets[id])
			}
			if item.ReleaseHome && w.homes[item.Slug.HomeVolume()] != 0 {
				t.Errorf("%s: its home was not released", id)
			}
		}
	}
}
