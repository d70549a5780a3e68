package door

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// pathOpen is the path on the console's origin, below which the slug follows.
	pathOpen = "/open/"
	// Cookies that stand for one browser at the console: for who looks in, a visit
	// that has begun there is known by it.
	cookieOpening     = "bothy_opening"
	cookieOpeningHost = "__Host-bothy_opening"
	// openingLife is how many minutes a visit may take from the console to the
	// workspace's host and back.
	openingLife = 3
)

// refusedTimeout bounds the writing down of what was refused.
const refusedTimeout = 5 * time.Second

// Visitor says who makes a request of the console's origin, and may give the browser
// cookies by the answer's header: CodeUnauthenticated for nobody who is signed in.
type Visitor func(r *http.Request, answer http.Header) (caller lab.Caller, remote string, err error)

// Console answers below /open/ on the console's origin: it sends whoever may come in
// on to the workspace, with a ticket, and everybody else to sign in, or nowhere. The
// first time the browser goes to the workspace's host and comes back with its name
// there, which the ticket is made for.
func (d *Door) Console(who Visitor) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
			w.Header().Set("Allow", "GET, HEAD, POST")
			http.Error(w, "This path takes GET and POST.", http.StatusMethodNotAllowed)
			return
		}
		// A ticket is made for a page that a person opens, not for what a page embeds.
		if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && (mode != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document") ||
			r.Method == http.MethodPost && !sameOrigin(r, d.cfg.ConsoleURL) {
			http.Error(w, "Only a page can be opened here.", http.StatusForbidden)
			return
		}
		d.open(w, r, who)
	})
}

func (d *Door) open(w http.ResponseWriter, r *http.Request, who Visitor) {
	caller, remote, err := who(r, w.Header())
	if lab.CodeOf(err) == lab.CodeUnauthenticated {
		seeOther(w, "/sign-in?to="+url.QueryEscape(r.URL.RequestURI()))
		return
	}
	if err != nil {
		d.away(w, r, err)
		return
	}
	slug, err := lab.ParseSlug(strings.TrimPrefix(r.URL.Path, pathOpen))
	if err != nil {
		d.unknown(w)
		return
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_, entry, err := d.way(r.Context(), caller, string(slug), lab.AsAllowed)
	switch lab.CodeOf(err) {
	case "":
		d.sendOn(w, r, slug, entry, remote)
	case lab.CodeNotFound, lab.CodeForbidden:
		d.unknown(w) // which of the two is not for everybody to know
		if lab.IsRefusal(err) {
			d.recordRefused(w, r, lab.Actor{Name: caller.Name, UserID: caller.UserID, Role: caller.Role, Remote: remote}, slug)
		}
	case lab.CodeConflict:
		d.show(w, http.StatusConflict, page{Title: "It can't be opened", Text: told(err), Link: "/", LinkText: "To the console"})
	default:
		d.away(w, r, err)
	}
}

// sendOn sends a browser to the workspace's host: for its name there, or with a ticket.
// Looking in is written down and shown to the student, so a page of another origin
// cannot have it done: it leads to a page that asks.
func (d *Door) sendOn(w http.ResponseWriter, r *http.Request, slug lab.Slug, entry lab.Entry, remote string) {
	head, to, _ := strings.Cut("&"+r.URL.RawQuery, "&to=")
	to = inside(to)
	browser, state := "", ""
	for part := range strings.SplitSeq(head, "&") {
		if hash, ok := strings.CutPrefix(part, "browser="); ok && isHash(hash) {
			browser = hash
		}
		if text, ok := strings.CutPrefix(part, "state="); ok {
			state = text
		}
	}
	posts := r.Method == http.MethodPost
	if site := r.Header.Get("Sec-Fetch-Site"); entry.LooksIn && !posts && (site == "cross-site" || site == "same-site") && !d.began(r, slug, state) {
		d.show(w, http.StatusOK, page{
			Title: "Look in on this workspace?", Text: "Its student sees that you did.", Slug: string(slug),
			Post: pathOpen + string(slug) + "?to=" + to, PostText: "Look in", Link: "/", LinkText: "To the console",
		})
		return
	}
	if browser == "" || posts {
		begun := ""
		if entry.LooksIn {
			begun = d.begin(w, r, slug)
		}
		seeOther(w, d.entrance(slug, entry.Host)+"?open="+begun+"&to="+to)
		return
	}
	entry.Browser = browser
	link, err := d.link(r.Context(), slug, entry, remote, to)
	if err != nil {
		d.away(w, r, err)
		return
	}
	seeOther(w, link.URL)
}

// begin gives what shows, when the browser comes back, that its visit has begun here
// and not by a page of another origin.
func (d *Door) begin(w http.ResponseWriter, r *http.Request, slug lab.Slug) string {
	known := d.openings(r)
	if len(known) == 0 {
		secure := strings.HasPrefix(d.cfg.ConsoleURL, "https://")
		c := &http.Cookie{ //nolint:gosec // G124: over plain HTTP there is no Secure
			Name: cookieOpening, Value: newSecret(), Path: "/", Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		}
		if secure {
			c.Name = cookieOpeningHost
		}
		http.SetCookie(w, c)
		known = []string{c.Value}
	}
	return begun(known[0], slug, d.now())
}

// began says that a browser's visit has begun here.
func (d *Door) began(r *http.Request, slug lab.Slug, state string) bool {
	for _, opening := range d.openings(r) {
		for ago := range openingLife {
			if hmac.Equal([]byte(state), []byte(begun(opening, slug, d.now().Add(-time.Duration(ago)*time.Minute)))) {
				return true
			}
		}
	}
	return false
}

func (d *Door) openings(r *http.Request) []string {
	name := cookieOpening
	if strings.HasPrefix(d.cfg.ConsoleURL, "https://") {
		name = cookieOpeningHost
	}
	var found []string
	for _, c := range r.CookiesNamed(name) {
		if isSecret(c.Value) && len(found) < most {
			found = append(found, c.Value)
		}
	}
	return found
}

func begun(opening string, slug lab.Slug, at time.Time) string {
	sum := hmac.New(sha256.New, []byte(opening))
	sum.Write([]byte(string(slug) + " " + strconv.FormatInt(at.Unix()/60, 10))) //nolint:mnd // a minute
	return hex.EncodeToString(sum.Sum(nil))
}

// recordRefused writes down that somebody was refused, once they have their answer:
// how long that takes tells nobody that there is such a workspace.
func (d *Door) recordRefused(w http.ResponseWriter, r *http.Request, actor lab.Actor, slug lab.Slug) {
	if d.cfg.Refused == nil {
		return
	}
	_ = http.NewResponseController(w).Flush() // a writer that has no such thing sends it later
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), refusedTimeout)
	defer cancel()
	if err := d.cfg.Refused(ctx, actor, "openWorkspace", string(slug)); err != nil {
		d.cfg.Logger.WarnContext(ctx, "what was refused was not recorded", "error", err)
	}
}

func (d *Door) unknown(w http.ResponseWriter) {
	d.show(w, http.StatusNotFound, page{
		Title: "There is no such workspace for you", Text: "It does not exist, or it is not yours to open.", Link: "/", LinkText: "To the console",
	})
}

// told is what a person is told of an error.
func told(err error) string {
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code == lab.CodeInternal {
		return "Something went wrong; trying again may help."
	}
	if coded.Hint != "" {
		return coded.Message + " (" + coded.Hint + ")"
	}
	return coded.Message
}
