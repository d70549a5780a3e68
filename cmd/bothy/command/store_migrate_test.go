package command

import (
	"path/filepath"
	"testing"

	"github.com/bothylabs/bothy/service/store"
)

// A copy from SQLite to SQLite is enough here: the store's own tests go across databases.
func TestAStoreIsCopiedAndSaysSo(t *testing.T) {
	old, target := filepath.Join(t.TempDir(), "old.db"), filepath.Join(t.TempDir(), "new.db")
	s, err := store.Open(t.Context(), store.Config{Driver: store.SQLite, Path: old})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Installation(t.Context(), func() string { return "one" }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	r := w.run("store", "migrate", "-from", "sqlite:"+old, "-to", "sqlite:"+target).ok()
	r.says("Copied 4 rows of ", "compared each with its original: all are equal", `store.driver = "sqlite"`)
	r.fails(exitOK, "installation 1 of 1 rows")

	w.run("store", "migrate", "-from", "sqlite:"+old, "-to", "sqlite:"+target).fails(exitLocal, "the target is not empty: it has rows in installation (1)", "Nothing was changed")
	w.run("store", "migrate", "-json", "-from", "sqlite:"+old, "-to", "sqlite:"+target+".2").ok().says(`"compared": true`, `"table": "workspaces"`)
}

func TestAStoreMigrationSaysWhatIsWrongWithItsEnds(t *testing.T) {
	w := newWorld(t)
	w.run("store", "migrate").fails(exitLocal, "-from is missing")
	w.run("store", "migrate", "-from", "sqlite:/nowhere.db").fails(exitLocal, "-to is missing")
	w.run("store", "migrate", "-from", "sqlite:/nowhere.db", "-to", "sqlite:"+filepath.Join(t.TempDir(), "x.db")).fails(exitLocal, `no database "/nowhere.db"`)
	r := w.run("store", "migrate", "-from", "sqlite:/nowhere.db", "-to", "postgres://me:hush@db/bothy")
	r.fails(exitLocal, "-to: is a URL, which may hold a password", "postgres:<file>")
	w.vars["BOTHY_STORE_DSN"] = "postgres://me:hush@127.0.0.1:1/bothy?sslmode=disable"
	w.run("store", "migrate", "-from", "postgres", "-to", "sqlite:"+filepath.Join(t.TempDir(), "x.db")).fails(exitRemote, "no PostgreSQL answers at 127.0.0.1:1")
}
