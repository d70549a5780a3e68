package toolchain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// codeServerRecipe makes code-server's folder. No install script of any package
// runs: those of code-server fetch from GitHub, and refuse to run as root.
type codeServerRecipe struct {
	host      host
	node, npm string
	// dir is empty at first and in the end what the cache keeps.
	dir      string
	version  string
	progress *progress
}

func (r *codeServerRecipe) run(ctx context.Context) error {
	work := filepath.Join(r.dir, "work")
	root := filepath.Join(work, "node_modules", "code-server")
	vscode := filepath.Join(root, "lib", "vscode")
	for _, stage := range []struct {
		name string
		do   func() error
	}{
		{"fetching code-server", func() error { return r.fetch(ctx, work) }},
		// Their lock files differ from their package.json, which `npm ci` refuses.
		{"fetching what VS Code needs", func() error { return r.runNPM(ctx, vscode, "install", "--omit=dev") }},
		{"fetching what extensions need", func() error { return r.runNPM(ctx, filepath.Join(vscode, "extensions"), "install", "--omit=dev") }},
		{"compiling native modules", func() error { return r.compile(ctx, work, vscode) }},
		{"removing what only compiling needs", func() error { return r.runNPM(ctx, work, "prune", "--omit=dev") }},
		{"putting everything in its place", func() error { return r.arrange(work) }},
		{"trying it", func() error { return r.try(ctx) }},
	} {
		r.progress.set("%s", stage.name)
		if err := stage.do(); err != nil {
			return fmt.Errorf("%s: %w", stage.name, err)
		}
	}
	return nil
}

func (r *codeServerRecipe) fetch(ctx context.Context, work string) error {
	if err := os.Mkdir(work, 0o755); err != nil { //nolint:gosec // tasks read it as other users
		return fmt.Errorf("make a folder: %w", err)
	}
	for name, text := range map[string][]byte{"package.json": recipePackage, "package-lock.json": recipeLock} {
		if err := os.WriteFile(filepath.Join(work, name), text, 0o644); err != nil { //nolint:gosec // as above
			return fmt.Errorf("write the recipe: %w", err)
		}
	}
	return r.runNPM(ctx, work, "ci")
}

func (r *codeServerRecipe) runNPM(ctx context.Context, dir string, args ...string) error {
	return r.host.Run(ctx, command{
		Path: r.npm,
		Args: append(args, "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"),
		Dir:  dir,
		Env:  r.env(),
	})
}

// env lets npm and node-gyp find the chosen Node.js first.
func (r *codeServerRecipe) env() []string {
	return []string{"PATH=" + filepath.Dir(r.node) + string(filepath.ListSeparator) + os.Getenv("PATH")}
}

// compile makes the native modules that a workspace uses. Those for Windows and
// kerberos, which only proxies with single sign-on ask for, are left out.
func (r *codeServerRecipe) compile(ctx context.Context, work, vscode string) error {
	nodeGyp := filepath.Join(work, "node_modules", "node-gyp", "bin", "node-gyp.js")
	nodePreGyp := filepath.Join(work, "node_modules", "@mapbox", "node-pre-gyp", "bin", "node-pre-gyp")
	modules := filepath.Join(vscode, "node_modules")
	for _, module := range []struct{ dir, tool string }{
		{filepath.Join(work, "node_modules", "argon2"), nodePreGyp},
		{filepath.Join(modules, "node-pty"), nodeGyp},
		{filepath.Join(modules, "native-watchdog"), nodeGyp},
		{filepath.Join(modules, "@vscode", "spdlog"), nodeGyp},
	} {
		r.progress.set("compiling %s", filepath.Base(module.dir))
		args := []string{module.tool, "rebuild", "--jobs=max"}
		if headers := r.headers(); headers != "" {
			args = append(args, "--nodedir="+headers)
		}
		if err := r.host.Run(ctx, command{Path: r.node, Args: args, Dir: module.dir, Env: r.env()}); err != nil {
			return err
		}
	}
	return nil
}

// headers is the folder whose include/node holds the headers of the chosen
// Node.js; where there is none, node-gyp fetches them from nodejs.org.
func (r *codeServerRecipe) headers() string {
	node, err := filepath.EvalSymlinks(r.node)
	if err != nil {
		return ""
	}
	dir := filepath.Dir(filepath.Dir(node))
	if r.host.Exists(filepath.Join(dir, "include", "node", "node_version.h")) {
		return dir
	}
	return ""
}

