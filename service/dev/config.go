// Package dev runs everything that Bothy needs on one machine, for people who
// try it and for those who build it: the programs (toolchain), the servers
// (stack), Bothy itself on an embedded database, and a demo class.
package dev

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/bothylabs/bothy/service/dev/stack"
	"github.com/bothylabs/bothy/service/dev/toolchain"
	"github.com/bothylabs/bothy/service/lab"
)

// DefaultPort is where Bothy itself listens, doorPort where its door does.
const (
	DefaultPort = 8080
	doorPort    = 8082
)

// DefaultSchoolPort is where the school is whose people sign in by OpenID Connect.
const DefaultSchoolPort = 8090

// DefaultDoorPort is where the door listens on the gateway of the workspaces' bridge.
const DefaultDoorPort = 8082

// Config says what to run and where its state lives.
type Config struct {
	// Stack is handed on; its Binaries, ChrootEnv and Report are filled in here.
	// Stack.Dir is the folder of all state, Bothy's included.
	Stack stack.Config
	// Toolchain is handed on; its Report is filled in here.
	Toolchain toolchain.Config
	// Port is Bothy's own, on 127.0.0.1. Default DefaultPort.
	Port int
	// SchoolPort is that of the school whose people sign in by OpenID Connect, on
	// 127.0.0.1. Default DefaultSchoolPort.
	SchoolPort int
	// Offset is added to every port, and gives the stack a bridge of its own: see stack.Config.Offset.
	Offset int
	// LogLevel is of Bothy's own log. Default "info".
	LogLevel string
	// Reset removes all state first.
	Reset bool
	// Version is shown by the API.
	Version string
	// Report is told what happens, a line for a person each; from one goroutine at a
	// time. May be nil.
	Report func(line string)
}

func (c Config) withDefaults() (Config, error) {
	if c.Stack.Dir == "" {
		c.Stack.Dir = ".dev"
	}
	dir, err := filepath.Abs(c.Stack.Dir)
	if err != nil {
		return c, fmt.Errorf("find the state directory: %w", err)
	}
	c.Stack.Dir = dir
	if c.Stack.Router == "" {
		c.Stack.Router = stack.Fabio
	}
	if !slices.Contains(stack.Routers(), c.Stack.Router) {
		return c, lab.Invalid("there is no such router", lab.Field{
			Name: "-router", Problem: fmt.Sprintf("%q is not a router", c.Stack.Router), Remedy: "use fabio or traefik",
		})
	}
	if c.Offset < 0 || c.Offset > 9000 || c.Offset%1000 != 0 {
		return c, lab.Invalid("no stack can be set beside another like this", lab.Field{
			Name: "-offset", Problem: fmt.Sprintf("%d is not a multiple of 1000 from 0 to 9000", c.Offset), Remedy: "use 1000, for example",
		})
	}
	if c.Port == 0 {
		c.Port = DefaultPort
	}
	c.Port += c.Offset
	if c.SchoolPort == 0 {
		c.SchoolPort = DefaultSchoolPort
	}
	c.SchoolPort += c.Offset
	c.Stack = c.Stack.Offset(c.Offset)
	c.Stack.GatewayPorts = []uint16{uint16(DefaultDoorPort + c.Offset)}
	if c.LogLevel == "" {
		c.LogLevel = "info"
	}
	if c.Report == nil {
		c.Report = func(string) {}
	}
	if c.Toolchain.SourceDir == "" {
		c.Toolchain.SourceDir = findSource()
	}
	c.Toolchain.Report = func(e toolchain.Event) { c.Report(toolLine(e)) }
	c.Stack.Report = func(e stack.Event) { c.Report(stackLine(e)) }
	return c, c.checkBrowsersPorts()
}

// site is what a browser goes to, with the flag that names its port.
type site struct {
	flag, what string
	port       int
}

// sites are those that Bothy listens for itself.
func (c Config) sites() []site {
	return []site{{"-http-port", "Bothy's console and API", c.Port}, {"-school-port", "the school", c.SchoolPort}}
}

// badPort tells of a port above 1023 whether browsers open no page at it: https://fetch.spec.whatwg.org/#port-blocking
func badPort(port int) bool {
	switch port {
	case 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080:
		return true
	}
	return false
}

// checkBrowsersPorts refuses pages at ports that no browser would open them at.
func (c Config) checkBrowsersPorts() error {
	var fields []lab.Field
	for _, one := range append(c.sites(), site{"-labs-port", "the workspaces", c.labsPort()}) {
		if badPort(one.port) {
			fields = append(fields, lab.Field{
				Name: one.flag, Problem: fmt.Sprintf("browsers refuse port %d, meant for %s", one.port, one.what),
				Remedy: "choose another port with " + one.flag + ", or another -offset",
			})
		}
	}
	if len(fields) > 0 {
		return lab.Invalid("a browser could not open every page", fields...)
	}
	return nil
}

// checkPorts finds a taken port before the stack is started for nothing.
func checkPorts(ctx context.Context, c Config) error {
	var fields []lab.Field
	for _, one := range c.sites() {
		if err := tryListen(ctx, one.port); err != nil {
			fields = append(fields, lab.Field{
				Name: one.flag, Problem: fmt.Sprintf("port %d, meant for %s, cannot be listened on: %v", one.port, one.what, err),
				Remedy: "end the program that holds it, or choose another port with " + one.flag,
			})
		}
	}
	if len(fields) > 0 {
		return lab.Invalid("Bothy's port cannot be used", fields...)
	}
	return nil
}

// findSource looks for a checkout around the working directory, "" when there is none.
func findSource() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "tools", "nomad", "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// The files that are Bothy's own below the state directory.
func (c Config) dataDir() string   { return filepath.Join(c.Stack.Dir, "bothy") }
func (c Config) tokenFile() string { return filepath.Join(c.dataDir(), "api.token") }
func (c Config) mailDir() string   { return filepath.Join(c.Stack.Dir, "mail") }
func (c Config) logs() string      { return filepath.Join(c.Stack.Dir, "logs") }
func (c Config) logFile() string   { return filepath.Join(c.logs(), "bothy.log") }
func (c Config) serverTokenFile(server string) string {
	return filepath.Join(c.Stack.Dir, "secrets", server+"-bothy.token")
}

func (c Config) schoolFile(name string) string {
	return filepath.Join(c.Stack.Dir, "secrets", "school."+name)
}
func (c Config) passwordsFile() string { return filepath.Join(c.Stack.Dir, "passwords") }
func (c Config) envFile() string       { return filepath.Join(c.Stack.Dir, "env") }

// The addresses: programs use the number, browsers the names.
func (c Config) apiAddr() string    { return "http://" + c.listen() }
func (c Config) listen() string     { return "127.0.0.1:" + strconv.Itoa(c.Port) }
func (c Config) school() string     { return "127.0.0.1:" + strconv.Itoa(c.SchoolPort) }
func (c Config) consoleURL() string { return "http://bothy.localhost:" + strconv.Itoa(c.Port) }

// doorListen is the door's address on the workspaces' network.
func (c Config) doorListen(gateway netip.Addr) string {
	return netip.AddrPortFrom(gateway, uint16(doorPort+c.Offset)).String() //nolint:gosec // G115: offsets are below 10,000
}

func (c Config) labsURL() string { return "http://labs.localhost:" + strconv.Itoa(c.labsPort()) }

func (c Config) labsPort() int {
	return cmp.Or(c.Stack.Ports.Labs, stack.DefaultPorts().Labs)
}
