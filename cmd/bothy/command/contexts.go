package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/bothylabs/bothy/service/lab"
)

// serverContext is a Bothy server that somebody has signed in to.
type serverContext struct {
	Address string `json:"address"`
	// Token is "" after a logout.
	Token         string `json:"token,omitempty"`
	CACert        string `json:"ca_cert,omitempty"`
	TLSServerName string `json:"tls_server_name,omitempty"`
}

// contexts are what the contexts file holds.
type contexts struct {
	Current  string                   `json:"current,omitempty"`
	Contexts map[string]serverContext `json:"contexts"`

	path string
}

var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// errNoContexts is why there is no contexts file.
var errNoContexts = errors.New("neither XDG_CONFIG_HOME nor HOME is set")

// contextsPath is where the contexts file is.
func (e *Env) contextsPath() (string, error) {
	dir := e.getenv("XDG_CONFIG_HOME")
	if dir == "" || !filepath.IsAbs(dir) {
		home := e.getenv("HOME")
		if home == "" {
			return "", lab.Wrap(lab.CodeInvalid, errNoContexts, "there is no place for contexts").WithHint("set one of them, or use BOTHY_ADDR and BOTHY_TOKEN")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "bothy", "contexts.json"), nil
}

// contexts reads the contexts file; none is no error. A file that others can read
// is refused: it holds tokens.
func (e *Env) contexts() (*contexts, error) {
	path, err := e.contextsPath()
	if err != nil {
		return nil, err
	}
	all := &contexts{Contexts: map[string]serverContext{}, path: path}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, lab.Errorf(lab.CodeInvalid, "%s holds tokens and is open to others (mode %04o)", path, info.Mode().Perm()).WithHint("close it: chmod 600 %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(all); err != nil {
		return nil, lab.Errorf(lab.CodeInvalid, "%s is not a contexts file of this version", path).WithHint("move it away and log in again")
	}
	if all.Contexts == nil {
		all.Contexts = map[string]serverContext{}
	}
	return all, nil
}

// write replaces the contexts file, whole or not at all.
func (c *contexts) write() (err error) {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the contexts: %w", err)
	}
	dir := filepath.Dir(c.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unreadable(dir, err)
	}
	file, err := os.CreateTemp(dir, ".contexts-*") // only for its owner to read
	if err != nil {
		return unreadable(dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", c.path, err)
	}
	if err := os.Rename(file.Name(), c.path); err != nil {
		return fmt.Errorf("write %s: %w", c.path, err)
	}
	return nil
}

// named gives a context.
func (c *contexts) named(name string) (serverContext, error) {
	found, ok := c.Contexts[name]
	if !ok {
		return serverContext{}, lab.NotFound("context", name).WithHint("`bothy context list` shows them; make one with: bothy login -context %s", name)
	}
	return found, nil
}

func (c *contexts) names() []string { return slices.Sorted(maps.Keys(c.Contexts)) }

func checkContextName(name string) error {
	if contextName.MatchString(name) {
		return nil
	}
	return usagef("-context: %q is not made of letters, digits, dots, hyphens and underscores, 63 at most", name)
}
