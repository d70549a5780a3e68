package door

import (
	"net/http"
	"slices"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/planted"
)

// removePlanted has a browser that has sent more than one of the door's cookies of a
// name forget those that others have set: a workspace's page can set cookies for the
// shared host, and one on a host of its own for every host above. The door's own stay,
// or are set anew after this.
func (d *Door) removePlanted(w http.ResponseWriter, r *http.Request, v visit) {
	own := []*http.Cookie{d.cookie(v, ""), {Name: d.browserCookie(), Path: "/"}}
	if len(r.CookiesNamed(cookieShared)) < 2 && len(r.CookiesNamed(cookieBrowser)) < 2 {
		return
	}
	below := root(v.slug, v.host)
	for _, domain := range d.domains(v) {
		for _, path := range []string{"/", below, below + "/", below + "/-", below + "/-/", below + pathEnter} {
			for _, name := range []string{cookieShared, cookieBrowser} {
				isOwn := slices.ContainsFunc(own, func(c *http.Cookie) bool { return name == c.Name && path == c.Path })
				if path == "" || domain == "" && isOwn {
					continue
				}
				planted.Forget(w.Header(), d.secure(), name, domain, path)
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
	return append(list, planted.Domains(host)...)
}
