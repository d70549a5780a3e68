package toolchain

import (
	"fmt"
	"strings"

	"golang.org/x/mod/modfile"
)

// Tool names one thing that Ensure finds or makes.
type Tool string

// The tools.
const (
	Nomad   Tool = "nomad"
	Consul  Tool = "consul"
	Vault   Tool = "vault"
	Fabio   Tool = "fabio"
	Traefik Tool = "traefik"

	NGINX    Tool = "nginx"
	CNI      Tool = "cni" // a folder with the standard plugins
	Iptables Tool = "iptables"
	Nftables Tool = "nftables"
	Ripgrep  Tool = "ripgrep"

	// CodeServer is a folder that holds all that code-server needs, Node.js
	// included, and can be shown to tasks as it is.
	CodeServer Tool = "code-server"
	// WebTerminal is shellinaboxd: a terminal in the browser without an editor.
	WebTerminal Tool = "web-terminal"

	// Node is only looked for where code-server must be made; a setting may name it.
	Node Tool = "node"
	// Chromium is what the browser tests drive; a stack does not need it.
	Chromium Tool = "chromium"
	// Postgres is the folder with PostgreSQL's programs, which the store's tests run; a stack does not need it.
	Postgres Tool = "postgres"
	// Docker is a folder with an engine's programs, and Mmdebstrap makes the images
	// that it runs where there is no registry; a stack needs neither.
	Docker     Tool = "docker"
	Mmdebstrap Tool = "mmdebstrap"
)

// Development lists what `bothy dev` needs with one of the routers, Fabio or
// Traefik.
func Development(router Tool) []Tool {
	return []Tool{Nomad, Consul, Vault, router, NGINX, CNI, Iptables, Nftables, Ripgrep, CodeServer, WebTerminal}
}

// server says how a server that is pinned below tools/ is recognised and built.
type server struct {
	tool Tool
	// pkg is the Go package of the program.
	pkg string
	// versionArgs make the program print its version.
	versionArgs []string
	tags        string
	// versionVar, where set, is the variable that the linker writes the version
	// into; a program without it does not know what it is.
	versionVar string
	accepts    versionRange
	// takes says roughly how long a first build takes on two cores.
	takes string
}

// servers are the pinned servers. A program of another origin is accepted from
// the pinned minor series up to the next major version, which may change what
// Bothy relies on.
func servers() []server {
	return []server{
		{
			tool: Nomad, pkg: "github.com/hashicorp/nomad", versionArgs: []string{"version"},
			accepts: versionRange{From: "1.11.0", Below: "2.0.0"}, takes: "about 5 min",
		},
		{
			tool: Consul, pkg: "github.com/hashicorp/consul", versionArgs: []string{"version"},
			accepts: versionRange{From: "1.22.0", Below: "2.0.0"}, takes: "about 5 min",
		},
		{
			// Tag minimal leaves out the plugins for other vendors' services; approle,
			// jwt, userpass, kv, pki, ssh and transit stay.
			tool: Vault, pkg: "github.com/hashicorp/vault", versionArgs: []string{"version"}, tags: "minimal",
			accepts: versionRange{From: "1.21.0", Below: "2.0.0"}, takes: "about 4 min",
		},
		{
			tool: Fabio, pkg: "github.com/fabiolb/fabio", versionArgs: []string{"-v"},
			accepts: versionRange{From: "1.6.0", Below: "2.0.0"}, takes: "about 1 min",
		},
		{
			// 3.6.4 to 3.6.6 refuse encoded slashes in paths unless told otherwise.
			tool: Traefik, pkg: "github.com/traefik/traefik/v3/cmd/traefik", versionArgs: []string{"version"},
			versionVar: "github.com/traefik/traefik/v3/pkg/version.Version",
			accepts:    versionRange{From: "3.6.7", Below: "4.0.0"}, takes: "about 6 min",
		},
	}
}

func serverFor(tool Tool) (server, bool) {
	for _, s := range servers() {
		if s.tool == tool {
			return s, true
		}
	}
	return server{}, false
}

// pinnedVersion reads the version of a package's module, without the leading v,
// from the text of a go.mod.
func pinnedVersion(goMod []byte, pkg string) (string, error) {
	file, err := modfile.ParseLax("go.mod", goMod, nil)
	if err != nil {
		return "", fmt.Errorf("read go.mod: %w", err)
	}
	best := ""
	version := ""
	for _, r := range file.Require {
		if (pkg == r.Mod.Path || strings.HasPrefix(pkg, r.Mod.Path+"/")) && len(r.Mod.Path) > len(best) {
			best, version = r.Mod.Path, r.Mod.Version
		}
	}
	if best == "" {
		return "", fmt.Errorf("go.mod requires no module that holds %s", pkg)
	}
	return strings.TrimPrefix(version, "v"), nil
}
