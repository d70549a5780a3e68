package toolchain

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeyHashSeesEveryPart(t *testing.T) {
	seen := map[string]bool{}
	for _, parts := range [][][]byte{
		{[]byte("ab"), []byte("c")},
		{[]byte("a"), []byte("bc")},
		{[]byte("abc")},
		{[]byte("abc"), nil},
	} {
		seen[keyHash(parts...)] = true
	}
	if len(seen) != 4 {
		t.Errorf("%d different hashes, want 4", len(seen))
	}
}

func noWaiting(t *testing.T) func() {
	t.Helper()
	return func() { t.Error("waited for a lock that nobody holds") }
}

func writeProgram(dir string) error {
	return os.WriteFile(filepath.Join(dir, "tool"), []byte("program"), 0o600)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestMakeEntryPublishesTheWhole(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "new", "cache")
	dir := filepath.Join(cache, "tool-1")
	err := makeEntry(t.Context(), dir, "tool", noWaiting(t), func(partial string) error {
		if _, err := os.Stat(dir); err == nil {
			t.Error("the entry is there before it is whole")
		}
		return writeProgram(partial)
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tool-1", "tool-1.lock"}, names(t, cache)); diff != "" {
		t.Error(diff)
	}
}

func TestMakeEntryThatFailsLeavesNothing(t *testing.T) {
	cache := t.TempDir()
	broken := errors.New("does not compile")
	err := makeEntry(t.Context(), filepath.Join(cache, "tool-1"), "tool", noWaiting(t), func(partial string) error {
		return errors.Join(writeProgram(partial), broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	if diff := cmp.Diff([]string{"tool-1.lock"}, names(t, cache)); diff != "" {
		t.Error(diff)
	}
}

func TestMakeEntryClearsWhatAKilledRunLeft(t *testing.T) {
	cache := t.TempDir()
	dir := filepath.Join(cache, "tool-1")
	for _, left := range []string{dir + ".partial", dir} {
		if err := os.MkdirAll(filepath.Join(left, "half"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := makeEntry(t.Context(), dir, "tool", noWaiting(t), writeProgram); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tool"}, names(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestMakeEntryWaitsForAnotherProcessAndTakesItsWork(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tool-1")
	unlock, err := lock(t.Context(), dir+".lock", noWaiting(t))
	if err != nil {
		t.Fatal(err)
	}
	// The other makes it whole once this one is seen to wait.
	waiting := func() {
		if err := errors.Join(os.Mkdir(dir, 0o700), writeProgram(dir), unlock()); err != nil {
			t.Error(err)
		}
	}
	err = makeEntry(t.Context(), dir, "tool", waiting, func(string) error {
		t.Error("made what another process had made")
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMakeEntryStopsWaitingWhenInterrupted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tool-1")
	unlock, err := lock(t.Context(), dir+".lock", noWaiting(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	err = makeEntry(ctx, dir, "tool", cancel, writeProgram)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestCacheDir(t *testing.T) {
	home := func() (string, error) { return "/home/ana", nil }
	none := func() (string, error) { return "", errors.New("no home") }
	for name, test := range map[string]struct {
		env  map[string]string
		home func() (string, error)
		want string
	}{
		"named":           {map[string]string{"BOTHY_CACHE": "/big/cache/", "XDG_CACHE_HOME": "/x"}, home, "/big/cache"},
		"the user's":      {map[string]string{"XDG_CACHE_HOME": "/x"}, home, "/x/bothy"},
		"below home":      {nil, home, "/home/ana/.cache/bothy"},
		"no home":         {nil, none, ""},
		"a relative path": {map[string]string{"BOTHY_CACHE": "cache"}, home, ""},
	} {
		got, err := cacheDir(func(key string) string { return test.env[key] }, test.home)
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, test.want)
		}
	}
}
