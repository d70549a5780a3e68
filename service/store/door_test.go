package store_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bothylabs/bothy/service/lab"
)

// guarded is a store with a workspace, its student, and people who may look in, or not.
type guarded struct {
	*fixture
	raw                                       *sqlx.DB
	cohort                                    lab.Cohort
	class                                     lab.Class
	enrolled                                  lab.Student
	workspace                                 lab.Workspace
	student, teacher, helper, stranger, admin lab.User
}

func newGuarded(f *fixture) guarded {
	f.t.Helper()
	g := guarded{fixture: f, raw: openRaw(f.t, f.db, f.where)}
	g.cohort = f.cohort("fall")
	g.class = f.class(g.cohort, f.course("py"))
	g.enrolled = f.student(g.cohort, "Ada", "ada@example.org")
	g.workspace = f.workspace(g.class, g.enrolled, "fall-py-ada")
	g.student, g.teacher = f.person("ada@example.org"), f.user("t@example.org", lab.RoleInstructor)
	g.helper, g.stranger = f.user("h@example.org", lab.RoleAssistant), f.user("x@example.org", lab.RoleInstructor)
	g.admin = f.user("root@example.org", lab.RoleAdmin)
	f.must(second(f.Appoint(f.t.Context(), somebody(), lab.TrustCohort, g.cohort.ID, []string{g.teacher.ID}, f.audit("appoint", g.cohort.ID))))
	f.must(second(f.Appoint(f.t.Context(), somebody(), lab.TrustClass, g.class.ID, []string{g.helper.ID}, f.audit("appoint", g.class.ID))))
	for _, u := range []lab.User{g.student, g.teacher, g.helper, g.stranger, g.admin} {
		g.exec(`INSERT INTO sessions (id, hash, rotated_at, user_id, password_due, remote, agent, created_at, seen_at, expires_at)
			VALUES (?, ?, 0, ?, 0, '', '', 0, ?, ?)`, "session-"+u.ID, "hash-"+u.ID, u.ID, g.now.UnixMicro(), g.now.Add(8*time.Hour).UnixMicro())
	}
	return g
}

func (g guarded) exec(query string, args ...any) {
	g.t.Helper()
	_, err := g.raw.ExecContext(g.t.Context(), g.raw.Rebind(query), args...)
	g.must(err)
}

func (g guarded) entry(u lab.User) lab.Entry {
	e := lab.Entry{
		WorkspaceID: g.workspace.ID, Host: lab.HostOwn, LooksIn: u.ID != g.student.ID,
		UserID: u.ID, SessionID: "session-" + u.ID, Actor: "user:" + u.Login, Role: u.Role, Browser: browserOf(u),
	}
	if !e.LooksIn {
		e.Host = lab.HostShared
	}
	return e
}

// browserOf is the browser that somebody uses.
func browserOf(u lab.User) string { return "browser-" + u.ID }

// enter redeems a ticket for a pass and gives the pass's hash.
func (g guarded) enter(e lab.Entry) string {
	g.t.Helper()
	ticket, pass := g.id("ticket"), g.id("pass")
	g.must(g.AddTicket(g.t.Context(), lab.Ticket{Hash: ticket, Entry: e, Remote: "192.0.2.1", CreatedAt: g.now, ExpiresAt: g.now.Add(time.Minute)}))
	g.must(g.redeem(ticket, pass, g.workspace.Slug, e.Host, e.Browser, g.now))
	return pass
}

func (g guarded) redeem(ticket, pass string, slug lab.Slug, host lab.DoorHost, browser string, now time.Time) error {
	return g.redeemAs(ticket, pass, slug, host, browser, browser, now)
}

// redeemAs redeems a ticket in a browser that becomes another.
func (g guarded) redeemAs(ticket, pass string, slug lab.Slug, host lab.DoorHost, browser, as string, now time.Time) error {
	return g.RedeemTicket(g.t.Context(), ticket, slug, host, browser, now, func(t lab.Ticket) (lab.Pass, lab.Audit) {
		t.Browser = as
		return lab.Pass{ID: g.id("pass"), Hash: pass, Entry: t.Entry, CreatedAt: now, ExpiresAt: now.Add(12 * time.Hour)},
			g.audit("workspace.look_in", t.WorkspaceID)
	})
}

