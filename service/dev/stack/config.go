package stack

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// Binaries are the programs that a stack runs. All are absolute paths.
type Binaries struct {
	Nomad  string
	Consul string
	Vault  string
	// Fabio or Traefik: only the configured router is needed.
	Fabio   string
	Traefik string
	// CNIDir is the folder with the CNI plugins bridge, firewall, host-local,
	// loopback and portmap.
	CNIDir string
}

// Config says what a stack is and where it lives. The zero value of a field
// stands for its default.
type Config struct {
	// Dir holds configuration, data, logs and secrets; mode 0700. It is made when
	// it is missing. Default ".dev".
	Dir      string
	Binaries Binaries
	// Router leads visitors to workspaces. It keeps no state: the next start of the
	// same stack may have the other one. Default Fabio.
	Router Router
	// Ports that are zero take the value that DefaultPorts gives.
	Ports Ports
	// BridgeName is the network bridge that workspaces are attached to. It must
	// not be in use by anybody else. Default "bothy0".
	BridgeName string
	// BridgeSubnet is the bridge's IPv4 network; its first address is the host's.
	// Default 172.26.64.0/20.
	BridgeSubnet string
	// GatewayPorts are TCP ports of the bridge's gateway that workspaces may reach:
	// the door's. All others of the host are closed to them.
	GatewayPorts []uint16
	// ChrootEnv is added to what the exec driver shows to tasks: a path on this
	// machine to a path in the task. Paths that do not exist are left out.
	ChrootEnv map[string]string
	// DockerSocket is where a Docker engine listens; without one there, Nomad has no
	// docker driver. Default /var/run/docker.sock.
	DockerSocket string
	// LogLevel of the servers: debug, info, warn or error. Default "info".
	LogLevel string
	// StartTimeout bounds how long one part may take to become ready. Default 60 s.
	StartTimeout time.Duration
	// DrainTimeout bounds how long Stop waits for allocations to end. Default 30 s.
	DrainTimeout time.Duration
	// StopTimeout bounds how long one part may take to end before it is killed.
	// Default 10 s.
	StopTimeout time.Duration
	// Report is told about progress, from one goroutine at a time. May be nil.
	Report func(Event)
	// Now is the clock behind the durations of events. Default time.Now.
	Now func() time.Time
}

// Router is the program behind the workspaces' origin. It finds them by their
// tags in Consul.
type Router string

// The routers.
const (
	Fabio   Router = "fabio"
	Traefik Router = "traefik"
)

// Routers lists them, the default first.
func Routers() []Router { return []Router{Fabio, Traefik} }

// Event is one step that a part of the stack has finished.
type Event struct {
	Part string // "consul", "vault", "nomad", "nomad-client", "fabio", "traefik" or "stack"
	Step string // "started", "configured", "drained", ...
	Took time.Duration
}

const (
	defaultDir          = ".dev"
	defaultBridgeName   = "bothy0"
	defaultBridgeSubnet = "172.26.64.0/20"
	defaultDockerSocket = "/var/run/docker.sock"

	// loopback is where every listener of the stack is.
	loopback = "127.0.0.1"
)

