package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// ErrPasswordDue says that a session was begun with a temporary password, and opens
// nothing but the page to choose another.
var ErrPasswordDue = errors.New("another password must be chosen first")

const (
	sessionCookie = "bothy_session"
	deviceCookie  = "bothy_device"
	// DeviceAge is how long a browser is known after a sign-in.
	DeviceAge = 365 * 24 * time.Hour
	// maxCookies bounds how many cookies of one name are looked at: a neighbouring
	// host may have set more.
	maxCookies = 4
	// maxAgent is how much of a browser's name for itself is kept, in bytes.
	maxAgent = 256
)

// Visit is from where somebody signs in.
type Visit struct {
	// Remote is the address, as the one who answers the request knows it.
	Remote string
	// Agent is what the browser calls itself.
	Agent string
	// devices and sessions are what the browser holds of earlier sign-ins.
	devices, sessions []string
}

// VisitOf reads a request that came from an address.
func (p *People) VisitOf(r *http.Request, remote string) Visit {
	return Visit{Remote: remote, Agent: clean(r.UserAgent()), devices: p.cookies(r, deviceCookie), sessions: p.cookies(r, sessionCookie)}
}

// clean makes a text that a browser sent one that can be shown and stored.
func clean(text string) string {
	out := make([]byte, 0, min(len(text), maxAgent))
	for i := 0; i < len(text) && len(out) < maxAgent; i++ {
		if text[i] >= ' ' && text[i] <= '~' {
			out = append(out, text[i])
		}
	}
	return string(out)
}

// cookieName is a cookie's name. With the prefix, browsers take it from this very
// host by https alone, so that no neighbour can plant one.
func (p *People) cookieName(name string) string {
	if p.Secure {
		return "__Host-" + name
	}
	return name
}

func (p *People) cookies(r *http.Request, name string) []string {
	var values []string
	for _, c := range r.CookiesNamed(p.cookieName(name)) {
		if c.Value != "" && len(values) < maxCookies {
			values = append(values, c.Value)
		}
	}
	return values
}

func (p *People) cookie(name, value string, age time.Duration) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // G124: where browsers come by http, as in development, a secure cookie would not come back
		Name: p.cookieName(name), Value: value, Path: "/", MaxAge: int(age / time.Second),
		Secure: p.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// SignOutCookies take from a browser what signs it in; it stays known.
func (p *People) SignOutCookies() []*http.Cookie {
	return []*http.Cookie{p.cookie(sessionCookie, "", -time.Second)}
}

// SignIn begins a session of somebody whom a provider has said to be who they are,
// and gives the cookies that the browser is to keep. The session that the browser
// had ends. CodeForbidden for who may not sign in any more.
func (p *People) SignIn(ctx context.Context, user lab.User, visit Visit) ([]*http.Cookie, error) {
	return p.begin(ctx, user, visit, entry{by: "provider"})
}

// entry is how somebody signs in.
type entry struct {
	by string
	// due: with a temporary password.
	due bool
	// revision is the user's before their password was looked at, or since it was set; 0
	// where there is none to be overtaken.
	revision int64
}

// begin begins a session, and counts what came of it; a refusal is recorded too.
func (p *People) begin(ctx context.Context, user lab.User, visit Visit, how entry) ([]*http.Cookie, error) {
	cookies, err := p.newSession(ctx, user, visit, how)
	outcome := "failed"
	switch lab.CodeOf(err) { //nolint:exhaustive // all else is a failure
	case "":
		outcome = "ok"
	case lab.CodeForbidden:
		outcome = "disabled"
	case lab.CodeConflict:
		outcome = "refused"
	}
	p.signIns.WithLabelValues(how.by, outcome).Inc()
	if outcome == "disabled" || outcome == "refused" {
		if err := p.refused(ctx, user, visit, false); err != nil {
			return nil, err
		}
	}
	return cookies, err
}

