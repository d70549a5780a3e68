package door

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// pathEnter is the path inside a workspace where tickets are redeemed. NGINX hands
	// it on to the door; while no workspace runs, visitors come to the door by themselves.
	pathEnter = "/-/enter"
	// What a workspace's NGINX asks, below which the kind of host and the slug follow.
	pathCheck  = "/-/door/check/"
	pathRedeem = "/-/door/enter/"
	pathHealth = "/-/door/health"
	// What it found among a visitor's cookies.
	headerPasses  = "X-Bothy-Pass" //nolint:gosec // G101: a header's name
	headerBrowser = "X-Bothy-Browser"
	// Cookies of passes. A browser takes the second only over HTTPS, for this host alone.
	cookieShared = "bothy_pass"
	cookieOwn    = "__Host-bothy_pass"
	// most is how many passes of one request are looked at: of a visitor's the last, for
	// browsers send first what is set for longer paths, and there nobody removes it.
	most = 8
)

// Labs answers on the door's own listener: to the workspaces' NGINX, and to visitors
// of workspaces that no router has a route for. NGINX comes by an address of the door's,
// visitors by one of workspaces'. What NGINX asks is no path for them: it says there
// what the browser has sent, and an entrance that is told of nothing names it anew.
func (d *Door) Labs() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathHealth, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET "+pathCheck+"{host}/{slug}", d.check)
	redeem := func(w http.ResponseWriter, r *http.Request) {
		v, ok := asked(r)
		if !ok {
			http.NotFound(w, r)
			return
		}
		v.running = true
		d.enter(w, r, v)
	}
	mux.HandleFunc("GET "+pathRedeem+"{host}/{slug}", redeem)
	mux.HandleFunc("POST "+pathRedeem+"{host}/{slug}", redeem)
	// The visitor's path is not the mux's to clean.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if _, visits := d.hostAt(r); !visits && strings.HasPrefix(r.URL.Path, "/-/door/") {
			mux.ServeHTTP(w, r)
			return
		}
		d.fallThrough(w, r)
	})
}

// asked reads what NGINX asks about.
func asked(r *http.Request) (visit, bool) {
	slug, err := lab.ParseSlug(r.PathValue("slug"))
	v := visit{slug: slug, host: lab.DoorHost(r.PathValue("host")), passes: listed(r)}
	if browser := r.Header.Get(headerBrowser); isSecret(browser) {
		v.browser = browser
	}
	return v, err == nil && (v.host == lab.HostShared || v.host == lab.HostOwn)
}

// listed gives the passes that NGINX found among a visitor's cookies.
func listed(r *http.Request) []string {
	var passes []string
	for pass := range strings.SplitSeq(r.Header.Get(headerPasses), ",") {
		if pass != "" && len(passes) < most {
			passes = append(passes, pass)
		}
	}
	return passes
}

