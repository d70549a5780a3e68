package pages

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// maxShown bounds how many of a thing a page shows.
const maxShown = 100

// card is one workspace in the portal.
type card struct {
	Slug, Course, Cohort string
	// State is the phase as a word, Kind its colour, Text what it means.
	State, Kind, Text string
	Open, Start, Stop bool
}

// cardOf says in words how a workspace is.
func cardOf(w registrar.WorkspaceView) card {
	c := card{Slug: string(w.Slug), Course: w.CourseKey, Cohort: w.CohortKey}
	running := w.Desired == lab.DesiredRunning
	c.Start, c.Stop = w.Desired == lab.DesiredStopped, running
	switch phase := w.Status.Phase; {
	case w.Desired == lab.DesiredDeleted:
		c.State, c.Kind, c.Text = "Going", "off", "It is being deleted."
	case phase == lab.PhaseReady && running:
		c.State, c.Kind, c.Text, c.Open = "Ready", "good", "Your editor is running.", true
	case phase == lab.PhaseFailed && running:
		c.State, c.Kind, c.Text = "Not running", "bad", "It could not be started. Stop it and start it again; when that does not help, tell your instructor."
	case phase == lab.PhaseLost:
		c.State, c.Kind, c.Text = "Out of reach", "bad", "Its machine does not answer. Your files are kept."
	case phase == lab.PhaseStopping, !running && phase != lab.PhaseStopped && phase != lab.PhaseUnknown && phase != lab.PhaseFailed:
		c.State, c.Kind, c.Text, c.Start = "Stopping", "busy", "It is being stopped. Your files are kept.", false
	case running:
		c.State, c.Kind, c.Text, c.Open = "Starting", "busy", "This takes less than a minute, mostly. You may open it already: it waits with you.", true
	default:
		c.State, c.Kind, c.Text = "Stopped", "off", "Your files are kept."
	}
	return c
}

// portalPage is what somebody's first page shows.
type portalPage struct {
	Workspaces []card
	LookIns    []LookIn
	// Staff is what those who teach see; nil for everybody else.
	Staff *classesPart
	// More says that not all are shown.
	More bool
}

func (h *handler) getPortal(c *gin.Context) {
	visitor := visitorOf(c)
	page, err := h.portal(c.Request.Context(), visitor)
	if err != nil {
		h.refuse(c, err)
		return
	}
	notices := map[string]string{
		"start": "It is being started.", "stop": "It is being stopped.", "password": "Your password is changed. You are signed out everywhere else.",
	}
	title := "Your workspaces"
	switch {
	case page.Staff != nil && page.Staff.All:
		title = "All classes"
	case page.Staff != nil:
		title = "Your classes"
	}
	h.show(c, http.StatusOK, "portal", view{Title: title, Notice: notices[c.Query("done")], Page: page})
}

func (h *handler) portal(ctx context.Context, visitor auth.Visitor) (portalPage, error) {
	var page portalPage
	var err error
	if page.Staff, err = h.classes(ctx, visitor.Caller); err != nil {
		return page, err
	}
	for _, student := range visitor.Scope.Students {
		list, err := h.Workspaces.Workspaces(ctx, registrar.WorkspaceFilter{Student: student}, lab.Page{Limit: maxShown})
		if err != nil {
			return page, err
		}
		page.More = page.More || list.Next != ""
		for _, w := range list.Items {
			page.Workspaces = append(page.Workspaces, cardOf(w))
		}
	}
	if h.LookIns == nil {
		return page, nil
	}
	page.LookIns, err = h.LookIns(ctx, visitor.UserID)
	return page, err
}

// postAct starts or stops one of the visitor's own workspaces.
func (h *handler) postAct(c *gin.Context) {
	act, operation := registrar.ActStart, "startWorkspace"
	switch c.Param("act") {
	case "start":
	case "stop":
		act, operation = registrar.ActStop, "stopWorkspace"
	default:
		h.refuse(c, lab.Errorf(lab.CodeNotFound, "there is no such page"))
		return
	}
	err := h.act(c.Request.Context(), visitorOf(c).Caller, intent(c, operation), c.Param("slug"), act)
	if err != nil {
		h.refuse(c, err)
		return
	}
	h.seeOther(c, "/?done="+c.Param("act"))
}

func (h *handler) act(ctx context.Context, caller lab.Caller, asked lab.Intent, slug string, act registrar.Act) error {
	workspace, err := h.Workspaces.Workspace(ctx, slug)
	if err == nil && !slices.Contains(caller.Scope.Students, workspace.StudentID) {
		err = lab.Unseen("workspace", slug)
	}
	if err != nil {
		return err
	}
	if err := auth.Allows(asked.Operation, caller, lab.Belonging{ClassID: workspace.ClassID, StudentID: workspace.StudentID}); err != nil {
		return err
	}
	_, err = h.Workspaces.ActOnWorkspace(ctx, asked, workspace.ID, act)
	return err
}

