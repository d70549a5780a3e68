package auth

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bothylabs/bothy/service/lab"
)

// TokenPrefix begins every API token, so that one that has got somewhere is recognised.
const TokenPrefix = "bothy_"

// The figures of API tokens.
const (
	// DefaultTokenDays and MaxTokenDays are how long a token lives that says nothing, and at most.
	DefaultTokenDays = 90
	MaxTokenDays     = 365
	// maxTokenName is the most that a name has, in characters.
	maxTokenName = 100
)

// TokenInput is a token to be made.
type TokenInput struct {
	Name string
	// Scope is lab.TokenRead where it is "".
	Scope lab.TokenScope
	// Days is how long it lives; DefaultTokenDays for 0.
	Days int
	// User names whose it is to be; "" is the caller, anybody else an admin's choice.
	User string
}

// MakeToken makes an API token for somebody at their browser. A token outlives the
// session, so that a session alone does not do: they also give their present
// password, CodeInvalid for a wrong one; whoever has none must have signed in just
// before, CodeForbidden otherwise. Then it is as CreateToken.
func (p *People) MakeToken(ctx context.Context, visitor Visitor, visit Visit, intent lab.Intent, in TokenInput, present string) (lab.APIToken, string, error) {
	token, err := p.newToken(ctx, visitor.Caller, in)
	if err != nil {
		return lab.APIToken{}, "", err // before a password is looked at
	}
	switch user := visitor.User; {
	case user.Password != lab.PasswordNone:
		if err := p.knows(ctx, visit, user, present, "the token was not made"); err != nil {
			return lab.APIToken{}, "", err
		}
	case p.now().Sub(visitor.Session.CreatedAt) >= fresh:
		return lab.APIToken{}, "", lab.Errorf(lab.CodeForbidden, "you signed in too long ago to make a token").WithHint("sign out and in again, and make it then")
	}
	return p.createToken(ctx, visitor.Caller, intent, token, in.User)
}

// CreateToken makes an API token and gives its text, which nobody is told again. A
// token that is made with a token goes no further and lives no longer than that, and
// is revoked with it.
// CodeForbidden for a session: MakeToken asks for more.
func (p *People) CreateToken(ctx context.Context, caller lab.Caller, intent lab.Intent, in TokenInput) (lab.APIToken, string, error) {
	if caller.SessionID != "" {
		return lab.APIToken{}, "", lab.Errorf(lab.CodeForbidden, "a browser's session makes no tokens").
			WithHint("open /tokens at this address, which asks for your password; or make it with a token that you have")
	}
	token, err := p.newToken(ctx, caller, in)
	if err != nil {
		return lab.APIToken{}, "", err
	}
	return p.createToken(ctx, caller, intent, token, in.User)
}

// createToken writes a token that newToken gave, for the caller or the user named.
func (p *People) createToken(ctx context.Context, caller lab.Caller, intent lab.Intent, token lab.APIToken, of string) (lab.APIToken, string, error) {
	whose, err := p.whose(ctx, caller, of)
	if err == nil && whose == "" {
		err = needsUser("user")
	}
	if err != nil {
		return lab.APIToken{}, "", err
	}
	user, err := p.Store.User(ctx, whose)
	if err != nil {
		return lab.APIToken{}, "", err
	}
	secret, err := p.secret()
	if err != nil {
		return lab.APIToken{}, "", err
	}
	token.UserID, token.Login = user.ID, user.Login
	audit := p.audit(intent.Actor, "token.create", token.ID, map[string]any{
		"user": user.ID, "name": token.Name, "scope": token.Scope, "expires_at": token.ExpiresAt.Format(time.RFC3339),
	})
	text := TokenPrefix + secret
	if err := p.Store.CreateToken(ctx, intent, caller, token, hashOf(text), audit); err != nil {
		return lab.APIToken{}, "", err
	}
	return token, text, nil
}

