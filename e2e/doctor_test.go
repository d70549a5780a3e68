package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	consulapi "github.com/hashicorp/consul/api"
	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/policies"
	"github.com/bothylabs/bothy/service/doctor"
	"github.com/bothylabs/bothy/service/store"
)

// An illness is one thing that is wrong with a stack, for real, and what
// `bothy doctor` must say of it.
type illness struct {
	name string
	// begin makes it so, and gives arguments and variables for the doctor and how
	// to make it good again.
	begin func(t *testing.T, d *dev) (args, env []string, end func())
	// finding is the id of the check that must say so, in the state given, with
	// these words in its detail and its remedy.
	finding        string
	state          doctor.State
	detail, remedy string
}

// doctored: `bothy doctor` on the stack as it is, and on one broken in many ways.
func doctored(t *testing.T, d *dev) {
	d.classReady(t, demoClass)
	var sourced []string
	for name, value := range d.env {
		sourced = append(sourced, name+"="+value)
	}
	named := []string{"-config", d.doctorsFile()}
	for name, test := range map[string]struct{ args, env []string }{
		"healthy": {named, nil}, "healthy, with .dev/env sourced": {named, sourced}, "healthy, with .dev/env alone": {nil, sourced},
	} {
		t.Run(name, func(t *testing.T) {
			report, exit := d.runDoctor(t, test.args, test.env)
			if exit != 0 || report.State != doctor.OK {
				t.Errorf("exit code %d, state %s", exit, report.State)
			}
			for _, f := range report.Findings {
				if f.State != doctor.OK && f.ID != "clock.store" {
					t.Errorf("%s: %s, %s", f.ID, f.State, f.Detail)
				}
			}
		})
	}
	for _, i := range illnesses() {
		t.Run(i.name, func(t *testing.T) {
			args, env, end := i.begin(t, d)
			defer end()
			report, exit := d.doctor(t, args, env)
			if want := map[doctor.State]int{doctor.Warn: 1, doctor.Fail: 2}[i.state]; exit != want {
				t.Errorf("exit code %d, not %d", exit, want)
			}
			at := slices.IndexFunc(report.Findings, func(f doctor.Finding) bool { return f.ID == i.finding })
			if at < 0 {
				t.Fatalf("no finding %s", i.finding)
			}
			f := report.Findings[at]
			if f.State != i.state || !strings.Contains(f.Detail, i.detail) || !strings.Contains(f.Remedy, i.remedy) {
				t.Errorf("%s is %s: %s. What to do: %s", f.ID, f.State, f.Detail, f.Remedy)
			}
			for _, f := range report.Findings {
				if f.State == doctor.Warn || f.State == doctor.Fail {
					t.Log(d.seen.redact(fmt.Sprintf("%s %s: %s. What to do: %s", f.State, f.ID, f.Detail, f.Remedy)))
				}
			}
		})
	}
	report, exit := d.doctor(t, nil, nil)
	if exit != 0 {
		t.Errorf("after all was made good again: exit code %d, %+v", exit, report)
	}
}

// doctor runs `bothy doctor` on the configuration of the stack's server.
func (d *dev) doctor(t *testing.T, args, env []string) (doctor.Report, int) {
	t.Helper()
	return d.runDoctor(t, append([]string{"-config", d.doctorsFile()}, args...), env)
}

func (d *dev) doctorsFile() string { return filepath.Join(d.state(), "bothy", "bothy.hcl") }

// runDoctor runs `bothy doctor` with nothing of the tests' environment.
func (d *dev) runDoctor(t *testing.T, args, env []string) (doctor.Report, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), d.bothy, append([]string{"doctor", "-json"}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	out, err := cmd.Output()
	exit := 0
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		exit = ended.ExitCode()
	} else if err != nil {
		t.Fatalf("run bothy doctor: %v", err)
	}
	if names := d.seen.in(out); len(names) > 0 {
		t.Errorf("what the doctor says holds %v", names)
	}
	var report doctor.Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("read what bothy doctor says: %v\n%s", err, d.seen.redact(string(out)))
	}
	return report, exit
}

func good() {}

// with is an illness of the server's settings alone.
func with(args ...string) func(*testing.T, *dev) (arguments, env []string, end func()) {
	return func(*testing.T, *dev) ([]string, []string, func()) { return args, nil, good }
}

