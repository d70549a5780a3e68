package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

func says(v verdict) func(context.Context) verdict {
	return func(context.Context) verdict { return v }
}

func TestWhatDependsOnAFailureIsSkippedAndSaysOnWhat(t *testing.T) {
	asked := false
	report := examine(t.Context(), []check{
		{id: "a", run: says(failed("mend it", "broken"))},
		{id: "b", needs: []string{"a"}, run: func(context.Context) verdict {
			asked = true
			return good("fine")
		}},
		{id: "c", needs: []string{"b"}, run: says(good("fine"))},
		{id: "d", after: []string{"a"}, run: says(good("fine"))},
		{id: "e", needs: []string{"d"}, run: says(warning("look", "odd"))},
		{id: "f", needs: []string{"e"}, run: says(good("fine"))},
	})
	want := Report{State: Fail, Findings: []Finding{
		{ID: "a", State: Fail, Detail: "broken", Remedy: "mend it"},
		{ID: "b", State: Skip, Detail: "depends on a"},
		{ID: "c", State: Skip, Detail: "depends on b"},
		{ID: "d", State: OK, Detail: "fine"},
		{ID: "e", State: Warn, Detail: "odd", Remedy: "look"},
		{ID: "f", State: OK, Detail: "fine"},
	}}
	if diff := cmp.Diff(want, report); diff != "" || asked {
		t.Errorf("asked: %v\n%s", asked, diff)
	}
}

func TestChecksAreAskedAtTheSameTimeAndNoneForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks []check
		for i := range 20 {
			checks = append(checks, check{id: fmt.Sprint(i), run: func(ctx context.Context) verdict {
				<-ctx.Done()
				return broken(ctx.Err(), "wait")
			}})
		}
		begun := time.Now()
		report := examine(t.Context(), checks)
		if took := time.Since(begun); took != checkTimeout {
			t.Errorf("20 checks that hang took %s", took)
		}
		if f := report.Findings[7]; f.State != Fail || f.Detail != "no answer within 10s" {
			t.Errorf("got %+v", f)
		}
	})
}

func TestTheWorstFindingCounts(t *testing.T) {
	for want, states := range map[State][]State{OK: {OK, Skip}, Warn: {OK, Warn, Skip}, Fail: {Warn, Fail, Warn}} {
		var findings []Finding
		for _, s := range states {
			findings = append(findings, Finding{State: s})
		}
		if got := worst(findings); got != want {
			t.Errorf("%v: %s, want %s", states, got, want)
		}
	}
}

func TestAnErrorsHintIsTheRemedyUnlessThereIsABetterOne(t *testing.T) {
	err := fmt.Errorf("around: %w", lab.Wrap(lab.CodeRefused, errors.New("internals"), "it refused").WithHint("ask again"))
	if v := broken(err, ""); v != (verdict{Fail, "it refused", "ask again"}) {
		t.Errorf("got %+v", v)
	}
	if v := broken(err, "do this"); v.remedy != "do this" {
		t.Errorf("got %+v", v)
	}
}

func TestWithoutAValidConfigurationNothingElseIsLookedAt(t *testing.T) {
	report := Examine(t.Context(), Parts{Invalid: lab.Invalid("not valid", lab.Field{Name: "bothy.hcl:1: listen", Problem: "is odd", Remedy: "correct it"})})
	if len(report.Findings) != len(IDs()) || report.State != Fail {
		t.Fatalf("got %+v", report)
	}
	for i, f := range report.Findings {
		if i == 0 && (f.Detail != "bothy.hcl:1: listen: is odd" || f.Remedy != "correct it") || i > 0 && f.State != Skip {
			t.Errorf("got %+v", f)
		}
	}
}

