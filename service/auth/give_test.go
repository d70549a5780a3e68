package auth_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
)

const chosen = "a password of her own"

// raced is somebody with a temporary password, who is signed in with it to choose
// another, while another invitation to them is due.
type raced struct {
	*site
	user    lab.User
	mailer  *mailer
	letters *auth.Letters
	browser *browser
}

func newRace(t *testing.T) *raced {
	t.Helper()
	s := newSite(t)
	r := &raced{site: s, user: s.user("ada@example.org", lab.RoleStudent, lab.PasswordTemporary), mailer: &mailer{}, browser: s.browser()}
	r.letters = s.letters(r.mailer)
	_, err := r.browser.signIn("ada@example.org", right)
	s.must(err)
	_, err = s.store.Invite(t.Context(), lab.Intent{}, lab.Invitees{UserID: r.user.ID}, s.id, s.clock(), func(lab.Invited) lab.Audit {
		return lab.Audit{ID: s.id(), At: s.clock(), Action: "user.invite", Target: r.user.ID}
	})
	s.must(err)
	return r
}

// choose has them choose a password of their own.
func (r *raced) choose() error {
	return r.ChangePassword(r.t.Context(), r.browser.mustVisitor(), r.browser.visit(), "", chosen, false)
}

// hasTheirOwn looks whether Vault and the database have the password that they chose,
// and whether that stays so when all that is due has been sent.
func (r *raced) hasTheirOwn() {
	r.t.Helper()
	for range 2 {
		due, err := r.site.browser().signIn("ada@example.org", chosen)
		if err != nil || due {
			r.t.Errorf("with the password of their own: due %t, %v", due, err)
		}
		user, err := r.store.User(r.t.Context(), r.user.ID)
		r.must(err)
		if user.Password != lab.PasswordOwn || user.PasswordUntil != nil {
			r.t.Errorf("the state is %s until %v", user.Password, user.PasswordUntil)
		}
		r.pass(time.Hour)
		r.must(r.letters.Once(r.t.Context()))
	}
}

func TestAnInvitationNeverTakesThePlaceOfAChosenPassword(t *testing.T) {
	t.Run("which is being set", func(t *testing.T) {
		r := newRace(t)
		r.passwords.wrote = func(password string) {
			if password == chosen {
				r.must(r.letters.Once(t.Context()))
			}
		}
		r.must(r.choose())
		r.hasTheirOwn()
		if n := len(r.mailer.all()); n != 0 {
			t.Errorf("%d mails with a password that is not theirs", n)
		}
	})
	t.Run("which is chosen as the invitation begins", func(t *testing.T) {
		r := newRace(t)
		letters, err := auth.NewLetters(auth.LettersConfig{
			Store: beforeTry{r.store, func() { r.must(r.choose()) }}, Passwords: r.passwords, Mailer: r.mailer, ConsoleURL: "https://bothy.example.org",
			PerMinute: 60, Lifetime: time.Hour, Log: r.Log, NewID: r.id, Now: r.clock, After: r.after,
		})
		r.must(err)
		r.must(letters.Once(t.Context()))
		r.hasTheirOwn()
		if n := len(r.mailer.all()); n != 0 {
			t.Errorf("%d mails with a password that is not theirs", n)
		}
	})
	t.Run("which waits for it", func(t *testing.T) {
		r := newRace(t)
		waits, over, done := make(chan struct{}, 1), make(chan time.Time), make(chan error, 1)
		r.pause = func() <-chan time.Time {
			waits <- struct{}{}
			return over
		}
		r.passwords.setting = func(password string) {
			if password == chosen {
				return
			}
			go func() { done <- r.choose() }()
			select {
			case <-waits:
			case err := <-done:
				t.Errorf("it did not wait: %v", err)
				done <- err
			}
		}
		r.must(r.letters.Once(t.Context()))
		close(over)
		r.must(<-done)
		r.hasTheirOwn()
	})
	t.Run("whose owner waits too long, and tries again", func(t *testing.T) {
		r := newRace(t)
		r.passwords.setting = func(password string) {
			if password != chosen {
				r.wantCode(r.choose(), lab.CodeConflict)
			}
		}
		r.must(r.letters.Once(t.Context()))
		r.must(r.choose())
		r.hasTheirOwn()
	})
}

