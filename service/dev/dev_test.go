package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/dev/stack"
	"github.com/bothylabs/bothy/service/dev/toolchain"
	"github.com/bothylabs/bothy/service/lab"
)

func TestAddressesFollowTheChosenPorts(t *testing.T) {
	cases := map[string]struct {
		cfg            Config
		api, con, labs string
	}{
		"the usual ones": {Config{}, "http://127.0.0.1:8080", "http://bothy.localhost:8080", "http://labs.localhost:9999"},
		"chosen ones":    {Config{Port: 18080, Stack: stack.Config{Ports: stack.Ports{Labs: 19999}}}, "http://127.0.0.1:18080", "http://bothy.localhost:18080", "http://labs.localhost:19999"},
		"a neighbour's":  {Config{Offset: 1000}, "http://127.0.0.1:9080", "http://bothy.localhost:9080", "http://labs.localhost:10999"},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			cfg, err := c.cfg.withDefaults()
			if err != nil {
				t.Fatal(err)
			}
			if cfg.apiAddr() != c.api || cfg.consoleURL() != c.con || cfg.labsURL() != c.labs {
				t.Errorf("got %s, %s, %s", cfg.apiAddr(), cfg.consoleURL(), cfg.labsURL())
			}
		})
	}
}

func TestTheRouterIsOneOfTwo(t *testing.T) {
	for given, want := range map[stack.Router]stack.Router{"": stack.Fabio, stack.Fabio: stack.Fabio, stack.Traefik: stack.Traefik} {
		if cfg, err := (Config{Stack: stack.Config{Router: given}}).withDefaults(); err != nil || cfg.Stack.Router != want {
			t.Errorf("%q gives %q, %v; want %q", given, cfg.Stack.Router, err, want)
		}
	}
	_, err := Config{Stack: stack.Config{Router: "nginx"}}.withDefaults()
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code != lab.CodeInvalid || coded.Fields[0].Name != "-router" {
		t.Errorf("got %v, want a refusal that names -router", err)
	}
}

