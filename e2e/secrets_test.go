package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// shortestSecret keeps words such as "dev" from counting as a secret.
const shortestSecret = 12

// A secret is one value that may stand in Vault and in .dev/secrets only.
type secret struct {
	name  string // where it comes from; safe to print
	value string
}

// A vault of secrets that were seen in this run, each once.
type secrets []secret

func (s *secrets) add(name, value string) {
	value = strings.TrimSpace(value)
	if len(value) < shortestSecret {
		return
	}
	if slices.ContainsFunc(*s, func(known secret) bool { return known.value == value }) {
		return
	}
	*s = append(*s, secret{name: name, value: value})
}

// in gives the names of the secrets that a text holds.
func (s secrets) in(text []byte) []string {
	var found []string
	for _, secret := range s {
		if bytes.Contains(text, []byte(secret.value)) {
			found = append(found, secret.name)
		}
	}
	return found
}

// redact replaces each secret in a text, so that it can be printed.
func (s secrets) redact(text string) string {
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret.value, "[secret: "+secret.name+"]")
	}
	return text
}

// inFiles looks into every regular file below root but those that skip names,
// and gives one line for each secret found in each.
func (s secrets) inFiles(root string, skip func(path string) bool) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // a running server removes files of its own
		}
		if err != nil {
			return fmt.Errorf("look into %s: %w", path, err)
		}
		if skip(path) {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look into %s: %w", path, err)
		}
		for _, name := range s.in(text) {
			found = append(found, path+" holds "+name)
		}
		return nil
	})
	return found, err //nolint:wrapcheck // already says what and where
}
