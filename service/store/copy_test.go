package store_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

func quiet(string, int64, int64) {}

// lived fills a store with all that one comes to hold: n workspaces, one of them
// released, an operation that runs, a slug that outlived its class, a withdrawn student, an epoch.
func (f *fixture) lived(n int) {
	f.t.Helper()
	ctx := f.t.Context()
	_, err := f.Installation(ctx, func() string { return "installation" })
	f.must(err)
	f.register("code-server", "one\r\n\t✓ '\\")
	f.register("code-server", strings.Repeat("two ", 60_000))
	cohort, course := f.cohort("fall-26"), f.course("py101")
	class := f.class(cohort, course)
	teacher, helper := f.user("Teacher@example.org", lab.RoleInstructor), f.user("helper@example.org", lab.RoleAssistant)
	for to, id := range map[lab.Trust]string{lab.TrustCohort: cohort.ID, lab.TrustCourse: course.ID} {
		f.must(second(f.Appoint(ctx, somebody(), to, id, []string{teacher.ID}, f.audit("appoint", id))))
	}
	session := f.newSession(teacher)
	f.must(f.BeginSession(ctx, lab.SignIn{Session: session, Hash: "hash", Device: "device"}, f.audit("session.create", teacher.ID), nil))
	f.must(second(f.RotateSession(ctx, session.ID, session.RotatedAt, "next", f.now)))
	f.must(f.CreateToken(ctx, somebody(), lab.Caller{}, f.newToken(teacher), "hash", f.audit("token.create", teacher.ID)))
	f.must(f.AskLetter(ctx, f.newLetter(teacher), f.audit("password.ask", teacher.ID)))
	f.must(f.Spend(ctx, "reset:teacher", 1, time.Hour, f.now))
	f.must(second(f.Appoint(ctx, somebody(), lab.TrustClass, class.ID, []string{helper.ID}, f.audit("appoint", class.ID))))
	workspaces := f.workspaces(class, cohort, n)
	f.visited(workspaces[0], teacher)
	f.secret(lab.SecretOwner{Kind: lab.SecretOfCourse, ID: course.ID}, "TOKEN")
	f.must(second(f.BeginSecret(ctx, somebody(), lab.SecretOwner{Kind: lab.SecretOfClass, ID: class.ID}, lab.Secret{Name: "begun", Bytes: 7})))
	f.student(cohort, "Žofie Ångström 李", "Zofie@Example.org")
	_, err = f.Withdraw(ctx, somebody(), workspaces[1].StudentID, f.now.Add(time.Hour), f.audit("student.withdraw", workspaces[1].StudentID))
	f.must(err)
	keyed := somebody()
	keyed.Key, keyed.Operation, keyed.Fingerprint = "Key ✓ 1", "createCohort", "f"
	winter := f.newCohort("winter")
	f.must(f.CreateCohort(ctx, keyed, winter, f.audit("cohort.create", winter.ID)))
	f.must(f.KeepAnswer(ctx, keyed, lab.Answer{Status: 201, Header: map[string]string{"ETag": `"1"`}, Body: []byte(`{"name": "✓"}`)}))
	for _, key := range []string{"B", "a", "A_", "b", "-"} {
		again := f.newCohort("winter-" + f.id("x"))
		keyed.Key = key
		f.must(f.CreateCohort(ctx, keyed, again, f.audit("cohort.create", again.ID)))
	}
	f.epoch()
	epoch := f.epoch()
	seen := make(map[string]lab.Status, n)
	for i, w := range workspaces {
		seen[w.ID] = lab.Status{
			Phase: lab.PhaseReady, Reason: fmt.Sprintf("It's \"number\" %d; \\ %% ? $1 ✓", i), Drifted: i%3 == 0, AllocID: "a", NodeName: "n", Since: f.now,
		}
	}
	f.must(f.RecordStatuses(ctx, epoch, seen))
	f.must(f.RecordSubmission(ctx, epoch, workspaces[0].ID, lab.Submission{Fingerprint: "f", JobModifyIndex: 1<<53 + 1, At: f.now}))
	f.must(f.RecordReset(ctx, epoch, workspaces[0].ID, 1))
	f.acted(class, lab.OperationRestart)
	f.remove(workspaces[2], true)
	f.must(f.RecordDeleted(ctx, epoch, workspaces[2].ID, f.now))
	// Capitals and hyphens sort differently in most languages than by their bytes.
	gone := f.class(f.cohort("spring"), course)
	w := f.workspace(gone, f.student(lab.Cohort{ID: gone.CohortID}, "Bob", "bob@example.org"), "spring-py101-bob")
	w.Desired = lab.DesiredDeleted
	f.must(f.change(gone, lab.ClassChange{Update: []lab.Workspace{w}, Delete: true}))
	f.must(f.RecordDeleted(ctx, epoch, w.ID, f.now))
}

