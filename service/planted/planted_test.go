package planted_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/planted"
)

func TestDomainsAreThoseThatACookieMayBeFor(t *testing.T) {
	for host, want := range map[string][]string{
		"bothy.school.example":      {"school.example"},
		"bothy.school.example:8443": {"school.example"},
		"a.b.school.example":        {"b.school.example", "school.example"},
		"school.example":            nil,
		"localhost":                 nil,
		"127.0.0.1":                 nil,
		"127.0.0.1:8080":            nil,
		"[::1]:8080":                nil,
		"::1":                       nil,
	} {
		if got := planted.Domains(host); !slices.Equal(got, want) {
			t.Errorf("domains above %s: %q, want %q", host, got, want)
		}
	}
}

func TestPathsAreThoseWhoseCookiesAreSent(t *testing.T) {
	for path, want := range map[string][]string{
		"/":           {"/"},
		"/sign-in":    {"/", "/sign-in"},
		"/ada/":       {"/", "/ada", "/ada/"},
		"/ada/-/x":    {"/", "/ada", "/ada/", "/ada/-", "/ada/-/", "/ada/-/x"},
		"/a;b/c":      {"/"},
		"/a%3Bb":      {"/", "/a%3Bb"},
		"/a\r\nX: y/": {"/"},
	} {
		if got := planted.Paths(path); !slices.Equal(got, want) {
			t.Errorf("paths of %q: %q, want %q", path, got, want)
		}
	}
	if deep := planted.Paths(strings.Repeat("/x", 1000)); len(deep) > 20 {
		t.Errorf("a deep path has %d", len(deep))
	}
}

func TestForgottenIsWhatHasTheSameNameDomainAndPath(t *testing.T) {
	answer := http.Header{}
	planted.Forget(answer, false, "bothy_session", "school.example", "/ada/")
	planted.Forget(answer, false, "bothy_pass", "", "/")
	planted.Forget(answer, false, "", "school.example", "/")
	want := []string{
		"bothy_session=; Path=/ada/; Domain=school.example; Max-Age=0", "bothy_pass=; Path=/; Max-Age=0", "forgotten; Path=/; Domain=school.example; Max-Age=0",
	}
	if got := answer["Set-Cookie"]; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Browsers refuse what is said of a cookie with a prefix and isn't Secure (and HttpOnly),
// and tell a Partitioned cookie from the other of the same name, domain and path.
func TestOverHTTPSForgottenIsAlsoWhatIsPrefixedOrPartitioned(t *testing.T) {
	answer := http.Header{}
	planted.Forget(answer, true, "__Http-theme", "school.example", "/")
	planted.ForgetPartitioned(answer, "bothy_pass", "", "/ada/")
	want := []string{
		"__Http-theme=; Path=/; Domain=school.example; Max-Age=0; Secure; HttpOnly",
		"__Http-theme=; Path=/; Domain=school.example; Max-Age=0; Secure; HttpOnly; Partitioned",
		"bothy_pass=; Path=/ada/; Max-Age=0; Secure; HttpOnly; Partitioned",
	}
	if got := answer["Set-Cookie"]; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