func (g guarded) admission(pass string, host lab.DoorHost, at time.Duration) (lives, may bool) {
	g.t.Helper()
	var browser string
	g.must(g.raw.Get(&browser, g.raw.Rebind(`SELECT browser FROM passes WHERE hash = ?`), pass))
	got, err := g.Admission(g.t.Context(), []string{"another", pass}, g.workspace.Slug, host, browser, g.now.Add(at), g.now.Add(at-time.Hour))
	g.must(err)
	return got.Lives, got.May
}

func TestATicketIsGoodOnceForOneWorkspaceOnOneKindOfHost(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		g := newGuarded(f)
		ticket := lab.Ticket{Hash: "ticket", Entry: g.entry(g.student), CreatedAt: g.now, ExpiresAt: g.now.Add(time.Minute)}
		g.must(g.AddTicket(t.Context(), ticket))
		g.workspaces(g.class, g.cohort, 1)
		for what, err := range map[string]error{
			"another ticket":    g.redeem("other", "p1", g.workspace.Slug, lab.HostShared, ticket.Browser, g.now),
			"another workspace": g.redeem("ticket", "p2", "fall-26-py101-student-0", lab.HostShared, ticket.Browser, g.now),
			"another host":      g.redeem("ticket", "p3", g.workspace.Slug, lab.HostOwn, ticket.Browser, g.now),
			"another browser":   g.redeem("ticket", "p5", g.workspace.Slug, lab.HostShared, "browser-x", g.now),
			"too late":          g.redeem("ticket", "p4", g.workspace.Slug, lab.HostShared, ticket.Browser, g.now.Add(time.Minute)),
		} {
			if lab.CodeOf(err) != lab.CodeUnauthenticated {
				t.Errorf("%s: %v", what, err)
			}
		}
		var good atomic.Int32
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				switch err := g.redeem("ticket", g.id("hash"), g.workspace.Slug, lab.HostShared, ticket.Browser, g.now.Add(time.Second)); lab.CodeOf(err) {
				case "":
					good.Add(1)
				case lab.CodeUnauthenticated:
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		wantEqual(t, good.Load(), int32(1))
	})
}

func TestAPassCountsForAsLongAsItsHolderMay(t *testing.T) {
	t.Parallel()
	const later = time.Minute
	for name, tc := range map[string]struct {
		who       func(g guarded) lab.User
		change    func(g guarded)
		at        time.Duration
		lives, my bool
	}{
		"the student":          {who: func(g guarded) lab.User { return g.student }, lives: true, my: true},
		"an instructor":        {who: func(g guarded) lab.User { return g.teacher }, lives: true, my: true},
		"an assistant":         {who: func(g guarded) lab.User { return g.helper }, lives: true, my: true},
		"an admin":             {who: func(g guarded) lab.User { return g.admin }, lives: true, my: true},
		"another's instructor": {who: func(g guarded) lab.User { return g.stranger }, lives: true},
		"signed out": {who: func(g guarded) lab.User { return g.student }, my: true, change: func(g guarded) {
			g.exec(`UPDATE sessions SET ended_at = ?`, g.now.UnixMicro())
		}},
		"no session any more": {who: func(g guarded) lab.User { return g.student }, my: true, change: func(g guarded) { g.exec(`DELETE FROM sessions`) }},
		"idle":                {who: func(g guarded) lab.User { return g.student }, my: true, at: 2 * time.Hour},
		"seen in between": {who: func(g guarded) lab.User { return g.student }, lives: true, my: true, at: 2 * time.Hour, change: func(g guarded) {
			g.must(g.TouchSessions(g.t.Context(), map[string]time.Time{"session-" + g.student.ID: g.now.Add(90 * time.Minute)}))
		}},
		"disabled": {who: func(g guarded) lab.User { return g.student }, lives: true, change: func(g guarded) {
			g.exec(`UPDATE users SET disabled_at = ? WHERE id = ?`, g.now.UnixMicro(), g.student.ID)
		}},
		"withdrawn": {who: func(g guarded) lab.User { return g.student }, change: func(g guarded) {
			g.must(second(g.Withdraw(g.t.Context(), somebody(), g.enrolled.ID, g.now, g.audit("student.withdraw", g.enrolled.ID))))
		}},
		"withdrawn, and a student elsewhere": {who: func(g guarded) lab.User { return g.student }, lives: true, change: func(g guarded) {
			g.join(g.fixture.cohort("elsewhere"), g.student.Login)
			g.must(second(g.Withdraw(g.t.Context(), somebody(), g.enrolled.ID, g.now, g.audit("student.withdraw", g.enrolled.ID))))
		}},
		"the cohort taken away": {who: func(g guarded) lab.User { return g.teacher }, lives: true, change: func(g guarded) {
			g.must(second(g.Appoint(g.t.Context(), somebody(), lab.TrustCohort, g.cohort.ID, nil, g.audit("appoint", g.cohort.ID))))
		}},
		"the class taken away": {who: func(g guarded) lab.User { return g.helper }, lives: true, change: func(g guarded) {
			g.must(second(g.Appoint(g.t.Context(), somebody(), lab.TrustClass, g.class.ID, nil, g.audit("appoint", g.class.ID))))
		}},
		"no instructor any more": {who: func(g guarded) lab.User { return g.teacher }, lives: true, change: func(g guarded) {
			g.exec(`UPDATE users SET role = 'student' WHERE id = ?`, g.teacher.ID)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, f *fixture) {
				g := newGuarded(f)
				entry := g.entry(tc.who(g))
				pass := g.enter(entry)
				if tc.change != nil {
					tc.change(g)
				}
				lives, may := g.admission(pass, entry.Host, tc.at+later)
				if lives != tc.lives || may != tc.my {
					t.Errorf("lives %v, may %v; want %v, %v", lives, may, tc.lives, tc.my)
				}
				// What counts no more is ended, once, and wants its connections ended.
				now := g.now.Add(tc.at + later)
				for round := range 2 {
					ended, err := g.EndPasses(t.Context(), now, now.Add(-time.Hour), now.Add(5*time.Second))
					g.must(err)
					wantEqual(t, ended == 1, round == 0 && (!tc.lives || !tc.my))
				}
				w := g.stored(g.workspace)
				if tc.lives && tc.my {
					wantEqual(t, []any{w.EvictionsWanted, w.EvictAfter}, []any{int64(0), time.Time{}})
					return
				}
				wantEqual(t, []any{w.EvictionsWanted, w.EvictAfter}, []any{int64(1), now.Add(5 * time.Second)})
				lives, _ = g.admission(pass, entry.Host, tc.at+later)
				wantEqual(t, lives, false)
				g.must(g.RecordEviction(t.Context(), g.epoch(), g.workspace.ID, w.EvictionsWanted))
				wantEqual(t, g.stored(g.workspace).EvictionsDone, int64(1))
			})
		})
	}
}

