package command

import (
	"flag"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// workspaceFlags choose workspaces.
type workspaceFlags struct {
	cohort, course, student, desired string
	phases                           phaseList
	drifted, outdated                choice
	deleted                          bool
}

// flags declares them; those that a class settles are left out when there is one.
func (w *workspaceFlags) flags(f *flags, ofOneClass bool) {
	f.group("Options", func(set *flag.FlagSet) {
		if !ofOneClass {
			set.StringVar(&w.cohort, "cohort", "", "Show only the workspaces of this cohort, by its `key` or id.")
			set.StringVar(&w.course, "course", "", "Show only the workspaces of this course, by its `key` or id.")
		}
		set.StringVar(&w.student, "student", "", "Show only the workspaces of the student with this `id`.")
		set.StringVar(&w.desired, "desired", "", "Show only the workspaces that should be in this `state`: running, stopped or deleted.")
		set.Var(&w.phases, "phase", "Show only the workspaces in these `phases`, with commas between them.")
		set.Var(&w.drifted, "drifted", "Show only the workspaces whose job was changed by another hand, or with -drifted=false only the others.")
		set.Var(&w.outdated, "outdated", "Show only the workspaces that run with older settings than a start would use, or with -outdated=false only the others.")
		set.BoolVar(&w.deleted, "include-deleted", false, "Show those too that are deleted and gone.")
	})
}

// read gives the filter, and whether it chooses anything.
func (w *workspaceFlags) read(list listFlags) (filter client.WorkspaceFilter, chosen bool, err error) {
	options, err := list.options()
	if err != nil {
		return filter, false, err
	}
	switch lab.Desired(w.desired) {
	case "", lab.DesiredRunning, lab.DesiredStopped, lab.DesiredDeleted:
	default:
		return filter, false, usagef("-desired %s: use running, stopped or deleted", w.desired)
	}
	filter = client.WorkspaceFilter{
		ListOptions: options, Cohort: w.cohort, Course: w.course, Student: w.student, Desired: client.Desired(w.desired),
		Phases: w.phases, Drifted: w.drifted.wanted, Outdated: w.outdated.wanted, IncludeDeleted: w.deleted,
	}
	chosen = list != (listFlags{}) || w.cohort != "" || w.course != "" || w.student != "" || w.desired != "" ||
		len(w.phases) > 0 || w.drifted.wanted != nil || w.outdated.wanted != nil || w.deleted
	return filter, chosen, nil
}
