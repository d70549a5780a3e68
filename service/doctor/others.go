package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// jwtMount is the JWT auth method that Nomad's workloads log in to Vault with.
const jwtMount = "jwt-nomad"

func (p *patient) consulChecks() []check {
	return []check{
		{id: "consul.reachable", what: "Consul answers and has a leader", run: p.consulAnswers},
		{id: "consul.token", what: "Bothy's Consul token", needs: []string{"consul.reachable"}, run: p.consulToken},
		{id: "consul.rights", what: "what that token may do", needs: []string{"consul.token"}, run: p.consulRights},
	}
}

func (p *patient) consulAnswers(ctx context.Context) verdict {
	if err := p.Consul.Ready(ctx); err != nil && lab.CodeOf(err) != lab.CodeRefused {
		return broken(err, fmt.Sprintf("start Consul, or correct consul.address; try: curl %s/v1/status/leader", p.Config.Consul.Address))
	}
	return good("%s", p.Config.Consul.Address)
}

func (p *patient) consulToken(ctx context.Context) verdict {
	return ofEnvironment(p.Config.Consul.Token, p.consulTokenItself(ctx))
}

func (p *patient) consulTokenItself(ctx context.Context) verdict {
	token, err := p.Consul.OwnToken(ctx)
	const remedy = "make one and put it into consul.token_file: consul acl token create -description=bothy -policy-name=bothy"
	if err != nil {
		return broken(err, remedy)
	}
	switch left := token.Expires.Sub(p.Now()); {
	case token.Off:
		return warning("turn ACLs on: acl { enabled = true }", "Consul has no access control: workspaces reach its API")
	case !token.Expires.IsZero() && left < soon:
		return warning(remedy, "%q expires in %s", token.Name, left.Round(time.Minute))
	default:
		return good("%q", token.Name)
	}
}

func (p *patient) consulRights(ctx context.Context) verdict {
	lockPath := ""
	if p.Config.Reconcile.Lock == "consul" {
		if lockPath = p.Config.Reconcile.LockPath; lockPath == "" {
			lockPath = "bothy/installation/reconciler"
		}
	}
	missing, err := p.Consul.Missing(ctx, lockPath)
	switch {
	case err != nil:
		v := broken(err, "compare the token's policy with bothy.consul.hcl by hand")
		v.state = Warn
		return v
	case len(missing) > 0:
		return failed("add it to the policy as in bothy.consul.hcl, then: consul acl policy update -name bothy -rules @bothy.consul.hcl", "the token lacks %s", strings.Join(missing, ", "))
	default:
		return good("all that Bothy needs")
	}
}

func (p *patient) vaultChecks() []check {
	known := []string{"vault.token"}
	return []check{
		{id: "vault.reachable", what: "Vault answers and is unsealed", run: p.vaultAnswers},
		{id: "vault.token", what: "Bothy's Vault token", needs: []string{"vault.reachable"}, run: p.vaultToken},
		{id: "vault.mount", what: "the engine that holds the secrets", needs: known, run: p.vaultMount},
		{id: "vault.rights", what: "what that token may do", needs: known, run: p.vaultRights},
		{id: "vault.role", what: "the role that workspaces log in with", needs: known, run: p.vaultRole},
	}
}

func (p *patient) vaultAnswers(ctx context.Context) verdict {
	health, err := p.Vault.Health(ctx)
	switch {
	case err != nil:
		return broken(err, fmt.Sprintf("start Vault, or correct vault.address; try: curl %s/v1/sys/health", p.Config.Vault.Address))
	case !health.Initialized:
		return failed("vault operator init", "Vault is not initialised")
	case health.Sealed:
		return failed("vault operator unseal", "Vault is sealed")
	default:
		return good("%s, version %s", p.Config.Vault.Address, health.Version)
	}
}

func (p *patient) vaultToken(ctx context.Context) verdict {
	return ofEnvironment(p.Config.Vault.Token, p.vaultTokenItself(ctx))
}

func (p *patient) vaultTokenItself(ctx context.Context) verdict {
	token, err := p.Vault.OwnToken(ctx)
	const remedy = "make one and put it into vault.token_file: vault token create -orphan -policy=bothy -no-default-policy -period=720h"
	switch {
	case err != nil:
		return broken(err, remedy)
	case token.Root:
		return warning(remedy, "a root token, which may do everything")
	case token.TTL > 0 && !token.Renewable:
		return warning(remedy, "ends in %s and can't be renewed", token.TTL)
	case token.TTL == 0:
		return good("never ends")
	default:
		return good("renewable, ends in %s unless it is", token.TTL)
	}
}

func (p *patient) vaultMount(ctx context.Context) verdict {
	mount := p.Config.Vault.Mount
	remedy := fmt.Sprintf("vault secrets enable -path=%s -version=2 kv; vault write %s/config cas_required=true", mount, mount)
	version, err := p.Vault.MountVersion(ctx)
	switch {
	case err != nil:
		return broken(err, remedy)
	case version != "2":
		return failed("vault kv enable-versioning "+mount, "%s/ is a KV engine of version 1", mount)
	default:
		return good("%s/, KV version 2", mount)
	}
}