// goodTokens counts the visitor's API tokens that are good.
func (h *handler) goodTokens(c *gin.Context) (n int, err error) {
	list, err := h.People.Tokens(c.Request.Context(), visitorOf(c).Caller, "", lab.Page{Limit: maxShown})
	for _, token := range list.Items {
		if token.Live(h.Now()) {
			n++
		}
	}
	return n, err
}

// sessionsPage is what the page of one's sessions shows.
type sessionsPage struct {
	Sessions []sessionRow
	// Tokens is how many API tokens there are that are good.
	Tokens int
}

// sessionRow is one session in the list of one's own.
type sessionRow struct {
	lab.Session
	Here bool
	// Browser is what it most likely is, in words.
	Browser string
}

func (h *handler) getSessions(c *gin.Context) {
	visitor := visitorOf(c)
	list, err := h.People.Sessions(c.Request.Context(), visitor.Caller, "", lab.Page{Limit: maxShown})
	if err != nil {
		h.refuse(c, err)
		return
	}
	rows := make([]sessionRow, len(list.Items))
	for i, s := range list.Items {
		rows[i] = sessionRow{s, s.ID == visitor.Session.ID, browser(s.Agent)}
	}
	tokens, err := h.goodTokens(c)
	if err != nil {
		h.refuse(c, err)
		return
	}
	notice := map[string]string{"end": "You are signed out there."}[c.Query("done")]
	h.show(c, http.StatusOK, "sessions", view{Title: "Where you are signed in", Notice: notice, Page: sessionsPage{rows, tokens}})
}

// browser names what most likely sent a User-Agent.
func browser(agent string) string {
	name, system := "A browser", ""
	for _, known := range [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, known[0]) {
			name = known[1]
			break
		}
	}
	for _, known := range [][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, known[0]) {
			system = " on " + known[1]
			break
		}
	}
	return name + system
}

func (h *handler) postEnd(c *gin.Context) {
	visitor := visitorOf(c)
	err := h.People.EndSession(c.Request.Context(), visitor.Caller, intent(c, "endSession"), c.Param("id"))
	if err != nil && lab.CodeOf(err) != lab.CodeNotFound { // what has ended already is as it should be
		h.refuse(c, err)
		return
	}
	h.seeOther(c, "/sessions?done=end")
	h.recordRefused(c, err)
}

func (h *handler) postEndAll(c *gin.Context) {
	visitor := visitorOf(c)
	if err := h.People.EndSessions(c.Request.Context(), visitor.Caller, intent(c, "endSessions"), "", c.PostForm("tokens") != ""); err != nil {
		h.refuse(c, err)
		return
	}
	set(c, h.People.SignOutCookies())
	h.seeOther(c, "/sign-in?done=out")
}

// tokensPage is what the page of API tokens shows; Made is the text of a new one.
type tokensPage struct {
	Tokens []lab.APIToken
	Made   string
	Name   string
	Now    time.Time
	Days   int
	// Password says that the visitor has one, and is asked for it.
	Password bool
	Login    string
}

func (h *handler) tokens(c *gin.Context, status int, v view, page tokensPage) {
	list, err := h.People.Tokens(c.Request.Context(), visitorOf(c).Caller, "", lab.Page{Limit: maxShown})
	if err != nil {
		h.refuse(c, err)
		return
	}
	user := visitorOf(c).User
	page.Tokens, page.Now, page.Days = list.Items, h.Now(), auth.DefaultTokenDays
	page.Password, page.Login = user.Password != lab.PasswordNone, user.Login
	v.Title, v.Page = "API tokens", page
	h.show(c, status, "tokens", v)
}

func (h *handler) getTokens(c *gin.Context) {
	notice := map[string]string{"revoke": "The token is revoked."}[c.Query("done")]
	h.tokens(c, http.StatusOK, view{Notice: notice}, tokensPage{})
}

func (h *handler) postToken(c *gin.Context) {
	days := map[string]int{"7": 7, "30": 30, "90": 90, "365": 365}[c.PostForm("days")]
	in := auth.TokenInput{Name: c.PostForm("name"), Scope: lab.TokenScope(c.PostForm("scope")), Days: days}
	_, text, err := h.People.MakeToken(c.Request.Context(), visitorOf(c), h.visit(c), intent(c, "createToken"), in, c.PostForm("present"))
	if err != nil {
		status, v := h.told(c, err)
		h.tokens(c, status, v, tokensPage{Name: in.Name})
		return
	}
	h.tokens(c, http.StatusCreated, view{}, tokensPage{Made: text})
}

func (h *handler) postRevoke(c *gin.Context) {
	err := h.People.RevokeToken(c.Request.Context(), visitorOf(c).Caller, intent(c, "revokeToken"), c.Param("id"))
	if err != nil && lab.CodeOf(err) != lab.CodeNotFound {
		h.refuse(c, err)
		return
	}
	h.seeOther(c, "/tokens?done=revoke")
	h.recordRefused(c, err)
}
