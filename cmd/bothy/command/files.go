package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/bothylabs/bothy/service/lab"
)

// maxInput bounds what is read of a roster or variables file, in bytes.
const maxInput = 8 << 20

// readInput reads a file, or standard input for "-".
func (e *Env) readInput(path string) (string, error) {
	in := e.Stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", unreadable(path, err)
		}
		defer func() { _ = file.Close() }() // it was only read
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return "", unreadable(path, err)
	}
	if len(content) > maxInput {
		return "", lab.Errorf(lab.CodeInvalid, "%s is larger than %d MiB", path, maxInput>>20)
	}
	return string(content), nil
}

func unreadable(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return lab.Errorf(lab.CodeInvalid, "%s: %v", path, err).WithHint("check the path")
}

// written is what writeFiles did.
type written struct{ made, replaced, same int }

// writeFiles writes files (by name, none with a slash) into dir, all or none: they
// are complete beside dir before the first one moves in, and whatever moved in is
// taken back when one cannot. A file that exists with other content is refused
// unless force is set.
func writeFiles(dir string, files map[string][]byte, force bool) (written, error) {
	plan, err := comparedWith(dir, files, force)
	if err != nil {
		return written{}, err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil { //nolint:gosec // job files hold no secrets, and other programs read them
		return written{}, fmt.Errorf("make the folder: %w", err)
	}
	stage, err := os.MkdirTemp(parent, ".bothy-render-*")
	if err != nil {
		return written{}, fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(stage) }()     // what is left of it is of no use
	if err := os.Chmod(stage, 0o755); err != nil { //nolint:gosec // it may become the folder itself; see above
		return written{}, fmt.Errorf("make a temporary folder: %w", err)
	}
	for _, name := range plan.write {
		if err := os.WriteFile(filepath.Join(stage, name), files[name], 0o644); err != nil { //nolint:gosec // see above
			return written{}, fmt.Errorf("write %s: %w", name, err)
		}
	}
	if !plan.dirExists {
		if err := os.Rename(stage, dir); err != nil {
			return written{}, fmt.Errorf("move the files to %s: %w", dir, err)
		}
		return plan.written, nil
	}
	return plan.written, moveIn(stage, dir, plan.write)
}

// writePlan is what has to be written into a folder.
type writePlan struct {
	written
	dirExists bool
	// write are the names of files that are missing or differ, in order.
	write []string
}

func comparedWith(dir string, files map[string][]byte, force bool) (writePlan, error) {
	var plan writePlan
	switch info, err := os.Stat(dir); {
	case err == nil && !info.IsDir():
		return plan, lab.Errorf(lab.CodeInvalid, "%s is not a folder", dir).WithHint("name a folder with -out")
	case err == nil:
		plan.dirExists = true
	case !errors.Is(err, fs.ErrNotExist):
		return plan, unreadable(dir, err)
	}
	var differ []lab.Field
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, name)
		before, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			plan.made++
		case err != nil:
			return plan, unreadable(path, err)
		case bytes.Equal(before, files[name]):
			plan.same++
			continue
		default:
			plan.replaced++
			differ = append(differ, lab.Field{Name: path, Problem: "exists with other content", Remedy: "-force overwrites it"})
		}
		plan.write = append(plan.write, name)
	}
	if len(differ) > 0 && !force {
		return plan, lab.Invalid("nothing was written: files would be overwritten", differ...)
	}
	return plan, nil
}

// moveIn moves staged files into dir and, when one cannot be, takes all of them back.
func moveIn(stage, dir string, names []string) (err error) {
	old := filepath.Join(stage, "replaced")
	if err := os.Mkdir(old, 0o700); err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	var undo []func() error
	defer func() {
		if err == nil {
			return
		}
		for _, step := range slices.Backward(undo) {
			err = errors.Join(err, step())
		}
	}()
	for _, name := range names {
		target, kept := filepath.Join(dir, name), filepath.Join(old, name)
		switch err := os.Rename(target, kept); {
		case err == nil:
			undo = append(undo, func() error { return os.Rename(kept, target) })
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("replace %s: %w", target, err)
		}
		if err := os.Rename(filepath.Join(stage, name), target); err != nil {
			return fmt.Errorf("write %s: %w", target, err)
		}
		undo = append(undo, func() error { return os.Remove(target) })
	}
	return nil
}
