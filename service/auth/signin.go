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
	// addressTries are of all accounts together: a school may be one address.
	addressTries  = 200
	addressWindow = 15 * time.Minute
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
	return lab.AttemptLimits{Unknown: unknownTries, Known: knownTries, Quiet: quiet, Address: addressTries, Window: addressWindow}
}

// SignInWithPassword begins a session, and gives the cookies for the browser.
// CodeUnauthenticated when login or password is wrong, whichever it is and whether
// or not there is such a login; CodeTooMany, with RetryAfter, when too many were.
// ErrPasswordLapsed, with CodeForbidden, for the right password of somebody whose
// temporary one is too old. due says that the password is a temporary one: the session opens nothing else
// until another is chosen.
func (p *People) SignInWithPassword(ctx context.Context, visit Visit, login, password string) (cookies []*http.Cookie, due bool, err error) {
	even := p.After(evenly)
	user, err := p.check(ctx, visit, login, password)
	switch code := lab.CodeOf(err); {
	case code == lab.CodeUnauthenticated:
		p.signIns.WithLabelValues("password", "wrong").Inc()
		if err := p.refused(ctx, user, visit); err != nil {
			return nil, false, err
		}
		select {
		case <-even:
		case <-ctx.Done():
		}
		return nil, false, err
	case errors.Is(err, ErrPasswordLapsed):
		p.signIns.WithLabelValues("password", "expired").Inc()
		if err := p.refused(ctx, user, visit); err != nil {
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
	cookies, err = p.begin(ctx, user, visit, "password", due)
	return cookies, due, err
}

// refused writes down a wrong password. What was typed as a login that there is not
// may be anything, a password too, and is not kept.
func (p *People) refused(ctx context.Context, user lab.User, visit Visit) error {
	actor, target := lab.Actor{Name: "nobody", Remote: visit.Remote}, ""
	if user.ID != "" {
		target = user.ID
	}
	if err := p.Store.Record(ctx, p.audit(actor, "session.refuse", target, map[string]any{"agent": visit.Agent})); err != nil {
		return fmt.Errorf("record a refused sign-in: %w", err)
	}
	return nil
}

// check gives whose login and password these are. The user is also given with a
// wrong password, where there is one.
func (p *People) check(ctx context.Context, visit Visit, login, password string) (lab.User, error) {
	wrong := unauthenticated("the login or the password is wrong")
	login = strings.TrimSpace(login)
	if login == "" || password == "" || len(login) > maxLogin {
		return lab.User{}, wrong
	}
	user, err := p.Store.User(ctx, login)
	if err != nil && lab.CodeOf(err) != lab.CodeNotFound {
		return lab.User{}, err
	}
	if err == nil && user.Active() {
		if err := p.attempt(ctx, visit, user.ID, user.ID, password, wrong); err != nil || !user.Lapsed(p.now()) {
			return user, err
		}
		// Only who has the password learns that it was right.
		return user, lab.Wrap(lab.CodeForbidden, ErrPasswordLapsed, "this temporary password is too old")
	}
	// Who is not there takes the same way, with a name that nobody has.
	nobody := "nobody-" + hashOf(strings.ToLower(login))[:32]
	if err := p.attempt(ctx, visit, "", nobody, password, wrong); err != nil {
		return user, err
	}
	return user, wrong
}

// attempt looks at a password within the limits; userID is "" where there is no
// such person.
func (p *People) attempt(ctx context.Context, visit Visit, userID, account, password string, wrong error) error {
	known := ""
	if userID != "" {
		var err error
		if known, err = p.knownDevice(ctx, userID, visit); err != nil {
			return err
		}
	}
	attempt := lab.Attempt{Account: account, Address: network(visit.Remote), Known: known != "", At: p.now()}
	if err := p.Store.BeginAttempt(ctx, attempt, attemptLimits()); err != nil {
		return err
	}
	err := p.Passwords.CheckPassword(ctx, account, password)
	outcome := lab.AttemptVoid
	switch lab.CodeOf(err) { //nolint:exhaustive // whatever else goes wrong says nothing about the password
	case "":
		outcome = lab.AttemptRight
	case lab.CodeUnauthenticated:
		outcome, err = lab.AttemptWrong, wrong
	case lab.CodeForbidden:
		// Locked out or disabled there: nothing that whoever tries should learn.
		p.Log.WarnContext(ctx, "a password was not looked at", "user", userID, "error", err)
		outcome, err = lab.AttemptWrong, wrong
	}
	// It is counted also when whoever tried does not wait for the answer.
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if ended := p.Store.EndAttempt(settling, attempt, outcome); ended != nil {
		return fmt.Errorf("count an attempt: %w", ended)
	}
	return err
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