func illnesses() []illness {
	return []illness{
		{
			name: "a configuration that is not valid", begin: with("-labs-url", "http://bothy.localhost:9"),
			finding: "config.valid", state: doctor.Fail, detail: "same host as console_url", remedy: "host name of their own",
		},
		{
			name: "Nomad does not answer", begin: nomadShut,
			finding: "nomad.reachable", state: doctor.Fail, detail: "does not answer", remedy: "start Nomad",
		},
		{
			name: "Nomad does not know the token", begin: func(*testing.T, *dev) ([]string, []string, func()) {
				return nil, []string{"BOTHY_NOMAD_TOKEN=00000000-1111-2222-3333-444444444444"}, good
			},
			finding: "nomad.token", state: doctor.Fail, detail: "does not know", remedy: "nomad acl token create",
		},
		{
			name: "the shell has an operator's token", begin: func(t *testing.T, d *dev) ([]string, []string, func()) {
				return nil, []string{"NOMAD_TOKEN=" + d.secret(t, "nomad-management.token")}, good
			},
			finding: "nomad.token", state: doctor.Warn, detail: "that of the environment variable NOMAD_TOKEN", remedy: "env -u NOMAD_TOKEN bothy doctor",
		},
		{
			name: "the namespace is missing", begin: func(t *testing.T, d *dev) ([]string, []string, func()) {
				return []string{"-nomad-namespace", "elsewhere"}, []string{"BOTHY_NOMAD_TOKEN=" + d.secret(t, "nomad-management.token")}, good
			},
			finding: "nomad.namespace", state: doctor.Fail, detail: `no namespace "elsewhere"`, remedy: "nomad namespace apply elsewhere",
		},
		{
			name: "Nomad's policy lacks a capability", begin: nomadPolicyLacks(`"submit-job",`),
			finding: "nomad.rights", state: doctor.Fail, detail: `submit-job in namespace "bothy"`, remedy: "nomad acl policy apply",
		},
		{
			name: "the only node takes no work", begin: nodeIneligible,
			finding: "nomad.nodes", state: doctor.Fail, detail: "is not eligible", remedy: "nomad node eligibility -enable",
		},
		{
			name: "the CSI plugin is missing", begin: with("-home-type", "csi", "-home-csi-plugin-id", "aws-efs0", "-home-csi-file-system", "fs-1"),
			finding: "nomad.homes", state: doctor.Fail, detail: `no CSI plugin "aws-efs0"`, remedy: "nomad plugin status aws-efs0",
		},
		{
			name: "Consul's policy lacks the lock", begin: consulPolicyLacks,
			finding: "consul.rights", state: doctor.Fail, detail: "session", remedy: "consul acl policy update",
		},
		{
			name: "Vault is sealed", begin: vaultSealed,
			finding: "vault.reachable", state: doctor.Fail, detail: "is sealed", remedy: "vault operator unseal",
		},
		{
			name: "Vault's policy lacks the secrets", begin: vaultPolicyLacks,
			finding: "vault.rights", state: doctor.Fail, detail: `path "bothy/data/workspaces/*"`, remedy: "vault policy write",
		},
		{
			name: "the router is down", begin: routerShut,
			finding: "router.labs", state: doctor.Fail, detail: "nothing answers", remedy: "start the router",
		},
		{
			name: "Nomad's clock is a minute ahead", begin: clockAhead,
			finding: "clock.nomad", state: doctor.Fail, detail: "1m0s ahead of", remedy: "NTP",
		},
		{
			name: "the database takes no changes", begin: databaseReadOnly,
			finding: "store.writable", state: doctor.Fail, detail: "nothing can be written", remedy: "OWNER TO bothy",
		},
	}
}

