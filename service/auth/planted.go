package auth

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/bothylabs/bothy/service/planted"
)

const (
	// mostCookies is how much of cookies a browser may send, in bytes: Bothy's own are
	// less than 200. enoughCookies is how much is left it where there was more.
	mostCookies, enoughCookies = 16 << 10, 4 << 10
	// mostForgotten is how much one answer says of cookies to forget, in bytes: browsers
	// take 256 KB of an answer's headers, and with more than that forget nothing.
	mostForgotten = 240 << 10
	// signInPath is where people sign in.
	signInPath = "/sign-in"
)

// removePlanted has a browser forget the cookies of Bothy's names that a
// neighbouring host has set for the domain that both are below. Bothy's own are for
// its host alone, and stay. With https there are none: browsers hold the prefix of
// the names against them.
func (p *People) removePlanted(r *http.Request, answer http.Header) {
	if p.Secure {
		return
	}
	for _, domain := range planted.Domains(r.Host) {
		// Whoever is nobody by that is led to sign in, and would still be.
		for _, path := range append(planted.Paths(r.URL.EscapedPath()), signInPath) {
			for _, name := range []string{sessionCookie, deviceCookie} {
				planted.Forget(answer, p.Secure, p.cookieName(name), domain, path)
			}
		}
	}
}

// BoundCookies answers for a browser that sends more of cookies than Bothy takes: a
// neighbouring host may have set them, to lock somebody out. It has the browser forget
// the largest of them that are for a domain above this host, so that it can come back;
// where one answer has no room for all of them, more than once. https says that browsers
// reach it by that. The server in front of it must read as much as browsers send, 800 KB.
func BoundCookies(next http.Handler, https bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := strings.Join(r.Header.Values("Cookie"), "; ")
		if len(sent) <= mostCookies {
			next.ServeHTTP(w, r)
			return
		}
		forgetLargest(w.Header(), https, r, sent)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Connection", "close")
		http.Error(w, "Another page has filled this browser with cookies for this domain. They are being removed: load this page again, until it comes.",
			http.StatusRequestHeaderFieldsTooLarge)
	})
}

// forgetLargest has a browser forget the largest of the cookies that it has sent, each
// for all domains and paths or not at all, until the answer is full. The one without a
// name is always among them: what is sent of it may look as if it had one.
func forgetLargest(answer http.Header, https bool, r *http.Request, sent string) {
	left := mostForgotten
	for _, name := range append([]string{""}, largest(sent)...) {
		forgotten := http.Header{}
		for _, domain := range planted.Domains(r.Host) {
			for _, path := range planted.Paths(r.URL.EscapedPath()) {
				planted.Forget(forgotten, https, name, domain, path)
			}
		}
		for _, line := range forgotten.Values("Set-Cookie") {
			left -= len("Set-Cookie: ") + len(line) + len("\r\n")
		}
		if left < 0 {
			return
		}
		answer["Set-Cookie"] = append(answer["Set-Cookie"], forgotten.Values("Set-Cookie")...)
	}
}

// largest names those of the cookies sent without which the rest is little enough.
func largest(sent string) []string {
	cookies := strings.Split(sent, ";")
	slices.SortFunc(cookies, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var names []string
	left := len(sent)
	for _, c := range cookies {
		if left <= enoughCookies {
			break
		}
		left -= len(c) + 1
		if name, _, named := strings.Cut(strings.TrimSpace(c), "="); named {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
