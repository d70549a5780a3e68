package toolchain

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

func TestServerNamedByASettingComesFirst(t *testing.T) {
	b := newBench(t, bareDebian())
	b.host.says("nomad", "Nomad v1.11.3")
	b.host.programs["other"] = "/opt/nomad"
	b.cfg.Overrides[Nomad] = "/opt/nomad"
	paths, err := b.ensure(t.Context(), []Tool{Nomad})
	if err != nil || paths.Nomad != "/opt/nomad" {
		t.Errorf("%q, %v; want the one that the setting names", paths.Nomad, err)
	}
}

func TestServerOnPathIsUsedInAnAcceptedVersion(t *testing.T) {
	b := newBench(t, bareDebian())
	b.host.says("consul", "Consul v1.23.0")
	paths, err := b.ensure(t.Context(), []Tool{Consul})
	if err != nil || paths.Consul != "/usr/bin/consul" {
		t.Errorf("%q, %v; want the one on PATH", paths.Consul, err)
	}
	if b.host.didRun("go", "build") {
		t.Error("built what was there")
	}
}

func TestServerOnPathOfAnotherVersionIsPassedOverAloud(t *testing.T) {
	b := newBench(t, bareDebian())
	b.builds()
	b.host.says("vault", "Vault v1.15.0")
	paths, err := b.ensure(t.Context(), []Tool{Vault})
	if err != nil || !strings.HasPrefix(paths.Vault, b.cfg.CacheDir) {
		t.Errorf("%q, %v; want one that was built", paths.Vault, err)
	}
	if !b.said(Note, Vault, "/usr/bin/vault is passed over: 1.15.0 is older than 1.21.0") {
		t.Errorf("the reason is not told: %+v", b.events)
	}
}

func TestServerIsBuiltOnce(t *testing.T) {
	b := newBench(t, bareDebian())
	b.builds()
	for range 2 {
		paths, err := b.ensure(t.Context(), []Tool{Vault, Fabio})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{paths.Vault, paths.Fabio} {
			if text, err := os.ReadFile(path); err != nil || string(text) != "program" {
				t.Errorf("%s: %q, %v", path, text, err)
			}
		}
	}
	if n := b.host.countRuns("go build"); n != 2 {
		t.Errorf("%d builds, want one of each server", n)
	}
	if !b.host.didRun("-tags minimal", "github.com/hashicorp/vault") {
		t.Error("Vault was built without the tag minimal")
	}
	if b.host.didRun("go build", "version.Version") {
		t.Error("a version was written into a server that has no place for it")
	}
	started := slices.IndexFunc(b.events, func(e Event) bool { return e.Kind == Started && e.Tool == Fabio })
	if started < 0 || b.events[started].Step != 2 || b.events[started].Steps != 2 {
		t.Errorf("Fabio is not step 2 of 2: %+v", b.events)
	}
}

// A Traefik that is built without its version calls itself "dev".
func TestTraefikIsToldItsVersion(t *testing.T) {
	b := newBench(t, bareDebian())
	b.builds()
	paths, err := b.ensure(t.Context(), []Tool{Traefik})
	if err != nil || !strings.HasPrefix(paths.Traefik, b.cfg.CacheDir) {
		t.Fatalf("%q, %v; want one that was built", paths.Traefik, err)
	}
	if !b.host.didRun("go build", "-X github.com/traefik/traefik/v3/pkg/version.Version=3.6.7 -o") {
		t.Errorf("its version is not written into it: %v", b.host.ran)
	}
}

func TestOnlyTheChosenRouterIsNeeded(t *testing.T) {
	if tools := Development(Traefik); !slices.Contains(tools, Traefik) || slices.Contains(tools, Fabio) {
		t.Errorf("with Traefik, %v are needed", tools)
	}
	if tools := Development(Fabio); !slices.Contains(tools, Fabio) || slices.Contains(tools, Traefik) {
		t.Errorf("with Fabio, %v are needed", tools)
	}
}

