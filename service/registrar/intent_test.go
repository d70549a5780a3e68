package registrar_test

import (
	"errors"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// matching is the office's intent for a thing that has one of some revisions.
func (o *office) matching(revisions ...int64) lab.Intent {
	intent := o.intent
	intent.Match = revisions
	return intent
}

func TestAStaleActSaysWhatTheThingIsNow(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	class := o.launched("Ada")
	now, err := o.Class(ctx, class.ID)
	o.must(err)
	workspace, err := o.Workspace(ctx, "fall-26-py101-ada")
	o.must(err)
	asked := o.cluster.asked()
	for _, test := range []struct {
		do   func() error
		want any
	}{
		{
			func() error {
				return second(o.ActOnClass(ctx, o.matching(1), class.ID, registrar.ActRestart))
			},
			now,
		},
		{
			func() error {
				return second(o.ActOnWorkspace(ctx, o.matching(99), workspace.ID, registrar.ActRestart))
			},
			workspace,
		},
		{
			func() error { return second(o.DeleteWorkspace(ctx, o.matching(7), workspace.ID, false)) },
			workspace,
		},
	} {
		stale := o.refused(lab.CodeStale, test.do)
		wantEqual(t, stale.Current, test.want)
	}
	wantEqual(t, o.cluster.asked(), asked)
	o.must(second(o.ActOnWorkspace(ctx, o.matching(workspace.Version), workspace.ID, registrar.ActRestart)))
}

func TestADryRunAsksTheCluster(t *testing.T) {
	t.Parallel()
	o := open(t)
	class := o.class("Ada")
	dry := o.intent
	dry.DryRun = true
	result, err := o.ActOnClass(t.Context(), dry, class.ID, registrar.ActLaunch)
	o.must(err)
	wantEqual(t, []any{result.Affected, o.cluster.asked(), len(o.state())}, []any{1, 1, 0})
	o.cluster.err = lab.Errorf(lab.CodeUnplaceable, "no room")
	o.refused(lab.CodeUnplaceable, func() error {
		return second(o.ActOnClass(t.Context(), dry, class.ID, registrar.ActLaunch))
	})
}

func TestAnActUnderAUsedKeyIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	intent := o.intent
	intent.Key = "monday"
	o.must(second(o.CreateCohort(ctx, intent, registrar.CohortInput{Name: "Fall 26"})))
	err := o.refused(lab.CodeConflict, func() error {
		return second(o.CreateCohort(ctx, intent, registrar.CohortInput{Name: "Spring 27"}))
	})
	if !errors.Is(err, lab.ErrDone) {
		t.Errorf("got %v", err)
	}
}
