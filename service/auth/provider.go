package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// IdentityProvider is an OpenID provider.
type IdentityProvider interface {
	// AuthURL gives where a browser goes to be known there.
	AuthURL(ctx context.Context, state, nonce, verifier string) (string, error)
	// Identify gives who came back with a code. CodeUnauthenticated when that can't be
	// trusted, CodeUnavailable and CodeRefused when the provider can't be used now.
	Identify(ctx context.Context, code, nonce, verifier string, wanted []string) (lab.Identity, error)
}

// ProviderStore keeps who people of a provider are here.
type ProviderStore interface {
	Meet(ctx context.Context, who lab.Identity, login string, decide func(lab.Acquaintance) (lab.User, lab.Audit, error)) (lab.User, error)
	Cohort(ctx context.Context, ref string) (lab.Cohort, error)
}

// ProviderConfig is what Provider works with; all must be set.
type ProviderConfig struct {
	People *People
	Store  ProviderStore
	Asked  IdentityProvider
	// Enroll makes a user a student of a cohort, as a roster does; CodeConflict when
	// another has their address there.
	Enroll func(ctx context.Context, actor lab.Actor, cohortID string, user lab.User) error
	// Issuer and Name are the provider's, Name for people.
	Issuer, Name string
	Rules        ProviderRules
}

const (
	providerCookie = "bothy_provider"
	// tryoutLifetime is how long somebody may take at the provider, stateWindow how long
	// it is known that a state was used: longer.
	tryoutLifetime = 10 * time.Minute
	stateWindow    = 15 * time.Minute
	// maxTo bounds where somebody wanted to go: it is part of an address.
	maxTo = 1024
)

// Provider signs people in whom an OpenID provider knows. Its methods may be called
// at the same time.
type Provider struct {
	*People
	store  ProviderStore
	asked  IdentityProvider
	enroll func(ctx context.Context, actor lab.Actor, cohortID string, user lab.User) error
	issuer string
	name   string
	rules  ProviderRules
}

// NewProvider makes it.
func NewProvider(cfg ProviderConfig) (*Provider, error) {
	if cfg.People == nil || cfg.Store == nil || cfg.Asked == nil || cfg.Enroll == nil || cfg.Issuer == "" || cfg.Name == "" {
		return nil, errors.New("auth: People, Store, Asked, Enroll, Issuer and Name must be set")
	}
	return &Provider{People: cfg.People, store: cfg.Store, asked: cfg.Asked, enroll: cfg.Enroll, issuer: cfg.Issuer, name: cfg.Name, rules: cfg.Rules}, nil
}

// Begin gives where the browser that sent a request goes to be known by the provider,
// and the cookie that it comes back with. to is where it goes in the end.
// CodeUnavailable and CodeRefused when the provider can't be used now.
func (p *Provider) Begin(ctx context.Context, r *http.Request, to string) (string, *http.Cookie, error) {
	if len(to) > maxTo {
		to = "/"
	}
	// Sign-ins in several tabs have one secret: none takes the other's.
	secret := ""
	if held := p.cookies(r, providerCookie); len(held) > 0 && len(held[0]) == secretText {
		secret = held[0]
	}
	if secret == "" {
		var err error
		if secret, err = p.secret(); err != nil {
			return "", nil, err
		}
	}
	state, err := tryout{Began: p.now().Unix(), To: to}.seal(secret, p.Random)
	if err != nil {
		return "", nil, err
	}
	nonce, verifier, err := proofs(secret, state)
	if err != nil {
		return "", nil, err
	}
	at, err := p.asked.AuthURL(ctx, state, nonce, verifier)
	if err != nil {
		return "", nil, p.failed(ctx, err)
	}
	return at, p.cookie(providerCookie, secret, tryoutLifetime), nil
}

// Finish begins a session of whoever comes back from the provider, and gives the
// cookies for the browser and where it goes on to. CodeUnauthenticated when the
// browser did not begin this, or the answer can't be trusted; CodeForbidden for whom
// the provider knows and Bothy does not let in; CodeUnavailable and CodeRefused when
// the provider can't be used now.
func (p *Provider) Finish(ctx context.Context, r *http.Request, visit Visit) ([]*http.Cookie, string, error) {
	query := r.URL.Query()
	secret, begun, err := p.begun(ctx, r, query)
	if err != nil {
		return nil, "", err
	}
	if code := query.Get("error"); code != "" {
		return nil, "", p.answered(ctx, code)
	}
	nonce, verifier, err := proofs(secret, query.Get("state"))
	if err != nil {
		return nil, "", err
	}
	who, err := p.asked.Identify(ctx, query.Get("code"), nonce, verifier, p.rules.wanted())
	if err != nil {
		return nil, "", p.failed(ctx, err)
	}
	user, err := p.admitted(ctx, who, visit)
	if err != nil {
		return nil, "", err
	}
	cookies, err := p.SignIn(ctx, user, visit)
	return cookies, begun.To, err
}

