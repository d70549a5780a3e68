package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
)

const token = "correct-horse-battery-staple"

// byBearer sends a token as a request does.
func byBearer(t *testing.T, to interface {
	Authenticate(ctx context.Context, r *http.Request, remote string, answer http.Header) (lab.Caller, error)
}, token string,
) (lab.Caller, error) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return to.Authenticate(t.Context(), r, "192.0.2.1", http.Header{})
}

func TestAStaticTokenNamesItsActor(t *testing.T) {
	static, err := auth.NewStatic("dev", token)
	if err != nil {
		t.Fatal(err)
	}
	actor, err := byBearer(t, static, token)
	if err != nil || actor.Name != "token:dev" || !actor.Scope.All {
		t.Fatalf("got %+v, %v", actor, err)
	}
}

func TestAnyOtherTokenIsUnauthenticated(t *testing.T) {
	static, err := auth.NewStatic("dev", token)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"", token + "x", token[:len(token)-1], strings.ToUpper(token), " " + token} {
		actor, err := byBearer(t, static, other)
		if lab.CodeOf(err) != lab.CodeUnauthenticated || actor.Name != "" || actor.Scope.All {
			t.Errorf("%q: got %+v, %v", other, actor, err)
		}
		if err != nil && other != "" && strings.Contains(err.Error(), other) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
}

func TestATokenThatIsNoSecretIsRefused(t *testing.T) {
	for why, args := range map[string][2]string{
		"no name":    {"", token},
		"empty":      {"dev", ""},
		"short":      {"dev", "fifteen-letters"},
		"a line end": {"dev", token + "\n"},
		"not ASCII":  {"dev", token + "é"},
	} {
		if _, err := auth.NewStatic(args[0], args[1]); lab.CodeOf(err) != lab.CodeInvalid {
			t.Errorf("%s: got %v", why, err)
		}
	}
}
