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

// kept is what a browser tells cookies apart by.
type kept struct {
	name, domain, path string
	partitioned        bool
}

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

// take has the browser keep to an answer, which tells it only to forget (RFC 6265bis,
// 5.6 and 5.7, and CHIPS).
func (n neighbours) take(t *testing.T, answer http.Header, https bool) {
	t.Helper()
	const mostOfBrowsers = 256 << 10
	size := 0
	for _, line := range answer.Values("Set-Cookie") {
		size += len("Set-Cookie: ") + len(line) + len("\r\n")
		pair, attributes, _ := strings.Cut(line, "; ")
		name, value, named := strings.Cut(pair, "=")
		if !named {
			name, value = "", pair
		}
		said := map[string]string{}
		for attribute := range strings.SplitSeq(attributes, "; ") {
			key, text, _ := strings.Cut(attribute, "=")
			said[key] = text
		}
		if said["Max-Age"] != "0" {
			t.Fatalf("set: %.200s", line)
		}
		_, secure := said["Secure"]
		_, httpOnly := said["HttpOnly"]
		_, partitioned := said["Partitioned"]
		if name == "" && value == "" || secure && !https || !secure && partitioned || !fits(name, secure, httpOnly) {
			continue
		}
		delete(n, kept{name, said["Domain"], said["Path"], partitioned})
	}
	if size > mostOfBrowsers {
		t.Fatalf("an answer has %d bytes of cookies, which browsers don't take", size)
	}
}

// fits says whether a cookie is as the prefix of its name wants it.
func fits(name string, secure, httpOnly bool) bool {
	name = strings.ToLower(name)
	switch {
	case strings.HasPrefix(name, "__secure-"):
		return secure
	case strings.HasPrefix(name, "__http-"):
		return secure && httpOnly
	default:
		return true
	}
}

// plant is a neighbour's cookie: the ith of them.
type plant func(i int) (name, value string, partitioned bool)

// most is about how long the name and the value of a cookie may be together.
const most = 3900

// wantsIn fills a browser with a hundred cookies, and wants it to come to a page.
func (p plant) wantsIn(t *testing.T, https bool) {
	t.Helper()
	browser := neighbours{}
	for i := range 100 {
		domain, path := []string{"example.org", "labs.example.org"}[i%2], []string{"/", "/open", "/open/", "/open/ada"}[i/2%4]
		name, value, partitioned := p(i)
		browser[kept{name, domain, path, partitioned}] = value
	}
	came := false
	h := auth.BoundCookies(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came = true }), https)
	for tries := 0; !came && tries < 60; tries++ {
		r := httptest.NewRequest(http.MethodGet, "http://bothy.labs.example.org/open/ada", nil)
		r.Header.Set("Cookie", browser.sent())
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		browser.take(t, w.Header(), https)
	}
	if !came {
		t.Errorf("the browser is kept out by %d cookies", len(browser))
	}
}

// What a neighbour fills a browser with need be no values: all may be in the names,
// which an answer has to say again, or there is none.
func TestWhateverANeighboursCookiesAreCalledABrowserComesBack(t *testing.T) {
	long := strings.Repeat("x", most)
	for what, p := range map[string]plant{
		"long values":         func(i int) (string, string, bool) { return strconv.Itoa(i), long, false },
		"long names":          func(i int) (string, string, bool) { return strconv.Itoa(i) + long, "", false },
		"no names":            func(int) (string, string, bool) { return "", long, false },
		"what looks like one": func(int) (string, string, bool) { return "", "theme=" + long, false },
		"nearly a prefix":     func(i int) (string, string, bool) { return "__" + strconv.Itoa(i), long, false },
	} {
		t.Run(what, func(t *testing.T) {
			p.wantsIn(t, false)
			p.wantsIn(t, true)
		})
	}
}

func TestWhateverANeighboursCookiesAreOverHTTPSABrowserComesBack(t *testing.T) {
	long := strings.Repeat("x", most)
	for what, p := range map[string]plant{
		"the prefix of what is secure":     func(i int) (string, string, bool) { return "__Secure-" + strconv.Itoa(i), long, false },
		"it as nobody writes it":           func(i int) (string, string, bool) { return "__sEcUrE-" + strconv.Itoa(i), long, false },
		"the prefix of what no page reads": func(i int) (string, string, bool) { return "__Http-" + strconv.Itoa(i), long, false },
		"partitioned":                      func(i int) (string, string, bool) { return strconv.Itoa(i), long, true },
		"partitioned, with long names":     func(i int) (string, string, bool) { return "__Secure-" + strconv.Itoa(i) + long, "", true },
		"partitioned, without names":       func(int) (string, string, bool) { return "", long, true },
		"one of each kind":                 func(i int) (string, string, bool) { return strconv.Itoa(i / 16), long, i/8%2 == 1 },
	} {
		t.Run(what, func(t *testing.T) { p.wantsIn(t, true) })
	}
}

// Of domains above a host and of paths there may be many, and each name is said for all.
func TestNoAnswerSaysMoreOfCookiesThanBrowsersTake(t *testing.T) {
	h := auth.BoundCookies(http.NotFoundHandler(), true)
	for _, at := range []string{"http://bothy.example.org/", "http://bothy.labs.example.org/classes/fall/ada", "http://bothy.labs.cs.example.org/classes/fall/ada/events"} {
		browser := neighbours{}
		for i := range 60 {
			long := strings.Repeat("x", most*i/60)
			browser[kept{name: strconv.Itoa(i) + long, domain: "example.org", path: "/"}] = strings.Repeat("x", most-len(long))
		}
		r := httptest.NewRequest(http.MethodGet, at, nil)
		r.Header.Set("Cookie", browser.sent())
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		before := len(browser)
		browser.take(t, w.Header(), true)
		if len(browser) == before {
			t.Errorf("%s: nothing is forgotten", at)
		}
	}
}
