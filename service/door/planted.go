package door

import (
	"net/http"
	"slices"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/planted"
)

// place is where a browser keeps a cookie of one host.
type place struct{ name, path string }

// removePlanted has a browser that has sent more than one of the door's cookies of a
// name forget those that others have set: a workspace's page can set cookies for the
// shared host, and one on a host of its own for every host above. The door's own stay,
// or are set anew after this.
func (d *Door) removePlanted(w http.ResponseWriter, r *http.Request, v visit) {
	pass := d.cookie(v, "")
	own := []place{{pass.Name, pass.Path}, {d.browserCookie(), "/"}}
	d.removeTwins(w, r, own)
	if len(r.CookiesNamed(cookieShared)) < 2 && len(r.CookiesNamed(cookieBrowser)) < 2 {
		return
	}
	below := root(v.slug, v.host)
	paths := []string{"/", below + "/-", below + "/-/", below + pathEnter}
	if below != "" {
		paths = append(paths, below, below+"/")
	}
	for _, domain := range d.domains(v) {
		for _, path := range paths {
			for _, name := range []string{cookieShared, cookieBrowser} {
				isOwn := slices.Contains(own, place{name, path})
				if domain == "" && isOwn {
					continue
				}
				planted.Forget(w.Header(), d.secure(), name, domain, path)
			}
		}
	}
}

// removeTwins has a browser that has sent one of the door's own cookies more than once
// forget the other that has its name, host and path, prefix or not: over https there may
// be a Partitioned one, which the door's own never are.
func (d *Door) removeTwins(w http.ResponseWriter, r *http.Request, own []place) {
	for _, c := range own {
		if d.secure() && len(r.CookiesNamed(c.name)) > 1 {
			planted.ForgetPartitioned(w.Header(), c.name, "", c.path)
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
