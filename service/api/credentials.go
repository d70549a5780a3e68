package api

import (
	"context"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
)

// Credentials are the API tokens and sessions of people. What is not the caller's
// own is there for admins alone.
type Credentials interface {
	Tokens(ctx context.Context, caller lab.Caller, user string, page lab.Page) (lab.List[lab.APIToken], error)
	Token(ctx context.Context, caller lab.Caller, id string) (lab.APIToken, error)
	CreateToken(ctx context.Context, caller lab.Caller, intent lab.Intent, in auth.TokenInput) (lab.APIToken, string, error)
	RevokeToken(ctx context.Context, caller lab.Caller, intent lab.Intent, id string) error
	Sessions(ctx context.Context, caller lab.Caller, user string, page lab.Page) (lab.List[lab.Session], error)
	EndSession(ctx context.Context, caller lab.Caller, intent lab.Intent, id string) error
	EndSessions(ctx context.Context, caller lab.Caller, intent lab.Intent, user string, tokens bool) error
}

// tokenRevision is every token's: but for its end, one is never changed.
const tokenRevision = 1

// ListTokens gives a page of API tokens.
func (s *server) ListTokens(ctx context.Context, r ListTokensRequestObject) (ListTokensResponseObject, error) {
	found, err := s.config.Credentials.Tokens(ctx, callerOf(ctx), given(r.Params.User), pageOf[string](r.Params.Limit, r.Params.Cursor, nil))
	if err != nil {
		return nil, err
	}
	return ListTokens200JSONResponse{Items: each(found.Items, asToken), NextCursor: nextOf(found)}, nil
}

// CreateToken makes an API token.
func (s *server) CreateToken(ctx context.Context, r CreateTokenRequestObject) (CreateTokenResponseObject, error) {
	intent := intentOf(ctx)
	made, text, err := s.config.Credentials.CreateToken(ctx, callerOf(ctx), intent, auth.TokenInput{
		Name: r.Body.Name, Scope: lab.TokenScope(given(r.Body.Scope)), Days: given(r.Body.Days), User: given(r.Body.User),
	})
	if err != nil {
		return nil, err
	}
	if intent.DryRun {
		text = ""
	}
	return createdToken(intent, made, text), nil
}

func createdToken(intent lab.Intent, made lab.APIToken, text string) CreateToken201JSONResponse {
	t := asToken(made)
	return CreateToken201JSONResponse{
		Body: CreatedToken{
			ID: t.ID, UserID: t.UserID, Login: t.Login, Name: t.Name, Scope: t.Scope, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, UsedAt: t.UsedAt, Token: text,
		},
		Headers: CreateToken201ResponseHeaders{Location: "/v1/tokens/" + made.ID, ETag: etagAfter(intent, tokenRevision)},
	}
}

// GetToken gives one API token.
func (s *server) GetToken(ctx context.Context, r GetTokenRequestObject) (GetTokenResponseObject, error) {
	found, err := s.config.Credentials.Token(ctx, callerOf(ctx), r.Token)
	if err != nil {
		return nil, err
	}
	return GetToken200JSONResponse{Body: asToken(found), Headers: GetToken200ResponseHeaders{ETag: etag(tokenRevision)}}, nil
}

// RevokeToken ends an API token.
func (s *server) RevokeToken(ctx context.Context, r RevokeTokenRequestObject) (RevokeTokenResponseObject, error) {
	if err := s.config.Credentials.RevokeToken(ctx, callerOf(ctx), intentOf(ctx), r.Token); err != nil {
		return nil, err
	}
	return RevokeToken204Response{}, nil
}

// ListSessions gives a page of sessions.
func (s *server) ListSessions(ctx context.Context, r ListSessionsRequestObject) (ListSessionsResponseObject, error) {
	caller := callerOf(ctx)
	found, err := s.config.Credentials.Sessions(ctx, caller, given(r.Params.User), pageOf[string](r.Params.Limit, r.Params.Cursor, nil))
	if err != nil {
		return nil, err
	}
	return ListSessions200JSONResponse{
		Items:      each(found.Items, func(one lab.Session) Session { return asSession(one, caller.SessionID) }),
		NextCursor: nextOf(found),
	}, nil
}

// EndSession signs out somewhere.
func (s *server) EndSession(ctx context.Context, r EndSessionRequestObject) (EndSessionResponseObject, error) {
	if err := s.config.Credentials.EndSession(ctx, callerOf(ctx), intentOf(ctx), r.Session); err != nil {
		return nil, err
	}
	return EndSession204Response{}, nil
}

// EndSessions signs out everywhere.
func (s *server) EndSessions(ctx context.Context, r EndSessionsRequestObject) (EndSessionsResponseObject, error) {
	if err := s.config.Credentials.EndSessions(ctx, callerOf(ctx), intentOf(ctx), given(r.Params.User), given(r.Params.Tokens)); err != nil {
		return nil, err
	}
	return EndSessions204Response{}, nil
}

func asToken(t lab.APIToken) Token {
	return Token{
		ID: t.ID, UserID: t.UserID, Login: t.Login, Name: t.Name, Scope: TokenScope(t.Scope), CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, UsedAt: t.UsedAt,
	}
}

func asSession(s lab.Session, current string) Session {
	return Session{
		ID: s.ID, UserID: s.UserID, Remote: s.Remote, Agent: s.Agent, Current: s.ID == current, CreatedAt: s.CreatedAt, SeenAt: s.SeenAt, ExpiresAt: s.ExpiresAt,
	}
}
