package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// Authenticate gives who makes a request to the API: by its bearer token, which is
// the operator's or a person's, or else by its session; and may give the browser a
// new cookie by the answer's header. CodeUnauthenticated for nobody, CodeForbidden
// (and ErrPasswordDue) for whoever must choose a password first.
func (p *People) Authenticate(ctx context.Context, r *http.Request, remote string, answer http.Header) (lab.Caller, error) {
	token, given, err := bearer(r)
	switch {
	case err != nil:
		return lab.Caller{}, err
	case given && strings.HasPrefix(token, TokenPrefix):
		return hinted(p.byToken(ctx, token))
	case given && p.Operator != nil:
		return hinted(p.Operator.byToken(token))
	case given:
		return hinted(lab.Caller{}, unauthenticated("the token is not known"))
	}
	if embedded(r) {
		return hinted(lab.Caller{}, unauthenticated("another page has asked this: a session is not for it"))
	}
	visitor, err := p.Visitor(ctx, r, remote, answer)
	switch {
	case err != nil:
		return hinted(lab.Caller{}, err)
	case visitor.Session.PasswordDue:
		return lab.Caller{}, lab.Wrap(lab.CodeForbidden, ErrPasswordDue, "choose a password of your own first").WithHint("open /password at this address in the browser")
	}
	return visitor.Caller, nil
}

// embedded says that a page of another origin has made a request for itself. Its
// browser would not show it the answer; it may have a cookie all the same, where both
// origins are below one domain.
func embedded(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "same-site" || site == "cross-site") && r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

// Again gives who a caller is by now; CodeUnauthenticated once what they came with
// is not good any more.
func (p *People) Again(ctx context.Context, caller lab.Caller) (lab.Caller, error) {
	switch {
	case caller.SessionID != "":
		return p.sessionAgain(ctx, caller)
	case caller.TokenID != "":
		token, err := p.Store.Token(ctx, caller.TokenID)
		if err != nil {
			return lab.Caller{}, orUnknown(err, "the token is not known")
		}
		if !token.Live(p.now()) {
			return lab.Caller{}, unauthenticated("the token is not good any more")
		}
		return p.tokenCaller(ctx, token)
	default:
		return caller, nil // the operator's token is the same until the end of the process
	}
}

func (p *People) sessionAgain(ctx context.Context, caller lab.Caller) (lab.Caller, error) {
	session, err := p.Store.Session(ctx, caller.SessionID)
	if err != nil {
		return lab.Caller{}, orUnknown(err, "nobody is signed in")
	}
	user, err := p.Store.User(ctx, session.UserID)
	if err != nil {
		return lab.Caller{}, orUnknown(err, "nobody is signed in")
	}
	if !session.Live(p.now(), p.Idle) || !user.Active() {
		return lab.Caller{}, unauthenticated("nobody is signed in any more")
	}
	// Whoever follows something uses their session.
	if now := p.now(); now.Sub(session.SeenAt) >= seen {
		if err := p.Store.SeeSession(ctx, session.ID, now); err != nil {
			return lab.Caller{}, fmt.Errorf("note that a session is used: %w", err)
		}
	}
	again, err := p.callerOf(ctx, user)
	again.SessionID = session.ID
	return again, err
}

// credentialHint says how to be somebody.
const credentialHint = `sign in with a browser, or send the header "Authorization: Bearer <token>" with a token of this installation` //nolint:gosec // G101: a hint

// bearer gives the token of a request's Authorization header, and whether it has one.
func bearer(r *http.Request) (token string, given bool, err error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", false, nil
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if len(values) > 1 || !found || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", true, unauthenticated("the Authorization header holds no bearer token").WithHint(credentialHint)
	}
	return token, true, nil
}

// hinted adds to what keeps somebody out how to get in.
func hinted(caller lab.Caller, err error) (lab.Caller, error) {
	var known *lab.Error
	if errors.As(err, &known) && known.Code == lab.CodeUnauthenticated && known.Hint == "" {
		return lab.Caller{}, lab.Wrap(known.Code, err, "%s", known.Message).WithHint(credentialHint)
	}
	if err != nil {
		return lab.Caller{}, err
	}
	return caller, nil
}