func TestChangedPinIsBuiltAnew(t *testing.T) {
	b := newBench(t, bareDebian())
	b.builds()
	first, err := b.ensure(t.Context(), []Tool{Fabio})
	if err != nil {
		t.Fatal(err)
	}
	b.host.files["/src/tools/fabio/go.sum"] = "other sums"
	second, err := b.ensure(t.Context(), []Tool{Fabio})
	if err != nil || first.Fabio == second.Fabio {
		t.Errorf("%q, %v; want another than %q", second.Fabio, err, first.Fabio)
	}
}

func TestFailedBuildSaysWhyAndLeavesNothing(t *testing.T) {
	b := newBench(t, bareDebian())
	b.builds()
	build := b.host.runs["go"]
	b.host.runs["go"] = func(c command) error {
		if err := build(c); err != nil || c.Args[0] != "build" {
			return err
		}
		return &runError{command: c.String(), cause: errors.New("exit status 1"), tail: []string{"undefined: x"}}
	}
	_, err := b.ensure(t.Context(), []Tool{Nomad})
	if err == nil || !strings.Contains(err.Error(), "undefined: x") {
		t.Errorf("error %v, want the compiler's words", err)
	}
	left, globErr := filepath.Glob(filepath.Join(b.cfg.CacheDir, "nomad-*[^k]"))
	if globErr != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, globErr)
	}
}

func TestInterruptedBuildEndsWithTheInterruption(t *testing.T) {
	b := newBench(t, bareDebian())
	ctx, cancel := context.WithCancel(t.Context())
	version := b.host.runs["go"]
	b.host.runs["go"] = func(c command) error {
		if c.Args[0] != "build" {
			return version(c)
		}
		cancel()
		return context.Cause(ctx)
	}
	if _, err := b.ensure(ctx, []Tool{Nomad}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestWrongSettingsAreNamedTogetherAndNothingIsDone(t *testing.T) {
	b := newBench(t, bareDebian())
	b.host.says("old", "Nomad v1.9.0")
	b.cfg.Overrides[Nomad] = "old"
	b.cfg.Overrides[Fabio] = "/no/such/fabio"
	b.cfg.Overrides[CNI] = "/empty"
	_, err := b.ensure(t.Context(), []Tool{Nomad, Fabio, CNI, NGINX})
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code != lab.CodeInvalid || len(coded.Fields) != 3 {
		t.Fatalf("error %v, want one that names three settings", err)
	}
	for i, want := range []string{"nomad: old: 1.9.0 is older", "fabio: /no/such/fabio: it is not a program", "cni: /empty is not a folder"} {
		if got := coded.Fields[i].String(); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if b.host.didRun("apt-get") || b.host.didRun("go build") {
		t.Errorf("changed something: %v", b.host.ran)
	}
}

func TestBuildingNeedsGoAndACheckout(t *testing.T) {
	for name, test := range map[string]struct {
		arrange func(*bench)
		want    string
	}{
		"no Go":       {func(b *bench) { delete(b.host.programs, "go") }, "there is no Go"},
		"an old Go":   {func(b *bench) { b.host.says("go", "go1.24.1") }, "/usr/bin/go is go1.24.1"},
		"no checkout": {func(b *bench) { b.cfg.SourceDir = "/elsewhere" }, "not a checkout"},
		"no folder":   {func(b *bench) { b.cfg.SourceDir = "" }, "not a checkout"},
	} {
		b := newBench(t, bareDebian())
		test.arrange(b)
		_, err := b.ensure(t.Context(), []Tool{Nomad})
		var coded *lab.Error
		if !errors.As(err, &coded) || !strings.Contains(coded.Message, test.want) || coded.Hint == "" {
			t.Errorf("%s: error %v, want %q and a hint", name, err, test.want)
		}
	}
}

func TestGoProgressCountsModulesThenPackages(t *testing.T) {
	p := &progress{}
	line := goProgress(p)
	for _, step := range []struct{ line, want string }{
		{"go: downloading example.com/m v1.0.0", "1 modules fetched"},
		{"# example.com/m", "1 modules fetched"},
		{"example.com/m", "1 packages compiled"},
		{"example.com/m/sub", "2 packages compiled"},
		{"x.go:1:2: undefined: y", "2 packages compiled"},
	} {
		line(step.line)
		if got := p.get(); got != step.want {
			t.Errorf("after %q: %q, want %q", step.line, got, step.want)
		}
	}
}
