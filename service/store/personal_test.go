package store_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

// known is a student of two cohorts with a user, a workspace that runs and a home
// that outlived its workspace.
func (f *fixture) known() (student lab.Student, running, deleted lab.Workspace) {
	f.t.Helper()
	cohort, course := f.cohort("fall-26"), f.course("py101")
	student = f.student(cohort, "Ada Lovelace", "Ada@Example.org")
	f.student(f.cohort("spring-27"), "Ada King", "ada@example.org")
	running = f.workspace(f.class(cohort, course), student, "fall-26-py101-ada")
	deleted = f.workspace(f.class(cohort, f.course("go101")), student, "fall-26-go101-ada")
	epoch := f.epoch()
	_, err := f.ChangeWorkspace(f.t.Context(), somebody(), deleted.ID, func(w lab.Workspace) (lab.Workspace, lab.Audit, error) {
		w.Desired = lab.DesiredDeleted
		return w, f.audit("workspace.delete", w.ID), nil
	})
	f.must(err)
	f.must(f.RecordDeleted(f.t.Context(), epoch, deleted.ID, f.now))

	audit := f.audit("student.enroll", student.ID)
	audit.Detail = map[string]any{"email": student.Email, "rows": []any{map[string]any{"name": student.Name}}}
	audit.After = map[string]any{"name": student.Name}
	f.must(f.Record(f.t.Context(), audit))
	other := f.audit("roster.import", cohort.ID)
	other.Detail = map[string]any{"first": student.Email}
	f.must(f.Record(f.t.Context(), other))
	f.must(f.KeepAnswer(f.t.Context(), keyedBy("k", "f"), lab.Answer{}))
	return student, running, deleted
}

func TestAllThatIsKeptOfAPersonIsExported(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		student, running, deleted := f.known()
		stranger := f.student(f.cohort("other"), "Bob", "bob@example.org")
		data, err := f.Personal(t.Context(), student.ID)
		f.must(err)
		wantEqual(t, len(data.StudentIDs), 2)
		text, err := json.Marshal(data.Records)
		f.must(err)
		for _, part := range []string{
			"Ada Lovelace", "Ada King", "Ada@Example.org", running.ID, deleted.ID, string(running.Slug), "student.enroll", "2026-",
		} {
			if !strings.Contains(string(text), part) {
				t.Errorf("the export lacks %s", part)
			}
		}
		if strings.Contains(string(text), stranger.ID) || strings.Contains(string(text), "bob@") {
			t.Error("it has somebody else in it")
		}
		wantEqual(t, len(data.Records["kept_homes"]), 1)
		wantCode(t, second(f.Personal(t.Context(), "nobody")), lab.CodeNotFound)
	})
}

func TestAnExportDoesNotSayWhereOthersWere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		g := newGuarded(f)
		for _, u := range []lab.User{g.teacher, g.student} {
			ticket := lab.Ticket{Hash: g.id("ticket"), Entry: g.entry(u), Remote: "192.0.2.99", CreatedAt: g.now, ExpiresAt: g.now.Add(time.Minute)}
			if u.ID == g.student.ID {
				ticket.Remote = "192.0.2.1"
			}
			g.must(g.AddTicket(t.Context(), ticket))
			audit := f.audit("workspace.open", g.workspace.ID)
			audit.Actor = lab.Actor{Name: "user:" + u.Login, UserID: u.ID, Role: u.Role, Remote: ticket.Remote}
			f.must(f.Record(t.Context(), audit))
		}
		data, err := f.Personal(t.Context(), g.enrolled.ID)
		f.must(err)
		text, err := json.Marshal(data.Records)
		f.must(err)
		if strings.Contains(string(text), "192.0.2.99") || strings.Contains(string(text), "session-"+g.teacher.ID) {
			t.Errorf("the export says where a teacher was: %s", text)
		}
		if strings.Count(string(text), "192.0.2.1") != 2 {
			t.Errorf("the export lacks from where the person came: %s", text)
		}
	})
}

// everywhere is the text of all rows of all tables.
func (f *fixture) everywhere() string {
	f.t.Helper()
	db, err := f.db.open(f.where)
	f.must(err)
	defer db.Close()
	var b strings.Builder
	var tables []string
	var columns []string
	f.must(db.Select(&columns, f.db.columns))
	for _, c := range columns {
		table, _, _ := strings.Cut(c, ".")
		if !slices.Contains(tables, table) {
			tables = append(tables, table)
		}
	}
	for _, table := range tables {
		f.tableText(&b, db, table)
	}
	return b.String()
}

