package store_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// operationsTold gives what was told of operations after an event: "<id> running: 1 done, 2 pending".
func (f *fixture) operationsTold(after int64) []string {
	f.t.Helper()
	all := []string{}
	for _, e := range f.told(after) {
		if e.Type != lab.EventOperationChanged {
			continue
		}
		var o struct {
			ID      string
			State   string
			Counts  struct{ Total, Pending, Done, Failed, Superseded int }
			EndedAt *time.Time `json:"ended_at"`
		}
		f.must(json.Unmarshal(e.Data, &o))
		if o.ID != e.SubjectID || (o.EndedAt == nil) != (o.State == "running") {
			f.t.Errorf("the event of %s says %s", e.SubjectID, e.Data)
		}
		all = append(all, fmt.Sprintf("%s %s", o.ID, countsOf(lab.Operation{State: lab.OperationState(o.State), Counts: o.Counts})))
	}
	return all
}

func TestAnOperationIsToldFromItsBeginningToItsEnd(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, epoch := f.stoppedClass(4)
		step := func(what string, act func(), want ...string) {
			t.Helper()
			before := f.lastEvent()
			act()
			if want == nil {
				want = []string{}
			}
			if got := f.operationsTold(before); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s told %q, want %q", what, got, want)
			}
		}
		var launch, stop lab.Operation
		before := f.lastEvent()
		launch = f.acted(class, lab.OperationLaunch)
		wantEqual(t, f.operationsTold(before), []string{launch.ID + " running: 0 done, 0 failed, 0 superseded, 4 pending of 4"})
		step("what no item awaits", func() { f.see(epoch, lab.PhaseStarting, all...) })
		step("one item", func() { f.see(epoch, lab.PhaseReady, all[0]) }, launch.ID+" running: 1 done, 0 failed, 0 superseded, 3 pending of 4")
		step("two items at once", func() { f.see(epoch, lab.PhaseReady, all[1], all[2]) },
			launch.ID+" running: 3 done, 0 failed, 0 superseded, 1 pending of 4")
		before = f.lastEvent()
		stop = f.acted(class, lab.OperationStop)
		wantEqual(t, f.operationsTold(before), []string{
			launch.ID + " superseded: 3 done, 0 failed, 1 superseded, 0 pending of 4",
			stop.ID + " running: 0 done, 0 failed, 0 superseded, 4 pending of 4",
		})
		step("the end", func() { f.see(epoch, lab.PhaseStopped, all...) }, stop.ID+" done: 4 done, 0 failed, 0 superseded, 0 pending of 4")
		before = f.lastEvent()
		again := f.acted(class, lab.OperationStop)
		wantEqual(t, f.operationsTold(before), []string{again.ID + " done: 4 done, 0 failed, 0 superseded, 0 pending of 4"})
		step("what nobody awaits any more", func() { f.see(epoch, lab.PhaseFailed, all...) })
	})
}

func TestAnOperationIsToldToThoseWhoFollowItsClass(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, epoch := f.stoppedClass(1)
		before := f.lastEvent()
		f.acted(class, lab.OperationDelete)
		f.must(f.RecordDeleted(t.Context(), epoch, all[0].ID, f.now)) // takes the class along
		seen := 0
		for _, e := range f.told(before) {
			if e.Type != lab.EventOperationChanged {
				continue
			}
			seen++
			wantEqual(t, []string{e.ClassID, e.CohortID, e.CourseID, e.StudentID}, []string{class.ID, class.CohortID, class.CourseID, ""})
		}
		wantEqual(t, seen, 2)
		told := types(f.told(before))
		wantEqual(t, told[len(told)-1], "class.deleted of "+class.ID) // and so after the operation's end
	})
}

func TestAnOperationOnManyIsNotToldForEach(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, epoch := f.stoppedClass(300)
		before := f.lastEvent()
		launch := f.acted(class, lab.OperationLaunch)
		for _, w := range all[:299] {
			f.see(epoch, lab.PhaseReady, w)
		}
		got := f.operationsTold(before)
		if len(got) > 101 || len(got) < 50 {
			t.Errorf("%d messages of 300 changes", len(got))
		}
		before = f.lastEvent()
		f.see(epoch, lab.PhaseReady, all[299])
		wantEqual(t, f.operationsTold(before), []string{launch.ID + " done: 300 done, 0 failed, 0 superseded, 0 pending of 300"})
	})
}

func TestAVersionOfATemplateIsToldOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		before := f.lastEvent()
		f.register("shell", "one")
		two := f.register("shell", "two")
		f.register("shell", "two")
		told := f.told(before)
		if len(told) != 2 {
			t.Fatalf("told %q", types(told))
		}
		wantEqual(t, types(told[1:]), []string{"template.registered of " + two.ID})
		var data map[string]any
		f.must(json.Unmarshal(told[1].Data, &data))
		wantEqual(t, data, map[string]any{"id": two.ID, "name": "shell", "version": 2.0, "digest": two.Digest})
	})
}
