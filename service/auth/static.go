// Package auth says who is behind a credential.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
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

// Authenticate gives who is behind a bearer token, an operator who sees all; any
// token but the one that is known is CodeUnauthenticated. How long it takes says
// nothing about the token.
func (s *Static) Authenticate(_ context.Context, bearer string) (lab.Caller, error) {
	sum := sha256.Sum256([]byte(bearer))
	if subtle.ConstantTimeCompare(sum[:], s.sum[:]) != 1 {
		return lab.Caller{}, lab.Errorf(lab.CodeUnauthenticated, "the token is not known")
	}
	return lab.Caller{Name: s.actor, Role: lab.RoleAdmin, Scope: lab.Scope{All: true}, Token: lab.TokenWrite}, nil
}