// check answers NGINX's auth_request: 204 for yes, 401 without a pass that counts,
// 403 for one whose holder may not come in any more, 503 when that is not known.
func (d *Door) check(w http.ResponseWriter, r *http.Request) {
	v, ok := asked(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Del("Cache-Control") // NGINX keeps the answer as long as its own settings say
	_, err := d.admission(r.Context(), v)
	w.WriteHeader(d.status(r, err))
}

// status is what an answer about a pass has; only what is not known is logged.
func (d *Door) status(r *http.Request, err error) int {
	switch lab.CodeOf(err) {
	case "":
		return http.StatusNoContent
	case lab.CodeUnauthenticated:
		return http.StatusUnauthorized
	case lab.CodeForbidden:
		return http.StatusForbidden
	default:
		if r.Context().Err() == nil {
			d.cfg.Logger.WarnContext(r.Context(), "a pass can't be looked at", "error", err)
		}
		return http.StatusServiceUnavailable
	}
}

// visit is a request for a workspace.
type visit struct {
	slug   lab.Slug
	host   lab.DoorHost
	passes []string
	// browser is the browser's cookie; "" where it has sent none, or more than one.
	browser string
	// running says that it came through the workspace's own NGINX.
	running bool
}

// enter takes a ticket, or a pass that counts already, and sends the browser on
// into the workspace. Without either it sends it to the console for a new ticket.
func (d *Door) enter(w http.ResponseWriter, r *http.Request, v visit) {
	posts := r.Method == http.MethodPost
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && (mode != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document") ||
		posts && !sameOrigin(r, d.origin(v.slug, v.host)) {
		d.refuse(w, http.StatusForbidden, "Only a page can be opened here", "Open the workspace from the console.", v.slug)
		return
	}
	q := queryOf(r)
	switch {
	case r.Method == http.MethodHead:
		w.WriteHeader(http.StatusNoContent)
	case q.secret != "":
		d.take(w, r, v, q)
	case q.names && !posts:
		d.name(w, r, v, q)
	default:
		d.goOn(w, r, v, q)
	}
}

// goOn sends a browser into a workspace by the pass that it has.
func (d *Door) goOn(w http.ResponseWriter, r *http.Request, v visit, q query) {
	_, err := d.admission(r.Context(), v)
	switch {
	case err == nil && v.running, err == nil && q.secret != "":
		seeOther(w, root(v.slug, v.host)+q.to)
	case err == nil:
		d.wait(w, r, v, q.to, false)
	case lab.CodeOf(err) == lab.CodeForbidden:
		d.forbidden(w, v.slug)
	case lab.CodeOf(err) != lab.CodeUnauthenticated:
		d.away(w, r, err)
	case q.secret != "":
		d.refuse(w, http.StatusUnauthorized, "This link is used up", "It was opened before, or is older than a minute. Open the workspace anew.", v.slug)
	default:
		d.toConsole(w, v.slug, q.to)
	}
}

func (d *Door) cookie(v visit, pass string) *http.Cookie {
	c := &http.Cookie{ //nolint:gosec // G124: over plain HTTP there is no Secure
		Name: cookieShared, Value: pass, Path: root(v.slug, v.host) + "/",
		Secure: d.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if v.host == lab.HostOwn && d.secure() {
		c.Name = cookieOwn
	}
	return c
}

// fallThrough answers for what no router has a route for: workspaces that do not
// run, and whatever else is asked of the labs origin.
func (d *Door) fallThrough(w http.ResponseWriter, r *http.Request) {
	v, path, ok := d.place(r)
	if !ok {
		d.refuse(w, http.StatusNotFound, "There is nothing here", "Workspaces are opened from the console.", "")
		return
	}
	if path == "" {
		query := ""
		if r.URL.RawQuery != "" {
			query = "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, root(v.slug, v.host)+"/"+query, http.StatusTemporaryRedirect) //nolint:gosec // G710: a path of a slug
		return
	}
	if isPage := navigates(r); path == pathEnter && (r.Method == http.MethodGet || r.Method == http.MethodPost) {
		d.enter(w, r, v)
	} else {
		d.absent(w, r, v, path, isPage)
	}
}

// absent answers for a path of a workspace that does not run.
func (d *Door) absent(w http.ResponseWriter, r *http.Request, v visit, path string, isPage bool) {
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	_, err := d.admission(r.Context(), v)
	code := lab.CodeOf(err)
	switch {
	case err == nil && isPage:
		d.wait(w, r, v, inside(path), true)
	case err == nil:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "The workspace does not run.", http.StatusServiceUnavailable)
	case code == lab.CodeUnauthenticated && isPage:
		d.toConsole(w, v.slug, inside(path))
	case code == lab.CodeForbidden && isPage:
		d.forbidden(w, v.slug)
	case code == lab.CodeUnauthenticated || code == lab.CodeForbidden:
		http.Error(w, "There is no pass for this workspace.", d.status(r, err))
	default:
		d.away(w, r, err)
	}
}

// place finds out which workspace a visitor means, and the path inside it as the
// browser wrote it, "" where not even its first slash is there.
func (d *Door) place(r *http.Request) (visit, string, bool) {
	name, ok := d.hostAt(r)
	if !ok {
		return visit{}, "", false
	}
	path := r.URL.EscapedPath()
	v := visit{host: lab.HostOwn, passes: passesOf(r), browser: d.browserOf(r)}
	if name == "" {
		v.host = lab.HostShared
		first, rest, below := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		name, path = first, ""
		if below {
			path = "/" + rest
		}
	}
	slug, err := lab.ParseSlug(name)
	v.slug = slug
	return v, path, err == nil
}

// hostAt says whether a request is for a host of workspaces, and what its name has
// before that of the host that they share, "" for that one.
func (d *Door) hostAt(r *http.Request) (name string, ok bool) {
	host, shared := strings.ToLower(hostOf(r.Host)), strings.ToLower(d.labs.Hostname())
	if host == shared {
		return "", true
	}
	return strings.CutSuffix(host, "."+shared)
}

func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return hostport
	}
	return host
}

func passesOf(r *http.Request) []string {
	var passes []string
	for _, c := range r.Cookies() {
		if (c.Name == cookieShared || c.Name == cookieOwn) && c.Value != "" {
			passes = append(passes, c.Value)
		}
	}
	return passes[max(0, len(passes)-most):]
}

// navigates says that a browser is to show the answer as a page: the same as the
// templates' NGINX takes for one. What reconnects or fetches does not.
func navigates(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Upgrade") != "" {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// toConsole sends the browser to the console for a ticket.
func (d *Door) toConsole(w http.ResponseWriter, slug lab.Slug, to string) {
	seeOther(w, d.cfg.ConsoleURL+pathOpen+string(slug)+"?to="+to)
}

func seeOther(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// away answers when it is not known whether somebody may come in.
func (d *Door) away(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, r.Context().Err()) || r.Context().Err() == nil {
		d.cfg.Logger.WarnContext(r.Context(), "a visitor can't be answered", "error", err)
	}
	w.Header().Set("Retry-After", "2")
	d.show(w, http.StatusServiceUnavailable, page{
		Title: "One moment", Text: "Bothy does not answer just now. This page tries again by itself.", Refresh: "2",
	})
}
