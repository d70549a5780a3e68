package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// Wrong passwords, per account and per address. Vault's own lockout begins after 50
// failures without a quarter of an hour of quiet: all that can come from here is 30,
// so that nobody is ever locked out there by somebody else. A browser that somebody
// has signed in with before has a budget of its own, which no stranger can use up.
const (
	unknownTries = 10
	knownTries   = 20
	// quiet is a little longer than what Vault forgets failures after.
	quiet = 16 * time.Minute
	// addressTries are of all accounts together. A school may be one address, with
	// somebody in it who means ill: beyond, tries from there wait for addressStep
	// longer with each failure, addressLongest at most, and are not refused. Logins
	// that there are not are in the same count: in another one, who waits would tell
	// which logins there are.
	addressTries   = 200
	addressWindow  = 15 * time.Minute
	addressStep    = 100 * time.Millisecond
	addressLongest = 5 * time.Second
)

const (
	// evenly is the least time that a refusal takes, so that it tells nothing of its reason.
	evenly = 500 * time.Millisecond
	// settleTimeout bounds the counting of an attempt whose caller has left.
	settleTimeout = 5 * time.Second
	// maxLogin is the most that a login has, in bytes.
	maxLogin = 320
)

// ErrPasswordLapsed says that a temporary password was right, and is too old.
var ErrPasswordLapsed = errors.New("the temporary password has lapsed")

func attemptLimits() lab.AttemptLimits {
	return lab.AttemptLimits{
		Unknown: unknownTries, Known: knownTries, Quiet: quiet,
		Address: addressTries, Window: addressWindow, Step: addressStep, Longest: addressLongest,
	}
}

// SignInWithPassword begins a session, and gives the cookies for the browser.
// CodeUnauthenticated when login or password is wrong, whichever it is and whether
// or not there is such a login; CodeTooMany, with RetryAfter, when too many were.
// ErrPasswordLapsed, with CodeForbidden, for the right password of somebody whose
// temporary one is too old. due says that the password is a temporary one: the session opens nothing else
// until another is chosen.
func (p *People) SignInWithPassword(ctx context.Context, visit Visit, login, password string) (cookies []*http.Cookie, due bool, err error) {
	even := p.After(evenly)
	user, slow, err := p.check(ctx, visit, login, password)
	switch code := lab.CodeOf(err); {
	case code == lab.CodeUnauthenticated:
		p.signIns.WithLabelValues("password", "wrong").Inc()
		if slow != nil {
			even = slow
		}
		if err := p.refused(ctx, user, visit, slow != nil); err != nil {
			return nil, false, err
		}
		select {
		case <-even:
		case <-ctx.Done():
		}
		return nil, false, err
	case errors.Is(err, ErrPasswordLapsed):
		p.signIns.WithLabelValues("password", "expired").Inc()
		if err := p.refused(ctx, user, visit, slow != nil); err != nil {
			return nil, false, err
		}
		return nil, false, err
	case code == lab.CodeTooMany:
		p.signIns.WithLabelValues("password", "limited").Inc()
		return nil, false, err
	case err != nil:
		p.signIns.WithLabelValues("password", "failed").Inc()
		return nil, false, fmt.Errorf("check a password: %w", err)
	}
	due = user.Password != lab.PasswordOwn
	cookies, err = p.begin(ctx, user, visit, entry{by: "password", due: due, revision: user.Revision})
	return cookies, due, err
}

// refused writes down that somebody was not let in. What was typed as a login that there is not
// may be anything, a password too, and is not kept; where such come in masses, they
// are only counted.
func (p *People) refused(ctx context.Context, user lab.User, visit Visit, many bool) error {
	if many && user.ID == "" {
		return nil
	}
	actor := lab.Actor{Name: "nobody", Remote: visit.Remote}
	if err := p.Store.Record(ctx, p.audit(actor, "session.refuse", user.ID, map[string]any{"agent": visit.Agent})); err != nil {
		return fmt.Errorf("record a refused sign-in: %w", err)
	}
	return nil
}

