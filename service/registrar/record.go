package registrar

import (
	"cmp"
	"context"
	"reflect"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// Audits gives a page of the rows of the record of changes that a filter chooses,
// the newest first.
func (r *Registrar) Audits(ctx context.Context, filter lab.AuditFilter, page lab.Page) (lab.List[lab.Audit], error) {
	page, err := checkList("", page)
	if err != nil {
		return lab.List[lab.Audit]{}, err
	}
	if !filter.From.IsZero() && !filter.To.IsZero() && !filter.From.Before(filter.To) {
		return lab.List[lab.Audit]{}, lab.Invalid("the list can't be given so", lab.Field{
			Name: "to", Problem: "is not after from", Remedy: "exchange them, or leave one out",
		})
	}
	return r.Store.Audits(ctx, filter, page)
}

// RecordRefused writes down that somebody asked for what they have no right to: the
// operation of the API, and what it was asked of. Of many by one person it writes
// some, and with the next one how many were left out: nobody fills the record.
func (r *Registrar) RecordRefused(ctx context.Context, actor lab.Actor, operation, target string) error {
	write, leftOut := r.refusals.take(cmp.Or(actor.UserID, actor.Name), r.now())
	if !write {
		return nil
	}
	var detail map[string]any
	if leftOut > 0 {
		detail = map[string]any{"left_out": leftOut}
	}
	audit := r.audit(lab.Intent{Actor: actor}, operation, target, detail)
	audit.Result = lab.AuditRefused
	return r.Store.Record(ctx, audit)
}

// came, went and became say in an audit what of a thing was and what is.
func came(audit lab.Audit, after map[string]any) lab.Audit {
	audit.After = after
	return audit
}

func went(audit lab.Audit, before map[string]any) lab.Audit {
	audit.Before = before
	return audit
}

// became keeps what differs.
func became(audit lab.Audit, before, after map[string]any) lab.Audit {
	for name, was := range before {
		is, there := after[name]
		if there && reflect.DeepEqual(was, is) {
			continue
		}
		if audit.Before == nil {
			audit.Before = map[string]any{}
		}
		audit.Before[name] = was
	}
	for name, is := range after {
		was, there := before[name]
		if there && reflect.DeepEqual(was, is) {
			continue
		}
		if audit.After == nil {
			audit.After = map[string]any{}
		}
		audit.After[name] = is
	}
	return audit
}

// The states of things as the record tells of them.

func stateOfCohort(c lab.Cohort) map[string]any {
	return map[string]any{"key": c.Key, "name": c.Name}
}

func stateOfCourse(c lab.Course) map[string]any {
	return map[string]any{
		"key": c.Key, "name": c.Name, "template": c.Template, "template_version": c.TemplateVersion, "parameters": orEmpty(c.Parameters),
	}
}

func stateOfStudent(s lab.Student) map[string]any {
	state := map[string]any{"name": s.Name, "email": s.Email}
	if s.WithdrawnAt != nil {
		state["withdrawn_at"] = s.WithdrawnAt.UTC().Format(time.RFC3339)
	}
	return state
}

func stateOfClass(c lab.Class) map[string]any {
	return map[string]any{"key": c.Key(), "parameters": orEmpty(c.Parameters), "deleting": c.Deleting}
}

func stateOfWorkspace(w lab.Workspace) map[string]any {
	return map[string]any{
		"desired": string(w.Desired), "restarts": w.RestartsWanted, "resets": w.ResetsWanted, "release_home": w.ReleaseHome,
	}
}

// wishes counts workspaces by what is wanted of them.
func wishes(workspaces []lab.Workspace) map[string]any {
	counts := map[lab.Desired]int{}
	for _, w := range workspaces {
		counts[w.Desired]++
	}
	state := map[string]any{}
	for _, desired := range []lab.Desired{lab.DesiredRunning, lab.DesiredStopped, lab.DesiredDeleted} {
		state[string(desired)] = counts[desired]
	}
	return state
}

// wishesAfter counts them as a change leaves them.
func wishesAfter(workspaces []lab.Workspace, change lab.ClassChange) map[string]any {
	after := map[string]lab.Workspace{}
	for _, w := range workspaces {
		after[w.ID] = w
	}
	for _, w := range change.Update {
		after[w.ID] = w
	}
	for _, w := range change.Add {
		after[w.ID] = w
	}
	all := make([]lab.Workspace, 0, len(after))
	for _, w := range after {
		all = append(all, w)
	}
	return wishes(all)
}

// rosterIDs are the ids of those whom an import enrolls, changes and withdraws.
func rosterIDs(change lab.RosterChange, enrolled []lab.Student) map[string]any {
	known := map[string]bool{}
	for _, s := range enrolled {
		known[s.ID] = true
	}
	made, altered := []string{}, []string{}
	for _, s := range change.Students {
		if known[s.ID] {
			altered = append(altered, s.ID)
		} else {
			made = append(made, s.ID)
		}
	}
	return map[string]any{"enrolled": made, "changed": altered, "withdrawn": append([]string{}, change.Withdraw...)}
}
