package registrar_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// history does random acts on one class, over and over, and remembers to whom each slug was given.
type history struct {
	*office
	given map[lab.Slug]string // by slug, the workspace's id
}

// allowed passes over what the rules refuse: the acts are random.
func (h *history) allowed(err error) {
	h.t.Helper()
	var coded *lab.Error
	if err != nil && (!errors.As(err, &coded) || coded.Code != lab.CodeConflict && coded.Code != lab.CodeNotFound) {
		h.t.Fatal(err)
	}
}

func (h *history) views(released bool) []registrar.WorkspaceView {
	h.t.Helper()
	views, err := h.Workspaces(context.Background(), registrar.WorkspaceFilter{IncludeDeleted: released})
	h.must(err)
	return views
}

// check holds after every act, whatever came before.
func (h *history) check(t *rapid.T) {
	enrolled := make(map[string]bool)
	if students, err := h.Students(context.Background(), "c"); err == nil {
		for _, s := range students {
			enrolled[s.ID] = s.WithdrawnAt == nil
		}
	}
	open := make(map[string]bool)
	for _, w := range h.views(true) {
		if owner, ok := h.given[w.Slug]; ok && owner != w.ID {
			t.Fatalf("slug %s was given to %s and to %s", w.Slug, owner, w.ID)
		}
		h.given[w.Slug] = w.ID
		if w.Desired == lab.DesiredDeleted {
			continue
		}
		if !enrolled[w.StudentID] {
			t.Fatalf("workspace %s is wanted %s for nobody", w.Slug, w.Desired)
		}
		if open[w.StudentID] {
			t.Fatalf("student %s has two workspaces", w.StudentID)
		}
		open[w.StudentID] = true
	}
}

func TestNoHistoryGivesASlugTwice(t *testing.T) {
	t.Parallel()
	// One database for all histories: each goes on where the last one ended.
	h := &history{office: open(t), given: make(map[lab.Slug]string)}
	act := rapid.SampledFrom([]string{
		"enroll", "enroll", "enroll", "withdraw", "launch", "launch", "launch", "stop",
		"delete a workspace", "release a workspace", "release a workspace", "delete the class", "delete the cohort",
	})
	rapid.Check(t, func(t *rapid.T) {
		h.t = t
		for _, name := range rapid.SliceOfN(act, 2, 5).Draw(t, "acts") {
			h.do(t, name)
			h.check(t)
		}
	})
	// With -short, rapid tries a fifth as many histories.
	if !testing.Short() && len(h.given) < 5 {
		t.Errorf("only %d slugs were given: the histories are too tame", len(h.given))
	}
}

func (h *history) do(t *rapid.T, name string) {
	ctx := context.Background()
	draw := func(of []registrar.WorkspaceView, then func(id string)) {
		if len(of) > 0 {
			then(rapid.SampledFrom(of).Draw(t, "workspace").ID)
		}
	}
	switch name {
	case "enroll":
		h.allowed(second(h.CreateClass(ctx, h.intent, registrar.ClassInput{Cohort: "c", Course: "k", Template: "editor"})))
		student := rapid.SampledFrom([]string{"Ada", "ada", "Ada 2", "李"}).Draw(t, "name")
		h.allowed(second(h.EnrollStudent(ctx, h.intent, "c", person(student, rapid.SampledFrom([]int{1, 2, 3, 4, 5, 6}).Draw(t, "address")))))
	case "withdraw":
		students, err := h.Students(ctx, "c")
		h.allowed(err)
		if len(students) > 0 {
			h.must(second(h.WithdrawStudent(ctx, h.intent, rapid.SampledFrom(students).Draw(t, "student").ID)))
		}
	case "launch", "stop":
		h.allowed(second(h.ActOnClass(ctx, h.intent, "c/k", registrar.Act(name))))
	case "delete a workspace":
		draw(h.views(false), func(id string) { h.must(second(h.DeleteWorkspace(ctx, h.intent, id, false))) })
	case "release a workspace":
		going := slices.DeleteFunc(h.views(false), func(w registrar.WorkspaceView) bool { return w.Desired != lab.DesiredDeleted })
		draw(going, h.release)
	case "delete the class":
		h.allowed(second(h.DeleteClass(ctx, h.intent, "c/k", true)))
	case "delete the cohort":
		h.allowed(h.DeleteCohort(ctx, h.intent, "c"))
		h.allowed(h.DeleteCourse(ctx, h.intent, "k"))
	default:
		h.t.Fatalf("no act %q", name)
	}
}

// together calls fn n times at once and gives the errors.
func together(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			errs[i] = fn(i)
		})
	}
	done.Wait()
	return errs
}

func TestLaunchingTheSameClassAtOnceGivesEachStudentOneWorkspace(t *testing.T) {
	t.Parallel()
	o := open(t)
	class := o.class("Ada", "Ada", "Bob", "李", "Eve")
	instances := o.instances(t)
	affected := make([]int, 12)
	for _, err := range together(len(affected), func(i int) error {
		result, err := instances[i%2].ActOnClass(t.Context(), o.intent, class.ID, registrar.ActLaunch)
		affected[i] = result.Affected
		return err
	}) {
		o.must(err)
	}
	slices.Sort(affected)
	wantEqual(t, affected, []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5})
	views, err := o.Workspaces(t.Context(), registrar.WorkspaceFilter{})
	o.must(err)
	students := make(map[string]bool)
	for _, w := range views {
		students[w.StudentID] = true
	}
	wantEqual(t, []int{len(views), len(students)}, []int{5, 5})
}

func TestMakingTheSameClassAtOnceMakesItOnce(t *testing.T) {
	t.Parallel()
	o := open(t)
	instances := o.instances(t)
	acts := len(o.everything()["audits"].([]lab.Audit))
	made := 0
	for _, err := range together(12, func(i int) error {
		return second(instances[i%2].CreateClass(t.Context(), o.intent, registrar.ClassInput{
			Cohort: "Fall 26", Course: "py101", Template: "editor", Students: []registrar.StudentInput{person("Ada", 1)},
		}))
	}) {
		if err == nil {
			made++
			continue
		}
		wantCode(t, err, lab.CodeConflict)
	}
	all := o.everything()
	wantEqual(t, []int{made, len(all["classes"].([]lab.Class)), len(all["students of fall-26"].([]lab.Student)), len(all["audits"].([]lab.Audit)) - acts},
		[]int{1, 1, 1, 1})
}

func TestLaunchingAndWithdrawingAtOnceLeavesNobodyBehind(t *testing.T) {
	t.Parallel()
	o := open(t)
	class := o.class("Ada", "Bob", "Eve", "Kim")
	students, err := o.Students(t.Context(), "fall-26")
	o.must(err)
	instances := o.instances(t)
	for _, err := range together(8, func(i int) error {
		if i < len(students) {
			return second(o.WithdrawStudent(t.Context(), o.intent, students[i].ID))
		}
		err := second(instances[i%2].ActOnClass(t.Context(), o.intent, class.ID, registrar.ActLaunch))
		if lab.CodeOf(err) == lab.CodeConflict { // the last student was gone
			return nil
		}
		return err
	}) {
		o.must(err)
	}
	for _, desired := range o.state() {
		wantEqual(t, desired, lab.DesiredDeleted)
	}
}
