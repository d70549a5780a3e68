package toolchain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeHost stands for the machine: what is on it is what a test says, and running
// a program calls what the test says.
type fakeHost struct {
	mu       sync.Mutex
	programs map[string]string // name → path
	files    map[string]string // path → text; "" text is enough to exist
	root     bool
	runs     map[string]func(command) error // base name of the program → what it does
	ran      []string
}

// bareDebian is a fresh machine with Go, Node.js and a compiler.
func bareDebian() *fakeHost {
	h := &fakeHost{programs: map[string]string{}, files: map[string]string{}, root: true, runs: map[string]func(command) error{}}
	for _, name := range []string{"apt-get", "dpkg-deb", "gcc", "g++", "make", "python3"} {
		h.install(name)
	}
	h.files["/usr/include/stdlib.h"] = ""
	h.says("go", "go1.26.8")
	h.says("node", "v20.20.2")
	h.install("npm")
	h.files["/usr/bin/npm"] = ""
	h.runs["apt-get"] = func(command) error { return nil }
	return h
}

func (h *fakeHost) install(name string) { h.programs[name] = "/usr/bin/" + name }

func (h *fakeHost) installAll(names ...string) {
	for _, name := range names {
		h.install(name)
	}
}

func (h *fakeHost) installCNI() {
	for _, plugin := range []string{"bridge", "firewall", "host-local", "loopback", "portmap"} {
		h.files["/usr/lib/cni/"+plugin] = ""
	}
}

// says installs a program that prints a line whatever it is asked.
func (h *fakeHost) says(name, line string) {
	h.install(name)
	h.runs[name] = func(c command) error {
		if c.Line != nil {
			c.Line(line)
		}
		return nil
	}
}

func (h *fakeHost) LookPath(program string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if filepath.IsAbs(program) {
		for _, path := range h.programs {
			if path == program {
				return path
			}
		}
		return ""
	}
	return h.programs[program]
}

// Exists knows the test's files, and real ones below a test's cache.
func (h *fakeHost) Exists(path string) bool {
	h.mu.Lock()
	_, ok := h.files[path]
	h.mu.Unlock()
	if ok || !strings.HasPrefix(path, os.TempDir()) {
		return ok
	}
	_, err := os.Stat(path)
	return err == nil
}

func (h *fakeHost) ReadFile(path string) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text, ok := h.files[path]
	if !ok {
		return nil, fmt.Errorf("read %s: %w", path, fs.ErrNotExist)
	}
	return []byte(text), nil
}

func (h *fakeHost) Root() bool { return h.root }

func (h *fakeHost) Run(ctx context.Context, c command) error {
	h.mu.Lock()
	h.ran = append(h.ran, c.String())
	run := h.runs[filepath.Base(c.Path)]
	h.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if run == nil {
		return &runError{command: c.String(), cause: errors.New("exit status 127")}
	}
	return run(c)
}

// didRun tells whether a command ran whose text contains all of the words.
func (h *fakeHost) didRun(words ...string) bool { return h.countRuns(words...) > 0 }

func (h *fakeHost) countRuns(words ...string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, line := range h.ran {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			n++
		}
	}
	return n
}

// bench is an ensurer on a fake machine, with a cache of its own.
type bench struct {
	*ensurer
	host   *fakeHost
	events []Event
}

func newBench(t *testing.T, h *fakeHost) *bench {
	t.Helper()
	b := &bench{host: h}
	e, err := newEnsurer(Config{
		SourceDir: "/src",
		CacheDir:  t.TempDir(),
		Overrides: map[Tool]string{},
		Report:    func(ev Event) { b.events = append(b.events, ev) },
		Now:       func() time.Time { return time.Unix(0, 0) },
	}, h)
	if err != nil {
		t.Fatal(err)
	}
	e.lockRetry = 0
	b.ensurer = e
	for _, s := range servers() {
		dir := "/src/tools/" + string(s.tool)
		module, _, _ := strings.Cut(s.pkg, "/cmd/")
		h.files[dir+"/go.mod"] = fmt.Sprintf("module x\n\ngo 1.26.0\n\ntool %s\n\nrequire %s v%s // indirect\n", s.pkg, module, s.accepts.From)
		h.files[dir+"/go.sum"] = "sums of " + string(s.tool)
	}
	return b
}

// builds makes the fake go command write what it is asked to build.
func (b *bench) builds() {
	version := b.host.runs["go"]
	b.host.runs["go"] = func(c command) error {
		if c.Args[0] != "build" {
			return version(c)
		}
		out := c.Args[slices.Index(c.Args, "-o")+1]
		if c.Line != nil {
			c.Line("go: downloading example.com/m v1.0.0")
			c.Line("example.com/m")
		}
		return os.WriteFile(out, []byte("program"), 0o600)
	}
}

// said tells whether an event of a kind about a tool contains a text.
func (b *bench) said(kind Kind, tool Tool, text string) bool {
	return slices.ContainsFunc(b.events, func(e Event) bool {
		return e.Kind == kind && e.Tool == tool && strings.Contains(e.Text, text)
	})
}
