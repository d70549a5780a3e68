package stack

import (
	"errors"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
)

// valid gives a complete configuration, changed by the caller.
func valid(t *testing.T, change func(*Config)) Config {
	t.Helper()
	cfg := Config{Dir: "/srv/bothy/dev", Binaries: Binaries{CNIDir: "/usr/lib/cni"}}
	if change != nil {
		change(&cfg)
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// problems gives the names of the fields that an error complains of.
func problems(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var coded *lab.Error
	if !errors.As(err, &coded) {
		t.Fatalf("%v is not a coded error", err)
	}
	var names []string
	for _, f := range coded.Fields {
		if f.Problem == "" || f.Remedy == "" {
			t.Errorf("%q has no problem or no remedy", f)
		}
		names = append(names, f.Name)
	}
	return names
}

func TestDefaultsAreTheUsualPortsAndABridgeOfOurOwn(t *testing.T) {
	cfg := valid(t, func(c *Config) { c.Dir = ""; c.Ports.VaultHTTP = 1234 })
	if want, err := filepath.Abs(".dev"); err != nil || cfg.Dir != want {
		t.Errorf("directory %q, want %q", cfg.Dir, want)
	}
	want := DefaultPorts()
	want.VaultHTTP = 1234
	if diff := cmp.Diff(want, cfg.Ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	if cfg.BridgeName != "bothy0" || cfg.BridgeSubnet != "172.26.64.0/20" {
		t.Errorf("bridge %s, %s", cfg.BridgeName, cfg.BridgeSubnet)
	}
	if got := cfg.gateway(); got != netip.MustParseAddr("172.26.64.1") {
		t.Errorf("gateway %s", got)
	}
	if err := cfg.validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"a directory with a blank":              {func(c *Config) { c.Dir = "/srv/my dev" }, []string{"-dir"}},
		"a directory with a quote":              {func(c *Config) { c.Dir = `/srv/"dev` }, []string{"-dir"}},
		"a directory that HCL would fill in":    {func(c *Config) { c.Dir = "/srv/${dev}" }, []string{"-dir"}},
		"the root":                              {func(c *Config) { c.Dir = "/" }, []string{"-dir"}},
		"a folder of the system":                {func(c *Config) { c.Dir = "/home" }, []string{"-dir"}},
		"a bridge name that is too long":        {func(c *Config) { c.BridgeName = "bothy-development" }, []string{"-bridge"}},
		"a subnet that is no network":           {func(c *Config) { c.BridgeSubnet = "172.26" }, []string{"-bridge-subnet"}},
		"a subnet with host bits":               {func(c *Config) { c.BridgeSubnet = "172.26.64.1/20" }, []string{"-bridge-subnet"}},
		"a public subnet":                       {func(c *Config) { c.BridgeSubnet = "9.9.0.0/16" }, []string{"-bridge-subnet"}},
		"a subnet of two addresses":             {func(c *Config) { c.BridgeSubnet = "10.0.0.0/31" }, []string{"-bridge-subnet"}},
		"an IPv6 subnet":                        {func(c *Config) { c.BridgeSubnet = "fd00::/64" }, []string{"-bridge-subnet"}},
		"a relative Docker socket":              {func(c *Config) { c.DockerSocket = "docker.sock" }, []string{"DockerSocket"}},
		"an unknown router":                     {func(c *Config) { c.Router = "nginx" }, []string{"-router"}},
		"an unknown log level":                  {func(c *Config) { c.LogLevel = "loud" }, []string{"-log-level"}},
		"a port beyond 65535":                   {func(c *Config) { c.Ports.Labs = 70000 }, []string{"-labs-port"}},
		"two parts on one port":                 {func(c *Config) { c.Ports.RouterUI = 8500 }, []string{"-router-ui-port"}},
		"a port among those of workspaces":      {func(c *Config) { c.Ports.NomadHTTP = 20100 }, []string{"-nomad-port"}},
		"no ports for workspaces":               {func(c *Config) { c.Ports.DynamicMin = 30000 }, []string{"-dynamic-ports"}},
		"a chroot target over the root's links": {func(c *Config) { c.ChrootEnv = map[string]string{"/opt/x": "/bin/x"} }, []string{"ChrootEnv"}},
		"a chroot target that climbs":           {func(c *Config) { c.ChrootEnv = map[string]string{"/opt/x": "/opt/../bin"} }, []string{"ChrootEnv"}},
		"a chroot source that is relative":      {func(c *Config) { c.ChrootEnv = map[string]string{"x": "/opt/x"} }, []string{"ChrootEnv"}},
		"several at once":                       {func(c *Config) { c.LogLevel = "x"; c.BridgeName = "X" }, []string{"-bridge", "-log-level"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := valid(t, c.change).validate()
			if lab.CodeOf(err) != lab.CodeInvalid {
				t.Errorf("code %q, want invalid", lab.CodeOf(err))
			}
			if diff := cmp.Diff(c.want, problems(t, err)); diff != "" {
				t.Errorf("fields (-want +got):\n%s\n%v", diff, err)
			}
		})
	}
}

func TestNeighboursShareNothing(t *testing.T) {
	type claim struct {
		port   int
		first  int
		last   int
		subnet netip.Prefix
		bridge string
	}
	var stacks [][]claim
	for n := 0; n <= 9000; n += neighbourStep {
		cfg := valid(t, nil).Offset(n)
		if err := cfg.validate(); err != nil {
			t.Errorf("offset %d: %v", n, err)
		}
		subnet, err := parseSubnet(cfg.BridgeSubnet)
		if err != nil {
			t.Fatal(err)
		}
		var claims []claim
		for _, f := range cfg.Ports.fields() {
			claims = append(claims, claim{*f.value, cfg.Ports.DynamicMin, cfg.Ports.DynamicMax, subnet, cfg.BridgeName})
		}
		stacks = append(stacks, claims)
	}
	for i, a := range stacks {
		for _, b := range stacks[i+1:] {
			for _, x := range a {
				for _, y := range b {
					if x.port == y.port || x.bridge == y.bridge || x.subnet.Overlaps(y.subnet) ||
						x.first <= y.last && y.first <= x.last || x.port >= y.first && x.port <= y.last {
						t.Fatalf("%+v and %+v collide", x, y)
					}
				}
			}
		}
	}
}

func TestPortConflictsNamePurposeHolderAndSetting(t *testing.T) {
	p := DefaultPorts()
	err := portConflicts(p, map[int]*holder{
		p.NomadHTTP: {PID: 42, Command: "nomad"},
		p.Labs:      nil,
	})
	want := "ports are taken: " +
		"-nomad-port: port 4646, meant for Nomad's API and UI, is taken by nomad (pid 42) (end that program, or choose another port with -nomad-port); " +
		"-labs-port: port 9999, meant for the workspaces (the router), is taken (end that program, or choose another port with -labs-port)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if lab.CodeOf(err) != lab.CodeConflict {
		t.Errorf("code %q, want conflict", lab.CodeOf(err))
	}
	if err := portConflicts(p, map[int]*holder{1: {PID: 1}}); err != nil {
		t.Errorf("a port that is not ours: %v", err)
	}
}