// arrange gives the folder the layout of code-server's own releases, with the
// Node.js that it was compiled for inside.
func (r *codeServerRecipe) arrange(work string) error {
	root := filepath.Join(work, "node_modules", "code-server")
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("arrange: %w", err)
	}
	for _, entry := range entries {
		if err := os.Rename(filepath.Join(root, entry.Name()), filepath.Join(r.dir, entry.Name())); err != nil {
			return fmt.Errorf("arrange: %w", err)
		}
	}
	if err := moveInto(filepath.Join(work, "node_modules"), filepath.Join(r.dir, "node_modules")); err != nil {
		return err
	}
	vscode := filepath.Join(r.dir, "lib", "vscode")
	if err := r.addRipgrep(vscode); err != nil {
		return err
	}
	// What code-server's own install script links.
	for link, target := range map[string]string{
		"node_modules.asar":          "node_modules",
		"bin/remote-cli/code-server": "code-linux.sh",
		"bin/helpers/browser.sh":     "browser-linux.sh",
	} {
		if err := os.Symlink(target, filepath.Join(vscode, link)); err != nil {
			return fmt.Errorf("arrange: %w", err)
		}
	}
	if err := copyFile(r.node, filepath.Join(r.dir, "lib", "node")); err != nil {
		return err
	}
	if err := r.addLauncher(); err != nil {
		return err
	}
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("arrange: %w", err)
	}
	return prune(r.dir)
}

// moveInto moves the entries of a folder into another, which may exist.
func moveInto(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil { //nolint:gosec // tasks read it as other users
		return fmt.Errorf("arrange: %w", err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("arrange: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() == "code-server" || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if err := os.Rename(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return fmt.Errorf("arrange: %w", err)
		}
	}
	return nil
}

func (r *codeServerRecipe) addRipgrep(vscode string) error {
	rg := r.host.LookPath("rg")
	if rg == "" {
		return errors.New("there is no ripgrep")
	}
	bin := filepath.Join(vscode, "node_modules", "@vscode", "ripgrep", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil { //nolint:gosec // tasks read it as other users
		return fmt.Errorf("arrange: %w", err)
	}
	return copyFile(rg, filepath.Join(bin, "rg"))
}

const launcher = `#!/bin/sh
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
exec "$root/lib/node" "$root" "$@"
`

func (r *codeServerRecipe) addLauncher() error {
	program := codeServerProgram(r.dir)
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil { //nolint:gosec // tasks read it as other users
		return fmt.Errorf("arrange: %w", err)
	}
	if err := os.WriteFile(program, []byte(launcher), 0o755); err != nil { //nolint:gosec // a program that tasks run as other users
		return fmt.Errorf("arrange: %w", err)
	}
	return nil
}

// unused lists kinds of file in packages that nothing reads once code-server runs:
// sources, maps of sources, what compiling leaves. Every task gets a link to each
// file that stays, so fewer files are a faster start.
func unused() []string {
	return []string{
		".a", ".c", ".cc", ".cpp", ".cts", ".d", ".flow", ".gyp", ".gypi", ".h", ".hpp", ".map",
		".markdown", ".md", ".mk", ".mts", ".o", ".stamp", ".ts", ".tsbuildinfo", ".vcxproj",
	}
}

// prune removes what nothing reads and makes the rest readable for every user,
// whatever umask it was made with.
func prune(dir string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("remove what is not needed: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.Type().IsRegular() && isUnused(name) {
			return root.Remove(name)
		}
		if entry.Type()&fs.ModeSymlink != 0 {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if entry.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return root.Chmod(name, mode)
	})
	if err != nil {
		return fmt.Errorf("remove what is not needed: %w", err)
	}
	return nil
}

// isUnused decides about a file by its path in code-server's folder.
func isUnused(name string) bool {
	ext := path.Ext(name)
	if ext == ".map" {
		return true
	}
	// Extensions bring what they read, such as TypeScript's own library of .d.ts files.
	if strings.HasPrefix(name, "lib/vscode/extensions/") {
		return false
	}
	return strings.Contains(name, "node_modules/") && slices.Contains(unused(), ext)
}

// try loads what was compiled and asks code-server for its version.
func (r *codeServerRecipe) try(ctx context.Context) error {
	modules := filepath.Join(r.dir, "lib", "vscode", "node_modules")
	for _, module := range []string{
		filepath.Join(r.dir, "node_modules", "argon2"), filepath.Join(modules, "node-pty"),
		filepath.Join(modules, "native-watchdog"), filepath.Join(modules, "@vscode", "spdlog"),
	} {
		args := []string{"-e", "require(process.argv[1])", module}
		if err := r.host.Run(ctx, command{Path: filepath.Join(r.dir, "lib", "node"), Args: args}); err != nil {
			return err
		}
	}
	text, err := output(ctx, r.host, command{Path: codeServerProgram(r.dir), Args: []string{"--version"}})
	if err != nil {
		return err
	}
	if !strings.Contains(text, r.version) {
		return fmt.Errorf("it says that it is %q", strings.TrimSpace(text))
	}
	return nil
}