func (f *fixture) tableText(b *strings.Builder, db *sqlx.DB, table string) {
	rows, err := db.QueryxContext(f.t.Context(), `SELECT * FROM `+table) //nolint:sqlclosecheck // closed below, with its error looked at
	f.must(err)
	defer func() { f.must(rows.Close()) }()
	for rows.Next() {
		values, err := rows.SliceScan()
		f.must(err)
		for _, v := range values {
			if text, ok := v.([]byte); ok {
				v = string(text)
			}
			text, err := json.Marshal(v)
			f.must(err)
			b.WriteString(table + " " + string(text) + "\n")
		}
	}
	f.must(rows.Err())
}

func TestAnErasedPersonIsNowhereAnyMore(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		student, running, deleted := f.known()
		epoch := f.epoch()
		erase := func(intent lab.Intent) error {
			_, _, err := f.Erase(t.Context(), intent, student.ID, f.now, func(lab.Student) (lab.Audit, error) {
				return f.audit("student.erase", student.ID), nil
			})
			return err
		}
		before := f.everywhere()
		f.must(erase(lab.Intent{DryRun: true}))
		wantEqual(t, f.everywhere(), before)
		f.must(erase(somebody()))

		for _, line := range strings.Split(f.everywhere(), "\n") {
			low := strings.ToLower(line)
			if strings.Contains(low, "ada@") || strings.Contains(low, "lovelace") || strings.Contains(low, "ada king") {
				t.Errorf("left: %s", line)
			}
		}
		w, err := f.Workspace(t.Context(), running.ID)
		f.must(err)
		wantEqual(t, []any{w.Desired, w.ReleaseHome}, []any{lab.DesiredDeleted, true})
		// Nothing was before the first moment: only what is unwanted is due.
		due, err := f.DueHomes(t.Context(), time.Time{})
		f.must(err)
		wantEqual(t, due, []lab.KeptHome{{Slug: deleted.Slug, WorkspaceID: deleted.ID, StudentID: student.ID, Since: f.now}})
		f.must(f.RecordDeleted(t.Context(), epoch, running.ID, f.now))
		wantCode(t, erase(somebody()), lab.CodeConflict)
	})
}

// eraseUser erases who a user is.
func (f *fixture) eraseUser(intent lab.Intent, id string) error {
	f.t.Helper()
	_, _, err := f.EraseUser(f.t.Context(), intent, id, f.now, func(u lab.User) (lab.Audit, error) { return f.audit("user.erase", u.ID), nil })
	return err
}

// A token that was made with theirs may be somebody else's, who then asks where it went.
func TestTheRecordOfAnErasureSaysWhatAccessEnded(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, fall, other := t.Context(), f.cohort("fall"), f.user("other@example.org", lab.RoleStudent)
		enrolled := func() lab.User { return f.person(f.join(fall, f.id("ada")+"@example.org").UserID) }
		eraseUser := func(u lab.User) error { return f.eraseUser(somebody(), u.ID) }
		for name, of := range map[string]struct {
			user  lab.User
			erase func(lab.User) error
		}{
			"a student": {enrolled(), func(u lab.User) error {
				_, _, err := f.Erase(ctx, somebody(), u.ID, f.now, func(lab.Student) (lab.Audit, error) { return f.audit("student.erase", u.ID), nil })
				return err
			}},
			"a student's user":        {enrolled(), eraseUser},
			"who was never a student": {f.user("former@example.org", lab.RoleStudent), eraseUser},
		} {
			f.session(of.user, "session of "+name)
			own, made := f.apiToken(of.user), f.newToken(other)
			made.ParentID = own.ID
			f.must(f.CreateToken(ctx, somebody(), lab.Caller{UserID: of.user.ID, TokenID: own.ID}, made, made.ID, f.audit("token.create", made.ID)))

			f.must(of.erase(of.user))
			audits, err := f.Audits(ctx, 1)
			f.must(err)
			detail := audits[0].Detail
			got := []any{detail["users_disabled"], detail["ended_sessions"], detail["revoked_tokens"]}
			if diff := cmp.Diff([]any{float64(1), float64(1), []any{own.ID, made.ID}}, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", name, diff)
			}
		}
	})
}