// secret reads one of the stack's secrets.
func (d *dev) secret(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.state(), "secrets", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// nomadShut and routerShut take a server away from the doctor alone: the stack
// itself ends when one of its parts does.
func nomadShut(t *testing.T, d *dev) ([]string, []string, func()) {
	v := newValve(t, hostOf(t, d.env["NOMAD_ADDR"]))
	v.shut()
	return []string{"-nomad-address", "http://" + v.address}, nil, good
}

func routerShut(t *testing.T, d *dev) ([]string, []string, func()) {
	v := newValve(t, d.labsHost())
	v.shut()
	return []string{"-labs-url", "http://" + strings.Replace(v.address, "127.0.0.1", "labs.localhost", 1)}, nil, good
}

// nomadPolicyLacks takes a line out of Bothy's policy.
func nomadPolicyLacks(line string) func(*testing.T, *dev) ([]string, []string, func()) {
	return func(t *testing.T, d *dev) ([]string, []string, func()) {
		whole, err := policies.Read("bothy.nomad.hcl")
		if err != nil {
			t.Fatal(err)
		}
		put := func(rules string) {
			if _, err := d.nomad.ACLPolicies().Upsert(&nomadapi.ACLPolicy{Name: "bothy", Rules: rules}, nil); err != nil {
				t.Error(err)
			}
		}
		put(strings.Replace(whole, line, "", 1))
		return nil, nil, func() { put(whole) }
	}
}

func nodeIneligible(t *testing.T, d *dev) ([]string, []string, func()) {
	nodes, _, err := d.nomad.Nodes().List(nil)
	if err != nil || len(nodes) != 1 {
		t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	toggle := func(eligible bool) {
		if _, err := d.nomad.Nodes().ToggleEligibility(nodes[0].ID, eligible, nil); err != nil {
			t.Error(err)
		}
	}
	toggle(false)
	return nil, nil, func() { toggle(true) }
}

// consulPolicyLacks takes the lock's session out of Bothy's policy.
func consulPolicyLacks(t *testing.T, d *dev) ([]string, []string, func()) {
	whole, err := policies.Read("bothy.consul.hcl")
	if err != nil {
		t.Fatal(err)
	}
	policy, _, err := d.consul.ACL().PolicyReadByName("bothy", nil)
	if err != nil {
		t.Fatal(err)
	}
	put := func(rules string) {
		if _, _, err := d.consul.ACL().PolicyUpdate(&consulapi.ACLPolicy{ID: policy.ID, Name: "bothy", Rules: rules}, nil); err != nil {
			t.Error(err)
		}
	}
	put(strings.Replace(whole, "session_prefix \"\" {\n  policy = \"write\"", "session_prefix \"\" {\n  policy = \"read\"", 1))
	return nil, nil, func() { put(whole) }
}

func vaultSealed(t *testing.T, d *dev) ([]string, []string, func()) {
	if err := d.vault.Sys().Seal(); err != nil {
		t.Fatal(err)
	}
	return nil, nil, func() {
		if _, err := d.vault.Sys().Unseal(d.secret(t, "vault-unseal.key")); err != nil {
			t.Error(err)
		}
		eventually(t, 30*time.Second, "Vault works again", func(ctx context.Context) error {
			_, err := d.vault.Auth().Token().LookupSelfWithContext(ctx)
			return err
		})
	}
}

func vaultPolicyLacks(t *testing.T, d *dev) ([]string, []string, func()) {
	whole, err := d.vault.Sys().GetPolicy("bothy")
	if err != nil {
		t.Fatal(err)
	}
	put := func(rules string) {
		if err := d.vault.Sys().PutPolicy("bothy", rules); err != nil {
			t.Error(err)
		}
	}
	put(strings.Replace(whole, `"bothy/data/workspaces/*"`, `"bothy/data/elsewhere/*"`, 1))
	return nil, nil, func() { put(whole) }
}

// clockAhead puts a fake clock before the real Nomad: a proxy that answers with
// another Date. A machine has one clock, which the tests must not set.
func clockAhead(t *testing.T, d *dev) ([]string, []string, func()) {
	target, err := url.Parse(d.env["NOMAD_ADDR"])
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(answer *http.Response) error {
		answer.Header.Set("Date", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
		return nil
	}
	server := httptest.NewServer(proxy)
	return []string{"-nomad-address", server.URL}, nil, server.Close
}

// databaseReadOnly has a PostgreSQL in which the server's user may only look.
func databaseReadOnly(t *testing.T, d *dev) ([]string, []string, func()) {
	dsn := postgres.Empty(t)
	s, err := store.Open(t.Context(), store.Config{Driver: store.Postgres, DSN: func() (string, error) { return dsn, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `CREATE ROLE looker LOGIN PASSWORD 'looker'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker`); err != nil {
		t.Fatal(err)
	}
	looker, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	looker.User = url.UserPassword("looker", "looker")
	file := filepath.Join(d.dir, "looker.dsn")
	if err := os.WriteFile(file, []byte(looker.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"-store-driver", "postgres", "-store-dsn-file", file}, nil, good
}
