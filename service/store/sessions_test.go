package store_test

import (
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const idle = 12 * time.Hour

func (f *fixture) newSession(u lab.User) lab.Session {
	return lab.Session{
		ID: f.id("session"), UserID: u.ID, Remote: "192.0.2.1", Agent: "Browser", RotatedAt: f.now, CreatedAt: f.now, SeenAt: f.now,
		ExpiresAt: f.now.Add(24 * time.Hour),
	}
}

// session begins one under the hash given.
func (f *fixture) session(u lab.User, hash string) lab.Session {
	f.t.Helper()
	s := f.newSession(u)
	f.must(f.BeginSession(f.t.Context(), lab.SignIn{Session: s, Hash: hash, Device: "device of " + u.ID}, f.audit("session.create", s.ID), nil))
	return s
}

func (f *fixture) live(userID string) []lab.Session {
	f.t.Helper()
	found, err := f.Sessions(f.t.Context(), userID, f.now, idle, lab.Page{Limit: 100})
	f.must(err)
	return found.Items
}

func TestASessionIsFoundByAllOfItsTokens(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada := t.Context(), f.user("ada@example.org", lab.RoleStudent)
		s := f.session(ada, "first")
		f.session(ada, "another")
		wants := func(tokens map[string]lab.SessionToken) {
			t.Helper()
			for hash, want := range tokens {
				got, user, token, err := f.SessionOf(ctx, hash)
				f.must(err)
				wantEqual(t, got, s)
				wantEqual(t, user, ada)
				wantEqual(t, token, want)
			}
		}
		wants(map[string]lab.SessionToken{"first": {}})

		for _, next := range []string{"second", "third"} {
			f.now = f.now.Add(time.Minute)
			done, err := f.RotateSession(ctx, s.ID, s.RotatedAt, next, f.now)
			f.must(err)
			wantEqual(t, done, true)
			s.RotatedAt, s.SeenAt = f.now, f.now
		}
		wants(map[string]lab.SessionToken{"first": {}, "second": {Succeeds: true}, "third": {Succeeds: true}})

		then := f.now
		f.must(f.SucceedTokens(ctx, s.ID, "second", then))
		wants(map[string]lab.SessionToken{"first": {SucceededAt: &then}, "second": {}, "third": {Succeeds: true}})
		f.now = f.now.Add(time.Minute)
		f.must(f.SucceedTokens(ctx, s.ID, "first", f.now))
		f.must(f.SucceedTokens(ctx, s.ID, "third", f.now))
		wants(map[string]lab.SessionToken{"first": {SucceededAt: &then}, "second": {SucceededAt: &f.now}, "third": {}})
		for _, hash := range []string{"", "made up"} {
			_, _, _, err := f.SessionOf(ctx, hash)
			wantCode(t, err, lab.CodeNotFound)
		}
	})
}

func TestOfManyRotationsOneIsMade(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		s := f.session(f.user("ada@example.org", lab.RoleStudent), "first")
		f.now = f.now.Add(time.Minute)
		done := make([]bool, 8)
		for _, err := range together(8, func(i int) (err error) {
			done[i], err = f.RotateSession(t.Context(), s.ID, s.RotatedAt, string(rune('a'+i)), f.now)
			return err
		}) {
			f.must(err)
		}
		n := 0
		for _, d := range done {
			if d {
				n++
			}
		}
		wantEqual(t, n, 1)
	})
}

func TestSessionsThatAreLiveAreListed(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada, bob := t.Context(), f.user("ada@example.org", lab.RoleStudent), f.user("bob@example.org", lab.RoleStudent)
		old := f.session(ada, "old")
		f.now = f.now.Add(time.Hour)
		ended, mine := f.session(ada, "ended"), f.session(ada, "mine")
		f.session(bob, "bob's")
		f.must(f.EndSession(ctx, somebody(), "", ended.ID, f.now, f.audit("session.end", ended.ID)))
		wantEqual(t, f.live(ada.ID), []lab.Session{mine, old})
		wantEqual(t, len(f.live("")), 3)

		// The old one was not used for too long, and then it was.
		f.now = old.SeenAt.Add(idle)
		wantEqual(t, f.live(ada.ID), []lab.Session{mine})
		f.must(f.SeeSession(ctx, old.ID, f.now))
		wantEqual(t, len(f.live(ada.ID)), 2)
		f.now = old.ExpiresAt
		wantEqual(t, len(f.live("")), 0)
	})
}

func TestASessionEndsOnceAndForItsUserAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada, bob := t.Context(), f.user("ada@example.org", lab.RoleStudent), f.user("bob@example.org", lab.RoleStudent)
		s := f.session(ada, "ada's")
		wantCode(t, f.EndSession(ctx, somebody(), bob.ID, s.ID, f.now, f.audit("session.end", s.ID)), lab.CodeNotFound)
		f.must(f.EndSession(ctx, somebody(), ada.ID, s.ID, f.now, f.audit("session.end", s.ID)))
		wantCode(t, f.EndSession(ctx, somebody(), ada.ID, s.ID, f.now, f.audit("session.end", s.ID)), lab.CodeNotFound)
		done, err := f.RotateSession(ctx, s.ID, s.RotatedAt, "next", f.now)
		f.must(err)
		wantEqual(t, done, false)
	})
}

func TestANewSessionEndsTheOneBeforeInTheSameBrowser(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada := t.Context(), f.user("ada@example.org", lab.RoleStudent)
		before, elsewhere := f.session(ada, "one"), f.session(ada, "elsewhere")
		f.now = f.now.Add(time.Minute)
		next := f.newSession(ada)
		f.must(f.BeginSession(ctx, lab.SignIn{Session: next, Hash: "two", Device: "device", Replaced: []string{"one", "unknown"}}, f.audit("session.create", next.ID), func(old lab.Session) lab.Audit {
			return f.audit("session.end", old.ID)
		}))
		wantEqual(t, f.live(ada.ID), []lab.Session{next, elsewhere})
		ended, err := f.Session(ctx, before.ID)
		f.must(err)
		wantEqual(t, *ended.EndedAt, f.now)
		audits, err := f.Audits(ctx, 2)
		f.must(err)
		wantEqual(t, []string{audits[0].Action, audits[0].Target, audits[1].Action}, []string{"session.end", before.ID, "session.create"})
		// So does one by a token that it had before. One that has ended is not ended once more.
		f.must(second(f.RotateSession(ctx, elsewhere.ID, elsewhere.RotatedAt, "elsewhere now", f.now)))
		again := f.newSession(ada)
		f.must(f.BeginSession(ctx, lab.SignIn{Session: again, Hash: "again", Device: "device", Replaced: []string{"elsewhere"}}, f.audit("session.create", again.ID), func(old lab.Session) lab.Audit {
			return f.audit("session.end", old.ID)
		}))
		wantEqual(t, f.live(ada.ID), []lab.Session{again, next})
		f.must(f.BeginSession(ctx, lab.SignIn{Session: f.newSession(ada), Hash: "three", Device: "device", Replaced: []string{"one"}}, f.audit("session.create", "third"), nil))
		for device, known := range map[string]bool{"device": true, "another": false, "": false} {
			got, err := f.KnowsDevice(ctx, ada.ID, device)
			f.must(err)
			wantEqual(t, got, known)
		}
	})
}

func TestNobodySignsInWithWhatIsOverByThen(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada := t.Context(), f.user("ada@example.org", lab.RoleStudent)
		begins := func(revision int64) error {
			s := f.newSession(ada)
			in := lab.SignIn{Session: s, Hash: s.ID, Device: "device", Revision: revision}
			return f.BeginSession(ctx, in, f.audit("session.create", s.ID), nil)
		}
		f.must(begins(ada.Revision))
		f.must(second(f.PasswordSet(ctx, f.hold(ada.ID), lab.PasswordOwn, "", true, f.now, f.audit("password.reset", ada.ID))))
		wantCode(t, begins(ada.Revision), lab.CodeConflict)
		wantEqual(t, len(f.live(ada.ID)), 0)
		f.must(begins(f.person(ada.ID).Revision))
		f.must(begins(0)) // no password was looked at
		f.setUser(ada.ID, func(u *lab.User) { u.DisabledAt = &f.now })
		wantCode(t, begins(0), lab.CodeForbidden)
		wantEqual(t, len(f.live(ada.ID)), 0)
	})
}

