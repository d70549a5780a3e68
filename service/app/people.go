package app

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/mail"
	"github.com/bothylabs/bothy/service/pages"
	"github.com/bothylabs/bothy/service/registrar"
)

// makePeople makes what knows who somebody is, and what writes to them.
func (a *App) makePeople(deps Deps) (err error) {
	operator, err := operatorOf(a.cfg.API)
	if err != nil {
		return err
	}
	a.people, err = auth.NewPeople(auth.Config{
		Store: a.store, Passwords: a.vault, Operator: operator, Idle: a.cfg.Session.Idle, Lifetime: a.cfg.Session.Lifetime,
		Secure: strings.HasPrefix(a.cfg.ConsoleURL, "https://"), Registry: a.metrics, Log: deps.Logger.With("part", "people"),
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
		Store: a.store, Passwords: a.vault, Mailer: sender, ConsoleURL: a.cfg.ConsoleURL, PerMinute: a.cfg.Mail.PerMinute,
		Registry: a.metrics, Log: deps.Logger.With("part", "mail"), NewID: deps.NewID, Now: deps.Now,
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
	handler, err := pages.New(pages.Config{
		People: a.people, Workspaces: acts, Mail: a.letters != nil, ConsoleURL: a.cfg.ConsoleURL, LabsURL: a.cfg.LabsURL,
		TrustedProxies: a.cfg.API.TrustedProxies, Version: deps.Version, Log: deps.Logger.With("part", "pages"), Now: deps.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("make the pages: %w", err)
	}
	return handler, nil
}

// console is everything on the console's origin: the API with its probes and its
// reference, and the pages.
func console(api, pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch first {
		case "v1", "docs", "healthz", "readyz", "metrics":
			api.ServeHTTP(w, r)
		default:
			pages.ServeHTTP(w, r)
		}
	})
}
