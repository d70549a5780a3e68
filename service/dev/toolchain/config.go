package toolchain

import (
	"os"
	"path/filepath"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// Config says where to look and whom to tell.
type Config struct {
	// SourceDir is a checkout of Bothy, whose tools/ pins the servers. It is read
	// only where a server must be built.
	SourceDir string
	// CacheDir holds what was built. Default: what DefaultCacheDir gives.
	CacheDir string
	// Overrides name a program, or for CNI and CodeServer a folder, that is used
	// instead of any other; what is named and not usable is an error.
	Overrides map[Tool]string
	// Report is told what is found, missing and being made. May be nil. It is
	// called by one goroutine at a time.
	Report Reporter
	// Now is the clock behind the durations of events. Default time.Now.
	Now func() time.Time
}

// Kind tells events apart.
type Kind string

// The kinds of event.
const (
	// Found: a tool that need not be made, and where it is.
	Found Kind = "found"
	// Note: something a person may want to know, such as a program that was passed over.
	Note Kind = "note"
	// Started, Progress and Done belong to a step.
	Started  Kind = "started"
	Progress Kind = "progress"
	Done     Kind = "done"
)

// Event is something that a person who waits wants to know.
type Event struct {
	Kind Kind
	// Tool is empty where the event is about Debian packages.
	Tool Tool
	// Step and Steps number the work: 2 of 5. Both are 0 outside a step.
	Step, Steps int
	Text        string
	// Elapsed is the time since the step began, 0 outside a step.
	Elapsed time.Duration
}

// Reporter is told of events.
type Reporter func(Event)

// Paths are absolute; what was not asked for is empty.
type Paths struct {
	Nomad, Consul, Vault     string
	Fabio, Traefik           string
	NGINX, Iptables, Ripgrep string
	// Nftables is the program nft.
	Nftables string
	// CNI is the folder with the plugins bridge, firewall, host-local, loopback and portmap.
	CNI string
	// CodeServer is a folder; the program in it is bin/code-server.
	CodeServer string
	// WebTerminal is the program shellinaboxd.
	WebTerminal string
	Chromium    string
	// Postgres is the folder with the programs initdb and postgres.
	Postgres string
	// Docker is a folder with the program dockerd. The program docker, and what both
	// start in turn, is there too, or on PATH.
	Docker     string
	Mmdebstrap string
}

// Where tasks of the exec driver find what the cache holds.
const (
	TaskCodeServer  = "/opt/code-server"
	TaskWebTerminal = "/opt/web-terminal/shellinaboxd"
)

// ChrootEnv maps what tasks need of the cache to where templates expect it.
func (p Paths) ChrootEnv() map[string]string {
	env := map[string]string{}
	if p.CodeServer != "" {
		env[p.CodeServer] = TaskCodeServer
	}
	if p.WebTerminal != "" {
		env[p.WebTerminal] = TaskWebTerminal
	}
	return env
}

func (p *Paths) set(tool Tool, path string) {
	switch tool {
	case Nomad:
		p.Nomad = path
	case Consul:
		p.Consul = path
	case Vault:
		p.Vault = path
	case Fabio:
		p.Fabio = path
	case Traefik:
		p.Traefik = path
	case NGINX:
		p.NGINX = path
	case CNI:
		p.CNI = path
	case Iptables:
		p.Iptables = path
	case Nftables:
		p.Nftables = path
	case Ripgrep:
		p.Ripgrep = path
	case CodeServer:
		p.CodeServer = path
	case WebTerminal:
		p.WebTerminal = path
	case Chromium:
		p.Chromium = path
	case Postgres:
		p.Postgres = path
	case Docker:
		p.Docker = path
	case Mmdebstrap:
		p.Mmdebstrap = path
	case Node: // lives inside CodeServer
	}
}

// DefaultCacheDir is BOTHY_CACHE, else the user's cache folder; the same that
// tools/run uses.
func DefaultCacheDir() (string, error) {
	return cacheDir(os.Getenv, homeDir)
}

func cacheDir(getenv func(string) string, home func() (string, error)) (string, error) {
	if dir := getenv("BOTHY_CACHE"); dir != "" {
		return absolute("BOTHY_CACHE", dir)
	}
	if dir := getenv("XDG_CACHE_HOME"); dir != "" {
		return absolute("XDG_CACHE_HOME", filepath.Join(dir, "bothy"))
	}
	dir, err := home()
	if err != nil {
		return "", lab.Wrap(lab.CodeInvalid, err, "there is no home directory to keep built programs in").
			WithHint("set BOTHY_CACHE to a folder")
	}
	return filepath.Join(dir, ".cache", "bothy"), nil
}

func absolute(name, dir string) (string, error) {
	if !filepath.IsAbs(dir) {
		return "", lab.Invalid("the cache cannot be found",
			lab.Field{Name: name, Problem: dir + " is not an absolute path", Remedy: "begin it with /"})
	}
	return filepath.Clean(dir), nil
}
