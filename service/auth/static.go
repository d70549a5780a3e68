// Package auth says who is behind a credential: a session, an API token, a
// password, or the operator's token of the settings.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// MinToken is the least length of a static token in characters.
const MinToken = 16

// Static knows one token, which the server's configuration holds. It keeps the
// token's hash alone.
type Static struct {
	actor string
	sum   [sha256.Size]byte
}

// NewStatic takes the token's name, for the audit, and the token. A token that
// is too short to be a secret, or that an HTTP header cannot carry, is CodeInvalid.
func NewStatic(name, token string) (*Static, error) {
	if name == "" {
		return nil, lab.Invalid("the API token is not usable", lab.Field{
			Name: "name", Problem: "is empty", Remedy: "give the token a name for the audit",
		})
	}
	if len(token) < MinToken {
		return nil, lab.Invalid("the API token is not usable", lab.Field{
			Name:    "token",
			Problem: fmt.Sprintf("is shorter than %d characters", MinToken),
			Remedy:  "make one with `openssl rand -hex 32`",
		})
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, lab.Invalid("the API token is not usable", lab.Field{
			Name:    "token",
			Problem: "has a space, a line end or another character that an HTTP header cannot carry",
			Remedy:  "make one with `openssl rand -hex 32`",
		})
	}
	return &Static{actor: "token:" + name, sum: sha256.Sum256([]byte(token))}, nil
}

// byToken gives who is behind a bearer token, an operator who sees all; any token
// but the one that is known is CodeUnauthenticated. How long it takes says nothing
// about the token.
func (s *Static) byToken(bearer string) (lab.Caller, error) {
	sum := sha256.Sum256([]byte(bearer))
	if subtle.ConstantTimeCompare(sum[:], s.sum[:]) != 1 {
		return lab.Caller{}, unauthenticated("the token is not known")
	}
	return lab.Caller{Name: s.actor, Role: lab.RoleAdmin, Scope: lab.Scope{All: true}, Token: lab.TokenWrite}, nil
}

// Authenticate gives who makes a request, by the Authorization header alone: what
// People does for whom there are no people.
func (s *Static) Authenticate(_ context.Context, r *http.Request, _ string, _ http.Header) (lab.Caller, error) {
	token, given, err := bearer(r)
	if err == nil && !given {
		err = unauthenticated("no token was sent")
	}
	if err != nil {
		return hinted(lab.Caller{}, err)
	}
	return hinted(s.byToken(token))
}

// Again gives the same caller: the token is good until the end of the process.
func (*Static) Again(_ context.Context, caller lab.Caller) (lab.Caller, error) { return caller, nil }
