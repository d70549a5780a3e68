package door

import (
	"net/http"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// removePlanted has a browser that has sent more than one of the door's cookies of a
// name forget those that others have set: a workspace's page can set cookies for the
// shared host, and one on a host of its own for every host above. The door's own stay,
// or are set anew after this.
func (d *Door) removePlanted(w http.ResponseWriter, r *http.Request, v visit) {
	if len(r.CookiesNamed(cookieShared)) < 2 && len(r.CookiesNamed(cookieBrowser)) < 2 {
		return
	}
	own := d.cookie(v, "")
	below := root(v.slug, v.host)
	for _, domain := range d.domains(v) {
		for _, path := range []string{"/", below, below + "/", below + "/-", below + "/-/", below + pathEnter} {
			for _, name := range []string{cookieShared, cookieBrowser} {
				isOwn := name == own.Name && path == own.Path || name == d.browserCookie() && path == "/"
				if path == "" || domain == "" && isOwn {
					continue
				}
				c := http.Cookie{Name: name, Path: path, Domain: domain, MaxAge: -1} //nolint:gosec // G124: it removes one
				w.Header().Add("Set-Cookie", c.String())
			}
		}
	}
}

// domains gives those that cookies at a workspace may be for; "" is the host alone.
func (d *Door) domains(v visit) []string {
	host := strings.ToLower(d.labs.Hostname())
	list := []string{"", host}
	if v.host == lab.HostOwn {
		list = append(list, string(v.slug)+"."+host)
	}
	for strings.Count(host, ".") > 1 { // no browser takes a cookie for a whole top-level domain
		_, host, _ = strings.Cut(host, ".")
		list = append(list, host)
	}
	return list
}