func (p *patient) vaultRights(ctx context.Context) verdict {
	missing, err := p.Vault.Missing(ctx)
	switch {
	case lab.CodeOf(err) == lab.CodeRefused:
		return warning(`path "sys/capabilities-self" { capabilities = ["update"] }, as in bothy.vault.hcl`, "the token may not ask what it may do")
	case err != nil:
		return broken(err, "")
	case len(missing) > 0:
		return failed("add it to the policy as in bothy.vault.hcl, then: vault policy write bothy bothy.vault.hcl", "the token lacks %s", strings.Join(missing, ", "))
	default:
		return good("all that Bothy needs")
	}
}

func (p *patient) vaultRole(ctx context.Context) verdict {
	role := p.Config.Vault.Role
	err := p.Vault.HasRole(ctx, jwtMount, role)
	switch {
	case unknownTo(err):
		return failed("run nomad setup vault, or correct vault.role; vault list auth/"+jwtMount+"/role", "%s", errorText(err))
	case lab.CodeOf(err) == lab.CodeRefused:
		return skipped("the token may not read auth/%s/role/%s", jwtMount, role)
	case err != nil:
		return broken(err, "")
	default:
		return good("%q on auth/%s/", role, jwtMount)
	}
}

func errorText(err error) string {
	var coded *lab.Error
	if errors.As(err, &coded) {
		return coded.Message
	}
	return err.Error()
}

func (p *patient) webChecks() []check {
	return []check{
		{id: "router.labs", what: "the router answers at labs_url", run: p.routerAnswers},
		{id: "router.origin", what: "labs_url does not lead to the console", needs: []string{"router.labs"}, run: p.labsAreApart},
		{id: "router.route", what: "a ready workspace's path answers", needs: []string{"router.labs", "store.schema"}, run: p.routeAnswers},
		{id: "console.url", what: "Bothy answers at console_url", run: p.consoleAnswers},
		{id: "console.cookies", what: "no workspace can set cookies for the console", run: p.cookiesAreApart},
	}
}

func (p *patient) routerAnswers(ctx context.Context) verdict {
	found, err := p.get(ctx, p.Config.LabsURL+"/")
	var unknown *net.DNSError
	switch {
	case errors.As(err, &unknown):
		return failed("make a DNS record for it, or correct labs_url", "the name %s is not known", unknown.Name)
	case err != nil:
		return failed("start the router (Fabio or Traefik), or correct labs_url", "nothing answers at %s: %v", p.Config.LabsURL, plainWebError(err))
	default:
		return good("%s, status %d for /", p.Config.LabsURL, found.status)
	}
}

func (p *patient) labsAreApart(ctx context.Context) verdict {
	found, err := p.get(ctx, p.Config.LabsURL+"/healthz")
	if err == nil && isBothy(found) {
		return failed("let labs_url lead to the router, never to Bothy: what students run would share the console's origin", "%s is Bothy itself", p.Config.LabsURL)
	}
	return good("the console does not answer there")
}

func (p *patient) routeAnswers(ctx context.Context) verdict {
	slug := p.store.Ready
	if slug == "" {
		return skipped("no workspace is ready")
	}
	url := p.Config.LabsURL + "/" + slug + "/"
	const remedy = "does the router read this Consul, with a token that has service:read and node:read? Fabio shows its routes at /routes, Traefik at /api/http/routers"
	found, err := p.get(ctx, url)
	switch {
	case err != nil:
		return failed(remedy, "%s: %v", url, plainWebError(err))
	case found.status == http.StatusNotFound:
		return failed(remedy, "the router has no route to %s, which is ready", url)
	case found.status >= http.StatusInternalServerError:
		return failed("look at the workspace: bothy workspace status "+slug, "%s answers with status %d", url, found.status)
	default:
		return good("%s, status %d", url, found.status)
	}
}

func (p *patient) consoleAnswers(ctx context.Context) verdict {
	found, err := p.get(ctx, p.Config.ConsoleURL+"/healthz")
	switch {
	case err != nil:
		return warning("start the server: bothy server -config …; if it runs, correct console_url or what leads from there to "+p.Config.Listen,
			"nothing answers at %s: %v", p.Config.ConsoleURL, plainWebError(err))
	case !isBothy(found):
		return failed("correct console_url, or what leads from there to "+p.Config.Listen, "what answers at %s is not Bothy (status %d)", p.Config.ConsoleURL, found.status)
	default:
		return good("%s", p.Config.ConsoleURL)
	}
}

func (p *patient) cookiesAreApart(context.Context) verdict {
	if domain := p.Config.PlantedFrom(); domain != "" {
		return warning("let browsers reach the console by https, and write that into console_url",
			"a workspace's page can set cookies for %s that are sent to %s, and sign somebody in as somebody else: with http nothing tells them apart", domain, p.Config.ConsoleURL)
	}
	return good("%s", p.Config.ConsoleURL)
}

// isBothy knows the answer of Bothy's /healthz.
func isBothy(found page) bool {
	return found.status == http.StatusOK && strings.Contains(found.body, `"status":"ok"`)
}

// plainWebError drops the method and URL, which are said already.
func plainWebError(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}
