package door

import (
	"net/http"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// forgetPlanted has a browser forget cookies that are called as one of the door's is
// and are for a host above this one, or for all of it: other workspaces' pages can set
// such, and with enough of them the door's own would not be found.
func (d *Door) forgetPlanted(w http.ResponseWriter, v visit, name string) {
	below := root(v.slug, v.host)
	for _, domain := range d.domainsOf(v) {
		for _, path := range []string{"/", below, below + "/", below + "/-", below + "/-/", below + pathEnter} {
			if path == "" {
				continue
			}
			c := http.Cookie{Name: name, Path: path, Domain: domain, MaxAge: -1} //nolint:gosec // G124: it removes one
			w.Header().Add("Set-Cookie", c.String())
		}
	}
}

// domainsOf gives the domains that cookies may be for which a browser sends to a
// workspace's host: the host, and those above it.
func (d *Door) domainsOf(v visit) []string {
	host := strings.ToLower(d.labs.Hostname())
	if v.host == lab.HostOwn {
		host = string(v.slug) + "." + host
	}
	var domains []string
	for strings.Contains(host, ".") {
		domains = append(domains, host)
		_, host, _ = strings.Cut(host, ".")
	}
	return domains
}