func TestAPassEndsWithTheTokenThatItWasAskedForWith(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(g guarded){
		"revoked": func(g guarded) {
			g.must(g.RevokeToken(g.t.Context(), somebody(), "", "token", g.now, g.audit("token.revoke", "token")))
		},
		"expired": func(g guarded) { g.exec(`UPDATE api_tokens SET expires_at = ?`, g.now.UnixMicro()) },
		"gone":    func(g guarded) { g.exec(`DELETE FROM api_tokens`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, f *fixture) {
				g := newGuarded(f)
				token := lab.APIToken{ID: "token", UserID: g.teacher.ID, Name: "ci", Scope: lab.TokenOperate, CreatedAt: g.now, ExpiresAt: g.now.Add(time.Hour)}
				g.must(g.CreateToken(t.Context(), somebody(), lab.Caller{}, token, "hash of a token", g.audit("token.create", token.ID)))
				entry := g.entry(g.teacher)
				entry.SessionID, entry.TokenID = "", token.ID
				pass := g.enter(entry)
				got, err := g.Admission(t.Context(), []string{pass}, g.workspace.Slug, lab.HostOwn, browserOf(g.teacher), g.now, g.now.Add(-time.Hour))
				g.must(err)
				wantEqual(t, []any{got.Lives, got.May, got.Entry}, []any{true, true, entry})
				change(g)
				lives, may := g.admission(pass, lab.HostOwn, time.Minute)
				wantEqual(t, []bool{lives, may}, []bool{false, true})
				ended, err := g.EndPasses(t.Context(), g.now.Add(time.Minute), g.now.Add(-time.Hour), g.now)
				g.must(err)
				wantEqual(t, ended, 1)
			})
		})
	}
}

