package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// The parts, in the order in which they start.
const (
	partConsul = "consul"
	partVault  = "vault"
	partNomad  = "nomad"        // the server
	partClient = "nomad-client" // the client
	partStack  = "stack"
	// The router is the last; its part is called as the router itself.
)

// layout names what is where below a stack's directory.
type layout string

// The names are short because Nomad makes Unix sockets in an allocation's
// directory, and a socket's path may have 108 characters in all.
func (l layout) config(name string) string { return filepath.Join(string(l), "config", name) }
func (l layout) data(part string) string   { return filepath.Join(string(l), "data", part) }
func (l layout) log(part string) string    { return filepath.Join(string(l), "logs", part+".log") }
func (l layout) secrets() string           { return filepath.Join(string(l), "secrets") }
func (l layout) run(name string) string    { return filepath.Join(string(l), "run", name) }
func (l layout) allocs() string            { return filepath.Join(string(l), "alloc") }
func (l layout) allocMounts() string       { return filepath.Join(string(l), "alloc_mounts") }
func (l layout) volumes() string           { return filepath.Join(string(l), "volumes") }
func (l layout) chroot() string            { return filepath.Join(string(l), "chroot") }
func (l layout) cniConfig() string         { return filepath.Join(string(l), "cni") }
func (l layout) tmp() string               { return filepath.Join(string(l), "tmp") }
func (l layout) marker() string            { return filepath.Join(string(l), "stack.json") }

// drained is there while the last thing that happened to Nomad's client was a
// complete drain: no allocation was left on it.
func (l layout) drained() string { return l.run("drained") }

// vaultPending is there while Vault is being initialised: its keys are shown
// once, and without them its data is worthless.
func (l layout) vaultPending() string { return l.run("vault-initialising") }

// id names the stack in the environment of its processes and on its bridge. It
// follows from the directory alone, so that leftovers are recognised even after
// somebody has removed the directory.
func (l layout) id() string {
	sum := sha256.Sum256([]byte(l))
	return "bothy-" + hex.EncodeToString(sum[:6])
}

// record is what the marker file remembers of the last start: a later Clean must
// find what that start made, whatever its own configuration says.
type record struct {
	BridgeName   string
	BridgeSubnet string
}

// prepare makes the folders. A directory that has other content and was never a
// stack's is refused, because Reset would empty it.
func (l layout) prepare(r record) error {
	if err := os.MkdirAll(string(l), 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	others, err := l.others()
	if err != nil {
		return err
	}
	if others && !exists(l.marker()) {
		return notOurs(l)
	}
	// The marker comes first: a start that is cut off leaves a directory that the
	// next one knows.
	if err := l.remember(r); err != nil {
		return err
	}
	for _, dir := range []string{
		l.config(""), l.data(partVault), filepath.Dir(l.log("")), l.secrets(), l.run(""), l.allocs(), l.allocMounts(),
		l.volumes(), l.chroot(), l.cniConfig(), l.tmp(),
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the state directory: %w", err)
		}
	}
	return nil
}

// others tells whether the directory has anything but the marker file, half
// written or whole.
func (l layout) others() (bool, error) {
	entries, err := os.ReadDir(string(l))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read the state directory: %w", err)
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() != filepath.Base(l.marker()) && !strings.HasPrefix(e.Name(), newFile)
	}), nil
}

func notOurs(l layout) error {
	return lab.Invalid("the state directory cannot be used", lab.Field{
		Name: "-dir", Problem: fmt.Sprintf("%s holds files that no development stack has put there", string(l)),
		Remedy: "name an empty folder, or one that does not exist yet",
	})
}

// remember writes the marker file.
func (l layout) remember(r record) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the marker file: %w", err)
	}
	return writeFile(l.marker(), append(text, '\n'))
}

// recall reads the marker file; ok is false when there is none.
func (l layout) recall() (r record, ok bool, err error) {
	text, err := os.ReadFile(l.marker())
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("read the marker file: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, false, fmt.Errorf("read %s: %w", l.marker(), err)
	}
	return r, true, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// newFile is how the names of files begin that are being written.
const newFile = ".new-"

// writeFile replaces a file in one step, so that a kill leaves the old or the new
// one, for its owner's eyes only.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), newFile+"*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// removeIfThere removes a file, an empty folder or a cgroup.
func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}
