// Package planted removes cookies that a neighbouring host has set in a browser: a host
// may set cookies for every domain above it, and with them for its neighbours.
package planted

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

const (
	// maxPaths bounds for how many paths cookies are removed.
	maxPaths = 16
	// secured is what browsers want of all that is said of a cookie whose name has a
	// prefix, its removal too: Secure of __Secure-, HttpOnly as well of __Http-. They
	// take it of any cookie over https, and of none over plain http.
	secured = "; Secure; HttpOnly"
	// partitioned is said of a cookie that is Partitioned. It is another one than that of
	// the same name, domain and path that is not, and both are sent.
	partitioned = secured + "; Partitioned"
)

// Forget has a browser forget the cookies of a name, a domain and a path, of which
// there may be two over https. The domain "" is the answering host alone. The name may
// be one that http.Cookie doesn't write, as long as a browser has sent it; "" is the
// cookie without a name, which is set by a value alone (RFC 6265bis, section 5.6), and
// by none at all not.
func Forget(answer http.Header, https bool, name, domain, path string) {
	kinds := []string{""}
	if https {
		kinds = []string{secured, partitioned}
	}
	for _, kind := range kinds {
		answer.Add("Set-Cookie", removal(name, domain, path)+kind)
	}
}

// ForgetPartitioned has a browser forget, over https, the Partitioned cookie of a name,
// a domain and a path alone, and keep the other.
func ForgetPartitioned(answer http.Header, name, domain, path string) {
	answer.Add("Set-Cookie", removal(name, domain, path)+partitioned)
}

func removal(name, domain, path string) string {
	pair := name + "="
	if name == "" {
		pair = "forgotten"
	}
	if domain != "" {
		domain = "; Domain=" + domain
	}
	return fmt.Sprintf("%s; Path=%s%s; Max-Age=0", pair, path, domain)
}

// Domains gives the domains above a host that a cookie may be for, the nearest first.
// No browser takes one for a whole top-level domain, and nothing is above an address.
func Domains(host string) []string {
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

// Paths gives the paths of the cookies that are sent with a request for an escaped
// path: "/" alone where a cookie can't name it.
func Paths(path string) []string {
	paths := []string{"/"}
	if strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == ';' || r > '~' }) {
		return paths
	}
	for i := range len(path) {
		if path[i] == '/' && i > 0 && len(paths) < maxPaths {
			paths = append(paths, path[:i], path[:i+1])
		}
	}
	if path != "/" && !strings.HasSuffix(path, "/") {
		paths = append(paths, path)
	}
	return paths
}
