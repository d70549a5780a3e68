package registrar_test

import (
	"context"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/placement"
	"github.com/bothylabs/bothy/service/registrar"
)

// roomFor gives the cluster one node with room for so many.
func (o *office) roomFor(n int) {
	o.cluster.survey = placement.Cluster{
		SampledAt: o.now, Pinned: true, Needs: placement.Amounts{Memory: 100}, Homes: map[string]string{}, Jobs: map[string]placement.Job{},
		Nodes: []placement.Node{{ID: "n1", Name: "lab-1", Room: n, Lacks: []string{"memory exhausted"}, Free: placement.Amounts{Memory: int64(n) * 100}}},
	}
}

// runs says that workspaces run on the node, submitted with a fingerprint.
func (o *office) runs(fingerprint string, slugs ...lab.Slug) {
	o.t.Helper()
	epoch, err := o.store.ClaimEpoch(context.Background())
	o.must(err)
	for _, slug := range slugs {
		w, err := o.Workspace(context.Background(), slug.String())
		o.must(err)
		o.must(o.store.RecordSubmission(context.Background(), epoch, w.ID, lab.Submission{Fingerprint: fingerprint, JobModifyIndex: 7, At: o.now}))
		o.must(o.store.RecordStatuses(context.Background(), epoch, map[string]lab.Status{w.ID: {Phase: lab.PhaseReady, Since: o.now}}))
		o.cluster.survey.Jobs[slug.JobID()] = placement.Job{Live: true, Node: "n1"}
		o.cluster.survey.Homes[slug.HomeVolume()] = "n1"
	}
}

func (o *office) planned(act registrar.Act) registrar.ClassPlan {
	o.t.Helper()
	before := o.everything()
	plan, err := o.PlanClass(context.Background(), "fall-26/py101", act)
	o.must(err)
	wantEqual(o.t, o.everything(), before)
	return plan
}

func TestThePlanOfALaunchCountsStudentsWithoutAWorkspace(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.launched("Ada", "Bob")
	o.roomFor(2)
	o.runs("as of old", "fall-26-py101-ada")
	o.cluster.plan = placement.JobPlan{Replaces: 1}
	o.must(second(o.EnrollStudent(t.Context(), o.intent, "fall-26", person("Eve", 7))))
	o.must(second(o.EnrollStudent(t.Context(), o.intent, "fall-26", person("Zoe", 8))))

	plan := o.planned(registrar.ActLaunch)
	wantEqual(t, plan.Summary(), "2 create, 1 update, 1 unplaceable: memory exhausted on 1 node")
	wantEqual(t, plan.Reasons[0].Workspaces, []string{"fall-26-py101-zoe"})
	wantEqual(t, plan.Warnings, []string{"1 of the updates wait until nobody is at work, or for a restart"})
	question := o.cluster.questions[0]
	wantEqual(t, question.Count, 4)
	wantEqual(t, question.JobIDs, []string{"bothy-fall-26-py101-ada", "bothy-fall-26-py101-bob", "bothy-fall-26-py101-eve", "bothy-fall-26-py101-zoe"})
	if !strings.Contains(string(question.Job), "fall-26-py101-ada") || len(question.Volume) == 0 {
		t.Errorf("asked with the files\n%s\n%s", question.Job, question.Volume)
	}
}

func TestThePlansOfTheOtherActs(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.launched("Ada", "Bob", "Eve")
	o.roomFor(5)
	o.runs("as of old", "fall-26-py101-ada", "fall-26-py101-bob")
	o.cluster.plan = placement.JobPlan{UpdatesInPlace: 1}

	wantEqual(t, o.planned(registrar.ActStart).Summary(), "1 create, 2 update")
	wantEqual(t, o.planned(registrar.ActRestart).Summary(), "1 create, 2 update")
	wantEqual(t, len(o.cluster.planned), 2) // once for each act: both run the same version
	wantEqual(t, o.planned(registrar.ActStop).Summary(), "2 stop")

	o.cluster.plan = placement.JobPlan{}
	wantEqual(t, o.planned(registrar.ActRestart).Summary(), "1 create, 2 restart")
	o.cluster.survey.Jobs["bothy-fall-26-py101-eve"] = placement.Job{Live: true, Node: "n1", Away: true}
	plan := o.planned(registrar.ActStart)
	wantEqual(t, plan.Summary(), "nothing to do, 3 unchanged")
	wantEqual(t, plan.Changes(), false)
}

func TestAPlanFailsWhereItsActWould(t *testing.T) {
	t.Parallel()
	o := open(t)
	ask := func(act registrar.Act) func() error {
		return func() error { return second(o.PlanClass(t.Context(), "fall-26/py101", act)) }
	}
	o.refused(lab.CodeNotFound, ask(registrar.ActLaunch))
	o.class()
	o.refused(lab.CodeConflict, ask(registrar.ActLaunch))
	o.refused(lab.CodeConflict, ask(registrar.ActRestart))
	o.refused(lab.CodeInvalid, ask("celebrate"))
	wantEqual(t, o.planned(registrar.ActStop).Summary(), "nothing to do, 0 unchanged")
	wantEqual(t, len(o.cluster.questions), 0)

	o.must(second(o.EnrollStudent(t.Context(), o.intent, "fall-26", person("Ada", 1))))
	o.cluster.err = lab.Errorf(lab.CodeUnavailable, "Nomad does not answer")
	o.refused(lab.CodeUnavailable, ask(registrar.ActLaunch))
}

func TestAWorkspacesOwnPlan(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.launched("Ada")
	o.cluster.plan = placement.JobPlan{Type: "added", Creates: 1, Text: "+ Job"}
	plan, err := o.PlanWorkspace(t.Context(), "fall-26-py101-ada")
	o.must(err)
	wantEqual(t, plan, registrar.WorkspacePlan{JobPlan: o.cluster.plan, Slug: "fall-26-py101-ada"})
	if !strings.Contains(o.cluster.planned[0], "fall-26-py101-ada") {
		t.Errorf("planned\n%s", o.cluster.planned[0])
	}
	o.must(second(o.DeleteWorkspace(t.Context(), o.intent, "fall-26-py101-ada", false)))
	o.refused(lab.CodeConflict, func() error { return second(o.PlanWorkspace(t.Context(), "fall-26-py101-ada")) })
}