func TestBeforeASessionIsIdleItIsAskedWhoIsThere(t *testing.T) {
	t.Parallel()
	const idle, margin = time.Hour, 10 * time.Minute
	onEach(t, func(t *testing.T, f *fixture) {
		g := newGuarded(f)
		g.enter(g.entry(g.student))
		g.enter(lab.Entry{WorkspaceID: g.workspace.ID, Host: lab.HostOwn, LooksIn: true, Actor: "token:operator", Role: lab.RoleAdmin, Browser: "browser-token"}) // without a session
		asks := func(at time.Duration, want int) {
			t.Helper()
			now := g.now.Add(at)
			n, err := g.AskPresence(t.Context(), now, now.Add(-idle), now.Add(margin-idle), now.Add(6*time.Second))
			g.must(err)
			wantEqual(t, n, want)
		}
		asks(idle-margin-time.Second, 0)
		asks(idle-margin, 1)
		w := g.stored(g.workspace)
		wantEqual(t, []any{w.EvictionsWanted, w.EvictAfter}, []any{int64(1), g.now.Add(idle - margin + 6*time.Second)})
		asks(idle-margin+5*time.Second, 0) // once
		// Whoever has come back is asked again when they were not seen for long.
		g.must(g.TouchSessions(t.Context(), map[string]time.Time{"session-" + g.student.ID: g.now.Add(idle - margin + 15*time.Second)}))
		asks(idle, 0)
		asks(2*idle-2*margin+20*time.Second, 1)
		// Whoever has not is not asked once the session is idle: the pass ends.
		asks(3*idle, 0)
		ended, err := g.EndPasses(t.Context(), g.now.Add(3*idle), g.now.Add(2*idle), g.now)
		g.must(err)
		wantEqual(t, ended, 1)
	})
}

func TestAPassIsForItsHostWorkspaceAndBrowserAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		g := newGuarded(f)
		pass := g.enter(g.entry(g.teacher))
		other := g.workspaces(g.class, g.cohort, 1)[0]
		for _, at := range []struct {
			slug    lab.Slug
			host    lab.DoorHost
			browser string
		}{
			{g.workspace.Slug, lab.HostShared, browserOf(g.teacher)},
			{other.Slug, lab.HostOwn, browserOf(g.teacher)},
			{g.workspace.Slug, lab.HostOwn, browserOf(g.student)},
			{g.workspace.Slug, lab.HostOwn, ""},
		} {
			_, err := g.Admission(t.Context(), []string{pass}, at.slug, at.host, at.browser, g.now, g.now.Add(-time.Hour))
			wantCode(t, err, lab.CodeNotFound)
		}
		_, err := g.Admission(t.Context(), nil, g.workspace.Slug, lab.HostOwn, browserOf(g.teacher), g.now, g.now)
		wantCode(t, err, lab.CodeNotFound)
		// Of several passes, the one that counts decides.
		gone := g.enter(g.entry(g.teacher))
		g.exec(`UPDATE passes SET ended_at = 1 WHERE hash = ?`, gone)
		got, err := g.Admission(t.Context(), []string{gone, pass}, g.workspace.Slug, lab.HostOwn, browserOf(g.teacher), g.now, g.now.Add(-time.Hour))
		g.must(err)
		wantEqual(t, got.Hash, pass)
		g.must(g.CleanDoor(t.Context(), g.now, g.now))
		var left []string
		g.must(g.raw.Select(&left, `SELECT hash FROM passes`))
		wantEqual(t, left, []string{pass})
	})
}

// ticket makes a ticket for a browser, or for any.
func (g guarded) ticket(e lab.Entry, browser string) string {
	g.t.Helper()
	e.Browser = browser
	hash := g.id("ticket")
	g.must(g.AddTicket(g.t.Context(), lab.Ticket{Hash: hash, Entry: e, CreatedAt: g.now, ExpiresAt: g.now.Add(time.Minute)}))
	return hash
}