// beforeTry has something happen between the look at who is to be invited and the
// first thing that is done for it.
type beforeTry struct {
	auth.LetterStore
	happens func()
}

func (b beforeTry) TryLetter(ctx context.Context, letter lab.Letter, hash string) (bool, error) {
	b.happens()
	return b.LetterStore.TryLetter(ctx, letter, hash)
}

// held keeps everybody else from giving somebody a password.
func (s *site) held(user lab.User) {
	s.t.Helper()
	s.must(s.store.HoldPassword(s.t.Context(), lab.PasswordHold{ID: s.id(), UserID: user.ID, Until: s.clock().Add(time.Minute)}, s.clock()))
}

func second[T any](_ T, err error) error { return err }

func TestWhoWaitsForAnotherPasswordTakesNobodysTurn(t *testing.T) {
	s := newSite(t)
	waits, over := make(chan struct{}), make(chan time.Time)
	s.pause = func() <-chan time.Time {
		waits <- struct{}{}
		return over
	}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for i := range auth.Turns {
		login := fmt.Sprintf("p%d@example.org", i)
		user, b := s.user(login, lab.RoleStudent, lab.PasswordOwn), s.browser()
		s.must(second(b.signIn(login, right)))
		visitor := b.mustVisitor()
		s.held(user)
		all.Go(func() {
			if err := s.ChangePassword(ctx, visitor, b.visit(), right, chosen, false); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", login, err)
			}
		})
		<-waits
	}
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	s.must(second(s.browser().signIn("ada@example.org", right)))
}

func TestNobodyWaitsForAPasswordOfTheirOwn(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	b := s.browser()
	s.must(second(b.signIn("ada@example.org", right)))
	visitor := b.mustVisitor()
	change := func(to string) error {
		return s.ChangePassword(t.Context(), visitor, b.visit(), right, to, false)
	}
	s.pause = func() <-chan time.Time {
		t.Error("it waits")
		return time.After(0)
	}
	s.passwords.setting = func(string) {
		s.passwords.setting = nil
		s.wantCode(change("another one of hers"), lab.CodeConflict)
	}
	s.must(change(chosen))
	s.must(second(s.browser().signIn("ada@example.org", chosen)))
}

func TestALinkIsNotTurnedAwayByAChangeThatIsBeingMade(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	link := s.resetLink("ada@example.org")
	thief := s.browser()
	s.must(second(thief.signIn("ada@example.org", right)))
	visitor := thief.mustVisitor()
	waits, over, done := make(chan struct{}, 1), make(chan time.Time), make(chan error, 1)
	s.pause = func() <-chan time.Time {
		waits <- struct{}{}
		return over
	}
	s.passwords.setting = func(string) {
		s.passwords.setting = nil
		go func() {
			done <- second(s.ResetPassword(t.Context(), s.browser().visit(), link, chosen))
		}()
		select {
		case <-waits:
		case err := <-done:
			t.Errorf("it did not wait: %v", err)
			done <- err
		}
	}
	s.must(s.ChangePassword(t.Context(), visitor, thief.visit(), right, "a password of the thief", false))
	close(over)
	s.must(<-done)
	s.must(second(s.browser().signIn("ada@example.org", chosen)))
	s.wantCode(second(thief.visitor()), lab.CodeUnauthenticated)
}