// begun finds the sign-in that a browser comes back from, once.
func (p *Provider) begun(ctx context.Context, r *http.Request, query url.Values) (secret string, t tryout, err error) {
	again := func(cause error, text string) error {
		p.signIns.WithLabelValues("provider", "wrong").Inc()
		return lab.Wrap(lab.CodeUnauthenticated, cause, "%s", text).WithHint("begin again")
	}
	state := query.Get("state")
	err = errState
	for _, held := range p.cookies(r, providerCookie) {
		if t, err = unseal(held, state); err == nil {
			secret = held
			break
		}
	}
	switch now := p.now(); {
	case err != nil:
		return "", t, again(err, "this sign-in was not begun in this browser, or took too long")
	case now.Before(t.began().Add(-time.Minute)) || !now.Before(t.began().Add(tryoutLifetime)):
		return "", t, again(errors.New("the state is too old"), "this sign-in took too long")
	case query.Has("iss") && query.Get("iss") != p.issuer: // RFC 9207
		return "", t, again(errors.New("another issuer answers"), "another provider answers than was asked")
	}
	switch err := p.Store.Spend(ctx, "state:"+hashOf(state), 1, stateWindow, p.now()); {
	case lab.CodeOf(err) == lab.CodeTooMany:
		return "", t, again(errors.New("the state is used"), "this sign-in was finished before")
	case err != nil:
		return "", t, fmt.Errorf("use a state up: %w", err)
	}
	return secret, t, nil
}

// answered is what a provider's error means to people. Its own description is not
// shown: whoever makes a link can write it.
func (p *Provider) answered(ctx context.Context, code string) error {
	p.signIns.WithLabelValues("provider", "refused").Inc()
	switch code {
	case "access_denied":
		return lab.Errorf(lab.CodeForbidden, "%s has not let you on to Bothy", p.name).
			WithHint("try again, or ask whoever keeps the accounts at %s whether yours may use Bothy", p.name)
	case "temporarily_unavailable", "server_error":
		return lab.Errorf(lab.CodeUnavailable, "%s can't sign you in now", p.name).WithHint("try again in a minute")
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		return lab.Errorf(lab.CodeUnauthenticated, "%s wants you to sign in there first", p.name).WithHint("begin again")
	default:
		p.Log.WarnContext(ctx, "the provider answers with an error", "code", clean(code))
		return lab.Errorf(lab.CodeRefused, "%s does not accept this Bothy", p.name).WithHint("tell whoever runs this Bothy; bothy doctor says more")
	}
}

// failed counts a question that the provider has not answered well.
func (p *Provider) failed(ctx context.Context, err error) error {
	outcome := "failed"
	if lab.CodeOf(err) == lab.CodeUnauthenticated {
		outcome = "wrong"
	}
	p.signIns.WithLabelValues("provider", outcome).Inc()
	p.Log.WarnContext(ctx, "a sign-in by the provider has failed", "error", err)
	return err
}

// admitted gives who somebody of the provider's is here, made, linked, changed and
// enrolled as the claims say.
func (p *Provider) admitted(ctx context.Context, who lab.Identity, visit Visit) (lab.User, error) {
	m := p.rules.read(who.Claims)
	cohorts, err := p.cohorts(ctx, m)
	if err != nil {
		return lab.User{}, err
	}
	d, err := p.meet(ctx, who, m, cohorts, visit)
	if lab.CodeOf(err) == lab.CodeConflict { // they may just have been made, by another tab
		if d, err = p.meet(ctx, who, m, cohorts, visit); lab.CodeOf(err) == lab.CodeConflict {
			d, err = decision{why: refusedTaken}, nil
		}
	}
	if err != nil {
		return lab.User{}, fmt.Errorf("look up whom the provider names: %w", err)
	}
	if d.why != "" {
		return lab.User{}, p.refuse(ctx, d, who, m, visit)
	}
	return p.enrolled(ctx, d, who, m, visit)
}

func (p *Provider) meet(ctx context.Context, who lab.Identity, m meaning, cohorts []string, visit Visit) (d decision, err error) {
	met, err := p.store.Meet(ctx, who, m.email, func(known lab.Acquaintance) (lab.User, lab.Audit, error) {
		d = p.rules.admit(who, m, cohorts, known, p.NewID(), p.now())
		if d.act == "" {
			return d.user, lab.Audit{}, nil
		}
		detail := map[string]any{"login": d.user.Login, "by": "provider", "issuer": who.Issuer, "after": asTold(d.user)}
		if known.User != nil {
			detail["before"] = asTold(*known.User)
		}
		return d.user, p.audit(p.actor(d.user, visit), d.act, d.user.ID, detail), nil
	})
	if err == nil && d.user.ID != "" {
		d.user = met
	}
	return d, err
}

