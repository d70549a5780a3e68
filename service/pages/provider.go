package pages

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/lab"
)

// providerPath is where signing in by another account begins; the provider sends
// browsers back to /callback below it.
const providerPath = "/sign-in/provider"

func (h *handler) getProvider(c *gin.Context) {
	at, cookie, err := h.Provider.Begin(c.Request.Context(), c.Request, within(c.Query("to")))
	if err != nil {
		h.notSignedIn(c, err)
		return
	}
	set(c, []*http.Cookie{cookie})
	h.seeOther(c, at)
}

func (h *handler) getCallback(c *gin.Context) {
	cookies, to, err := h.Provider.Finish(c.Request.Context(), c.Request, h.visit(c))
	if err != nil {
		h.notSignedIn(c, err)
		return
	}
	set(c, cookies)
	h.seeOther(c, within(to))
}

// notSignedIn says why single sign-on has come to nothing.
func (h *handler) notSignedIn(c *gin.Context, err error) {
	status, v := h.told(c, err)
	switch lab.CodeOf(err) { //nolint:exhaustive // all others are told as everywhere
	case lab.CodeUnauthenticated:
		v.Title = "You are not signed in"
	case lab.CodeForbidden:
		v.Title = "You are not let in"
	case lab.CodeUnavailable, lab.CodeRefused:
		v.Title = "Single sign-on can't be used now"
	}
	h.show(c, status, "message", v)
}