// nowhere fails with every row of any table that has one of the texts in it.
func (f *fixture) nowhere(texts ...string) {
	f.t.Helper()
	for _, line := range strings.Split(f.everywhere(), "\n") {
		for _, text := range texts {
			if strings.Contains(strings.ToLower(line), strings.ToLower(text)) {
				f.t.Errorf("left: %s", line)
			}
		}
	}
}

func TestWhoseCohortIsDeletedIsExportedAndErasedAllTheSame(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, cohort := t.Context(), f.cohort("fall-26")
		student := f.student(cohort, "Ada Lovelace", "ada@example.org")
		f.student(f.cohort("other"), "Dada", "dada@example.org")
		user := f.person("ada@example.org")
		gone := f.workspace(f.class(cohort, f.course("py101")), student, "fall-26-py101-al")
		epoch := f.epoch()
		class, err := f.Class(ctx, gone.ClassID)
		f.must(err)
		f.acted(class, lab.OperationDelete)
		f.must(f.RecordDeleted(ctx, epoch, gone.ID, f.now))
		enrolled := f.audit("student.enroll", student.ID)
		enrolled.Detail = map[string]any{"email": "Ada@example.org", "others": []any{"dada@example.org"}}
		f.must(f.Record(ctx, enrolled))
		f.must(f.DeleteCohort(ctx, somebody(), cohort.ID, f.audit("cohort.delete", cohort.ID)))

		wantCode(t, second(f.Personal(ctx, student.ID)), lab.CodeNotFound)
		data, err := f.PersonalOfUser(ctx, user.ID)
		f.must(err)
		wantEqual(t, []int{len(data.Records["users"]), len(data.Records["kept_homes"])}, []int{1, 1})
		wantCode(t, second(f.PersonalOfUser(ctx, "nobody")), lab.CodeNotFound)

		before := f.everywhere()
		f.must(f.eraseUser(lab.Intent{DryRun: true}, user.ID))
		wantEqual(t, f.everywhere(), before)
		f.must(f.eraseUser(somebody(), user.ID))
		for _, line := range strings.Split(f.everywhere(), "\n") {
			if line = strings.ToLower(line); strings.Contains(strings.ReplaceAll(line, "dada@", ""), "ada@") || strings.Contains(line, "lovelace") {
				t.Errorf("left: %s", line)
			}
		}
		if !strings.Contains(f.everywhere(), "dada@example.org") {
			t.Error("somebody else went, whose address ends like theirs")
		}
		due, err := f.DueHomes(ctx, time.Time{})
		f.must(err)
		wantEqual(t, len(due), 1)
		wantCode(t, f.eraseUser(somebody(), user.ID), lab.CodeConflict)
		wantCode(t, f.eraseUser(somebody(), "nobody"), lab.CodeNotFound)
	})
}

