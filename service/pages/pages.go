// Package pages is what people see of Bothy in a browser before there is a console:
// signing in, choosing a password, their workspaces or classes, their sessions and tokens.
// The pages work without scripts, and write by forms of their own origin alone.
package pages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// maxForm is the most that a form sends, in bytes.
const maxForm = 16 << 10

// People knows who is signed in.
type People interface {
	VisitOf(r *http.Request, remote string) auth.Visit
	Visitor(ctx context.Context, r *http.Request, remote string, answer http.Header) (auth.Visitor, error)
	SignInWithPassword(ctx context.Context, visit auth.Visit, login, password string) (cookies []*http.Cookie, due bool, err error)
	SignOutCookies() []*http.Cookie
	ChangePassword(ctx context.Context, visitor auth.Visitor, visit auth.Visit, present, chosen string, tokens bool) error
	AskReset(ctx context.Context, visit auth.Visit, login string) error
	CheckLink(ctx context.Context, token string) error
	ResetPassword(ctx context.Context, visit auth.Visit, token, chosen string) ([]*http.Cookie, error)
	Sessions(ctx context.Context, caller lab.Caller, user string, page lab.Page) (lab.List[lab.Session], error)
	EndSession(ctx context.Context, caller lab.Caller, intent lab.Intent, id string) error
	EndSessions(ctx context.Context, caller lab.Caller, intent lab.Intent, user string, tokens bool) error
	Tokens(ctx context.Context, caller lab.Caller, user string, page lab.Page) (lab.List[lab.APIToken], error)
	MakeToken(ctx context.Context, visitor auth.Visitor, visit auth.Visit, intent lab.Intent, in auth.TokenInput, present string) (lab.APIToken, string, error)
	RevokeToken(ctx context.Context, caller lab.Caller, intent lab.Intent, id string) error
}

// Provider signs in by another account.
type Provider interface {
	Begin(ctx context.Context, r *http.Request, to string) (at string, cookie *http.Cookie, err error)
	Finish(ctx context.Context, r *http.Request, visit auth.Visit) (cookies []*http.Cookie, to string, err error)
}

// Workspaces shows, starts and stops them.
type Workspaces interface {
	Workspaces(ctx context.Context, filter registrar.WorkspaceFilter, page lab.Page) (lab.List[registrar.WorkspaceView], error)
	Workspace(ctx context.Context, ref string) (registrar.WorkspaceView, error)
	ActOnWorkspace(ctx context.Context, intent lab.Intent, ref string, act registrar.Act) (registrar.WorkspaceView, error)
}

// Classes lists them, and says how far they are.
type Classes interface {
	Classes(ctx context.Context, filter registrar.ClassFilter, page lab.Page) (lab.List[lab.Class], error)
	ClassProgress(ctx context.Context, ids []string) (map[string]lab.ClassProgress, error)
}

// LookIn is one time that somebody else came into a workspace.
type LookIn struct {
	Slug string
	Name string
	// How is editor or terminal.
	How string
	At  time.Time
}

// Config is what the pages need; LookIns, Mail and Provider may be zero.
type Config struct {
	People     People
	Workspaces Workspaces
	Classes    Classes
	// LookIns gives when others came into a user's workspaces, the newest first; nil for never.
	LookIns func(ctx context.Context, userID string) ([]LookIn, error)
	// Refused writes down that somebody asked for what they have no right to; nil for nowhere.
	Refused func(ctx context.Context, actor lab.Actor, operation, target string) error
	// Mail says that links are mailed to those who have forgotten their password.
	Mail bool
	// Provider signs in by another account, which people call ProviderName; nil for none.
	Provider     Provider
	ProviderName string
	// ConsoleURL and LabsURL are the two origins.
	ConsoleURL, LabsURL string
	// TrustedProxies are the addresses or networks whose X-Forwarded-For is believed.
	TrustedProxies []string
	Version        string
	Log            *slog.Logger
	Now            func() time.Time
}

type handler struct {
	Config
	templates   templates
	policy      string
	crossOrigin *http.CrossOriginProtection
}

// New makes the handler of all pages.
func New(cfg Config) (http.Handler, error) {
	if cfg.People == nil || cfg.Workspaces == nil || cfg.Classes == nil || cfg.Log == nil {
		return nil, errors.New("pages: People, Workspaces, Classes and Log must be set")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &handler{Config: cfg, crossOrigin: http.NewCrossOriginProtection()}
	if err := h.crossOrigin.AddTrustedOrigin(cfg.ConsoleURL); err != nil {
		return nil, fmt.Errorf("trusted origin: %w", err)
	}
	var err error
	if h.templates, err = readTemplates(); err != nil {
		return nil, err
	}
	if h.policy, err = policy(cfg.LabsURL); err != nil {
		return nil, err
	}
	return h.engine()
}

// policy is the Content-Security-Policy of all pages. A form may end at a workspace:
// browsers hold the redirects after a form against it too.
func policy(labs string) (string, error) {
	u, err := url.Parse(labs)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("labs origin %q: %w", labs, err)
	}
	return "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' " + u.Scheme + "://" + u.Host + " " + u.Scheme + "://*." + u.Host +
		"; base-uri 'none'; frame-ancestors 'none'", nil
}

