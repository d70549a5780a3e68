package store_test

import (
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

func TestASlugIsNeverGivenTwice(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		const slug lab.Slug = "fall-26-py101-ada"
		cohort, course := f.cohort("fall-26"), f.course("py101")
		class := f.class(cohort, course)
		workspace := f.workspace(class, f.student(cohort, "Ada", "ada@example.org"), slug)
		f.remove(workspace, true)
		f.must(f.change(class, lab.ClassChange{Delete: true}))
		f.must(f.RecordDeleted(ctx, f.epoch(), workspace.ID, f.now))
		f.must(f.DeleteCohort(ctx, somebody(), cohort.ID, f.audit("x", "x")))
		f.must(f.DeleteCourse(ctx, somebody(), course.ID, f.audit("x", "x")))

		cohort, course = f.cohort("fall-26"), f.course("py101")
		class = f.class(cohort, course)
		student := f.student(cohort, "Ada", "ada@example.org")
		wantCode(t, f.change(class, lab.ClassChange{Add: []lab.Workspace{f.newWorkspace(class, student, slug)}}), lab.CodeConflict)
		f.must(changeClass(ctx, f.Store, class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
			got, err := state.Given([]lab.Slug{slug, slug + "-2"})
			wantEqual(t, got, map[lab.Slug]bool{slug: true})
			return lab.ClassChange{Audit: f.audit("x", "x")}, err
		}))
	})
}

func TestAnActOnAClassSeesWhatIsEnrolledAndNotYetReleased(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort := f.cohort("fall-26")
		ada := f.student(cohort, "Ada", "ada@example.org")
		bob := f.student(cohort, "Bob", "bob@example.org")
		eve := f.student(cohort, "Eve", "eve@example.org")
		class := f.class(cohort, f.course("py101"))
		released := f.workspace(class, ada, "fall-26-py101-ada")
		f.remove(released, false)
		f.must(f.RecordDeleted(ctx, f.epoch(), released.ID, f.now))
		open := f.workspace(class, bob, "fall-26-py101-bob")
		_, err := f.Withdraw(ctx, somebody(), eve.ID, f.now, f.audit("x", "x"))
		f.must(err)

		f.must(changeClass(ctx, f.Store, class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
			state.Given = nil
			class.Revision = 3 // two workspaces were added, one after the other
			wantEqual(t, state, lab.ClassState{Class: class, Students: []lab.Student{ada, bob}, Workspaces: []lab.Workspace{open}})
			return lab.ClassChange{Audit: f.audit("x", "x")}, nil
		}))
	})
}

func TestAWorkspaceBeingDeletedDoesNotStandInTheWayOfTheNext(t *testing.T) {
	t.Parallel()
	onEach(t, func(_ *testing.T, f *fixture) {
		cohort := f.cohort("fall-26")
		ada := f.student(cohort, "Ada", "ada@example.org")
		class := f.class(cohort, f.course("py101"))
		f.remove(f.workspace(class, ada, "fall-26-py101-ada"), false)
		f.workspace(class, ada, "fall-26-py101-ada-2")
	})
}

func TestPeopleAndTheReconcilerWriteDifferentThings(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		w := f.workspace(class, f.student(cohort, "Ada", "ada@example.org"), "fall-26-py101-ada")
		epoch := f.epoch()
		f.now = f.now.Add(time.Minute)
		submission := lab.Submission{
			Fingerprint: "f1", SourceSHA256: "aa", JobModifyIndex: 1<<40 + 7, RestartsDone: 3, At: f.now.Add(-time.Second),
		}
		status := lab.Status{
			Phase: lab.PhaseReady, Reason: "It answers.", Drifted: true, Outdated: true,
			AllocID: "a1", NodeName: "n1", Since: f.now,
		}
		f.must(f.RecordSubmission(ctx, epoch, w.ID, submission))
		f.must(f.RecordStatuses(ctx, epoch, map[string]lab.Status{w.ID: status}))
		want := w
		want.Submitted, want.Status, want.Revision, want.UpdatedAt = submission, status, 3, f.now
		wantEqual(t, f.stored(w), want)

		// An act that was decided from an older state of the reconciler's leaves the newer one alone.
		got, err := f.ChangeWorkspace(ctx, somebody(), w.ID, func(lab.Workspace) (lab.Workspace, lab.Audit, error) {
			old := w
			old.Desired, old.RestartsWanted, old.UpdatedAt = lab.DesiredStopped, 4, f.now.Add(time.Minute)
			return old, f.audit("workspace.stop", w.ID), nil
		})
		f.must(err)
		want.Revision = 4
		want.Desired, want.RestartsWanted, want.UpdatedAt = lab.DesiredStopped, 4, f.now.Add(time.Minute)
		wantEqual(t, got.Workspace, want)
	})
}

func TestWorkspacesAreListedByClassAndCohort(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		fall, spring, course, other := f.cohort("fall-26"), f.cohort("spring-27"), f.course("py101"), f.course("go201")
		ada, bob := f.student(fall, "Ada", "ada@example.org"), f.student(spring, "Bob", "bob@example.org")
		first, second, third := f.class(fall, course), f.class(fall, other), f.class(spring, course)
		a := f.workspace(first, ada, "fall-26-py101-ada")
		b := f.workspace(second, ada, "fall-26-go201-ada")
		c := f.workspace(third, bob, "spring-27-py101-bob")
		f.remove(b, false)
		f.must(f.RecordDeleted(ctx, f.epoch(), b.ID, f.now))

		for name, test := range map[string]struct {
			class, cohort string
			released      bool
			want          []lab.Slug
		}{
			"all":                          {"", "", false, []lab.Slug{a.Slug, c.Slug}},
			"all, with the released":       {"", "", true, []lab.Slug{a.Slug, b.Slug, c.Slug}},
			"of a class":                   {first.ID, "", false, []lab.Slug{a.Slug}},
			"of a cohort":                  {"", fall.ID, false, []lab.Slug{a.Slug}},
			"of a cohort, with released":   {"", fall.ID, true, []lab.Slug{a.Slug, b.Slug}},
			"of a class of another cohort": {first.ID, spring.ID, true, nil},
		} {
			t.Run(name, func(t *testing.T) {
				details, err := f.Workspaces(ctx, test.class, test.cohort, test.released)
				f.must(err)
				var got []lab.Slug
				for _, d := range details {
					got = append(got, d.Slug)
				}
				wantEqual(t, got, test.want)
			})
		}
	})
}

func TestAClassOfManyIsWrittenAtOnce(t *testing.T) {
	t.Parallel()
	const many = 300 // more than fit one statement
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		workspaces := f.workspaces(class, cohort, many)
		students, err := f.Students(ctx, cohort.ID)
		f.must(err)
		var slugs []lab.Slug
		for _, w := range workspaces {
			slugs = append(slugs, w.Slug)
		}
		for i := range workspaces {
			workspaces[i].Desired, workspaces[i].RestartsWanted = lab.DesiredStopped, int64(i)
			workspaces[i].ReleaseHome = i%2 == 0
		}
		f.must(f.change(class, lab.ClassChange{Update: workspaces}))
		f.must(changeClass(ctx, f.Store, class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
			got, err := state.Given(slugs)
			state.Given = nil
			class.Revision = 3
			for i := range workspaces {
				workspaces[i].Revision = 2
			}
			wantEqual(t, state, lab.ClassState{Class: class, Students: students, Workspaces: workspaces})
			wantEqual(t, len(got), many)
			return lab.ClassChange{Audit: f.audit("x", "x")}, err
		}))
	})
}
