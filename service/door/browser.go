package door

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// Cookies that stand for one browser at one host. A browser takes the second only over
// HTTPS, for this host alone: there nobody else can set it.
const (
	cookieBrowser     = "bothy_browser"
	cookieBrowserHost = "__Host-bothy_browser"
)

// secretForm is what newSecret gives, and what NGINX takes for it.
var secretForm = regexp.MustCompile(`^[A-Za-z0-9_-]{20,80}$`)

func isSecret(text string) bool { return secretForm.MatchString(text) }

// browserOf gives the browser's cookie, "" where there is none or more than one: then
// somebody else has set one, and it is not known which.
func (d *Door) browserOf(r *http.Request) string {
	found := ""
	for _, c := range r.Cookies() {
		if c.Name != d.browserCookie() {
			continue
		}
		if found != "" || !isSecret(c.Value) {
			return ""
		}
		found = c.Value
	}
	return found
}

func (d *Door) browserCookie() string {
	if d.secure() {
		return cookieBrowserHost
	}
	return cookieBrowser
}

func (d *Door) setBrowser(w http.ResponseWriter, browser string) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: over plain HTTP there is no Secure
		Name: d.browserCookie(), Value: browser, Path: "/", Secure: d.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// query is what an entrance is asked with.
type query struct {
	// secret is a ticket's, key what the page beside it was given.
	secret, key string
	// names: the console wants to know which browser it is, and gets state back.
	names bool
	state string
	// to is the path inside the workspace.
	to string
}

// queryOf reads the query of an entrance. The path is the last in it and as the
// browser sent it: nothing of it is decoded.
func queryOf(r *http.Request) query {
	head, to, _ := strings.Cut("&"+r.URL.RawQuery, "&to=")
	q := query{to: inside(to)}
	for part := range strings.SplitSeq(head, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "ticket":
			q.secret = value
		case "key":
			q.key = value
		case "open":
			q.names = true
			if isHash(value) {
				q.state = value
			}
		}
	}
	return q
}

// isHash says that a text is a SHA-256 in hex.
func isHash(text string) bool {
	const length = 64
	return len(text) == length && !strings.ContainsFunc(text, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') })
}

// name tells the console which browser it is.
func (d *Door) name(w http.ResponseWriter, r *http.Request, v visit, q query) {
	if v.browser == "" {
		d.removePlanted(w, r, v)
		v.browser = newSecret()
		d.setBrowser(w, v.browser)
	}
	seeOther(w, d.cfg.ConsoleURL+pathOpen+string(v.slug)+"?browser="+hashOf(v.browser)+"&state="+q.state+"&to="+q.to)
}

// take takes a ticket. One that was made for this browser is taken at once. One that
// any browser may take, and any in a browser that is somebody else's, is taken once
// the person has said so: else a link could bring them into what a stranger controls,
// beside what is theirs.
func (d *Door) take(w http.ResponseWriter, r *http.Request, v visit, q query) {
	sent := ""
	if v.browser != "" {
		sent = hashOf(v.browser)
	}
	posts := r.Method == http.MethodPost
	offer, err := d.cfg.Store.Offer(r.Context(), hashOf(q.secret), v.slug, v.host, sent, d.now())
	switch {
	case lab.CodeOf(err) == lab.CodeUnauthenticated:
		d.goOn(w, r, v, q)
	case err != nil:
		d.away(w, r, err)
	case v.browser == "" && (posts || offer.Browser != ""):
		d.refuse(w, http.StatusUnauthorized, "This browser keeps no cookies here", "Bothy has set one for "+d.labs.Host+
			", and this browser sends none back, or more than one. Let it keep cookies for this address, and remove those that are there.", v.slug)
	case offer.Browser != "" && offer.Browser != sent:
		d.refuse(w, http.StatusUnauthorized, "This link is for another browser", "It can be used in the browser in which the workspace was opened.", v.slug)
	case posts && q.key != keyOf(v.browser, q.secret):
		d.refuse(w, http.StatusForbidden, "Only a page can be opened here", "Open the workspace from the console.", v.slug)
	case !posts && (offer.Browser == "" || offer.Owner != ""):
		d.ask(w, r, v, q, offer)
	default:
		d.letIn(w, r, v, q, offer)
	}
}

// keyOf is what only a page that this browser was shown knows of a ticket.
func keyOf(browser, secret string) string { return hashOf("take " + browser + " " + secret) }

// ask shows whose ticket it is, and whose the browser, before it is taken.
func (d *Door) ask(w http.ResponseWriter, r *http.Request, v visit, q query, offer lab.Offer) {
	if v.browser == "" {
		d.removePlanted(w, r, v)
		v.browser = newSecret()
		d.setBrowser(w, v.browser)
	}
	p := page{
		Title: "Open this workspace?", Text: "You open it as " + offer.Login + ".", Slug: string(v.slug), PostText: "Open it",
		Post: root(v.slug, v.host) + pathEnter + "?ticket=" + q.secret + "&key=" + keyOf(v.browser, q.secret) + "&to=" + q.to,
	}
	if offer.LooksIn {
		p.Text = "You look in as " + offer.Login + ", which its student sees."
	}
	if offer.Owner != "" {
		p.Title = "This browser is " + offer.Owner + "'s"
		p.Text = "Workspaces of " + offer.Owner + " were opened in it. If you go on as " + offer.Login +
			", they are closed here. Close their tabs before: a page that stays open could use what you open."
		p.PostText = "Close them, and go on as " + offer.Login
	}
	d.show(w, http.StatusOK, p)
}

// letIn gives the browser a pass. Where the browser was somebody else's it becomes
// another one, and forgets what their pages have left in it.
func (d *Door) letIn(w http.ResponseWriter, r *http.Request, v visit, q query, offer lab.Offer) {
	as := v.browser
	if offer.Owner != "" {
		as = newSecret()
	}
	pass, err := d.redeem(r.Context(), q.secret, v, as)
	switch lab.CodeOf(err) {
	case "":
	case lab.CodeUnauthenticated:
		d.goOn(w, r, v, q)
		return
	case lab.CodeConflict: // it has become somebody else's since it was asked
		d.refuse(w, http.StatusConflict, "Somebody else comes in just now", "A workspace of somebody else's was opened in this browser at the same time.", v.slug)
		return
	default:
		d.away(w, r, err)
		return
	}
	d.removePlanted(w, r, v)
	if as != v.browser {
		d.setBrowser(w, as)
		w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	}
	http.SetCookie(w, d.cookie(v, pass))
	seeOther(w, root(v.slug, v.host)+q.to)
}

// sameOrigin says that a form was sent from an origin's own page, as far as the browser tells.
func sameOrigin(r *http.Request, origin string) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		from := r.Header.Get("Origin")
		return from == "" || strings.EqualFold(from, origin)
	default:
		return false
	}
}
