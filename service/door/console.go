package door

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// pathOpen is the path on the console's origin, below which the slug follows.
const pathOpen = "/open/"

// refusedTimeout bounds the writing down of what was refused.
const refusedTimeout = 5 * time.Second

// Visitor says who makes a request of the console's origin: CodeUnauthenticated for
// nobody who is signed in.
type Visitor func(r *http.Request) (caller lab.Caller, remote string, err error)

// Console answers below /open/ on the console's origin: it sends whoever may come in
// on to the workspace, with a ticket, and everybody else to sign in, or nowhere.
func (d *Door) Console(who Visitor) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "This path takes GET.", http.StatusMethodNotAllowed)
			return
		}
		// A ticket is made for a page that a person opens, not for what a page embeds.
		if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && (mode != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document") {
			http.Error(w, "Only a page can be opened here.", http.StatusForbidden)
			return
		}
		d.open(w, r, who)
	})
}

func (d *Door) open(w http.ResponseWriter, r *http.Request, who Visitor) {
	caller, remote, err := who(r)
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
	_, to, _ := strings.Cut("&"+r.URL.RawQuery, "&to=")
	link, err := d.Link(r.Context(), caller, remote, string(slug), lab.AsAllowed, to)
	switch lab.CodeOf(err) {
	case "":
		seeOther(w, link.URL)
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
