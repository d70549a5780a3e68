package toolchain

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/google/go-cmp/cmp"
)

// npmInstalls makes the fake npm and node do what theirs do, in small.
func (b *bench) npmInstalls(t *testing.T) {
	t.Helper()
	write := func(dir string, names ...string) {
		for _, name := range names {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
				t.Error(err)
			}
		}
	}
	// Node.js and ripgrep are copied, so they are real files.
	programs := t.TempDir()
	write(programs, "bin/node", "bin/npm", "bin/rg")
	b.host.programs["node"] = filepath.Join(programs, "bin", "node")
	b.host.programs["rg"] = filepath.Join(programs, "bin", "rg")

	b.host.runs["npm"] = func(c command) error {
		if !slices.Contains(c.Args, "--ignore-scripts") {
			t.Errorf("%s runs the scripts of packages", c)
		}
		modules := filepath.Join(c.Dir, "node_modules")
		switch {
		case c.Args[0] == "ci":
			write(modules,
				"argon2/argon2.js", "argon2/argon2.cc", "argon2/types.d.ts", "node-gyp/bin/node-gyp.js",
				"code-server/package.json", "code-server/out/node/entry.js", "code-server/out/node/entry.js.map",
				"code-server/lib/vscode/bin/remote-cli/code-linux.sh", "code-server/lib/vscode/bin/helpers/browser-linux.sh",
				"code-server/lib/vscode/extensions/node_modules/typescript/lib/lib.d.ts")
		case strings.HasSuffix(c.Dir, "vscode"):
			write(modules, "node-pty/package.json", "node-pty/src/pty.cc", "@vscode/ripgrep/package.json")
		case c.Args[0] == "prune":
			return os.RemoveAll(filepath.Join(modules, "node-gyp"))
		}
		return nil
	}
	version := b.host.runs["node"]
	b.host.runs["node"] = func(c command) error {
		if slices.Contains(c.Args, "rebuild") {
			write(c.Dir, "build/Release/native.node", "build/Release/obj.target/native.o")
			return nil
		}
		return version(c)
	}
	b.host.runs["code-server"] = func(c command) error {
		c.Line("4.100.3 409c64e with Code 1.100.3")
		return nil
	}
}

func TestCodeServerHasTheLayoutOfItsReleases(t *testing.T) {
	b := newBench(t, bareDebian())
	b.npmInstalls(t)
	paths, err := b.ensure(t.Context(), []Tool{CodeServer})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = filepath.WalkDir(paths.CodeServer, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := entry.Info(); err != nil || info.Mode().Perm()&0o004 == 0 {
			t.Errorf("%s cannot be read by tasks: %v", path, err)
		}
		if entry.IsDir() {
			return nil
		}
		name, err := filepath.Rel(paths.CodeServer, path)
		if target, linkErr := os.Readlink(path); linkErr == nil {
			name += " -> " + target
		}
		got = append(got, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"bin/code-server",
		"lib/node",
		"lib/vscode/bin/helpers/browser-linux.sh",
		"lib/vscode/bin/helpers/browser.sh -> browser-linux.sh",
		"lib/vscode/bin/remote-cli/code-linux.sh",
		"lib/vscode/bin/remote-cli/code-server -> code-linux.sh",
		"lib/vscode/extensions/node_modules/typescript/lib/lib.d.ts",
		"lib/vscode/node_modules.asar -> node_modules",
		"lib/vscode/node_modules/@vscode/ripgrep/bin/rg",
		"lib/vscode/node_modules/@vscode/ripgrep/package.json",
		"lib/vscode/node_modules/@vscode/spdlog/build/Release/native.node",
		"lib/vscode/node_modules/native-watchdog/build/Release/native.node",
		"lib/vscode/node_modules/node-pty/build/Release/native.node",
		"lib/vscode/node_modules/node-pty/package.json",
		"node_modules/argon2/argon2.js",
		"node_modules/argon2/build/Release/native.node",
		"out/node/entry.js",
		"package.json",
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCodeServerIsMadeOnce(t *testing.T) {
	b := newBench(t, bareDebian())
	b.npmInstalls(t)
	first, err := b.ensure(t.Context(), []Tool{CodeServer})
	if err != nil {
		t.Fatal(err)
	}
	// What was made needs neither Node.js nor npm.
	delete(b.host.programs, "node")
	delete(b.host.programs, "npm")
	second, err := b.ensure(t.Context(), []Tool{CodeServer})
	if err != nil || first != second {
		t.Errorf("%+v, %v; want %+v", second, err, first)
	}
	if n := b.host.countRuns("npm ci"); n != 1 {
		t.Errorf("made %d times", n)
	}
}

func TestCodeServerThatDoesNotRunIsNotKept(t *testing.T) {
	b := newBench(t, bareDebian())
	b.npmInstalls(t)
	b.host.runs["code-server"] = func(c command) error {
		return &runError{command: c.String(), cause: errors.New("exit status 1"), tail: []string{"Cannot find module"}}
	}
	_, err := b.ensure(t.Context(), []Tool{CodeServer})
	if err == nil || !strings.Contains(err.Error(), "trying it") {
		t.Errorf("error %v", err)
	}
	if dirs, err := filepath.Glob(filepath.Join(b.cfg.CacheDir, "code-server-*", "*")); err != nil || len(dirs) > 0 {
		t.Errorf("kept: %v %v", dirs, err)
	}
}

func TestCodeServerNeedsItsNode(t *testing.T) {
	for name, test := range map[string]struct {
		arrange func(*fakeHost)
		want    string
	}{
		"none":        {func(h *fakeHost) { delete(h.programs, "node") }, "needs Node.js 20, and there is none"},
		"another":     {func(h *fakeHost) { h.says("node", "v18.19.0") }, "needs Node.js 20, and /usr/bin/node is v18.19.0"},
		"without npm": {func(h *fakeHost) { delete(h.programs, "npm"); delete(h.files, "/usr/bin/npm") }, "installed by npm, and there is none"},
	} {
		b := newBench(t, bareDebian())
		test.arrange(b.host)
		_, err := b.ensure(t.Context(), []Tool{CodeServer})
		var coded *lab.Error
		if !errors.As(err, &coded) || !strings.Contains(coded.Message, test.want) || coded.Hint == "" {
			t.Errorf("%s: error %v, want %q and a hint", name, err, test.want)
		}
	}
}

func TestWebTerminalIsUnpackedAndNotInstalled(t *testing.T) {
	b := newBench(t, bareDebian())
	b.host.runs["apt-get"] = func(c command) error {
		return os.WriteFile(filepath.Join(c.Dir, "shellinabox_2.21+b2_amd64.deb"), nil, 0o600)
	}
	b.host.runs["dpkg-deb"] = func(c command) error {
		bin := filepath.Join(c.Args[2], "usr", "bin")
		return errors.Join(os.MkdirAll(bin, 0o700), os.WriteFile(filepath.Join(bin, "shellinaboxd"), nil, 0o600))
	}
	b.host.runs["shellinaboxd"] = func(c command) error {
		c.Line("ShellInABox version 2.21 (revision )")
		return nil
	}
	paths, err := b.ensure(t.Context(), []Tool{WebTerminal})
	if err != nil || !b.host.Exists(paths.WebTerminal) {
		t.Fatalf("%+v, %v", paths, err)
	}
	if b.host.didRun("apt-get", "install") {
		t.Error("installed it")
	}
	if got := paths.ChrootEnv(); got[paths.WebTerminal] != TaskWebTerminal {
		t.Errorf("tasks do not see it: %v", got)
	}
}