func TestATokenOfTheShellIsNotTakenForTheServers(t *testing.T) {
	value, passed := config.NewSecret("hush"), "/etc/bothy.d/vault.token"
	root := warning("make one", "a root token")
	for what, c := range map[string]struct {
		token config.Credential
		found verdict
		want  verdict
	}{
		"the file's": {config.Credential{File: passed, From: "bothy.hcl:3:1"}, root, root},
		"the file's, named by a variable": {
			config.Credential{File: passed, From: "environment variable BOTHY_VAULT_TOKEN_FILE", Passed: passed}, root, root,
		},
		"the shell's, which is good and alone": {config.Credential{Value: value, From: "environment variable VAULT_TOKEN"}, good("never ends"), good("never ends")},
		"the shell's, alone": {
			config.Credential{Value: value, From: "environment variable VAULT_TOKEN"},
			root,
			verdict{Warn, "a root token; it is that of the environment variable VAULT_TOKEN", "make one"},
		},
		"the shell's, in place of the file's": {
			config.Credential{Value: value, From: "environment variable VAULT_TOKEN", Passed: passed},
			root,
			verdict{
				Warn, "a root token; it is that of the environment variable VAULT_TOKEN, and the one in /etc/bothy.d/vault.token is passed over",
				"if the server is started without VAULT_TOKEN, look at the token in that file: env -u VAULT_TOKEN bothy doctor …; else make one",
			},
		},
		"the shell's, in place of the file's, and good": {
			config.Credential{Value: value, From: "environment variable VAULT_TOKEN", Passed: passed},
			good("never ends"),
			good("never ends; it is that of the environment variable VAULT_TOKEN, and the one in /etc/bothy.d/vault.token is passed over"),
		},
	} {
		if got := ofEnvironment(c.token, c.found); got != c.want {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

func TestClocksAreJudgedByTheirDifference(t *testing.T) {
	for skew, want := range map[time.Duration]verdict{
		0:                        {OK, "within 2s", ""},
		-1900 * time.Millisecond: {OK, "within 2s", ""},
		3 * time.Second:          {Warn, "it is 3s ahead of this machine's", ""},
		-29 * time.Second:        {Warn, "it is 29s behind this machine's", ""},
		time.Minute:              {Fail, "it is 1m0s ahead of this machine's", ""},
	} {
		got := judged(skew)
		if (got.remedy == "") != (want.state == OK) {
			t.Errorf("%s: remedy %q", skew, got.remedy)
		}
		if got.remedy = ""; got != want {
			t.Errorf("%s: %+v, want %+v", skew, got, want)
		}
	}
}

func TestAServersDateLeavesTheFractionAway(t *testing.T) {
	now := time.Date(2026, 9, 1, 8, 0, 0, 900_000_000, time.UTC)
	p := &patient{Parts: Parts{Now: func() time.Time { return now }}}
	// Asked 200 ms ago, answered half-way with the same clock.
	if v := p.compared(now.Add(-100*time.Millisecond).Truncate(time.Second).Add(time.Second/2), 200*time.Millisecond); v.state != OK {
		t.Errorf("got %+v", v)
	}
}

func TestSecretsThatOthersCanReadAreNamed(t *testing.T) {
	dir := t.TempDir()
	kept, open := filepath.Join(dir, "kept"), filepath.Join(dir, "open")
	for path, mode := range map[string]os.FileMode{kept: 0o600, open: 0o600} {
		if err := os.WriteFile(path, []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(open, 0o660); err != nil {
		t.Fatal(err)
	}
	p := &patient{Parts: Parts{Config: config.Config{API: config.API{Token: config.Credential{File: kept}}}}}
	p.Config.Nomad.Token.File = kept
	if v := p.secretsAreKept(t.Context()); v.state != OK {
		t.Errorf("a file for its owner: %+v", v)
	}
	p.Config.Vault.TLS.KeyFile = open
	if v := p.secretsAreKept(t.Context()); v.state != Warn || v.remedy != "chmod 600 "+open {
		t.Errorf("got %+v", v)
	}
}

func TestTheStateOfTheSchemaSaysWhatToDo(t *testing.T) {
	for _, test := range []struct {
		version int64
		state   State
		remedy  string
	}{{0, Skip, ""}, {3, Warn, "back the database up"}, {4, OK, ""}, {5, Fail, "newer version"}} {
		p := &patient{store: store.Inspection{Version: test.version, Known: 4}}
		if v := p.schemaFits(t.Context()); v.state != test.state || !strings.Contains(v.remedy, test.remedy) {
			t.Errorf("version %d: %+v", test.version, v)
		}
	}
}

// docs/doctor.md explains each check, and no other.
func TestEveryFindingIsExplained(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for line := range strings.Lines(string(page)) {
		if id, ok := strings.CutPrefix(line, "### "); ok {
			explained = append(explained, strings.TrimSpace(id))
		}
	}
	if diff := cmp.Diff(IDs(), explained); diff != "" {
		t.Errorf("docs/doctor.md is not of these checks (-checks +page):\n%s", diff)
	}
}