func TestBothyGetsItsOwnTokensAndNoOperators(t *testing.T) {
	cfg, err := Config{Stack: stack.Config{Dir: t.TempDir()}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	secret := config.NewSecret
	env := stack.Env{
		NomadAddr: "http://n", ConsulAddr: "http://c", VaultAddr: "http://v",
		Bothy:       stack.Tokens{Nomad: secret("bn"), Consul: secret("bc"), Vault: secret("bv")},
		VaultRoleID: "role", VaultSecretID: secret("bs"),
		Operator: stack.Tokens{Nomad: secret("on"), Consul: secret("oc"), Vault: secret("ov")},
	}
	c := settings(cfg, env, toolchain.User{UID: 1001, GID: 1002}, secret("api"))
	got := []string{c.Nomad.Token.Value.Reveal(), c.Consul.Token.Value.Reveal(), c.Vault.AppRole.SecretID.Value.Reveal(), c.API.Token.Value.Reveal()}
	if diff := cmp.Diff([]string{"bn", "bc", "bs", "api"}, got); diff != "" {
		t.Error(diff)
	}
	if c.Vault.AppRole.RoleID != "role" || c.Vault.Token.IsSet() {
		t.Errorf("Bothy does not log in at Vault by its role: %+v", c.Vault)
	}
	if c.Home.UID != 1001 || c.Home.GID != 1002 {
		t.Errorf("homes belong to %d:%d and not to the workspaces' user", c.Home.UID, c.Home.GID)
	}
}

func TestTheEnvironmentFileIsForAShellAndItsOwner(t *testing.T) {
	cfg, err := Config{Stack: stack.Config{Dir: t.TempDir()}, Port: 18080}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	path := cfg.envFile()
	env := stack.Env{NomadAddr: "http://127.0.0.1:4646", Operator: stack.Tokens{Nomad: config.NewSecret("it's a token")}}
	cfg.Stack.Binaries = stack.Binaries{Nomad: "/opt/it's/nomad", Consul: "/opt/c/consul", Vault: "/opt/v/vault"}
	if err := writeSecret(path, envText(cfg, config.NewSecret("t"), env, toolchain.User{UID: 1001, GID: 1002})); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	out, err := exec.Command("sh", "-c", `. "$0"; sh -c 'echo "$BOTHY_ADDR $BOTHY_TOKEN $NOMAD_ADDR $NOMAD_TOKEN $BOTHY_HOME_UID $BOTHY_HOME_GID $BOTHY_NOMAD_TOKEN_FILE $BOTHY_CONFIG ${PATH#*:/opt}"'`, path).Output()
	want := "http://127.0.0.1:18080 t http://127.0.0.1:4646 it's a token 1001 1002 " + cfg.Stack.Dir + "/secrets/nomad-bothy.token " + cfg.configFile() + " /it's:/opt/c:/opt/v\n"
	if err != nil || string(out) != want {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestTheAPITokenIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bothy", "api.token")
	first, err := madeOnce(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := madeOnce(path)
	if err != nil {
		t.Fatal(err)
	}
	if first.Reveal() != second.Reveal() || len(first.Reveal()) < 32 {
		t.Errorf("got %q and %q", first.Reveal(), second.Reveal())
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := madeOnce(path); err == nil {
		t.Error("a token that everybody could read is not to be used any more")
	}
}

func TestATakenPortIsFoundEarly(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	var coded *lab.Error
	if err := checkPorts(t.Context(), Config{Port: port}); !errors.As(err, &coded) || coded.Fields[0].Name != "-http-port" || !strings.Contains(coded.Fields[0].Problem, "address already in use") {
		t.Errorf("got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := checkPorts(t.Context(), Config{Port: port}); err != nil {
		t.Errorf("a free port: %v", err)
	}
}

func TestPortsThatNoBrowserOpensAreRefused(t *testing.T) {
	refused := func(c Config) (names []string) {
		t.Helper()
		_, err := c.withDefaults()
		var coded *lab.Error
		if errors.As(err, &coded) {
			for _, f := range coded.Fields {
				names = append(names, f.Name)
			}
		} else if err != nil {
			t.Fatal(err)
		}
		return names
	}
	for _, one := range []struct {
		name   string
		config Config
		want   []string
	}{
		{"the usual ones", Config{}, nil},
		{"beside another", Config{Offset: 1000}, nil},
		{"an offset that brings the console to 10080", Config{Offset: 2000}, []string{"-http-port"}},
		{"by hand", Config{Port: 6000, SchoolPort: 6666, Stack: stack.Config{Ports: stack.Ports{Labs: 5060}}}, []string{"-http-port", "-school-port", "-labs-port"}},
		{"an offset that makes places meet", Config{Offset: 10}, []string{"-offset"}},
		{"an offset below zero", Config{Offset: -1000}, []string{"-offset"}},
		{"an offset too far", Config{Offset: 10000}, []string{"-offset"}},
	} {
		if got := refused(one.config); !slices.Equal(got, one.want) {
			t.Errorf("%s: %v, want %v", one.name, got, one.want)
		}
	}
}

func TestASecondRunOnTheSameStateIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".dev")
	unlock, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(dir); lab.CodeOf(err) != lab.CodeConflict || !strings.Contains(err.Error(), fmt.Sprintf("%s already (pid %d)", dir, os.Getpid())) {
		t.Errorf("got %v", err)
	}
	unlock()
	unlock, err = lock(dir)
	if err != nil {
		t.Fatalf("the lock was not given back: %v", err)
	}
	unlock()
}

func TestTheDemoIsMadeOnceAndThenLeftAlone(t *testing.T) {
	const class, cohort, course = "GET /v1/classes/demo~py101", "/v1/cohorts/demo/instructors", "/v1/courses/py101/instructors"
	const workspaces, launch = "GET /v1/workspaces", "POST /v1/classes/demo~py101/launch"
	const instructor, teaches = "GET /v1/users/" + demoInstructor, `{"role":"instructor"}`
	cases := map[string]struct {
		class, given, workspaces bool
		// instructor is what has become of them; "" where they are gone.
		instructor string
		want       []string
	}{
		"nothing is there":           {instructor: teaches, want: []string{class, "POST /v1/classes", instructor, "GET " + cohort, "PUT " + cohort, "GET " + course, "PUT " + course, workspaces, launch}},
		"never given":                {class: true, instructor: teaches, workspaces: true, want: []string{class, instructor, "GET " + cohort, "PUT " + cohort, "GET " + course, "PUT " + course, workspaces}},
		"never launched":             {class: true, instructor: teaches, given: true, want: []string{class, instructor, "GET " + cohort, "GET " + course, workspaces, launch}},
		"all is there":               {class: true, instructor: teaches, given: true, workspaces: true, want: []string{class, instructor, "GET " + cohort, "GET " + course, workspaces}},
		"the instructor is admin":    {class: true, instructor: `{"role":"admin"}`, workspaces: true, want: []string{class, instructor, workspaces}},
		"the instructor is disabled": {class: true, instructor: `{"role":"instructor","disabled_at":"2026-11-22T10:00:00Z"}`, workspaces: true, want: []string{class, instructor, workspaces}},
		"the instructor is erased":   {class: true, workspaces: true, want: []string{class, instructor, workspaces}},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			var asked []string
			var created client.ClassInput
			notFound := func(w http.ResponseWriter) {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusNotFound)
				_, _ = w.Write([]byte(`{"code":"not_found","detail":"not there"}`))
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				route := r.Method + " " + r.URL.Path
				asked = append(asked, route)
				w.Header().Set("Content-Type", "application/json")
				switch route {
				case "GET /v1/classes/demo~py101":
					if c.class {
						_, _ = w.Write([]byte(`{}`))
						return
					}
					notFound(w)
				case instructor:
					if c.instructor == "" {
						notFound(w)
						return
					}
					_, _ = w.Write([]byte(c.instructor))
				case "POST /v1/classes":
					if err := json.NewDecoder(r.Body).Decode(&created); err != nil {
						t.Error(err)
					}
					w.WriteHeader(http.StatusCreated)
					_, _ = w.Write([]byte(`{}`))
				case "GET " + cohort, "GET " + course:
					users := `[]`
					if c.given {
						users = `[{"login":"somebody"}]`
					}
					_, _ = w.Write([]byte(`{"users":` + users + `}`))
				case "PUT " + cohort, "PUT " + course:
					_, _ = w.Write([]byte(`{"users":[]}`))
				case "GET /v1/workspaces":
					items := `[]`
					if c.workspaces {
						items = `[{}]`
					}
					_, _ = w.Write([]byte(`{"items":` + items + `}`))
				default:
					w.WriteHeader(http.StatusAccepted)
					_, _ = w.Write([]byte(`{}`))
				}
			}))
			defer server.Close()
			api, err := client.New(server.URL, "token-of-the-tests")
			if err != nil {
				t.Fatal(err)
			}
			if err := ensureDemo(t.Context(), api); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, asked); diff != "" {
				t.Error(diff)
			}
			if !c.class && (created.Students == nil || len(*created.Students) != 3) {
				t.Errorf("created %+v", created)
			}
		})
	}
}

func TestNothingIsStartedWhenAProgramCannotBeUsed(t *testing.T) {
	force := func() (context.Context, context.CancelFunc) {
		t.Error("there is nothing to end")
		return context.WithCancel(t.Context())
	}
	dir := filepath.Join(t.TempDir(), "state")
	_, err := Start(t.Context(), force, Config{
		Stack:     stack.Config{Dir: dir},
		Toolchain: toolchain.Config{CacheDir: t.TempDir(), Overrides: map[toolchain.Tool]string{toolchain.Nomad: "/nowhere/nomad"}},
	})
	if lab.CodeOf(err) != lab.CodeInvalid || !strings.Contains(err.Error(), "/nowhere/nomad") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("state was made")
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
