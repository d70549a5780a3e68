package app

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/limit"
)

// hstsValue has browsers use https alone for two years. Not for the names below it:
// workspaces may be among them, and are not this server's to decide about.
const hstsValue = "max-age=63072000"

// permissions are what no page of Bothy's needs of a browser.
const permissions = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

// hardened puts in front of a handler what holds for everything on the console's
// origin: how fast one may ask, and what browsers are told in every answer.
func (a *App) hardened(next http.Handler) (http.Handler, error) {
	secure := strings.HasPrefix(a.cfg.ConsoleURL, "https://")
	limited, err := limit.New(limit.Config{
		PerAddress: a.cfg.Limits.RequestsPerAddress, PerCaller: a.cfg.Limits.RequestsPerCaller,
		Cookies: []string{"__Host-bothy_session", "bothy_session"}, TrustedProxies: a.cfg.API.TrustedProxies,
		Exempt: []string{"/healthz", "/readyz", "/metrics"}, Refuse: api.Refuser(), Registry: a.metrics,
	}, auth.BoundCookies(next, secure))
	if err != nil {
		return nil, fmt.Errorf("make the limits: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Permissions-Policy", permissions)
		if secure || r.TLS != nil {
			w.Header().Set("Strict-Transport-Security", hstsValue)
		}
		limited.ServeHTTP(w, r)
	}), nil
}
