package auth_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/auth"
)

// neighbours is what a browser keeps of cookies that neighbours of a host have set.
type neighbours map[kept]string

type kept struct{ name, domain, path string }

// sent is what the browser sends of them: what has no name as its value alone.
func (n neighbours) sent() string {
	var pairs []string
	for c, value := range n {
		if c.name != "" {
			value = c.name + "=" + value
		}
		pairs = append(pairs, value)
	}
	return strings.Join(pairs, "; ")
}

// take has the browser keep to an answer, which tells it only to forget (RFC 6265bis, 5.6 and 5.7).
func (n neighbours) take(t *testing.T, answer http.Header) {
	t.Helper()
	const mostOfBrowsers = 256 << 10
	size := 0
	for _, line := range answer.Values("Set-Cookie") {
		size += len("Set-Cookie: ") + len(line) + len("\r\n")
		pair, rest, _ := strings.Cut(line, "; Path=")
		path, rest, _ := strings.Cut(rest, "; Domain=")
		domain, _, forgets := strings.Cut(rest, "; Max-Age=0")
		if !forgets {
			t.Fatalf("set: %.200s", line)
		}
		name, value, named := strings.Cut(pair, "=")
		if !named {
			name, value = "", pair
		}
		if name != "" || value != "" {
			delete(n, kept{name, domain, path})
		}
	}
	if size > mostOfBrowsers {
		t.Fatalf("an answer has %d bytes of cookies, which browsers don't take", size)
	}
}

// What a neighbour fills a browser with need be no values: all may be in the names,
// which an answer has to say again, or there is none.
func TestWhateverANeighboursCookiesAreCalledABrowserComesBack(t *testing.T) {
	const long = 3900
	for what, name := range map[string]func(i int) (name, value string){
		"long values":         func(i int) (string, string) { return strconv.Itoa(i), strings.Repeat("x", long) },
		"long names":          func(i int) (string, string) { return strconv.Itoa(i) + strings.Repeat("x", long), "" },
		"no names":            func(int) (string, string) { return "", strings.Repeat("x", long) },
		"what looks like one": func(int) (string, string) { return "", "theme=" + strings.Repeat("x", long) },
	} {
		t.Run(what, func(t *testing.T) {
			browser := neighbours{}
			for i := range 100 {
				domain, path := []string{"example.org", "labs.example.org"}[i%2], []string{"/", "/open", "/open/", "/open/ada"}[i/2%4]
				called, value := name(i)
				browser[kept{called, domain, path}] = value
			}
			came := false
			h := auth.BoundCookies(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came = true }))
			for tries := 0; !came && tries < 60; tries++ {
				r := httptest.NewRequest(http.MethodGet, "http://bothy.labs.example.org/open/ada", nil)
				r.Header.Set("Cookie", browser.sent())
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				browser.take(t, w.Header())
			}
			if !came {
				t.Errorf("the browser is kept out by %d cookies", len(browser))
			}
		})
	}
}
