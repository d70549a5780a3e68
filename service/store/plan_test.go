package store_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

func TestPagesOfManyWorkspacesAreReadThroughAnIndex(t *testing.T) {
	t.Parallel()
	phases := []lab.Phase{lab.PhaseReady, lab.PhaseReady, lab.PhaseReady, lab.PhaseStopped, lab.PhaseStopped, lab.PhaseStarting}
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		// What is asked for is a small part of all: where it is not, reading all may be
		// the better way, and PostgreSQL may choose either.
		classes, each := 250, 20
		if f.db.driver == store.SQLite {
			classes, each = 20, 25 // it plans alike for few and many
		}
		var last lab.Class
		seen := map[string]lab.Status{}
		course := f.course("py101")
		for n := range classes {
			cohort := f.cohort(fmt.Sprintf("fall-%d", n))
			last = f.class(cohort, course)
			for i, w := range f.workspaces(last, cohort, each) {
				seen[w.ID] = lab.Status{Phase: phases[i%len(phases)], Since: f.now.Add(time.Duration(n*each+i) * time.Second)}
				if n%10 == 0 && i == 0 {
					seen[w.ID] = lab.Status{Phase: lab.PhaseFailed, Since: f.now}
				}
			}
			f.now = f.now.Add(time.Hour)
		}
		f.must(f.RecordStatuses(ctx, f.epoch(), seen))
		raw, err := f.db.open(f.where)
		f.must(err)
		defer func() { _ = raw.Close() }()

		if f.db.driver == store.Postgres { // which does so by itself, in a while; the tests' server does not
			_, err = raw.ExecContext(ctx, `ANALYZE`)
			f.must(err)
		}
		for _, sort := range []string{"slug", "-slug", "student", "-student", "phase", "-since", "-created_at", "updated_at"} {
			first, err := f.Store.Workspaces(ctx, lab.WorkspaceFilter{}, lab.Page{Limit: 100, Sort: sort})
			f.must(err)
			f.wantIndex(t, lab.WorkspaceFilter{}, lab.Page{Limit: 100, Sort: sort})
			f.wantIndex(t, lab.WorkspaceFilter{}, lab.Page{Limit: 100, Sort: sort, Cursor: first.Next})
			f.wantIndex(t, lab.WorkspaceFilter{ClassID: last.ID}, lab.Page{Limit: 100, Sort: sort})
			f.wantIndex(t, lab.WorkspaceFilter{Phases: []lab.Phase{lab.PhaseFailed}}, lab.Page{Limit: 100, Sort: sort})
			for _, role := range []lab.Role{lab.RoleInstructor, lab.RoleAssistant, lab.RoleStudent} {
				f.wantIndex(t, lab.WorkspaceFilter{For: lab.Viewer{UserID: "somebody", Role: role}}, lab.Page{Limit: 100, Sort: sort})
			}
		}
	})
}

var (
	// A page that begins at its cursor, or is chosen by a filter.
	sought = map[string]*regexp.Regexp{
		store.SQLite:   regexp.MustCompile(`SEARCH [ws] USING (COVERING )?INDEX`),
		store.Postgres: regexp.MustCompile(`(Index|Bitmap Heap) Scan.* on (workspaces w|students s)(_\d)? `),
	}
	// A page that begins at the beginning.
	sorted = map[string]*regexp.Regexp{
		store.SQLite:   regexp.MustCompile(`SCAN [ws] USING (COVERING )?INDEX`),
		store.Postgres: regexp.MustCompile(`Index Scan.* on (workspaces w|students s)(_\d)? `),
	}
	// All rows, to be sorted.
	scanned = map[string]string{store.SQLite: "USE TEMP B-TREE FOR ORDER BY", store.Postgres: "Seq Scan on workspaces"}
)

func (f *fixture) wantIndex(t *testing.T, filter lab.WorkspaceFilter, page lab.Page) {
	t.Helper()
	lines, err := f.PlanWorkspaces(t.Context(), filter, page)
	f.must(err)
	plan := strings.Join(lines, "\n")
	if f.db.driver == store.SQLite {
		plan, _, _ = strings.Cut(plan, "\nSCAN w\n") // what is joined to the one page
	}
	viewed := filter.For != lab.Viewer{}
	atCursor := page.Cursor != "" || filter.ClassID != "" || filter.Phases != nil
	ok := sought[f.db.driver].MatchString(plan) || (viewed || !atCursor) && sorted[f.db.driver].MatchString(plan)
	if filter.ClassID != "" && f.db.driver == store.SQLite {
		ok = strings.Contains(plan, "workspaces_by_class")
	}
	// What a filter leaves may have to be sorted; of the whole list, at most a part. To
	// learn what is somebody's, PostgreSQL does not look at what is everybody's either.
	whole := filter.ClassID == "" && filter.Phases == nil && (!viewed || f.db.driver == store.Postgres)
	if !ok || whole && strings.Contains(plan, scanned[f.db.driver]) {
		t.Errorf("%+v %+v is read as\n%s", filter, page, plan)
	}
}
