package registrar

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
)

// CohortInput is a cohort to be made. Without a Key it is made from the name.
type CohortInput struct {
	Name string
	Key  string
}

// CreateCohort makes an empty cohort; CodeConflict when its key is taken.
func (r *Registrar) CreateCohort(ctx context.Context, intent lab.Intent, in CohortInput) (lab.Cohort, error) {
	var p problems
	cohort := r.newCohort(p.name("name", in.Name))
	cohort.Key = p.key(in.Key, cohort.Name)
	if err := p.err("the cohort can't be made"); err != nil {
		return lab.Cohort{}, err
	}
	audit := came(r.audit(intent, "cohort.create", cohort.ID, map[string]any{"key": cohort.Key, "name": cohort.Name}), stateOfCohort(cohort))
	if err := r.done(intent, r.Store.CreateCohort(ctx, intent, cohort, audit)); err != nil {
		return lab.Cohort{}, err
	}
	return cohort, nil
}

func (r *Registrar) newCohort(name string) lab.Cohort {
	now := r.now()
	return lab.Cohort{ID: r.NewID(), Name: name, Revision: 1, CreatedAt: now, UpdatedAt: now}
}

// Cohorts gives a page of the cohorts that a filter chooses, by key where no
// other sort is asked for: name, created_at, updated_at.
func (r *Registrar) Cohorts(ctx context.Context, filter lab.CohortFilter, page lab.Page) (lab.List[lab.Cohort], error) {
	page, err := checkList(filter.Search, page)
	if err != nil {
		return lab.List[lab.Cohort]{}, err
	}
	return r.Store.Cohorts(ctx, filter, page)
}

// Cohort gives one cohort.
func (r *Registrar) Cohort(ctx context.Context, ref string) (lab.Cohort, error) {
	return r.Store.Cohort(ctx, ref)
}

// DeleteCohort removes a cohort and its students; CodeConflict while it has classes.
func (r *Registrar) DeleteCohort(ctx context.Context, intent lab.Intent, ref string) error {
	cohort, err := r.Store.Cohort(ctx, ref)
	if err != nil {
		return err
	}
	audit := went(r.audit(intent, "cohort.delete", cohort.ID, map[string]any{"key": cohort.Key, "name": cohort.Name}), stateOfCohort(cohort))
	return r.done(intent, r.Store.DeleteCohort(ctx, intent, cohort.ID, audit))
}