func TestWhatWasNeverNotedKeepsOthersForAWhile(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordTemporary)
	give := func(passwords auth.Passwords, noted *bool) error {
		giver := auth.Giver{Holds: s.store, Passwords: passwords, NewID: s.id, Now: s.clock, After: s.after}
		return giver.Give(t.Context(), lab.PasswordHold{UserID: ada.ID}, chosen, func(ctx context.Context, hold lab.PasswordHold) error {
			*noted = true
			_, err := s.store.ReleasePassword(ctx, hold)
			return err
		})
	}
	var noted bool
	// A plain no is the end of it.
	s.passwords.err = lab.Errorf(lab.CodeUnavailable, "Vault is sealed")
	s.wantCode(give(s.passwords, &noted), lab.CodeUnavailable)
	s.passwords.err = nil
	s.must(give(s.passwords, &noted))
	if !noted {
		t.Error("nobody noted it")
	}

	// Killed before it is noted, it keeps others from it for a while, and no longer.
	s.must(s.store.HoldPassword(t.Context(), lab.PasswordHold{ID: "killed", UserID: ada.ID, Until: s.clock().Add(45 * time.Second)}, s.clock()))
	s.wantCode(give(s.passwords, &noted), lab.CodeConflict)
	s.pass(45 * time.Second)
	s.must(give(s.passwords, &noted))
}

// holds keeps one hold, as the store does, by the clock of the test's bubble.
type holds struct{ hold lab.PasswordHold }

func (h *holds) HoldPassword(_ context.Context, hold lab.PasswordHold, at time.Time) error {
	if at.Before(h.hold.Until) {
		return lab.Errorf(lab.CodeConflict, "held")
	}
	h.hold = hold
	return nil
}

func (h *holds) ReleasePassword(_ context.Context, hold lab.PasswordHold) (bool, error) {
	held := h.hold == hold
	if held {
		h.hold = lab.PasswordHold{}
	}
	return held, nil
}

// A turn may take long to come: looks that each wait for one are fewer.
func TestWhoWaitsForAnotherPasswordIsToldInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &holds{hold: lab.PasswordHold{ID: "another", Until: time.Now().Add(time.Hour)}}
		giver := auth.Giver{Holds: kept, NewID: func() string { return "id" }, Now: time.Now, After: time.After}
		const queue = 3 * time.Second
		giver.Turn = func(context.Context) (func(), error) {
			<-time.After(queue)
			return func() {}, nil
		}
		at := time.Now()
		err := giver.Give(t.Context(), lab.PasswordHold{UserID: "ada"}, chosen, nil)
		if waited := time.Since(at); lab.CodeOf(err) != lab.CodeConflict || waited > queue+5*time.Second+queue {
			t.Errorf("after %s: %v", waited, err)
		}
	})
}

// slow never answers.
type slow struct{ auth.Passwords }

func (slow) SetPassword(ctx context.Context, _, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAPasswordThatMayStillComeKeepsOthersFromIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &holds{}
		give := func(ctx context.Context, passwords auth.Passwords) error {
			giver := auth.Giver{Holds: kept, Passwords: passwords, NewID: func() string { return "id" }, Now: time.Now, After: time.After}
			return giver.Give(ctx, lab.PasswordHold{UserID: "ada"}, chosen, func(ctx context.Context, hold lab.PasswordHold) error {
				_, err := kept.ReleasePassword(ctx, hold)
				return err
			})
		}
		// Whoever asked has left: it is ended all the same.
		begun, leave := context.WithCancel(t.Context())
		vault := &passwords{of: map[string]string{}, setting: func(string) { leave() }}
		if err := give(begun, vault); err != nil || vault.of["ada"] != chosen || kept.hold.ID != "" {
			t.Errorf("%v: %v, %v", err, vault.of, kept.hold)
		}
		vault.setting = nil
		if err := give(t.Context(), slow{}); err == nil || kept.hold.ID == "" {
			t.Errorf("got %v", err)
		}
		at := time.Now()
		for lab.CodeOf(give(t.Context(), vault)) == lab.CodeConflict {
			continue // which takes a while by itself
		}
		if waited := time.Since(at); waited < 20*time.Second || kept.hold.ID != "" {
			t.Errorf("others waited for %s", waited)
		}
	})
}
