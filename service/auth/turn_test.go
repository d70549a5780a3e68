package auth_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
)

// More people than an address has wrong passwords, all of them right.
func TestASchoolThatSignsInAllAtOnceIsNotTakenForSomebodyWhoGuesses(t *testing.T) {
	const pupils = 300
	s := newSite(t)
	s.patient = true
	s.passwords.hold, s.passwords.begun = make(chan struct{}), make(chan struct{}, pupils)
	for i := range pupils {
		s.user(fmt.Sprintf("p%d@example.org", i), lab.RoleStudent, lab.PasswordOwn)
	}
	var all sync.WaitGroup
	for i := range pupils {
		all.Go(func() {
			if _, err := s.browser().signIn(fmt.Sprintf("p%d@example.org", i), right); err != nil {
				t.Errorf("p%d: %v", i, err)
			}
		})
	}
	for range auth.Turns {
		<-s.passwords.begun
	}
	close(s.passwords.hold)
	all.Wait()
	if got := s.passwords.most; got != auth.Turns {
		t.Errorf("Vault looked at %d at a time, want %d", got, auth.Turns)
	}
}

func TestWhoGetsNoTurnInTimeIsToldToComeAgain(t *testing.T) {
	s := newSite(t)
	s.user("late@example.org", lab.RoleStudent, lab.PasswordOwn)
	s.passwords.hold, s.passwords.begun = make(chan struct{}), make(chan struct{}, auth.Turns)
	var all sync.WaitGroup
	for i := range auth.Turns {
		login := fmt.Sprintf("p%d@example.org", i)
		s.user(login, lab.RoleStudent, lab.PasswordOwn)
		all.Go(func() {
			if _, err := s.browser().signIn(login, right); err != nil {
				t.Errorf("%s: %v", login, err)
			}
		})
	}
	for range auth.Turns {
		<-s.passwords.begun
	}
	_, err := s.browser().signIn("late@example.org", right)
	if e := s.wantCode(err, lab.CodeUnavailable); e.Hint == "" {
		t.Error("they are not told what to do")
	}
	close(s.passwords.hold)
	all.Wait()
	s.passwords.begun = nil
	_, err = s.browser().signIn("late@example.org", right)
	s.must(err) // nothing was counted
}
