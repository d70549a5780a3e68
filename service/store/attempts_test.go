package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

func limits() lab.AttemptLimits {
	return lab.AttemptLimits{
		Unknown: 3, Known: 2, Quiet: 15 * time.Minute, Address: 5, Window: 10 * time.Minute, Step: time.Second, Longest: 3 * time.Second,
	}
}

func (f *fixture) attempt(account string) lab.Attempt {
	return lab.Attempt{Account: account, Address: "192.0.2.1", At: f.now}
}

// try makes an attempt from beginning to end.
func (f *fixture) try(a lab.Attempt, outcome lab.AttemptOutcome) error {
	f.t.Helper()
	return second(f.slowTry(a, outcome))
}

// slowTry also gives how long it has to wait.
func (f *fixture) slowTry(a lab.Attempt, outcome lab.AttemptOutcome) (time.Duration, error) {
	f.t.Helper()
	a.At = f.now
	wait, err := f.BeginAttempt(f.t.Context(), a, limits())
	if err == nil {
		f.must(f.EndAttempt(f.t.Context(), a, limits(), outcome))
	}
	return wait, err
}

func (f *fixture) refused(a lab.Attempt, wait time.Duration) {
	f.t.Helper()
	wantEqual(f.t, wantCode(f.t, f.try(a, lab.AttemptWrong), lab.CodeTooMany).RetryAfter, wait)
}

func TestAnAccountIsForgottenItsFailuresWhenItIsQuiet(t *testing.T) {
	t.Parallel()
	onEach(t, func(_ *testing.T, f *fixture) {
		ada := f.attempt("ada")
		for range 3 {
			f.must(f.try(ada, lab.AttemptWrong))
			f.now = f.now.Add(time.Minute)
		}
		f.refused(ada, 15*time.Minute-time.Minute)
		f.now = f.now.Add(13 * time.Minute)
		f.refused(ada, time.Minute) // what is refused is no attempt, and does not prolong it
		f.now = f.now.Add(time.Minute)
		f.must(f.try(ada, lab.AttemptWrong))
	})
}

func TestWhoSignedInWithTheBrowserBeforeHasABudgetOfTheirOwn(t *testing.T) {
	t.Parallel()
	onEach(t, func(_ *testing.T, f *fixture) {
		attacker, ada := f.attempt("ada"), f.attempt("ada")
		ada.Known = true
		for range 3 {
			f.must(f.try(attacker, lab.AttemptWrong))
		}
		f.refused(attacker, 15*time.Minute)
		f.must(f.try(ada, lab.AttemptWrong))
		f.must(f.try(ada, lab.AttemptWrong))
		f.refused(ada, 15*time.Minute)
		f.now = f.now.Add(15 * time.Minute)
		f.must(f.try(ada, lab.AttemptRight))
	})
}

func TestARightPasswordMakesFailuresForgottenAndAVoidTryIsNone(t *testing.T) {
	t.Parallel()
	onEach(t, func(_ *testing.T, f *fixture) {
		ada := f.attempt("ada")
		for range 4 {
			f.must(f.try(ada, lab.AttemptVoid))
		}
		for range 3 {
			f.must(f.try(ada, lab.AttemptWrong))
			f.must(f.try(ada, lab.AttemptWrong))
			f.must(f.try(ada, lab.AttemptRight))
			f.now = f.now.Add(10 * time.Minute) // the address is not what is looked at here
		}
	})
}

func TestAfterSoManyFailuresOneAddressWaitsAndIsNotRefused(t *testing.T) {
	t.Parallel()
	onEach(t, func(_ *testing.T, f *fixture) {
		waits := func(a lab.Attempt, outcome lab.AttemptOutcome, want time.Duration) {
			f.t.Helper()
			got, err := f.slowTry(a, outcome)
			f.must(err)
			wantEqual(f.t, got, want)
		}
		for i := range 6 {
			waits(f.attempt(fmt.Sprint("right ", i)), lab.AttemptRight, 0)
			waits(f.attempt(fmt.Sprint("account ", i)), lab.AttemptWrong, 0)
			f.now = f.now.Add(time.Minute)
		}
		waits(f.attempt("another"), lab.AttemptRight, time.Second)
		waits(f.attempt("another"), lab.AttemptVoid, time.Second)
		for _, want := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} { // the bound
			waits(f.attempt(fmt.Sprint("more ", f.ids.Add(1))), lab.AttemptWrong, want)
		}
		known, elsewhere := f.attempt("another"), f.attempt("another")
		known.Known, elsewhere.Address = true, "192.0.2.2"
		waits(known, lab.AttemptRight, 0)
		waits(elsewhere, lab.AttemptRight, 0)
		f.now = f.now.Add(4 * time.Minute)
		waits(f.attempt("another"), lab.AttemptWrong, 0)
	})
}

func TestAWholeSchoolSignsInAtOnceFromOneAddress(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		for i := range 20 { // four times what may fail
			wait, err := f.BeginAttempt(t.Context(), f.attempt(fmt.Sprint("student ", i)), limits())
			f.must(err)
			wantEqual(t, wait, time.Duration(0))
		}
	})
}

// What is being looked at counts as long as nobody knows what becomes of it.
func TestOfManyAttemptsAtOnceNoMoreAreMadeThanThereIsRoomFor(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		stores := f.instances()
		a := f.attempt("ada")
		begun := 0
		for _, err := range together(16, func(i int) error { return second(stores[i%2].BeginAttempt(t.Context(), a, limits())) }) {
			if err == nil {
				begun++
				continue
			}
			wantCode(t, err, lab.CodeTooMany)
		}
		wantEqual(t, begun, 3)
		f.must(f.EndAttempt(t.Context(), a, limits(), lab.AttemptVoid))
		f.must(second(f.BeginAttempt(t.Context(), a, limits())))
		wantCode(t, second(f.BeginAttempt(t.Context(), a, limits())), lab.CodeTooMany)
	})
}

func TestWhatCountsNoMoreIsClearedAway(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		f.must(f.try(f.attempt("ada"), lab.AttemptWrong))
		f.now = f.now.Add(3 * time.Hour)
		f.must(f.try(f.attempt("bob"), lab.AttemptWrong))
		wantEqual(t, len(f.dump()["sign_in_attempts"]), 2) // bob and his address
	})
}

func TestSomethingIsSpentSoOftenInAWindow(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		spend := func() error { return f.Spend(t.Context(), "reset:ada", 2, time.Hour, f.now) }
		f.must(spend())
		f.now = f.now.Add(20 * time.Minute)
		f.must(spend())
		wantEqual(t, wantCode(t, spend(), lab.CodeTooMany).RetryAfter, 40*time.Minute)
		f.now = f.now.Add(40 * time.Minute)
		f.must(spend())
	})
}