var (
	// dirPattern keeps characters out of paths that HCL, YAML, Fabio's properties or
	// a search path would read as something else.
	dirPattern    = regexp.MustCompile(`^[A-Za-z0-9_./@+-]+$`)
	bridgePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,14}$`)
	levels        = regexp.MustCompile(`^(debug|info|warn|error)$`)
)

// Offset gives the configuration of a neighbour that can run beside c: n is added
// to every port, and the bridge, its subnet and the range of dynamic ports are
// others. n is a multiple of 1000, up to 9000; 0 changes nothing. The caller
// chooses another Dir.
func (c Config) Offset(n int) Config {
	if n == 0 {
		return c
	}
	c.Ports = c.Ports.withDefaults().offset(n)
	c.BridgeName = fmt.Sprintf("bothy%d", n)
	c.BridgeSubnet = fmt.Sprintf("10.%d.%d.0/24", 201+n/256%50, n%256)
	return c
}

// withDefaults fills in what is not set and makes Dir absolute.
func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		c.Dir = defaultDir
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("find the state directory: %w", err)
	}
	c.Dir = dir
	c.Ports = c.Ports.withDefaults()
	setDefault(&c.Router, Fabio)
	setDefault(&c.BridgeName, defaultBridgeName)
	setDefault(&c.BridgeSubnet, defaultBridgeSubnet)
	setDefault(&c.DockerSocket, defaultDockerSocket)
	setDefault(&c.LogLevel, "info")
	setDefault(&c.StartTimeout, time.Minute)
	setDefault(&c.DrainTimeout, 30*time.Second)
	setDefault(&c.StopTimeout, 10*time.Second)
	if c.Report == nil {
		c.Report = func(Event) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate checks everything that can be checked without looking at the machine.
func (c Config) validate() error {
	var fields []lab.Field
	add := func(name, problem, remedy string) {
		fields = append(fields, lab.Field{Name: name, Problem: problem, Remedy: remedy})
	}
	if !dirPattern.MatchString(c.Dir) {
		add("-dir", fmt.Sprintf("%q has characters that server configurations cannot hold", c.Dir),
			"use letters, digits and . _ - @ + only")
	}
	if c.Dir == "/" || filepath.Dir(c.Dir) == "/" {
		add("-dir", fmt.Sprintf("%q is not a place for state", c.Dir), "name a folder of its own")
	}
	if !bridgePattern.MatchString(c.BridgeName) {
		add("-bridge", fmt.Sprintf("%q is not a name for a network interface", c.BridgeName),
			"use at most 15 lower-case letters, digits and hyphens, a letter first")
	}
	if _, err := parseSubnet(c.BridgeSubnet); err != nil {
		add("-bridge-subnet", fmt.Sprintf("%q: %v", c.BridgeSubnet, err), "use a private IPv4 network, such as "+defaultBridgeSubnet)
	}
	if !filepath.IsAbs(c.DockerSocket) || !dirPattern.MatchString(c.DockerSocket) {
		add("DockerSocket", fmt.Sprintf("%q is not a path that Nomad's configuration can hold", c.DockerSocket), "use an absolute plain path")
	}
	if !slices.Contains(Routers(), c.Router) {
		add("-router", fmt.Sprintf("%q is not a router", c.Router), "use fabio or traefik")
	}
	if !levels.MatchString(c.LogLevel) {
		add("-log-level", fmt.Sprintf("%q is not a level", c.LogLevel), "use debug, info, warn or error")
	}
	for from, to := range c.ChrootEnv {
		if !filepath.IsAbs(from) || !dirPattern.MatchString(from) || !inChroot(to) {
			add("ChrootEnv", fmt.Sprintf("%q to %q cannot be shown to tasks", from, to),
				"use absolute plain paths; the target below /usr, /opt, /etc, /srv or /var")
		}
	}
	fields = append(fields, c.Ports.validate()...)
	if len(fields) > 0 {
		return lab.Invalid("the development stack cannot be set up like this", fields...)
	}
	return nil
}

// inChroot tells whether a path is one that tasks may see something at. The
// top-level folders that are symbolic links in the task (/bin, /lib) are not.
func inChroot(path string) bool {
	if !dirPattern.MatchString(path) || path != filepath.Clean(path) {
		return false
	}
	for _, root := range []string{"/usr/", "/opt/", "/etc/", "/srv/", "/var/"} {
		if strings.HasPrefix(path, root) {
			return true
		}
	}
	return false
}

// parseSubnet reads an IPv4 network that has room for workspaces.
func parseSubnet(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, errors.New("not a network in CIDR notation")
	case !p.Addr().Is4():
		return p, errors.New("not an IPv4 network")
	case p.Bits() > 28:
		return p, errors.New("too small for a class")
	case !p.Addr().IsPrivate():
		return p, errors.New("not a private network")
	case p != p.Masked():
		return p, fmt.Errorf("has host bits set; the network is %s", p.Masked())
	}
	return p, nil
}

// gateway is the bridge's own address: the first of its subnet.
func (c Config) gateway() netip.Addr {
	p, err := parseSubnet(c.BridgeSubnet)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Next()
}