// check gives whose login and password these are. The user is also given with a
// wrong password, where there is one. slow is as attempt has it.
func (p *People) check(ctx context.Context, visit Visit, login, password string) (user lab.User, slow <-chan time.Time, err error) {
	wrong := unauthenticated("the login or the password is wrong")
	login = strings.TrimSpace(login)
	if login == "" || password == "" || len(login) > maxLogin {
		return lab.User{}, nil, wrong
	}
	user, err = p.Store.User(ctx, login)
	if err != nil && lab.CodeOf(err) != lab.CodeNotFound {
		return lab.User{}, nil, err
	}
	if err == nil && user.Active() {
		if slow, err = p.attempt(ctx, visit, user.ID, user.ID, password, wrong); err == nil && user.Lapsed(p.now()) {
			// Only who has the password learns that it was right.
			err = lab.Wrap(lab.CodeForbidden, ErrPasswordLapsed, "this temporary password is too old")
		}
		return user, slow, err
	}
	// Who is not there takes the same way, with a name that nobody has.
	nobody := "nobody-" + hashOf(strings.ToLower(login))[:32]
	if slow, err = p.attempt(ctx, visit, "", nobody, password, wrong); err == nil {
		err = wrong
	}
	return user, slow, err
}

// attempt looks at a password within the limits; userID is "" where there is no
// such person. Where it had to wait, slow is over when a refusal may be answered, so
// that it tells nothing of its reason.
func (p *People) attempt(ctx context.Context, visit Visit, userID, account, password string, wrong error) (slow <-chan time.Time, err error) {
	known := ""
	if userID != "" {
		if known, err = p.knownDevice(ctx, userID, visit); err != nil {
			return nil, err
		}
	}
	done, err := p.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { done() }()
	attempt := lab.Attempt{Account: account, Address: network(visit.Remote), Known: known != "", At: p.now()}
	wait, err := p.Store.BeginAttempt(ctx, attempt, attemptLimits())
	if err != nil {
		return nil, err
	}
	outcome := lab.AttemptVoid
	if wait > 0 {
		slow = p.After(wait + evenly)
		done() // whoever waits keeps nobody from their turn
		if err = p.wait(ctx, wait); err == nil {
			done, err = p.turn(ctx)
		}
	}
	if err == nil {
		outcome, err = p.look(ctx, userID, account, password, wait > 0, wrong)
	}
	// It is counted also when whoever tried does not wait for the answer.
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if ended := p.Store.EndAttempt(settling, attempt, attemptLimits(), outcome); ended != nil {
		return slow, fmt.Errorf("count an attempt: %w", ended)
	}
	return slow, err
}

// look looks at a password. Where many tries come, those that can't be right cost
// Vault nothing: it has its work with each.
func (p *People) look(ctx context.Context, userID, account, password string, many bool, wrong error) (lab.AttemptOutcome, error) {
	if many && userID == "" {
		return lab.AttemptWrong, wrong
	}
	err := p.Passwords.CheckPassword(ctx, account, password)
	switch lab.CodeOf(err) { //nolint:exhaustive // whatever else goes wrong says nothing about the password
	case "":
		return lab.AttemptRight, nil
	case lab.CodeUnauthenticated:
		return lab.AttemptWrong, wrong
	case lab.CodeForbidden:
		// Locked out or disabled there: nothing that whoever tries should learn.
		p.Log.WarnContext(ctx, "a password was not looked at", "user", userID, "error", err)
		return lab.AttemptWrong, wrong
	}
	return lab.AttemptVoid, err
}

// wait is over after a time, or with an error when whoever waits has left.
func (p *People) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-p.After(d):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a turn: %w", ctx.Err())
	}
}

// network is what counts as one address: of IPv6, a network of 64 bits, which one
// subscriber has.
func network(remote string) string {
	address, err := netip.ParseAddr(remote)
	if err != nil {
		return remote
	}
	address = address.Unmap()
	if address.Is4() {
		return address.String()
	}
	prefix, err := address.WithZone("").Prefix(64)
	if err != nil {
		return address.String()
	}
	return prefix.String()
}