func (p *People) newSession(ctx context.Context, user lab.User, visit Visit, how entry) ([]*http.Cookie, error) {
	token, err := p.secret()
	if err != nil {
		return nil, err
	}
	device, err := p.device(ctx, user, visit)
	if err != nil {
		return nil, err
	}
	at := p.now()
	session := lab.Session{
		ID: p.NewID(), UserID: user.ID, PasswordDue: how.due, Remote: visit.Remote, Agent: visit.Agent,
		RotatedAt: at, CreatedAt: at, SeenAt: at, ExpiresAt: at.Add(p.Lifetime),
	}
	in := lab.SignIn{Session: session, Hash: hashOf(token), Device: hashOf(device), Revision: how.revision}
	for _, token := range visit.sessions {
		in.Replaced = append(in.Replaced, hashOf(token))
	}
	ended := func(old lab.Session) lab.Audit {
		return p.audit(actorOf(user, visit.Remote), "session.end", old.ID, map[string]any{"user": old.UserID, "replaced_by": session.ID})
	}
	audit := p.audit(actorOf(user, visit.Remote), "session.create", session.ID, map[string]any{"by": how.by, "agent": visit.Agent})
	if err := p.Store.BeginSession(ctx, in, audit, ended); err != nil {
		return nil, fmt.Errorf("begin a session: %w", err)
	}
	return []*http.Cookie{p.cookie(sessionCookie, token, p.Lifetime), p.cookie(deviceCookie, device, DeviceAge)}, nil
}

// device gives the token by which the browser is known to the person: the one that
// it has, if it is theirs.
func (p *People) device(ctx context.Context, user lab.User, visit Visit) (string, error) {
	held, err := p.knownDevice(ctx, user.ID, visit)
	if err != nil || held != "" {
		return held, err
	}
	return p.secret()
}

func (p *People) knownDevice(ctx context.Context, userID string, visit Visit) (string, error) {
	for _, device := range visit.devices {
		known, err := p.Store.KnowsDevice(ctx, userID, hashOf(device))
		if err != nil {
			return "", fmt.Errorf("look whether the browser is known: %w", err)
		}
		if known {
			return device, nil
		}
	}
	return "", nil
}

// Visitor is who is signed in with a browser.
type Visitor struct {
	lab.Caller
	User    lab.User
	Session lab.Session
}

// Visitor gives who is signed in with the browser that sent a request from an address,
// also while their password is due, and may give the browser a new cookie by the
// answer's header, unless that is nil. CodeUnauthenticated for nobody, and for a browser that
// sends the sessions of two: one of them was planted.
func (p *People) Visitor(ctx context.Context, r *http.Request, remote string, answer http.Header) (Visitor, error) {
	held := p.cookies(r, sessionCookie)
	if len(held) > 1 && answer != nil {
		p.removePlanted(r, answer)
	}
	var found *holding
	for _, token := range held {
		h, err := p.holding(ctx, hashOf(token))
		switch {
		case lab.CodeOf(err) == lab.CodeUnauthenticated:
			if err := p.reused(ctx, r, remote, token); err != nil {
				return Visitor{}, err
			}
		case err != nil:
			return Visitor{}, err
		case found == nil:
			found = &h
		case found.user.ID != h.user.ID:
			return Visitor{}, unauthenticated("the browser sends the sessions of two people")
		}
	}
	if found == nil {
		return Visitor{}, unauthenticated("nobody is signed in")
	}
	return p.visitor(ctx, *found, answer)
}

// holding is what a token of a browser stands for.
type holding struct {
	hash    string
	session lab.Session
	user    lab.User
	token   lab.SessionToken
}

// holding reads it, and changes nothing. CodeUnauthenticated where it is not good.
func (p *People) holding(ctx context.Context, hash string) (holding, error) {
	session, user, token, err := p.Store.SessionOf(ctx, hash)
	if err != nil {
		return holding{}, orUnknown(err, "nobody is signed in")
	}
	now := p.now()
	if !session.Live(now, p.Idle) || !user.Active() || token.SucceededAt != nil && now.Sub(*token.SucceededAt) >= grace {
		return holding{}, unauthenticated("nobody is signed in")
	}
	return holding{hash, session, user, token}, nil
}

