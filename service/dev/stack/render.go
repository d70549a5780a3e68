package stack

import (
	"bytes"
	"embed"
	"fmt"
	"strconv"
	"strings"
	"text/template"

	"github.com/bothylabs/bothy/service/vault"
)

//go:embed templates/*.tmpl
var templateFiles embed.FS

// The names under which Nomad's workloads are known to Consul and Vault.
const (
	consulAuthMethod = "nomad-workloads"
	consulAudience   = "consul.io"
	vaultAuthMount   = "jwt-nomad"
	vaultAudience    = vault.WorkloadAudience
	vaultRole        = "bothy-workspace"
)

// markerEnv is the environment variable that tells a stack's processes apart
// from others of the same name. Tasks do not get it.
const markerEnv = "BOTHY_STACK"

// serverConfig is what the templates of the servers' configurations see.
type serverConfig struct {
	Config
	Data, Allocs, AllocMounts, Volumes, CNIConfig, CNIDir string

	Docker           bool // whether this machine has a Docker engine
	Chroot           []chrootEntry
	MarkerEnv        string
	ConsulAuthMethod string
	ConsulAudience   string
	VaultAuthPath    string
	VaultAudience    string
	VaultRole        string
}

// configFor gathers what a part's template needs.
func configFor(cfg Config, part string, chroot []chrootEntry) serverConfig {
	l := layout(cfg.Dir)
	return serverConfig{
		Config: cfg,
		Data:   l.data(part), Allocs: l.allocs(), AllocMounts: l.allocMounts(), Volumes: l.volumes(),
		CNIConfig: l.cniConfig(), CNIDir: cfg.Binaries.CNIDir,
		Chroot: chroot, MarkerEnv: markerEnv,
		ConsulAuthMethod: consulAuthMethod, ConsulAudience: consulAudience,
		VaultAuthPath: vaultAuthMount, VaultAudience: vaultAudience, VaultRole: vaultRole,
	}
}

// RouterLevel is the log level as Fabio and Traefik spell it. Both write whole
// requests, query strings included, when they debug, and those may hold tickets.
func (c serverConfig) RouterLevel() string {
	if c.LogLevel == "debug" {
		return "INFO"
	}
	return strings.ToUpper(c.LogLevel)
}

// render fills in one of the configuration templates.
func render(name string, data any) ([]byte, error) {
	t, err := template.New(name).
		Funcs(template.FuncMap{"quote": strconv.Quote}).
		Option("missingkey=error").
		ParseFS(templateFiles, "templates/"+name)
	if err != nil {
		return nil, fmt.Errorf("parse configuration template: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("render configuration: %w", err)
	}
	return out.Bytes(), nil
}
