package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
)

// caller signs somebody in, and gives them as they are with what makes tokens.
func (s *site) caller(login string, role lab.Role) lab.Caller {
	s.t.Helper()
	s.user(login, role, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn(login, right)
	s.must(err)
	caller := b.mustVisitor().Caller
	caller.SessionID = ""
	return caller
}

func (s *site) token(caller lab.Caller, in auth.TokenInput) (lab.APIToken, string) {
	s.t.Helper()
	made, text, err := s.CreateToken(s.t.Context(), caller, lab.Intent{}, in)
	s.must(err)
	return made, text
}

func TestATokenIsItsUserWithinItsScope(t *testing.T) {
	s := newSite(t)
	ada := s.caller("ada@example.org", lab.RoleInstructor)
	made, text := s.token(ada, auth.TokenInput{Name: " ci ", Scope: lab.TokenOperate, Days: 30})
	if !strings.HasPrefix(text, "bothy_") || len(text) < 48 || made.Name != "ci" || made.ExpiresAt != s.clock().AddDate(0, 0, 30) {
		t.Errorf("got %q, %+v", text, made)
	}
	got, err := byBearer(t, s.People, text)
	s.must(err)
	if got.Name != "token:ada@example.org/ci" || got.UserID != ada.UserID || got.Role != lab.RoleInstructor || got.Token != lab.TokenOperate ||
		got.TokenID != made.ID || got.SessionID != "" {
		t.Errorf("got %+v", got)
	}
	for _, other := range []string{text + "x", "bothy_", strings.TrimPrefix(text, "bothy_")} {
		_, err := byBearer(t, s.People, other)
		s.wantCode(err, lab.CodeUnauthenticated)
	}
	s.pass(30 * 24 * time.Hour)
	_, err = byBearer(t, s.People, text)
	s.wantCode(err, lab.CodeUnauthenticated)
	_, err = s.Again(t.Context(), got)
	s.wantCode(err, lab.CodeUnauthenticated)
}

func TestTheLastUseIsKnownToTheMinute(t *testing.T) {
	s := newSite(t)
	ada := s.caller("ada@example.org", lab.RoleInstructor)
	made, text := s.token(ada, auth.TokenInput{Name: "ci"})
	used := func() time.Time {
		_, err := byBearer(t, s.People, text)
		s.must(err)
		token, err := s.Token(t.Context(), ada, made.ID)
		s.must(err)
		return *token.UsedAt
	}
	first := used()
	s.pass(time.Minute - time.Second)
	if used() != first {
		t.Error("it was written down again within a minute")
	}
	s.pass(time.Second)
	if used() != s.clock() {
		t.Error("it was not written down")
	}
}

func TestTokensAreTheirUsersAlone(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	ada, bob, root := s.caller("ada@example.org", lab.RoleInstructor), s.caller("bob@example.org", lab.RoleInstructor), s.caller("root@example.org", lab.RoleAdmin)
	made, text := s.token(ada, auth.TokenInput{Name: "ci"})
	_, err := s.Token(ctx, bob, made.ID)
	s.wantCode(err, lab.CodeNotFound)
	s.wantCode(s.RevokeToken(ctx, bob, lab.Intent{}, made.ID), lab.CodeNotFound)
	_, err = s.Tokens(ctx, bob, "ada@example.org", lab.Page{Limit: 10})
	s.wantCode(err, lab.CodeNotFound)
	_, _, err = s.CreateToken(ctx, bob, lab.Intent{}, auth.TokenInput{Name: "x", User: "ada@example.org"})
	s.wantCode(err, lab.CodeNotFound)
	for _, who := range []struct {
		caller lab.Caller
		user   string
		want   int
	}{{ada, "", 1}, {bob, "", 0}, {root, "", 0}, {root, "ada@example.org", 1}} {
		list, err := s.Tokens(ctx, who.caller, who.user, lab.Page{Limit: 10})
		s.must(err)
		if len(list.Items) != who.want {
			t.Errorf("%s sees %v", who.caller.Name, list.Items)
		}
	}
	s.must(s.RevokeToken(ctx, root, lab.Intent{}, made.ID))
	s.wantCode(s.RevokeToken(ctx, ada, lab.Intent{}, made.ID), lab.CodeNotFound)
	_, err = byBearer(t, s.People, text)
	s.wantCode(err, lab.CodeUnauthenticated)
	if got := s.actions(); !strings.HasSuffix(got, "token.create token.revoke") {
		t.Error(got)
	}
}

func TestTheOperatorIsNobodyAndMakesTokensForSomebody(t *testing.T) {
	s := newSite(t)
	s.user("bot@example.org", lab.RoleAssistant, lab.PasswordNone)
	operator, err := byBearer(t, s.People, token)
	s.must(err)
	if !operator.Operator() || operator.Name != "token:operator" {
		t.Errorf("got %+v", operator)
	}
	_, _, err = s.CreateToken(t.Context(), operator, lab.Intent{}, auth.TokenInput{Name: "lms"})
	s.wantCode(err, lab.CodeInvalid)
	made, _ := s.token(operator, auth.TokenInput{Name: "lms", User: "bot@example.org"})
	if made.Login != "bot@example.org" || made.Scope != lab.TokenRead || made.ExpiresAt != s.clock().AddDate(0, 0, 90) {
		t.Errorf("got %+v", made)
	}
	list, err := s.Tokens(t.Context(), operator, "", lab.Page{Limit: 10})
	s.must(err)
	if len(list.Items) != 1 {
		t.Errorf("got %v", list)
	}
}

func TestATokenMakesNoneThatIsMoreThanItself(t *testing.T) {
	s := newSite(t)
	ada := s.caller("ada@example.org", lab.RoleInstructor)
	parent, text := s.token(ada, auth.TokenInput{Name: "ci", Scope: lab.TokenOperate, Days: 2})
	byToken, err := byBearer(t, s.People, text)
	s.must(err)
	_, _, err = s.CreateToken(t.Context(), byToken, lab.Intent{}, auth.TokenInput{Name: "more", Scope: lab.TokenWrite})
	s.wantCode(err, lab.CodeForbidden)
	child, _ := s.token(byToken, auth.TokenInput{Name: "less", Scope: lab.TokenRead})
	if child.ExpiresAt != parent.ExpiresAt {
		t.Errorf("it lives until %s", child.ExpiresAt)
	}
	s.must(s.RevokeToken(t.Context(), ada, lab.Intent{}, parent.ID))
	got, err := s.Token(t.Context(), ada, child.ID)
	s.must(err)
	if got.RevokedAt == nil {
		t.Error("it outlives the one that it was made with")
	}
}

func TestATokenThatWasRevokedMakesNone(t *testing.T) {
	s := newSite(t)
	ada := s.caller("ada@example.org", lab.RoleInstructor)
	made, text := s.token(ada, auth.TokenInput{Name: "leaked", Scope: lab.TokenWrite})
	thief, err := byBearer(t, s.People, text) // who is slow to say what it asks
	s.must(err)
	s.must(s.RevokeToken(t.Context(), ada, lab.Intent{}, made.ID))
	_, _, err = s.CreateToken(t.Context(), thief, lab.Intent{}, auth.TokenInput{Name: "another"})
	s.wantCode(err, lab.CodeUnauthenticated)
}

func TestATokenThatCannotBeIsRefusedWithAllThatIsWrong(t *testing.T) {
	s := newSite(t)
	ada := s.caller("ada@example.org", lab.RoleInstructor)
	_, _, err := s.CreateToken(t.Context(), ada, lab.Intent{}, auth.TokenInput{Name: "\n", Scope: "all", Days: 366})
	if got := s.wantCode(err, lab.CodeInvalid).Fields; len(got) != 3 {
		t.Errorf("got %v", got)
	}
}

func TestASessionAloneMakesNoToken(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn("ada@example.org", right)
	s.must(err)
	v, in := b.mustVisitor(), auth.TokenInput{Name: "ci"}
	_, _, err = s.CreateToken(ctx, v.Caller, lab.Intent{}, in)
	s.wantCode(err, lab.CodeForbidden)
	// Whoever has no more than the cookie guesses no further than at the sign-in.
	thief := s.VisitOf(s.browser().request(), "198.51.100.7")
	for range 10 {
		_, _, err = s.MakeToken(ctx, v, thief, lab.Intent{}, in, "guess")
		if got := s.wantCode(err, lab.CodeInvalid); got.Fields[0].Name != "present" {
			t.Errorf("got %v", got)
		}
	}
	_, _, err = s.MakeToken(ctx, v, thief, lab.Intent{}, in, right)
	s.wantCode(err, lab.CodeTooMany)
	asked := s.passwords.checked[ada.ID]
	_, _, err = s.MakeToken(ctx, v, b.visit(), lab.Intent{}, auth.TokenInput{}, right)
	s.wantCode(err, lab.CodeInvalid)
	if s.passwords.checked[ada.ID] != asked {
		t.Error("a password was looked at for nothing")
	}
	_, text, err := s.MakeToken(ctx, v, b.visit(), lab.Intent{}, in, right)
	s.must(err)
	got, err := byBearer(t, s.People, text)
	s.must(err)
	if got.UserID != ada.ID {
		t.Errorf("got %+v", got)
	}
}

func TestWhoHasNoPasswordMakesATokenSoonAfterSigningIn(t *testing.T) {
	s := newSite(t)
	user := s.user("ada@example.org", lab.RoleInstructor, lab.PasswordNone)
	b := s.browser()
	cookies, err := s.SignIn(t.Context(), user, b.visit())
	s.must(err)
	b.take(cookies...)
	makes := func() error {
		_, _, err := s.MakeToken(t.Context(), b.mustVisitor(), b.visit(), lab.Intent{}, auth.TokenInput{Name: "ci"}, "")
		return err
	}
	s.pass(10*time.Minute - time.Second)
	s.must(makes())
	s.pass(time.Second)
	s.wantCode(makes(), lab.CodeForbidden)
}

func TestAResetRevokesTokensAndOthersSay(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	s.user("ada@example.org", lab.RoleInstructor, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn("ada@example.org", right)
	s.must(err)
	password := right
	makes := func() string {
		t.Helper()
		_, text, err := s.MakeToken(ctx, b.mustVisitor(), b.visit(), lab.Intent{}, auth.TokenInput{Name: "ci", Days: 365}, password)
		s.must(err)
		return text
	}
	good := func(text string, want bool) {
		t.Helper()
		if _, err := byBearer(t, s.People, text); (err == nil) != want {
			t.Errorf("the token: %v", err)
		}
	}
	change := func(to string, tokens bool) {
		t.Helper()
		s.must(s.ChangePassword(ctx, b.mustVisitor(), b.visit(), password, to, tokens))
		password = to
	}
	one := makes()
	change("a new long password", false)
	good(one, true)
	change("another long password", true)
	good(one, false)

	two := makes()
	link := s.resetLink("ada@example.org")
	cookies, err := s.ResetPassword(ctx, b.visit(), link, "yet another password")
	s.must(err)
	b.take(cookies...)
	password = "yet another password"
	good(two, false)

	three := makes()
	v := b.mustVisitor()
	s.must(s.EndSessions(ctx, v.Caller, lab.Intent{}, "", false))
	good(three, true)
	s.must(s.EndSessions(ctx, v.Caller, lab.Intent{}, "", true))
	good(three, false)
	rows, err := s.store.Audits(ctx, lab.AuditFilter{Action: "session.end_all"}, lab.Page{Limit: 1})
	s.must(err)
	if got, _ := rows.Items[0].Detail["revoked_tokens"].([]any); len(got) != 1 {
		t.Errorf("the record says %v", rows.Items[0].Detail)
	}
}
