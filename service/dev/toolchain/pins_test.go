package toolchain

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/modfile"
)

// toolsDir is the repository's own pins.
const toolsDir = "../../../tools"

func TestPinnedServersAreOfAcceptedVersions(t *testing.T) {
	for _, s := range servers() {
		text, err := os.ReadFile(filepath.Join(toolsDir, string(s.tool), "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		version, err := pinnedVersion(text, s.pkg)
		if err != nil {
			t.Errorf("%s: %v", s.tool, err)
			continue
		}
		if reason := s.accepts.reject(version); reason != "" {
			t.Errorf("%s: the pinned version is not accepted: %s", s.tool, reason)
		}
	}
}

// A pin must build on a fresh machine without any setting: with the oldest Go that
// Bothy supports, and with checksums of its own.
func TestEveryPinStandsAlone(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(toolsDir, "*", "go.mod"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pins found: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		mod, err := modfile.Parse(name, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if mod.Go == nil || mod.Go.Version != oldestGo+".0" || mod.Toolchain != nil {
			t.Errorf("%s: want `go %s.0` and no toolchain line", name, oldestGo)
		}
		if len(mod.Tool) != 1 {
			t.Errorf("%s: want one tool line, got %d", name, len(mod.Tool))
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(name), "go.sum")); err != nil {
			t.Errorf("%s has no go.sum beside it", name)
		}
	}
}

func TestPinnedVersionTakesTheModuleThatHoldsThePackage(t *testing.T) {
	mod := []byte("module x\n\nrequire (\n\tgithub.com/a/b v1.0.0\n\tgithub.com/a/b/api v0.3.0\n\tgithub.com/a/bc v0.9.0\n)\n")
	for pkg, want := range map[string]string{
		"github.com/a/b": "1.0.0", "github.com/a/b/cmd/b": "1.0.0", "github.com/a/b/api": "0.3.0", "github.com/a": "",
	} {
		got, err := pinnedVersion(mod, pkg)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("pinnedVersion(%s) = %q, %v; want %q", pkg, got, err, want)
		}
	}
}
