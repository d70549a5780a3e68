package door

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/look"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// page is what one says.
type page struct {
	Title, Text string
	// Phase is the workspace's, shown as a word of its own; "" for none.
	Phase lab.Phase
	// Slug is the workspace's; "" for none.
	Slug string
	// Busy shows that something is going on.
	Busy bool
	// Refresh is the content of the page's meta refresh; "" for none.
	Refresh string
	// Link and LinkText lead on; "" for nowhere.
	Link, LinkText string
	// Post and PostText are a form that changes something; "" for none.
	Post, PostText string
	// Console is the console's origin. Written by show.
	Console string
}

// Kind is the colour of the phase.
func (p page) Kind() string {
	switch p.Phase {
	case lab.PhaseReady:
		return "good"
	case lab.PhaseFailed, lab.PhaseLost:
		return "bad"
	case lab.PhaseQueued, lab.PhasePlacing, lab.PhaseStarting, lab.PhaseStopping:
		return "busy"
	case lab.PhaseStopped, lab.PhaseUnknown:
	}
	return "off"
}

// policies are a page's Content-Security-Policy: with Post, its forms may lead to what is in forms.
type policies struct{ plain, forms string }

// readPage gives the one page, and its Content-Security-Policy: nothing but its own
// style, which is part of it, and forms to its own origin and on to those given.
func readPage(origins ...string) (*template.Template, policies, error) {
	style := look.Style() + pageCSS
	read, err := template.New("page").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) },         //nolint:gosec // G203: Bothy's own
		"mark":  func() template.HTML { return template.HTML(look.Mark()) }, //nolint:gosec // G203: Bothy's own
	}).Parse(pageHTML)
	if err != nil {
		return nil, policies{}, fmt.Errorf("read the door's page: %w", err)
	}
	sum := sha256.Sum256([]byte(style))
	policy := func(forms string) string {
		return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action " + forms + "; frame-ancestors 'none'"
	}
	return read, policies{policy("'none'"), policy("'self' " + strings.Join(origins, " "))}, nil
}

func (d *Door) show(w http.ResponseWriter, status int, p page) {
	p.Console = d.cfg.ConsoleURL
	var text bytes.Buffer
	if err := d.page.Execute(&text, p); err != nil {
		d.cfg.Logger.Error("a page can't be written", "error", err)
		http.Error(w, p.Title, status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	policy := d.policy.plain
	if p.Post != "" {
		policy = d.policy.forms
		w.Header().Set("Referrer-Policy", "same-origin") // without one a form's Origin is "null"
	}
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Content-Length", strconv.Itoa(text.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // whoever asked may be gone
}

// refuse says why there is nothing, and where to go.
func (d *Door) refuse(w http.ResponseWriter, status int, title, text string, slug lab.Slug) {
	p := page{Title: title, Text: text, Slug: string(slug), Link: d.cfg.ConsoleURL + "/", LinkText: "To the console"}
	if slug != "" {
		p.Link, p.LinkText = d.cfg.ConsoleURL+pathOpen+string(slug), "Open it anew"
	}
	d.show(w, status, p)
}

func (d *Door) forbidden(w http.ResponseWriter, slug lab.Slug) {
	d.refuse(w, http.StatusForbidden, "You may not open this workspace",
		"You are not, or not any more, one of the people who may. Whoever teaches the class can tell why.", slug)
}

// wait shows how far a workspace is, starts it where the visit is one that may, and
// has the browser try again. It tries at the entrance, which starts nothing: a page
// that is left open does not bring back what somebody has stopped.
func (d *Door) wait(w http.ResponseWriter, r *http.Request, v visit, to string, wakes bool) {
	workspace, err := d.cfg.Store.Workspace(r.Context(), string(v.slug))
	if err != nil {
		d.away(w, r, err)
		return
	}
	p := page{
		Slug: string(v.slug), Phase: workspace.Status.Phase, Text: workspace.Status.Reason, Busy: true,
		Refresh: "2; url=" + root(v.slug, v.host) + pathEnter + "?to=" + to,
	}
	switch {
	case workspace.Desired == lab.DesiredDeleted:
		d.refuse(w, http.StatusNotFound, "There is nothing here", "Workspaces are opened from the console.", "")
		return
	case workspace.Desired == lab.DesiredStopped && wakes:
		if err := d.wake(r, v, workspace); err != nil {
			d.show(w, http.StatusServiceUnavailable, page{
				Slug: p.Slug, Phase: p.Phase, Title: "It can't be started now", Text: told(err),
				Link: root(v.slug, v.host) + to, LinkText: "Try again",
			})
			return
		}
		p.Title, p.Text, p.Phase = "Your workspace is being started", "It was stopped, and your visit starts it.", lab.PhaseQueued
	case workspace.Desired == lab.DesiredStopped:
		p.Title, p.Busy, p.Refresh = "Your workspace is stopped", false, ""
		p.Link, p.LinkText = root(v.slug, v.host)+to, "Start it"
	case workspace.Status.Phase == lab.PhaseFailed:
		p.Title, p.Busy = "Your workspace does not start", false
	case workspace.Status.Phase == lab.PhaseReady:
		p.Title, p.Text = "Your workspace is ready", "This page moves on as soon as its address answers."
	default:
		p.Title = "Your workspace is getting ready"
	}
	if workspace.Status.Phase == lab.PhaseUnknown {
		p.Phase = ""
	}
	w.Header().Set("Retry-After", "2")
	d.show(w, http.StatusServiceUnavailable, p)
}

// wake wants the workspace running, in the visitor's own name.
func (d *Door) wake(r *http.Request, v visit, workspace lab.WorkspaceDetail) error {
	found, err := d.admission(r.Context(), v)
	if err != nil {
		return err
	}
	intent := lab.Intent{Actor: lab.Actor{Name: found.Actor, UserID: found.UserID, Role: found.Role, Remote: d.cfg.Remote(r)}}
	err = d.cfg.Start(r.Context(), intent, workspace.Slug)
	if err != nil {
		d.cfg.Logger.WarnContext(r.Context(), "a visit can't start its workspace", "workspace", workspace.Slug, "error", err)
	}
	return err
}
