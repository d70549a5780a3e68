package doctor

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/consul"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/nomad"
	"github.com/bothylabs/bothy/service/oidc"
	"github.com/bothylabs/bothy/service/store"
	"github.com/bothylabs/bothy/service/vault"
)

// Parts are what is looked at. All but Invalid and OIDC must be set where Invalid is nil.
type Parts struct {
	// Invalid is what is wrong with the configuration; nothing else is looked at then.
	Invalid error
	Config  config.Config
	Store   store.Config
	Nomad   *nomad.Client
	Consul  *consul.Watcher
	Vault   *vault.Client
	// OIDC is nil where people sign in with passwords alone.
	OIDC *oidc.Provider
	// Templates are those that the server's program and settings have.
	Templates []*jobspec.Template
	// Now is the clock that the others are compared with.
	Now func() time.Time
}

// patient is one examination: what is looked at, and what checks have found out
// for those that need them.
type patient struct {
	Parts
	web *http.Client

	store store.Inspection
	token nomad.Token
	nodes []nomad.Node
}

// Examine looks at everything.
func Examine(ctx context.Context, parts Parts) Report {
	p := &patient{Parts: parts, web: browser()}
	defer p.web.CloseIdleConnections()
	return examine(ctx, p.checks())
}

// IDs are the ids of all checks, in their order.
func IDs() []string {
	var ids []string
	for _, c := range (&patient{}).checks() {
		ids = append(ids, c.id)
	}
	return ids
}

func (p *patient) checks() []check {
	var all []check
	for _, group := range [][]check{p.configChecks(), p.storeChecks(), p.nomadChecks(), p.consulChecks(), p.vaultChecks(), p.signOnChecks(), p.webChecks(), p.clockChecks()} {
		all = append(all, group...)
	}
	for i := range all {
		if all[i].id != configValid && len(all[i].needs) == 0 {
			all[i].needs = []string{configValid}
		}
	}
	return all
}

const configValid = "config.valid"

func (p *patient) configChecks() []check {
	return []check{
		{id: configValid, what: "the configuration", run: p.configIsValid},
		{id: "config.secrets", what: "who can read the secrets' files", run: p.secretsAreKept},
	}
}

func (p *patient) configIsValid(context.Context) verdict {
	if p.Invalid == nil {
		return good("valid")
	}
	var coded *lab.Error
	if !errors.As(p.Invalid, &coded) || len(coded.Fields) == 0 {
		return broken(p.Invalid, "correct the configuration; bothy config validate shows it alone")
	}
	var problems, remedies []string
	for _, f := range coded.Fields {
		problems, remedies = append(problems, f.Name+": "+f.Problem), append(remedies, f.Remedy)
	}
	return failed(strings.Join(remedies, "; "), "%s", strings.Join(problems, "; "))
}

// browser asks as a visitor's browser would: names below .localhost are this
// machine, and redirects are not followed.
func browser() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Client{
		Timeout:       checkTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix("."+host, ".localhost") {
					address = net.JoinHostPort("127.0.0.1", port)
				}
				return dialer.DialContext(ctx, network, address)
			},
		},
	}
}

// page is what a URL answered.
type page struct {
	status int
	body   string
}

func (p *patient) get(ctx context.Context, url string) (page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return page{}, err
	}
	answer, err := p.web.Do(r)
	if err != nil {
		return page{}, err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	const enough = 64 << 10
	body, err := io.ReadAll(io.LimitReader(answer.Body, enough))
	return page{status: answer.StatusCode, body: string(body)}, err
}