// visited has somebody, with a session, look in.
func (f *fixture) visited(w lab.Workspace, by lab.User) {
	f.t.Helper()
	raw := openRaw(f.t, f.db, f.where)
	_, err := raw.ExecContext(f.t.Context(), raw.Rebind(`INSERT INTO sessions (id, hash, rotated_at, user_id, password_due, remote, agent, created_at, seen_at, expires_at)
		VALUES ('s', 'h', 0, ?, 0, '', '', 0, 0, 0)`), by.ID)
	f.must(err)
	entry := lab.Entry{WorkspaceID: w.ID, Host: lab.HostOwn, LooksIn: true, UserID: by.ID, SessionID: "s", Actor: "user:t", Role: by.Role}
	f.must(f.AddTicket(f.t.Context(), lab.Ticket{Hash: "t", Entry: entry, CreatedAt: f.now, ExpiresAt: f.now.Add(time.Minute)}))
	f.must(f.RedeemTicket(f.t.Context(), "t", w.Slug, lab.HostOwn, "", f.now, func(t lab.Ticket) (lab.Pass, lab.Audit) {
		t.Browser = "b"
		return lab.Pass{ID: "p", Hash: "p", Entry: t.Entry, CreatedAt: f.now, ExpiresAt: f.now.Add(time.Hour)}, f.audit("workspace.look_in", w.ID)
	}))
}

// otherDatabase is the kind of database that f is not on.
func (f *fixture) otherDatabase() database {
	return databases()[slices.IndexFunc(databases(), func(d database) bool { return d.driver != f.db.driver })]
}

func TestACopyHasEverything(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		f.lived(300)
		for _, id := range []string{"B-id", "a-id", "A_id", "b", "Ä"} {
			audit := f.audit("x", "x")
			audit.ID = id
			c := f.newCohort("cohort-" + strings.ToLower(id))
			f.must(f.CreateCohort(t.Context(), somebody(), c, audit))
		}
		d := f.otherDatabase()
		target := &fixture{t: t, db: d, where: d.empty(t), now: f.now}
		told := map[string]int64{}
		tables, err := store.Copy(t.Context(), f.config(), target.config(), func(table string, done, all int64) {
			if done > all || done <= told[table] {
				t.Errorf("%s: %d of %d after %d", table, done, all, told[table])
			}
			told[table] = done
		})
		f.must(err)
		for _, table := range tables {
			wantEqual(t, told[table.Table], table.Rows)
		}
		target.Store = target.reopen()
		wantEqual(t, target.everything(), f.everything())

		// What no method shows came along too, and the next epoch follows the last.
		given, next := map[lab.Slug]bool{}, target.epoch()
		wantEqual(t, next, int64(3))
		class, err := target.Class(t.Context(), "fall-26/py101")
		f.must(err)
		f.must(changeClass(t.Context(), target.Store, class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
			given, err = state.Given([]lab.Slug{"spring-py101-bob", "fall-26-py101-ada-2"})
			return lab.ClassChange{Audit: target.audit("x-copied", "x")}, err
		}))
		wantEqual(t, given, map[lab.Slug]bool{"spring-py101-bob": true, "fall-26-py101-ada-2": true})
		id, err := target.Installation(t.Context(), func() string { return "another" })
		f.must(err)
		wantEqual(t, id, "installation")
	})
}

