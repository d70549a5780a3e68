package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

// lastStart is what a start leaves in the marker file.
func lastStart() record { return record{BridgeName: "bothy0", BridgeSubnet: "10.0.0.0/24"} }

// newLayout gives a directory that does not exist yet.
func newLayout(t *testing.T) layout {
	t.Helper()
	return layout(filepath.Join(t.TempDir(), "dev"))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheStateDirectoryIsForItsOwnerAlone(t *testing.T) {
	l := newLayout(t)
	if err := l.prepare(lastStart()); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{string(l), l.secrets(), l.allocs(), l.data(partVault), filepath.Dir(l.log(partVault))} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
	}
	if err := l.prepare(lastStart()); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if r, ok, err := l.recall(); err != nil || !ok || r != lastStart() {
		t.Errorf("recalled %+v, %v, %v", r, ok, err)
	}
}

func TestADirectoryOfOthersIsRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "thesis.tex"), "")
	if err := layout(dir).prepare(lastStart()); lab.CodeOf(err) != lab.CodeInvalid {
		t.Errorf("prepare: %v, want invalid", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "config")); err == nil {
		t.Error("something was made in it")
	}
}

func TestAStartThatWasCutOffIsNoStranger(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, newFile+"123"), "{")
	if err := layout(dir).prepare(lastStart()); err != nil {
		t.Errorf("prepare: %v", err)
	}
}

func TestSecretsAreMadeOnceAndKeptForTheirOwner(t *testing.T) {
	made := 0
	s := secretStore{dir: t.TempDir(), generate: func() string { made++; return fmt.Sprint("secret ", made) }}
	if got, err := s.get("x"); err != nil || got != "" {
		t.Errorf("before: %q, %v", got, err)
	}
	for range 2 {
		if got, err := s.ensure("x"); err != nil || got != "secret 1" {
			t.Errorf("ensure: %q, %v", got, err)
		}
	}
	if err := s.put("x", "other"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.get("x"); err != nil || got != "other" {
		t.Errorf("after: %q, %v", got, err)
	}
	if info, err := os.Stat(s.path("x")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v, %v", info, err)
	}
	if entries, err := os.ReadDir(s.dir); err != nil || len(entries) != 1 {
		t.Errorf("%d files are left of writing one", len(entries))
	}
}

func TestAVaultThatWasNeverFinishedIsForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		pending, key bool
		want         bool // whether its data is kept
	}{
		"cut off before its keys were kept": {pending: true, want: false},
		"cut off right after":               {pending: true, key: true, want: true},
		"finished":                          {key: true, want: true},
		"finished, its keys lost later":     {want: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLayout(t)
			if err := l.prepare(lastStart()); err != nil {
				t.Fatal(err)
			}
			s := secretStore{dir: l.secrets()}
			write(t, filepath.Join(l.data(partVault), "vault.db"), "data")
			if c.pending {
				write(t, l.vaultPending(), "")
			}
			if c.key {
				if err := s.put(vaultUnseal, "key"); err != nil {
					t.Fatal(err)
				}
			}
			if err := forgetHalfMade(l, s); err != nil {
				t.Fatal(err)
			}
			if got := exists(filepath.Join(l.data(partVault), "vault.db")); got != c.want {
				t.Errorf("data kept: %v, want %v", got, c.want)
			}
			if exists(l.vaultPending()) || !exists(l.data(partVault)) {
				t.Error("the mark is left, or Vault's folder is gone")
			}
		})
	}
}