func (h *handler) engine() (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.ContextWithFallback = true
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	if err := engine.SetTrustedProxies(h.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	engine.Use(h.begin)
	engine.NoRoute(func(c *gin.Context) { h.refuse(c, lab.Errorf(lab.CodeNotFound, "there is no such page")) })
	engine.NoMethod(func(c *gin.Context) {
		h.message(c, http.StatusMethodNotAllowed, "This can't be done here", "the page does not take this")
	})
	engine.GET("/assets/:file", h.asset)
	engine.GET("/sign-in", h.getSignIn)
	engine.POST("/sign-in", h.postSignIn)
	if h.Provider != nil {
		engine.GET(providerPath, h.getProvider)
		engine.GET(providerPath+"/callback", h.getCallback)
	}
	engine.GET("/reset", h.getReset)
	engine.POST("/reset", h.postReset)
	engine.GET("/reset/choose", h.getChoose)
	engine.POST("/reset/choose", h.postChoose)
	engine.POST("/sign-out", h.postSignOut)

	due := engine.Group("", h.visitor)
	due.GET("/password", h.getPassword)
	due.POST("/password", h.postPassword)

	in := engine.Group("", h.visitor, h.nothingDue)
	in.GET("/", h.getPortal)
	in.POST("/workspaces/:slug/:act", h.postAct)
	in.GET("/sessions", h.getSessions)
	in.POST("/sessions/end-all", h.postEndAll)
	in.POST("/sessions/end/:id", h.postEnd)
	in.GET("/tokens", h.getTokens)
	in.POST("/tokens", h.postToken)
	in.POST("/tokens/revoke/:id", h.postRevoke)
	return engine, nil
}

// begin sets what every answer has, and refuses what another origin sends.
func (h *handler) begin(c *gin.Context) {
	defer h.recovered(c)
	header := c.Writer.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", h.policy)
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	// With no referrer at all a form's Origin is "null", and refused, where browsers send
	// no Sec-Fetch-Site: by plain HTTP.
	header.Set("Referrer-Policy", "same-origin")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	if err := h.crossOrigin.Check(c.Request); err != nil {
		h.refuse(c, lab.Wrap(lab.CodeForbidden, err, "another page has sent this").WithHint("open Bothy's own address and try there"))
		return
	}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
	if c.Request.Method == http.MethodPost {
		if err := c.Request.ParseForm(); err != nil {
			h.refuse(c, lab.Wrap(lab.CodeInvalid, err, "what was sent can't be read"))
			return
		}
	}
	c.Next()
}

// recovered turns a panic into a page.
func (h *handler) recovered(c *gin.Context) {
	cause := recover()
	if cause == nil {
		return
	}
	h.refuse(c, fmt.Errorf("panic: %v", cause))
}

const visitorKey = "bothy/visitor"

// visitor lets those through who are signed in, and sends all others to do that.
func (h *handler) visitor(c *gin.Context) {
	visitor, err := h.People.Visitor(c.Request.Context(), c.Request, c.ClientIP(), c.Writer.Header())
	switch {
	case lab.CodeOf(err) == lab.CodeUnauthenticated:
		to := "/sign-in"
		if c.Request.Method == http.MethodGet && c.Request.URL.Path != "/" {
			to += "?" + url.Values{"to": {c.Request.URL.RequestURI()}}.Encode()
		}
		h.seeOther(c, to)
	case err != nil:
		h.refuse(c, err)
	default:
		c.Set(visitorKey, visitor)
	}
}

// visitorOf gives who is signed in; the zero value on pages for everybody.
func visitorOf(c *gin.Context) auth.Visitor {
	visitor, _ := c.Value(visitorKey).(auth.Visitor)
	return visitor
}

// nothingDue sends those who must choose a password first to do that.
func (h *handler) nothingDue(c *gin.Context) {
	if visitorOf(c).Session.PasswordDue {
		h.seeOther(c, "/password")
	}
}

// visit is from where the request comes.
func (h *handler) visit(c *gin.Context) auth.Visit { return h.People.VisitOf(c.Request, c.ClientIP()) }

// operationKey is where a request has the operation that it asks for.
const operationKey = "bothy/operation"

// intent is what whoever is signed in asks for.
func intent(c *gin.Context, operation string) lab.Intent {
	c.Set(operationKey, operation)
	v := visitorOf(c)
	return lab.Intent{Actor: lab.Actor{Name: v.Name, UserID: v.UserID, Role: v.Role, Remote: c.ClientIP()}, Operation: operation}
}

func (h *handler) seeOther(c *gin.Context, to string) {
	c.Abort()
	c.Redirect(http.StatusSeeOther, to)
}

// within gives a place to go on to, if it is one of this origin's; "/" for any other.
func within(to string) string {
	u, err := url.Parse(to)
	switch {
	case err != nil, to == "", u.Scheme != "", u.Host != "", u.User != nil,
		!strings.HasPrefix(to, "/"), strings.HasPrefix(to, "//"), strings.ContainsAny(to, "\\\r\n\t"),
		strings.HasPrefix(u.Path, "//"), strings.HasPrefix(u.Path, "/sign-"):
		return "/"
	}
	return u.RequestURI()
}