// A table that a migration adds must be copied too.
func TestEveryTableIsCopied(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		f.lived(3)
		d := f.otherDatabase()
		tables, err := store.Copy(t.Context(), f.config(), d.config(d.empty(t)), quiet)
		f.must(err)
		got := []string{"schema_version"}
		for _, table := range tables {
			if table.Rows == 0 {
				t.Errorf("%s is empty, so nothing shows that it is copied", table.Table)
			}
			got = append(got, table.Table)
		}
		raw := openRaw(t, f.db, f.where)
		var columns []string
		f.must(raw.SelectContext(t.Context(), &columns, f.db.columns))
		var want []string
		for _, c := range columns {
			table, _, _ := strings.Cut(c, ".")
			want = append(want, table)
		}
		slices.Sort(got)
		wantEqual(t, got, slices.Compact(want))
	})
}

func TestACopyIntoWhatIsNotEmptyIsRefused(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		f.lived(3)
		d := f.otherDatabase()
		target := newFixture(t, d)
		target.must(second(target.Installation(t.Context(), func() string { return "its own" }))) // a server was started on it
		for _, key := range []string{"spring-27", "fall-27"} {                                    // then something is stored as well
			before := target.everything()
			_, err := store.Copy(t.Context(), f.config(), target.config(), quiet)
			coded := wantCode(t, err, lab.CodeConflict)
			if !strings.Contains(coded.Message, "installation (1)") {
				t.Errorf("got %q", coded.Message)
			}
			wantEqual(t, target.everything(), before)
			target.cohort(key)
		}
	})
}

func TestACopyThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	d := databases()[1]
	f := newFixture(t, databases()[0])
	f.lived(300)
	// PostgreSQL cannot store this, SQLite can.
	raw := openRaw(t, f.db, f.where)
	_, err := raw.ExecContext(t.Context(), `UPDATE operation_items SET reason = 'a' || char(0) || 'b' WHERE slug = (SELECT MAX(slug) FROM operation_items)`)
	f.must(err)
	target := newFixture(t, d)
	if _, err := store.Copy(t.Context(), f.config(), target.config(), quiet); err == nil || !strings.Contains(err.Error(), "operation_items") {
		t.Fatalf("got %v, want one that names the table", err)
	}
	wantEqual(t, target.everything()["cohorts"], []lab.Cohort{})
	wantEqual(t, target.epoch(), int64(1))
}

func TestOnlyAStoreOfThisVersionIsCopied(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.db")
	onEach(t, func(t *testing.T, f *fixture) {
		d := f.otherDatabase()
		_, err := store.Copy(t.Context(), onSQLite(missing), f.config(), quiet)
		wantCode(t, err, lab.CodeNotFound)
		_, err = store.Copy(t.Context(), d.config(d.empty(t)), f.config(), quiet)
		if d.driver == store.Postgres {
			wantCode(t, err, lab.CodeRefused)
		}
		raw := openRaw(t, f.db, f.where)
		_, err = raw.ExecContext(t.Context(), `INSERT INTO schema_version (version_id, is_applied) VALUES (9999, TRUE)`)
		f.must(err)
		_, err = store.Copy(t.Context(), f.config(), d.config(d.empty(t)), quiet)
		wantCode(t, err, lab.CodeRefused)
	})
}

func BenchmarkCopy(b *testing.B) {
	const many = 10_000
	f := newFixture(b, databases()[0])
	f.lived(many)
	for b.Loop() {
		target := f.otherDatabase()
		tables, err := store.Copy(b.Context(), f.config(), target.config(target.empty(b)), quiet)
		f.must(err)
		wantEqual(b, tables[slices.IndexFunc(tables, func(t store.CopiedTable) bool { return t.Table == "workspaces" })], store.CopiedTable{Table: "workspaces", Rows: many})
	}
}