func TestFormerStaffAreErasedWhereverTheyActed(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		g := newGuarded(f)
		ctx := t.Context()
		f.apiToken(g.teacher)
		g.enter(g.entry(g.teacher))
		for _, actor := range []string{"user:t@example.org", "token:t@example.org/ci"} {
			intent := keyedBy("key of "+actor, "f")
			intent.Actor = lab.Actor{Name: actor, UserID: g.teacher.ID, Role: lab.RoleInstructor, Remote: "192.0.2.50"}
			owner := lab.SecretOwner{Kind: lab.SecretOfClass, ID: g.class.ID}
			secret := lab.Secret{Name: f.id("K"), Bytes: 9, SetAt: f.now, SetBy: actor, Version: f.id("version")}
			f.must(second(f.BeginSecret(ctx, intent, owner, secret)))
			audit := f.audit("secret.set", g.class.ID)
			audit.Actor, audit.Detail = intent.Actor, map[string]any{"login": "T@example.org", "role": "instructor"}
			f.must(f.KeepSecret(ctx, intent, owner, secret, audit))
			version := f.newVersion("mine-"+f.id(""), f.id("source"))
			version.Version, version.Author, version.RegisteredBy = 1, lab.Author{Name: "T. Eacher", Email: "T@example.org"}, actor
			intent.Key = ""
			f.must(f.RegisterTemplate(ctx, intent, version.Name, version.Digest, func(lab.TemplateState) (*lab.TemplateVersion, lab.Audit, error) {
				return &version, f.audit("template.push", version.ID), nil
			}))
		}
		f.acted(g.class, lab.OperationLaunch)
		g.exec(`UPDATE operations SET actor_name = 'token:t@example.org/ci'`)

		wantCode(t, f.eraseUser(somebody(), g.teacher.ID), lab.CodeConflict) // staff still
		f.setUser(g.teacher.ID, func(u *lab.User) { u.Role = lab.RoleStudent })
		data, err := f.PersonalOfUser(ctx, g.teacher.ID)
		f.must(err)
		wantEqual(t, []int{
			len(data.Records["operations"]), len(data.Records["look_ins"]), len(data.Records["secrets"]), len(data.Records["template_versions"]),
		}, []int{1, 1, 2, 2})
		f.must(f.eraseUser(somebody(), g.teacher.ID))
		f.nowhere("\"t@example.org", ":t@example.org", "T. Eacher", "192.0.2.50")
		if !strings.Contains(f.everywhere(), "user:ada@example.org") && !strings.Contains(f.everywhere(), "h@example.org") {
			t.Error("somebody else went as well")
		}
	})
}

func TestALoginThatIsAWordIsNoOtherWord(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		user := f.newUser("admin", lab.RoleStudent)
		user.Email = ""
		f.must(f.CreateUser(t.Context(), somebody(), user, f.audit("user.create", user.ID)))
		audit := f.audit("user.update", user.ID)
		audit.Actor = lab.Actor{Name: "user:admin"}
		audit.Detail = map[string]any{
			"login": "admin", "role": "admin", "text": "an administrator", "login_page": "admin",
			"before": "admin", "after": map[string]any{"role": "admin", "roles": []any{"admin"}},
		}
		f.must(f.Record(t.Context(), audit))
		f.must(f.eraseUser(somebody(), user.ID))
		rows, err := f.Audits(t.Context(), 9)
		f.must(err)
		for _, row := range rows {
			if row.Action == "user.update" {
				want := maps.Clone(audit.Detail)
				want["login"] = "Erased"
				wantEqual(t, row.Detail, want)
				wantEqual(t, row.Actor.Name, "Erased")
			}
		}
	})
}

func TestKeptHomesAreReleasedByTheHolderOfTheRole(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		_, _, deleted := f.known()
		epoch := f.epoch()
		none, err := f.DueHomes(t.Context(), f.now)
		f.must(err)
		wantEqual(t, len(none), 0)
		due, err := f.DueHomes(t.Context(), f.now.Add(time.Microsecond))
		f.must(err)
		wantEqual(t, len(due), 1)
		wantCode(t, f.AnnounceHomeRelease(t.Context(), epoch-1, deleted.Slug, f.now), lab.CodeConflict)
		f.must(f.AnnounceHomeRelease(t.Context(), epoch, deleted.Slug, f.now))
		audit := f.audit("home.release", deleted.ID)
		wantCode(t, f.RecordHomeReleased(t.Context(), epoch-1, deleted.Slug, audit), lab.CodeConflict)
		f.must(f.RecordHomeReleased(t.Context(), epoch, deleted.Slug, audit))
		f.must(f.RecordHomeReleased(t.Context(), epoch, deleted.Slug, audit)) // once more changes nothing
		newest, err := f.Audits(t.Context(), 1)
		f.must(err)
		wantEqual(t, newest[0].Action, "home.release")
	})
}

// Whoever adds a table with somebody's id in it says what an export and an erasure
// make of it.
func TestEveryTableWithPeopleInItIsKnownToExportsAndErasures(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		db, err := f.db.open(f.where)
		f.must(err)
		defer db.Close()
		var columns []string
		f.must(db.SelectContext(t.Context(), &columns, f.db.columns))
		for _, c := range columns {
			table, column, _ := strings.Cut(c, ".")
			if slices.Contains([]string{"user_id", "student_id", "email", "login", "actor_user", "workspace_id"}, column) &&
				!slices.Contains(store.PersonalTables(), table) {
				t.Errorf("%s says something about people and is in no export", c)
			}
		}
	})
}
