package pages

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
)

// signInPage is what the sign-in page shows.
type signInPage struct {
	To, Login                  string
	Mail                       bool
	ProviderName, ProviderPath string
}

func (h *handler) signIn(c *gin.Context, status int, v view, login, to string) {
	v.Title = "Sign in"
	page := signInPage{To: to, Login: login, Mail: h.Mail, ProviderName: h.ProviderName}
	if h.Provider != nil {
		page.ProviderPath = providerPath + "?" + url.Values{"to": {to}}.Encode()
	}
	v.Page = page
	h.show(c, status, "sign-in", v)
}

func (h *handler) getSignIn(c *gin.Context) {
	to := within(c.Query("to"))
	visitor, err := h.People.Visitor(c.Request.Context(), c.Request, c.ClientIP(), c.Writer.Header())
	switch {
	case err == nil && visitor.Session.PasswordDue:
		h.seeOther(c, due(to))
	case err == nil:
		h.seeOther(c, to)
	case lab.CodeOf(err) != lab.CodeUnauthenticated:
		h.refuse(c, err)
	default:
		notice := map[string]string{"out": "You are signed out."}[c.Query("done")]
		h.signIn(c, http.StatusOK, view{Notice: notice}, "", to)
	}
}

func (h *handler) postSignIn(c *gin.Context) {
	login, to := c.PostForm("login"), within(c.PostForm("to"))
	cookies, isDue, err := h.People.SignInWithPassword(c.Request.Context(), h.visit(c), login, c.PostForm("password"))
	if err != nil {
		status, v := h.told(c, err)
		if h.Mail && lab.CodeOf(err) == lab.CodeTooMany {
			v.Hint += " Or have a link mailed to you: that works at once."
		}
		if errors.Is(err, auth.ErrPasswordLapsed) {
			v.Hint = "Ask your instructor for a new invitation."
			if h.Mail {
				v.Hint = "Take “I don't know my password” below: a mailed link lets you choose one of your own."
			}
		}
		h.signIn(c, status, v, login, to)
		return
	}
	set(c, cookies)
	if isDue {
		to = due(to)
	}
	h.seeOther(c, to)
}

// due is where another password is chosen before one goes on.
func due(to string) string { return "/password?" + url.Values{"to": {to}}.Encode() }

func set(c *gin.Context, cookies []*http.Cookie) {
	for _, cookie := range cookies {
		http.SetCookie(c.Writer, cookie)
	}
}

// postSignOut signs out here; the browser forgets the cookie whatever happens.
func (h *handler) postSignOut(c *gin.Context) {
	visitor, err := h.People.Visitor(c.Request.Context(), c.Request, c.ClientIP(), nil)
	if err == nil {
		c.Set(visitorKey, visitor)
		err = h.People.EndSession(c.Request.Context(), visitor.Caller, intent(c, "endSession"), visitor.Session.ID)
	}
	set(c, h.People.SignOutCookies())
	if code := lab.CodeOf(err); err != nil && code != lab.CodeUnauthenticated && code != lab.CodeNotFound {
		h.refuse(c, err)
		return
	}
	h.seeOther(c, "/sign-in?done=out")
}

// passwordPage is what the page to change the password shows.
type passwordPage struct {
	To         string
	Due        bool
	Login      string
	Min, Bytes int
	// Tokens is how many API tokens there are that are good.
	Tokens int
}

func (h *handler) password(c *gin.Context, status int, v view, to string) {
	visitor := visitorOf(c)
	tokens, err := h.goodTokens(c)
	if err != nil {
		h.refuse(c, err)
		return
	}
	v.Title = "Change your password"
	if visitor.Session.PasswordDue {
		v.Title = "Choose a password"
	}
	v.Page = passwordPage{To: to, Due: visitor.Session.PasswordDue, Login: visitor.User.Login, Min: auth.MinPassword, Bytes: auth.MaxPassword, Tokens: tokens}
	h.show(c, status, "password", v)
}

func (h *handler) getPassword(c *gin.Context) {
	h.password(c, http.StatusOK, view{}, within(c.Query("to")))
}

func (h *handler) postPassword(c *gin.Context) {
	to := within(c.PostForm("to"))
	err := twice(c)
	if err == nil {
		err = h.People.ChangePassword(c.Request.Context(), visitorOf(c), h.visit(c), c.PostForm("present"), c.PostForm("password"), c.PostForm("tokens") != "")
	}
	if err != nil {
		status, v := h.told(c, err)
		h.password(c, status, v, to)
		return
	}
	if to == "/" {
		to = "/?done=password"
	}
	h.seeOther(c, to)
}

// twice wants a new password to be typed twice.
func twice(c *gin.Context) error {
	if c.PostForm("password") != c.PostForm("again") {
		return lab.Invalid("this password can't be used", lab.Field{Name: "again", Problem: "is not the same", Remedy: "type the new password twice"})
	}
	return nil
}

// resetPage is what the pages around mailed links show.
type resetPage struct {
	Sent  bool
	Mail  bool
	Login string
	// Link is the token of a link that was followed.
	Link       string
	Min, Bytes int
}

func (h *handler) getReset(c *gin.Context) {
	h.show(c, http.StatusOK, "reset", view{Title: "Choose a new password", Page: resetPage{Mail: h.Mail}})
}

func (h *handler) postReset(c *gin.Context) {
	v, status := view{}, http.StatusOK
	page := resetPage{Mail: h.Mail, Login: c.PostForm("login"), Sent: true}
	if !h.Mail {
		page.Sent = false
	} else if err := h.People.AskReset(c.Request.Context(), h.visit(c), page.Login); err != nil {
		status, v = h.told(c, err)
		page.Sent = false
	}
	v.Title, v.Page = "Choose a new password", page
	h.show(c, status, "reset", v)
}

func (h *handler) choose(c *gin.Context, status int, v view, link string) {
	v.Title, v.Page = "Choose a new password", resetPage{Link: link, Mail: h.Mail, Min: auth.MinPassword, Bytes: auth.MaxPassword}
	h.show(c, status, "choose", v)
}

func (h *handler) getChoose(c *gin.Context) {
	link := c.Query("link")
	if err := h.People.CheckLink(c.Request.Context(), link); err != nil {
		h.noLink(c, err)
		return
	}
	h.choose(c, http.StatusOK, view{}, link)
}

func (h *handler) noLink(c *gin.Context, err error) {
	status, v := h.told(c, err)
	if lab.CodeOf(err) == lab.CodeNotFound {
		v.Title = "This link is not good any more"
		v.Problem = "Links work once, and for one hour."
	}
	v.Page = resetPage{Mail: h.Mail}
	h.show(c, status, "message", v)
}

func (h *handler) postChoose(c *gin.Context) {
	link := c.PostForm("link")
	err := twice(c)
	var cookies []*http.Cookie
	if err == nil {
		cookies, err = h.People.ResetPassword(c.Request.Context(), h.visit(c), link, c.PostForm("password"))
	}
	var known *lab.Error
	switch {
	case err == nil:
		set(c, cookies)
		h.seeOther(c, "/?done=password")
	case errors.As(err, &known) && (known.Code == lab.CodeInvalid || known.Code == lab.CodeConflict):
		status, v := h.told(c, err)
		h.choose(c, status, v, link)
	default:
		h.noLink(c, err)
	}
}
