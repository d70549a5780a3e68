package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/mail"
	"github.com/bothylabs/bothy/service/pages"
	"github.com/bothylabs/bothy/service/registrar"
)

// shownLookIns is how many times that others looked in are shown.
const shownLookIns = 20

// makePeople makes what knows who somebody is, and what writes to them.
func (a *App) makePeople(deps Deps) (err error) {
	operator, err := operatorOf(a.cfg.API)
	if err != nil {
		return err
	}
	a.people, err = auth.NewPeople(auth.Config{
		Store: a.store, Passwords: a.vault, Operator: operator, Idle: a.cfg.Session.Idle, Lifetime: a.cfg.Session.Lifetime,
		Secure: strings.HasPrefix(a.cfg.ConsoleURL, "https://"), Uninvited: !a.cfg.Mail.Invitations, Registry: a.metrics, Log: deps.Logger.With("part", "people"),
		NewID: deps.NewID, Now: deps.Now,
	})
	if err != nil || !a.cfg.Mail.IsSet() {
		return err
	}
	sender, err := mail.New(mail.Config{
		Address: a.cfg.Mail.Address, Security: a.cfg.Mail.Security, Username: a.cfg.Mail.Username, Password: tokenOf(a.cfg.Mail.Password),
		From: a.cfg.Mail.From, Folder: a.cfg.Mail.Folder, Now: deps.Now,
	})
	if err != nil {
		return fmt.Errorf("make what sends mail: %w", err)
	}
	a.letters, err = auth.NewLetters(auth.LettersConfig{
		Store: a.store, Passwords: a.vault, Mailer: sender, ConsoleURL: a.cfg.ConsoleURL, PerMinute: a.cfg.Mail.PerMinute, Lifetime: a.cfg.Mail.InvitationLifetime,
		Uninvited: !a.cfg.Mail.Invitations,
		Registry:  a.metrics, Log: deps.Logger.With("part", "mail"), NewID: deps.NewID, Now: deps.Now,
	})
	return err
}

// operatorOf gives the operator's token; nil where the settings have none.
func operatorOf(cfg config.API) (*auth.Static, error) {
	if !cfg.Token.IsSet() {
		return nil, nil
	}
	token, err := cfg.Token.Read()
	if err != nil {
		return nil, fmt.Errorf("read the API token: %w", err)
	}
	return auth.NewStatic("operator", token.Reveal())
}

// makePages makes what people see in a browser.
func (a *App) makePages(acts *registrar.Registrar, deps Deps) (http.Handler, error) {
	settings := pages.Config{
		People: a.people, Workspaces: acts, Classes: acts, LookIns: a.lookIns, Refused: acts.RecordRefused, Mail: a.letters != nil, ConsoleURL: a.cfg.ConsoleURL, LabsURL: a.cfg.LabsURL,
		TrustedProxies: a.cfg.API.TrustedProxies, Version: deps.Version, Log: deps.Logger.With("part", "pages"), Now: deps.Now,
	}
	provider, err := a.makeProvider(acts, deps)
	if err != nil {
		return nil, fmt.Errorf("make single sign-on: %w", err)
	}
	if provider != nil {
		settings.Provider, settings.ProviderName = provider, a.cfg.OIDC.Name()
	}
	handler, err := pages.New(settings)
	if err != nil {
		return nil, fmt.Errorf("make the pages: %w", err)
	}
	return handler, nil
}

// console is everything on the console's origin: the API with its probes and its
// reference, the way to workspaces, and the pages.
func (a *App) console(api, pages http.Handler) http.Handler {
	open := a.guard.Console(a.visitor)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch first {
		case "v1", "docs", "healthz", "readyz", "metrics":
			api.ServeHTTP(w, r)
		case "open":
			open.ServeHTTP(w, r)
		default:
			pages.ServeHTTP(w, r)
		}
	})
}

// lookIns gives the newest times that others came into somebody's workspaces.
func (a *App) lookIns(ctx context.Context, userID string) ([]pages.LookIn, error) {
	found, err := a.store.LookIns(ctx, userID, shownLookIns)
	if err != nil {
		return nil, fmt.Errorf("read who looked in: %w", err)
	}
	seen := make([]pages.LookIn, len(found))
	for i, l := range found {
		seen[i] = pages.LookIn{Slug: string(l.Slug), Name: l.Name, How: string(l.How), At: l.At}
	}
	return seen, nil
}

// remoteOf gives the address that a request came from: of one that came by trusted
// proxies, the last that none of them has.
func remoteOf(r *http.Request, proxies []string) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	way := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(way) - 1; i >= 0 && trusted(host, proxies); i-- {
		address, err := netip.ParseAddr(strings.TrimSpace(way[i]))
		if err != nil {
			break
		}
		host = address.String()
	}
	return host
}

// trusted says whether an address is one of those given, or in one of those networks.
func trusted(host string, proxies []string) bool {
	address, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(proxies, func(proxy string) bool {
		if network, err := netip.ParsePrefix(proxy); err == nil {
			return network.Contains(address.Unmap())
		}
		one, err := netip.ParseAddr(proxy)
		return err == nil && one.Unmap() == address.Unmap()
	})
}