// visitor notes that a session is used.
func (p *People) visitor(ctx context.Context, h holding, answer http.Header) (Visitor, error) {
	caller, err := p.callerOf(ctx, h.user)
	if err != nil {
		return Visitor{}, err
	}
	caller.SessionID = h.session.ID
	now := p.now()
	if h.token.Succeeds {
		if err := p.Store.SucceedTokens(ctx, h.session.ID, h.hash, now); err != nil {
			return Visitor{}, fmt.Errorf("note that a token is seen: %w", err)
		}
	}
	switch {
	case answer != nil && h.token.SucceededAt == nil && now.Sub(h.session.RotatedAt) >= rotation:
		err = p.rotate(ctx, h.session, now, answer)
	case now.Sub(h.session.SeenAt) >= seen:
		err = p.Store.SeeSession(ctx, h.session.ID, now)
	}
	if err != nil {
		return Visitor{}, fmt.Errorf("note that a session is used: %w", err)
	}
	return Visitor{caller, h.user, h.session}, nil
}

// reused ends the session that a token is of whose successor was seen too long ago for
// it to be on its way: two browsers have had it, and one of them stole it. Which
// one is not to be told, so both sign in again.
func (p *People) reused(ctx context.Context, r *http.Request, remote, token string) error {
	now := p.now()
	err := p.Store.EndReused(ctx, hashOf(token), now.Add(-grace), now, func(s lab.Session) lab.Audit {
		p.Log.WarnContext(ctx, "a session's token was used again that another had replaced", "session", s.ID, "user", s.UserID)
		return p.audit(lab.Actor{Name: "nobody", Remote: remote}, "session.reuse", s.ID, map[string]any{"user": s.UserID, "agent": clean(r.UserAgent())})
	})
	if err != nil {
		return fmt.Errorf("look whether a token was used again: %w", err)
	}
	return nil
}

// rotate puts another token in the place of the session's, unless another request
// does just that.
func (p *People) rotate(ctx context.Context, session lab.Session, now time.Time, answer http.Header) error {
	token, err := p.secret()
	if err != nil {
		return err
	}
	done, err := p.Store.RotateSession(ctx, session.ID, session.RotatedAt, hashOf(token), now)
	if err == nil && done {
		answer.Add("Set-Cookie", p.cookie(sessionCookie, token, session.ExpiresAt.Sub(now)).String())
	}
	return err
}

// Sessions gives a page of the live sessions, the newest first: the caller's own, or
// those of the user that an admin names. All for the operator who names nobody.
func (p *People) Sessions(ctx context.Context, caller lab.Caller, user string, page lab.Page) (lab.List[lab.Session], error) {
	whose, err := p.whose(ctx, caller, user)
	if err != nil {
		return lab.List[lab.Session]{}, err
	}
	return p.Store.Sessions(ctx, whose, p.now(), p.Idle, whole(page))
}

// EndSession signs out somewhere: the caller, or anybody where an admin asks.
func (p *People) EndSession(ctx context.Context, caller lab.Caller, intent lab.Intent, id string) error {
	session, err := p.Store.Session(ctx, id)
	if err == nil && caller.Role != lab.RoleAdmin && session.UserID != caller.UserID {
		err = lab.Unseen("session", id)
	}
	if err != nil {
		return err
	}
	audit := p.audit(intent.Actor, "session.end", id, map[string]any{"user": session.UserID})
	return p.Store.EndSession(ctx, intent, session.UserID, id, p.now(), audit)
}

// EndSessions signs out everywhere: the caller, or the user that an admin names; with
// tokens, their API tokens are revoked as well.
func (p *People) EndSessions(ctx context.Context, caller lab.Caller, intent lab.Intent, user string, tokens bool) error {
	whose, err := p.whose(ctx, caller, user)
	if err != nil {
		return err
	}
	if whose == "" {
		return needsUser("user")
	}
	return p.Store.EndSessions(ctx, intent, whose, tokens, p.now(), p.audit(intent.Actor, "session.end_all", whose, nil))
}

// whose gives the id of the user whose things a caller asks for: their own unless
// they are an admin and name somebody; "" for the operator who names nobody.
func (p *People) whose(ctx context.Context, caller lab.Caller, user string) (string, error) {
	if user == "" {
		return caller.UserID, nil
	}
	found, err := p.Store.User(ctx, user)
	if err == nil && caller.Role != lab.RoleAdmin && found.ID != caller.UserID {
		err = lab.Unseen("user", user)
	}
	return found.ID, err
}

func needsUser(field string) error {
	return lab.Invalid("it is not said whose", lab.Field{
		Name: field, Problem: "is missing, and the operator's token is nobody's", Remedy: "name the user by login or id",
	})
}
