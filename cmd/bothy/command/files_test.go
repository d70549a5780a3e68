package command

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
)

func TestFilesAreWrittenIntoANewFolder(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "deep", "out")
	got, err := writeFiles(dir, files("a", "1", "b", "2"), false)
	if err != nil {
		t.Fatal(err)
	}
	if want := (written{made: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	wantFolder(t, dir, map[string]string{"a": "1", "b": "2"})
	wantFolder(t, filepath.Dir(dir), map[string]string{"out/": ""})
}

func TestFilesThatAreTheSameAreLeftAlone(t *testing.T) {
	dir := folder(t, map[string]string{"a": "1", "mine": "x"})
	got, err := writeFiles(dir, files("a", "1", "b", "2"), false)
	if err != nil {
		t.Fatal(err)
	}
	if want := (written{made: 1, same: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	wantFolder(t, dir, map[string]string{"a": "1", "b": "2", "mine": "x"})
}

func TestFilesThatDifferAreRefusedAndNothingIsWritten(t *testing.T) {
	dir := folder(t, map[string]string{"b": "old"})
	_, err := writeFiles(dir, files("a", "1", "b", "2"), false)
	if lab.CodeOf(err) != lab.CodeInvalid {
		t.Fatalf("got %v", err)
	}
	wantFolder(t, dir, map[string]string{"b": "old"})

	if _, err := writeFiles(dir, files("a", "1", "b", "2"), true); err != nil {
		t.Fatal(err)
	}
	wantFolder(t, dir, map[string]string{"a": "1", "b": "2"})
}

func TestWhatMovedInIsTakenBackWhenOneFileCannot(t *testing.T) {
	dir := folder(t, map[string]string{"a": "old"})
	stage := folder(t, map[string]string{"a": "1", "b": "2"}) // "c" was never staged
	if err := moveIn(stage, dir, []string{"a", "b", "c"}); err == nil {
		t.Fatal("want an error")
	}
	wantFolder(t, dir, map[string]string{"a": "old"})
}

func TestAFileInTheFoldersPlaceIsRefused(t *testing.T) {
	dir := folder(t, map[string]string{"out": "x"})
	_, err := writeFiles(filepath.Join(dir, "out"), files("a", "1"), true)
	if lab.CodeOf(err) != lab.CodeInvalid {
		t.Errorf("got %v", err)
	}
	wantFolder(t, dir, map[string]string{"out": "x"})
}

func files(pairs ...string) map[string][]byte {
	all := map[string][]byte{}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = []byte(pairs[i+1])
	}
	return all
}

func folder(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// wantFolder compares a folder's whole content, hidden files too; folders end in a slash.
func wantFolder(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, entry := range entries {
		if entry.IsDir() {
			got[entry.Name()+"/"] = ""
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[entry.Name()] = string(text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s:\n%s", dir, diff)
	}
}
