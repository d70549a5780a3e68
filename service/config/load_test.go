package config

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
)

func TestWhatJobsHoldCanBeSaidWithoutAServer(t *testing.T) {
	flags := Flags{}
	set := flag.NewFlagSet("render", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	flags.RegisterJob(set)
	if err := set.Parse([]string{"-namespace", "default", "-datacenters", "a,b", "-home-type", "csi"}); err != nil {
		t.Fatal(err)
	}
	if set.Lookup("listen") != nil || set.Lookup("nomad-address") != nil {
		t.Error("what only a server needs has no flag here")
	}
	env := map[string]string{"BOTHY_HOME_UID": "1234", "NOMAD_NAMESPACE": "of-the-environment", "BOTHY_LISTEN": "not an address"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	_, err := LoadJob(lookup, flags)
	var coded *lab.Error
	if !errors.As(err, &coded) || len(coded.Fields) != 2 || coded.Fields[0].Name != "flag -home-type: home.csi.plugin_id" {
		t.Errorf("got %v", err)
	}
	if err := set.Parse([]string{"-home-type", "host"}); err != nil {
		t.Fatal(err)
	}
	c, err := LoadJob(lookup, flags)
	if err != nil {
		t.Fatal(err)
	}
	if c.Nomad.Namespace != "default" || strings.Join(c.Nomad.Datacenters, ",") != "a,b" || c.Home.UID != 1234 {
		t.Errorf("got %+v, %+v", c.Nomad, c.Home)
	}
}

func TestNomadAloneNeedsNoServersSettings(t *testing.T) {
	src := newSources(t)
	src.env = map[string]string{"NOMAD_ADDR": "http://n:1", "CONSUL_HTTP_ADDR": "not an address"}
	lookup := func(name string) (string, bool) { v, ok := src.env[name]; return v, ok }
	n, err := LoadNomad(lookup)
	if err != nil || n.Address != "http://n:1" {
		t.Errorf("got %+v, %v", n, err)
	}
	src.env["BOTHY_NOMAD_TOKEN_FILE"] = "/nowhere"
	if _, err := LoadNomad(lookup); lab.CodeOf(err) != lab.CodeInvalid {
		t.Errorf("got %v", err)
	}
}

func TestDefaultsHoldWhereNothingIsSaid(t *testing.T) {
	got := newSources(t).mustLoad()
	want := Default()
	want.API = got.API
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Secret{})); diff != "" {
		t.Error(diff)
	}
	if got.StorePath() != "/var/lib/bothy/bothy.db" {
		t.Errorf("the database lies at %s", got.StorePath())
	}
}

func TestTheEnvironmentOfTheOtherProgramsIsUnderstood(t *testing.T) {
	file := writeSecret(t, "some-token")
	cases := map[string]struct {
		value string
		want  any
		get   func(Config) any
	}{
		"NOMAD_ADDR":             {"https://n:4646", "https://n:4646", func(c Config) any { return c.Nomad.Address }},
		"NOMAD_TOKEN":            {"n-token", "n-token", func(c Config) any { return c.Nomad.Token.Value.Reveal() }},
		"NOMAD_CACERT":           {file, file, func(c Config) any { return c.Nomad.TLS.CAFile }},
		"NOMAD_SKIP_VERIFY":      {"1", true, func(c Config) any { return c.Nomad.TLS.SkipVerify }},
		"CONSUL_HTTP_ADDR":       {"c:8500", "http://c:8500", func(c Config) any { return c.Consul.Address }},
		"CONSUL_HTTP_TOKEN":      {"c-token", "c-token", func(c Config) any { return c.Consul.Token.Value.Reveal() }},
		"CONSUL_HTTP_TOKEN_FILE": {file, file, func(c Config) any { return c.Consul.Token.File }},
		"CONSUL_CACERT":          {file, file, func(c Config) any { return c.Consul.TLS.CAFile }},
		"CONSUL_HTTP_SSL_VERIFY": {"false", true, func(c Config) any { return c.Consul.TLS.SkipVerify }},
		"VAULT_ADDR":             {"https://v:8200/", "https://v:8200", func(c Config) any { return c.Vault.Address }},
		"VAULT_TOKEN":            {"v-token", "v-token", func(c Config) any { return c.Vault.Token.Value.Reveal() }},
		"VAULT_CACERT":           {file, file, func(c Config) any { return c.Vault.TLS.CAFile }},
	}
	for variable, c := range cases {
		t.Run(variable, func(t *testing.T) {
			src := newSources(t)
			src.env[variable] = c.value
			if got := c.get(src.mustLoad()); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	t.Run("Bothy's own variable wins", func(t *testing.T) {
		src := newSources(t)
		src.env["NOMAD_ADDR"] = "http://theirs:1"
		src.env["BOTHY_NOMAD_ADDRESS"] = "http://ours:1"
		if got := src.mustLoad().Nomad.Address; got != "http://ours:1" {
			t.Errorf("got %s", got)
		}
	})
}

// sources is a builder of Sources that hold an API token and nothing else.
type sources struct {
	t     *testing.T
	path  string
	env   map[string]string
	flags Flags
}

func newSources(t *testing.T) *sources {
	t.Helper()
	return &sources{t: t, env: map[string]string{"BOTHY_API_TOKEN": strings.Repeat("t", 32)}, flags: Flags{}}
}

func (s *sources) file(content string) {
	s.t.Helper()
	s.path = filepath.Join(s.t.TempDir(), "bothy.hcl")
	if err := os.WriteFile(s.path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sources) load() (Config, error) {
	return Load(Sources{File: s.path, Flags: s.flags, LookupEnv: func(name string) (string, bool) {
		v, ok := s.env[name]
		return v, ok
	}})
}

func (s *sources) mustLoad() Config {
	s.t.Helper()
	c, err := s.load()
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *sources) mustFail() []lab.Field {
	s.t.Helper()
	_, err := s.load()
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code != lab.CodeInvalid {
		s.t.Fatalf("got %v, want a lab.Error with code invalid", err)
	}
	return coded.Fields
}

func TestTheEnvironmentNamesTheFileWhereNoFlagDoes(t *testing.T) {
	src := newSources(t)
	src.file(`listen = "127.0.0.1:8181"`)
	src.env["BOTHY_CONFIG"], src.path = src.path, ""
	if c := src.mustLoad(); c.Listen != "127.0.0.1:8181" {
		t.Errorf("listens on %s", c.Listen)
	}
	src.file(`listen = "127.0.0.1:8282"`)
	if c := src.mustLoad(); c.Listen != "127.0.0.1:8282" {
		t.Errorf("with a flag as well: listens on %s", c.Listen)
	}
	src.path, src.env["BOTHY_CONFIG"] = "", "/nowhere/bothy.hcl"
	if f := src.mustFail()[0]; !strings.Contains(f.Name, "/nowhere/bothy.hcl") || !strings.Contains(f.Remedy, "BOTHY_CONFIG") {
		t.Errorf("got %+v", f)
	}
	if _, err := LoadServers(Sources{LookupEnv: func(name string) (string, bool) { v, ok := src.env[name]; return v, ok }}); lab.CodeOf(err) != lab.CodeInvalid {
		t.Errorf("the servers' alone: %v", err)
	}
}