func TestABrowserIsOnePersonsAtATime(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		g := newGuarded(f)
		own, shared := lab.HostOwn, lab.HostShared
		offer := func(hash, browser string) lab.Offer {
			t.Helper()
			got, err := g.Offer(t.Context(), hash, g.workspace.Slug, own, browser, g.now)
			g.must(err)
			return got
		}
		first := g.ticket(g.entry(g.teacher), "b1")
		wantEqual(t, []any{offer(first, "b1").Login, offer(first, "b1").Owner, offer(first, "").Browser}, []any{g.teacher.Login, "", "b1"})
		g.must(g.redeem(first, "p1", g.workspace.Slug, own, "b1", g.now))
		_, err := g.Offer(t.Context(), first, g.workspace.Slug, own, "b1", g.now)
		wantCode(t, err, lab.CodeUnauthenticated)
		// Their own next one, with a session or a token, changes nothing.
		next := g.entry(g.teacher)
		next.SessionID, next.Actor = "", "token:t@example.org/ci"
		second := g.ticket(next, "")
		wantEqual(t, []any{offer(second, "b1").Owner, offer(second, "b1").Browser}, []any{"", ""})
		g.must(g.redeem(second, "p2", g.workspace.Slug, own, "b1", g.now))
		// Somebody else's does not come beside it, also when the passes have ended.
		g.exec(`UPDATE passes SET ended_at = 1 WHERE hash = 'p1'`)
		third := g.ticket(g.entry(g.helper), "")
		wantEqual(t, offer(third, "b1").Owner, g.teacher.Login)
		wantCode(t, g.redeem(third, "p3", g.workspace.Slug, own, "b1", g.now), lab.CodeConflict)
		// In a browser's new name they do, and what was open by the old one ends.
		g.must(g.redeemAs(third, "p3", g.workspace.Slug, own, "b1", "b2", g.now))
		ended, err := g.EndPasses(t.Context(), g.now, g.now.Add(-time.Hour), g.now)
		g.must(err)
		wantEqual(t, ended, 1)
		for pass, lives := range map[string]bool{"p2": false, "p3": true} {
			is, _ := g.admission(pass, own, 0)
			wantEqual(t, is, lives)
		}
		// The old name stays whose it was.
		mine := g.entry(g.student)
		fourth := g.ticket(mine, "b1")
		wantCode(t, g.redeem(fourth, "p4", g.workspace.Slug, shared, "b1", g.now), lab.CodeConflict)
		g.must(g.CleanDoor(t.Context(), g.now, g.now.Add(time.Second)))
		g.must(g.redeem(fourth, "p4", g.workspace.Slug, shared, "b1", g.now))
	})
}

func TestOfPassesTheNewestFewAreKept(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		g := newGuarded(f)
		entry := g.entry(g.student)
		live := func() (n int) {
			g.must(g.raw.Get(&n, `SELECT COUNT(*) FROM passes WHERE ended_at IS NULL`))
			return n
		}
		g.enter(g.entry(g.teacher)) // somebody else's stays
		oldest := g.enter(entry)
		for range 10 {
			g.enter(entry)
		}
		wantEqual(t, live(), 1+4)
		if lives, _ := g.admission(oldest, entry.Host, 0); lives {
			t.Error("the oldest is kept")
		}
		newest := ""
		for range 40 {
			entry.Browser = g.id("browser")
			newest = g.enter(entry)
		}
		wantEqual(t, live(), 1+16)
		if lives, may := g.admission(newest, entry.Host, 0); !lives || !may {
			t.Error("the newest is not kept")
		}
		// Nobody is thrown out for it.
		ended, err := g.EndPasses(t.Context(), g.now, g.now.Add(-time.Hour), g.now)
		g.must(err)
		wantEqual(t, []any{ended, g.stored(g.workspace).EvictionsWanted}, []any{0, int64(0)})
	})
}

func TestTheStudentSeesWhoLookedIn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		g := newGuarded(f)
		g.enter(g.entry(g.student))
		g.enter(g.entry(g.teacher))
		token := lab.Entry{WorkspaceID: g.workspace.ID, Host: lab.HostOwn, LooksIn: true, Actor: "token:operator", Role: lab.RoleAdmin, Browser: "browser-token"}
		pass := g.enter(token)
		if lives, may := g.admission(pass, lab.HostOwn, time.Minute); !lives || !may {
			t.Error("the operator's token has no user and no session, and its pass counts")
		}
		got, err := g.LookIns(t.Context(), g.student.ID, 10)
		g.must(err)
		var names []string
		for _, l := range got {
			names = append(names, string(l.Slug)+" "+l.Name+" "+string(l.Role)+" "+string(l.How))
		}
		wantEqual(t, names, []string{"fall-py-ada token:operator admin editor", "fall-py-ada N. N. instructor editor"})
		audits, err := g.Audits(t.Context(), 2)
		g.must(err)
		for _, a := range audits {
			if a.Action != "workspace.look_in" {
				t.Errorf("audit %s", a.Action)
			}
		}
	})
}

func TestTheDoorsQuestionReadsIndexesAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		lines, err := f.PlanAdmission(t.Context())
		f.must(err)
		for _, line := range lines {
			if strings.Contains(line, "SCAN") {
				t.Errorf("a table is read as a whole: %q", lines)
			}
		}
	})
}