func TestANewPasswordEndsAllElse(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada := t.Context(), f.user("ada@example.org", lab.RoleStudent)
		f.session(ada, "elsewhere")
		here := f.newSession(ada)
		here.PasswordDue = true
		f.must(f.BeginSession(ctx, lab.SignIn{Session: here, Hash: "here", Device: "device"}, f.audit("session.create", here.ID), nil))
		link := f.newLetter(ada)
		f.must(f.AskLetter(ctx, link, f.audit("password.ask", ada.ID)))
		link.Tries, link.ExpiresAt = 1, f.now.Add(time.Hour)
		f.must(second(f.TryLetter(ctx, link, "link")))

		over := f.newSession(ada)
		over.ExpiresAt = f.now
		f.must(f.BeginSession(ctx, lab.SignIn{Session: over, Hash: "over", Device: "device"}, f.audit("session.create", over.ID), nil))
		f.apiToken(ada)

		given, err := f.PasswordSet(ctx, f.hold(ada.ID), lab.PasswordOwn, here.ID, false, f.now, f.audit("password.change", ada.ID))
		f.must(err)
		wantEqual(t, given, lab.NewPassword{Ended: lab.Ended{Sessions: 1}, Revision: ada.Revision + 1})
		here.PasswordDue = false
		wantEqual(t, f.live(ada.ID), []lab.Session{here})
		changed, err := f.User(ctx, ada.ID)
		f.must(err)
		wantEqual(t, changed.Password, lab.PasswordOwn)
		wantEqual(t, changed.Revision, given.Revision)
		_, err = f.ResetLink(ctx, "link", f.now)
		wantCode(t, err, lab.CodeNotFound)

		given, err = f.PasswordSet(ctx, f.hold(ada.ID), lab.PasswordOwn, "", true, f.now, f.audit("password.reset", ada.ID))
		f.must(err)
		wantEqual(t, given.Ended, lab.Ended{Sessions: 1, Tokens: 1})
	})
}

func TestTokensGoWithSessionsAndPasswordsWhereThatIsAsked(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada, bob := t.Context(), f.user("ada@example.org", lab.RoleStudent), f.user("bob@example.org", lab.RoleStudent)
		bobs := f.apiToken(bob)
		left := func() int {
			t.Helper()
			list, err := f.Tokens(ctx, ada.ID, lab.Page{Limit: 9})
			f.must(err)
			return len(list.Items)
		}
		for name, act := range map[string]func(tokens bool) error{
			"session.end_all": func(tokens bool) error {
				return f.EndSessions(ctx, somebody(), ada.ID, tokens, f.now, f.audit("session.end_all", ada.ID))
			},
			"password.reset": func(tokens bool) error {
				return second(f.PasswordSet(ctx, f.hold(ada.ID), lab.PasswordOwn, "", tokens, f.now, f.audit("password.reset", ada.ID)))
			},
		} {
			one, two := f.apiToken(ada), f.apiToken(ada)
			f.must(act(false))
			wantEqual(t, left(), 2)
			f.must(act(true))
			wantEqual(t, left(), 0)
			newest, err := f.Audits(ctx, 1)
			f.must(err)
			wantEqual(t, newest[0].Action, name)
			wantEqual(t, newest[0].Detail["revoked_tokens"], any([]any{one.ID, two.ID}))
		}
		kept, err := f.Token(ctx, bobs.ID)
		f.must(err)
		wantEqual(t, kept.RevokedAt == nil, true)
	})
}