// asTold is what the record of changes says of a user.
func asTold(u lab.User) map[string]any {
	return map[string]any{"name": u.Name, "email": u.Email, "role": u.Role, "linked": u.Subject != ""}
}

// actor is somebody who acts by what the provider says of them.
func (p *Provider) actor(user lab.User, visit Visit) lab.Actor {
	actor := actorOf(user, visit.Remote)
	actor.Name = "provider:" + user.Login
	return actor
}

// cohorts gives the ids of the cohorts that claims name. Those that there are not are
// a slip of the settings.
func (p *Provider) cohorts(ctx context.Context, m meaning) ([]string, error) {
	var ids []string
	for _, key := range m.cohorts {
		switch cohort, err := p.store.Cohort(ctx, key); {
		case lab.CodeOf(err) == lab.CodeNotFound:
			p.Log.WarnContext(ctx, "claims name a cohort that there is not", "cohort", key)
		case err != nil:
			return nil, fmt.Errorf("look up a cohort: %w", err)
		default:
			ids = append(ids, cohort.ID)
		}
	}
	return ids, nil
}

// enrolled gives a user once they are a student of the cohorts that the claims name.
func (p *Provider) enrolled(ctx context.Context, d decision, who lab.Identity, m meaning, visit Visit) (lab.User, error) {
	if len(d.enroll) == 0 {
		return d.user, nil
	}
	user := d.user
	for _, email := range []string{user.Email, user.Login, m.email} {
		if user.Email == "" && isAddress(email) {
			user.Email = email
		}
	}
	for _, id := range d.enroll {
		switch err := p.enroll(ctx, p.actor(user, visit), id, user); lab.CodeOf(err) {
		case "":
		case lab.CodeConflict, lab.CodeInvalid, lab.CodeNotFound:
			p.Log.WarnContext(ctx, "somebody can't be enrolled as their claims say", "user", user.ID, "cohort", id, "error", err)
		default:
			return lab.User{}, fmt.Errorf("enroll whom the provider names: %w", err)
		}
	}
	now, err := p.Store.User(ctx, user.ID)
	if err != nil {
		return lab.User{}, fmt.Errorf("read who was enrolled: %w", err)
	}
	if !now.Active() {
		return lab.User{}, p.refuse(ctx, decision{user: now, why: refusedDisabled}, who, m, visit)
	}
	return now, nil
}

// refuse writes down that somebody is not let in, and says what they can do about it.
func (p *Provider) refuse(ctx context.Context, d decision, who lab.Identity, m meaning, visit Visit) error {
	p.signIns.WithLabelValues("provider", "refused").Inc()
	detail := map[string]any{"by": "provider", "reason": string(d.why), "agent": visit.Agent}
	if d.user.ID == "" { // nothing else says who it was
		maps.Copy(detail, map[string]any{"issuer": who.Issuer, "subject": who.Subject, "login": m.login})
	}
	actor := lab.Actor{Name: "nobody", Remote: visit.Remote}
	if err := p.Store.Record(ctx, p.audit(actor, "session.refuse", d.user.ID, detail)); err != nil {
		return fmt.Errorf("record a refused sign-in: %w", err)
	}
	whom := "you"
	if m.login != "" {
		whom = m.login
	}
	keeper := "whoever keeps the accounts at " + p.name
	switch d.why {
	case refusedUnverified:
		return lab.Errorf(lab.CodeForbidden, "%s has not verified your e-mail address", p.name).
			WithHint("verify it there and try again, or ask %s to", keeper)
	case refusedNameless:
		return lab.Errorf(lab.CodeForbidden, "%s tells Bothy neither your e-mail address nor another login", p.name).
			WithHint("tell whoever runs this Bothy, and %s", keeper)
	case refusedTaken:
		return lab.Errorf(lab.CodeForbidden, "the account here of %s belongs to somebody else at %s", whom, p.name).
			WithHint("ask an admin of this Bothy to look at it, and to unlink it if it is yours")
	case refusedLink:
		return lab.Errorf(lab.CodeForbidden, "the account here of %s can't be used with %s", whom, p.name).
			WithHint("sign in with its password, or ask an admin of this Bothy")
	case refusedDisabled:
		return lab.Errorf(lab.CodeForbidden, "you may not sign in here any more").WithHint("ask your instructor")
	case refusedUnknown:
	}
	return lab.Errorf(lab.CodeForbidden, "%s knows you, but there is no account here for %s", p.name, whom).
		WithHint("ask your instructor to enrol you with this address, or %s to put you into a group that has to do with Bothy", keeper)
}