// newToken makes a token of an input: nobody's yet, and written nowhere.
func (p *People) newToken(ctx context.Context, caller lab.Caller, in TokenInput) (lab.APIToken, error) {
	var fields []lab.Field
	name := strings.TrimSpace(in.Name)
	if name == "" || utf8.RuneCountInString(name) > maxTokenName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		fields = append(fields, lab.Field{
			Name: "name", Problem: "is empty, too long or has a control character", Remedy: fmt.Sprintf("say in 1 to %d characters what the token is for", maxTokenName),
		})
	}
	if in.Scope == "" {
		in.Scope = lab.TokenRead
	}
	if !in.Scope.Within(lab.TokenWrite) {
		fields = append(fields, lab.Field{Name: "scope", Problem: "is not a scope", Remedy: "use read, operate or write"})
	}
	if in.Days == 0 {
		in.Days = DefaultTokenDays
	}
	if in.Days < 1 || in.Days > MaxTokenDays {
		fields = append(fields, lab.Field{
			Name: "days", Problem: fmt.Sprintf("is not from 1 to %d", MaxTokenDays), Remedy: "choose how many days the token is to live",
		})
	}
	if len(fields) > 0 {
		return lab.APIToken{}, lab.Invalid("the token can't be made", fields...)
	}
	at := p.now()
	token := lab.APIToken{ID: p.NewID(), ParentID: caller.TokenID, Name: name, Scope: in.Scope, CreatedAt: at, ExpiresAt: at.AddDate(0, 0, in.Days)}
	if caller.TokenID == "" {
		return token, nil
	}
	parent, err := p.Store.Token(ctx, caller.TokenID)
	if err != nil {
		return lab.APIToken{}, err
	}
	if !token.Scope.Within(parent.Scope) {
		return lab.APIToken{}, lab.Errorf(lab.CodeForbidden, "a token makes none that goes further than itself").
			WithHint("choose the scope %s, or sign in with a browser", parent.Scope)
	}
	if token.ExpiresAt.After(parent.ExpiresAt) {
		token.ExpiresAt = parent.ExpiresAt
	}
	return token, nil
}

// Tokens gives a page of the tokens that are not revoked, the newest first: the
// caller's own, or those of the user that an admin names. All for the operator who
// names nobody.
func (p *People) Tokens(ctx context.Context, caller lab.Caller, user string, page lab.Page) (lab.List[lab.APIToken], error) {
	whose, err := p.whose(ctx, caller, user)
	if err != nil {
		return lab.List[lab.APIToken]{}, err
	}
	return p.Store.Tokens(ctx, whose, whole(page))
}

// Token gives one token, as Tokens does.
func (p *People) Token(ctx context.Context, caller lab.Caller, id string) (lab.APIToken, error) {
	token, err := p.Store.Token(ctx, id)
	if err == nil && caller.Role != lab.RoleAdmin && token.UserID != caller.UserID {
		err = lab.Unseen("token", id)
	}
	if err != nil {
		return lab.APIToken{}, err
	}
	return token, nil
}

// RevokeToken ends a token: one of the caller's, or anybody's where an admin asks.
func (p *People) RevokeToken(ctx context.Context, caller lab.Caller, intent lab.Intent, id string) error {
	token, err := p.Token(ctx, caller, id)
	if err != nil {
		return err
	}
	audit := p.audit(intent.Actor, "token.revoke", id, map[string]any{"user": token.UserID, "name": token.Name})
	return p.Store.RevokeToken(ctx, intent, token.UserID, id, p.now(), audit)
}

// byToken gives who is behind an API token.
func (p *People) byToken(ctx context.Context, text string) (lab.Caller, error) {
	token, err := p.Store.TokenOf(ctx, hashOf(text))
	if err != nil {
		return lab.Caller{}, orUnknown(err, "the token is not known")
	}
	now := p.now()
	switch {
	case token.RevokedAt != nil:
		return lab.Caller{}, unauthenticated("the token was revoked")
	case !token.Live(now):
		return lab.Caller{}, unauthenticated("the token has expired").WithHint("make another, at Bothy's own address under API tokens")
	}
	caller, err := p.tokenCaller(ctx, token)
	if err != nil {
		return lab.Caller{}, err
	}
	if token.UsedAt == nil || now.Sub(*token.UsedAt) >= seen {
		if err := p.Store.UseToken(ctx, token.ID, now); err != nil {
			return lab.Caller{}, fmt.Errorf("note that a token is used: %w", err)
		}
	}
	return caller, nil
}

func (p *People) tokenCaller(ctx context.Context, token lab.APIToken) (lab.Caller, error) {
	user, err := p.Store.User(ctx, token.UserID)
	if err != nil {
		return lab.Caller{}, orUnknown(err, "the token is not known")
	}
	if !user.Active() {
		return lab.Caller{}, unauthenticated("the token's user may not sign in any more")
	}
	caller, err := p.callerOf(ctx, user)
	caller.Name, caller.Token, caller.TokenID = "token:"+user.Login+"/"+token.Name, token.Scope, token.ID
	return caller, err
}