func TestASessionEndsOnceWhoseReplacedTokenComesAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada := t.Context(), f.user("ada@example.org", lab.RoleStudent)
		s, other := f.session(ada, "first"), f.session(ada, "other")
		replaced := f.now.Add(time.Minute)
		f.must(second(f.RotateSession(ctx, s.ID, s.RotatedAt, "second", f.now)))
		f.must(second(f.RotateSession(ctx, s.ID, f.now, "third", f.now.Add(time.Second))))
		f.must(f.SucceedTokens(ctx, s.ID, "second", replaced))
		recorded := 0
		comes := func(hash string, before time.Time) {
			t.Helper()
			f.must(f.EndReused(ctx, hash, before, f.now, func(ended lab.Session) lab.Audit {
				recorded++
				return f.audit("session.reuse", ended.ID)
			}))
		}
		for hash, before := range map[string]time.Time{"third": replaced.Add(time.Hour), "second": replaced.Add(time.Hour), "made up": replaced.Add(time.Hour), "first": replaced.Add(-time.Second)} {
			comes(hash, before)
		}
		wantEqual(t, len(f.live(ada.ID)), 2)
		for range 2 {
			comes("first", replaced)
		}
		wantEqual(t, []any{f.live(ada.ID), recorded}, []any{[]lab.Session{other}, 1})
	})
}

// hold holds somebody's password for an act.
func (f *fixture) hold(userID string) lab.PasswordHold {
	f.t.Helper()
	hold := lab.PasswordHold{ID: f.id("hold"), UserID: userID, Until: f.now.Add(time.Minute)}
	f.must(f.HoldPassword(f.t.Context(), hold, f.now))
	return hold
}

func TestWhoIsShutOutByThenHoldsNoPassword(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada := t.Context(), f.user("ada@example.org", lab.RoleStudent)
		s := f.session(ada, "ada's")
		holds := func(hold lab.PasswordHold) error {
			hold.ID, hold.UserID, hold.Until = f.id("hold"), ada.ID, f.now.Add(time.Minute)
			err := f.HoldPassword(ctx, hold, f.now)
			f.must(second(f.ReleasePassword(ctx, hold)))
			return err
		}
		f.must(holds(lab.PasswordHold{SessionID: s.ID}))
		f.must(f.EndSession(ctx, somebody(), "", s.ID, f.now, f.audit("session.end", s.ID)))
		wantCode(t, holds(lab.PasswordHold{SessionID: s.ID}), lab.CodeUnauthenticated)
		f.must(holds(lab.PasswordHold{}))

		f.setUser(ada.ID, func(u *lab.User) { u.DisabledAt = &f.now })
		wantCode(t, holds(lab.PasswordHold{}), lab.CodeForbidden)
		f.must(holds(lab.PasswordHold{Disabled: true}))
	})
}

func TestOneActAtATimeSetsAPassword(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada, bob := t.Context(), f.user("ada@example.org", lab.RoleStudent), f.user("bob@example.org", lab.RoleStudent)
		try := func(hold lab.PasswordHold) error {
			hold.Until = f.now.Add(time.Minute)
			return f.HoldPassword(ctx, hold, f.now)
		}
		release := func(hold lab.PasswordHold, want bool) {
			t.Helper()
			held, err := f.ReleasePassword(ctx, hold)
			f.must(err)
			wantEqual(t, held, want)
		}
		one, two := lab.PasswordHold{ID: "one", UserID: ada.ID, Temporary: true}, lab.PasswordHold{ID: "two", UserID: ada.ID}
		f.must(try(one))
		wantCode(t, try(two), lab.CodeConflict)
		f.must(try(lab.PasswordHold{ID: "three", UserID: bob.ID}))
		before, err := f.User(ctx, ada.ID)
		f.must(err)
		wantEqual(t, before, ada) // who is the same to everybody else

		release(two, false)
		wantCode(t, try(two), lab.CodeConflict)
		release(one, true)
		release(one, false)
		f.must(try(two))

		// Whoever is too late notes nothing.
		f.now = f.now.Add(time.Minute)
		f.must(try(one))
		set := func(hold lab.PasswordHold) error {
			return second(f.PasswordSet(ctx, hold, lab.PasswordOwn, "", true, f.now, f.audit("password.change", ada.ID)))
		}
		wantCode(t, set(two), lab.CodeConflict)
		after, err := f.User(ctx, ada.ID)
		f.must(err)
		wantEqual(t, after, ada)

		// A password of one's own ends the hold, and no temporary one comes after it.
		release(one, true)
		f.must(try(two))
		f.must(set(two))
		wantCode(t, try(one), lab.CodeConflict)
		f.must(try(two))
	})
}
