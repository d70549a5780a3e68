// Package source finds the template files that a person names (a file, a folder
// or a Git repository) and says where they come from.
package source

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// maxFiles is how many templates one folder may hold.
const maxFiles = 200

// File is a template file.
type File struct {
	// Name is the template's: the file's without its ending.
	Name string
	// Path is the file as people know it, for messages.
	Path   string
	Source []byte
	Origin lab.TemplateOrigin
	Author lab.Author
}

// Find gives the template files behind a reference, by name: one file, those at
// the top of a folder, or those of a Git repository. CodeInvalid for a reference
// that can't be used or has none.
func (g Git) Find(ctx context.Context, ref string) ([]File, error) {
	remote, err := parseRemote(ref)
	switch {
	case err != nil:
		return nil, err
	case remote != nil:
		return g.fetch(ctx, *remote)
	}
	info, err := os.Stat(ref)
	if err != nil {
		return nil, unreadable(ref, err)
	}
	paths := []string{ref}
	if info.IsDir() {
		if paths, err = inFolder(ref); err != nil {
			return nil, err
		}
	}
	tree := g.workTree(ctx, filepath.Dir(paths[0]))
	files := make([]File, 0, len(paths))
	for _, path := range paths {
		content, err := readFile(path)
		if err != nil {
			return nil, err
		}
		origin, author := tree.of(ctx, path)
		files = append(files, File{Name: nameOf(path), Path: path, Source: content, Origin: origin, Author: author})
	}
	return files, nil
}

func inFolder(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, unreadable(folder, err)
	}
	var paths []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), jobspec.Suffix) && !entry.IsDir() {
			paths = append(paths, filepath.Join(folder, entry.Name()))
		}
	}
	return paths, some(folder, len(paths))
}

// some refuses a folder without templates, and one with so many that it can't be meant.
func some(where string, found int) error {
	switch {
	case found == 0:
		return lab.Errorf(lab.CodeInvalid, "%s has no template", where).WithHint("a template is a file *%s at the top of the folder", jobspec.Suffix)
	case found > maxFiles:
		return lab.Errorf(lab.CodeInvalid, "%s has %d templates, more than %d", where, found, maxFiles).WithHint("push them one by one")
	}
	return nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(file, jobspec.MaxSource+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	return content, nil
}

func unreadable(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return lab.Errorf(lab.CodeInvalid, "%s: %v", path, err).WithHint("name a file, a folder, or a Git repository as in https://git.example.edu/labs.git//templates?ref=main")
}

// nameOf gives a template's name by its file's: all before the first of the endings that job files have.
func nameOf(path string) string {
	name := filepath.Base(filepath.ToSlash(path))
	for _, ending := range []string{jobspec.Suffix, ".nomad", ".hcl"} {
		if cut, ok := strings.CutSuffix(name, ending); ok {
			return cut
		}
	}
	return name
}

func byName(a, b File) int { return strings.Compare(a.Name, b.Name) }

func sorted(files []File) []File {
	slices.SortFunc(files, byName)
	return files
}
