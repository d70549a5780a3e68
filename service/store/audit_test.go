package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

func TestNobodyRewritesTheRecordOfChanges(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		f.must(f.Record(t.Context(), f.audit("cohort.create", "x")))
		db, err := f.db.open(f.where)
		f.must(err)
		defer db.Close()
		statements := []string{
			`DELETE FROM audit`, `UPDATE audit SET actor_name = 'somebody else'`, `UPDATE audit SET at = 0`,
			`UPDATE audit SET detail = '{}'`, `UPDATE audit SET result = 'refused'`,
		}
		if f.db.driver == "postgres" {
			statements = append(statements, `TRUNCATE audit`)
		}
		for _, statement := range statements {
			if _, err := db.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", statement, err)
			}
		}
		// A second opening leaves the triggers as they are.
		f.Store = f.reopen()
		if _, err := db.ExecContext(t.Context(), statements[0]); err == nil {
			t.Error("it can be deleted after the store was opened again")
		}
	})
}

func TestOnlyRowsWhoseTimeIsOverAreRemovedFromTheRecord(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		for i := range 2500 {
			audit := f.audit("x", fmt.Sprint(i))
			audit.At = f.now.Add(time.Duration(i) * time.Second)
			f.must(f.Record(t.Context(), audit))
		}
		n, err := f.CleanAudit(t.Context(), f.now.Add(2400*time.Second))
		f.must(err)
		left, err := f.Audits(t.Context(), 1000)
		f.must(err)
		wantEqual(t, []int{int(n), len(left)}, []int{2400, 100})
		n, err = f.CleanAudit(t.Context(), f.now.Add(2400*time.Second))
		f.must(err)
		wantEqual(t, n, int64(0))
	})
}

func TestTheRecordIsFilteredAndPaged(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		add := func(n int, change func(*lab.Audit)) string {
			audit := f.audit("class.stop", "t")
			audit.ID, audit.At = fmt.Sprintf("%03d", n), f.now.Add(time.Duration(n)*time.Minute)
			audit.Before, audit.After = map[string]any{"desired": "running"}, map[string]any{"desired": "stopped"}
			change(&audit)
			f.must(f.Record(t.Context(), audit))
			return audit.ID
		}
		first := add(1, func(*lab.Audit) {})
		byAda := add(2, func(a *lab.Audit) {
			a.Actor = lab.Actor{Name: "ada", UserID: "u1", Role: lab.RoleInstructor, Remote: "192.0.2.7"}
		})
		other := add(3, func(a *lab.Audit) { a.Action, a.Target = "classroom.x", "other" })
		refused := add(4, func(a *lab.Audit) { a.Action, a.Result = "class.start", lab.AuditRefused })
		for name, c := range map[string]struct {
			filter lab.AuditFilter
			want   []string
		}{
			"all":             {lab.AuditFilter{}, []string{refused, other, byAda, first}},
			"actor by name":   {lab.AuditFilter{Actor: "ada"}, []string{byAda}},
			"actor by id":     {lab.AuditFilter{Actor: "u1"}, []string{byAda}},
			"role":            {lab.AuditFilter{Role: lab.RoleInstructor}, []string{byAda}},
			"action":          {lab.AuditFilter{Action: "class.stop"}, []string{byAda, first}},
			"kind of actions": {lab.AuditFilter{Action: "class."}, []string{refused, byAda, first}},
			"target":          {lab.AuditFilter{Target: "other"}, []string{other}},
			"result":          {lab.AuditFilter{Result: lab.AuditRefused}, []string{refused}},
			"time":            {lab.AuditFilter{From: f.now.Add(2 * time.Minute), To: f.now.Add(4 * time.Minute)}, []string{other, byAda}},
		} {
			var got []string
			page := lab.Page{Limit: 1}
			for {
				list, err := f.Store.Audits(t.Context(), c.filter, page)
				f.must(err)
				for _, a := range list.Items {
					got = append(got, a.ID)
				}
				if page.Cursor = list.Next; page.Cursor == "" {
					break
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
		whole, err := f.Audits(t.Context(), 1)
		f.must(err)
		wantEqual(t, whole[0].Before, map[string]any{"desired": "running"})
		wantEqual(t, whole[0].After, map[string]any{"desired": "stopped"})
	})
}
