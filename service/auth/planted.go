package auth

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

const (
	// maxPrefixes bounds for how many paths planted cookies are removed.
	maxPrefixes = 16
	// mostCookies is how much of cookies a browser may send, in bytes: Bothy's own are
	// less than 200. enoughCookies is how much is left it where there was more.
	mostCookies, enoughCookies = 16 << 10, 4 << 10
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
	for _, domain := range domainsAbove(r.Host) {
		// Whoever is nobody by that is led to sign in, and would still be.
		for _, path := range append(pathsAbove(r.URL.EscapedPath()), signInPath) {
			for _, name := range []string{sessionCookie, deviceCookie} {
				c := http.Cookie{Name: p.cookieName(name), Path: path, Domain: domain, MaxAge: -1} //nolint:gosec // G124: it removes one
				answer.Add("Set-Cookie", c.String())
			}
		}
	}
}

// BoundCookies answers for a browser that sends more of cookies than Bothy takes: a
// neighbouring host may have set them, to lock somebody out. It has the browser forget
// the largest of them that are for a domain above this host, so that it can come back.
// The server in front of it must read as much as browsers send, 800 KB.
func BoundCookies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := strings.Join(r.Header.Values("Cookie"), "; ")
		if len(sent) <= mostCookies {
			next.ServeHTTP(w, r)
			return
		}
		for _, name := range largest(sent) {
			for _, domain := range domainsAbove(r.Host) {
				for _, path := range pathsAbove(r.URL.EscapedPath()) {
					// Not by http.Cookie: what was planted may have a name that it does not write.
					w.Header().Add("Set-Cookie", fmt.Sprintf("%s=; Path=%s; Domain=%s; Max-Age=0", name, path, domain))
				}
			}
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Connection", "close")
		http.Error(w, "Another page has filled this browser with cookies for this domain. They are removed: load this page again.",
			http.StatusRequestHeaderFieldsTooLarge)
	})
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
		name, _, _ := strings.Cut(strings.TrimSpace(c), "=")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// domainsAbove gives the domains above a host that a cookie may be for: none above an address.
func domainsAbove(host string) []string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return nil
	}
	var domains []string
	for {
		_, above, _ := strings.Cut(host, ".")
		if !strings.Contains(above, ".") {
			return domains
		}
		domains = append(domains, above)
		host = above
	}
}

// pathsAbove gives the paths of cookies that are sent with a request for a path, but
// for those that a cookie can't name.
func pathsAbove(path string) []string {
	paths := []string{"/"}
	if strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == ';' || r > '~' }) {
		return paths
	}
	for i := range len(path) {
		if path[i] == '/' && i > 0 && len(paths) < maxPrefixes {
			paths = append(paths, path[:i], path[:i+1])
		}
	}
	if path != "/" && !strings.HasSuffix(path, "/") {
		paths = append(paths, path)
	}
	return paths
}
