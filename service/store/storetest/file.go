package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// File gives tests SQLite databases that are copies of one, as Server does of
// PostgreSQL's: a schema is made once for each test binary, not for each test.
type File struct {
	// Prepare makes the database that is copied, and closes it.
	Prepare func(ctx context.Context, path string) error

	once    sync.Once
	err     error
	content []byte
}

// Database makes a database file that ends with the test, and gives its path.
func (f *File) Database(t testing.TB) string {
	t.Helper()
	f.once.Do(func() { f.err = f.make() })
	if f.err != nil {
		t.Fatalf("make the SQLite database that tests get copies of: %v", f.err)
	}
	path := filepath.Join(t.TempDir(), "bothy.db")
	if err := os.WriteFile(path, f.content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (f *File) make() error {
	dir, err := os.MkdirTemp("", "bothy-sqlite-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left of it is the system's to clear
	path := filepath.Join(dir, "bothy.db")
	// No test's own context: the database is for those that come later, too.
	if err := f.Prepare(context.Background(), path); err != nil {
		return err
	}
	// Closed, the file is whole: its journal is folded in.
	if f.content, err = os.ReadFile(path); err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	return nil
}
