package toolchain

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// oldestGo is the oldest Go that builds Bothy and what it pins.
	oldestGo = "1.26"
	// linkFlags leave out symbol tables: the servers become a third smaller.
	linkFlags = "-s -w"
	// probeTime is how long a program may take to say its version.
	probeTime = 15 * time.Second
)

// findServer looks for a server by its setting, on PATH and in the cache.
func (e *ensurer) findServer(ctx context.Context, s server) (finding, *lab.Field, error) {
	if path := e.cfg.Overrides[s.tool]; path != "" {
		version, reason := e.probe(ctx, s, path)
		if reason != "" {
			return finding{}, &lab.Field{
				Name: string(s.tool), Problem: path + ": " + reason,
				Remedy: "name one that is " + s.accepts.String() + ", or leave the setting out",
			}, nil
		}
		return finding{path: e.host.LookPath(path), detail: version + " (by its setting) " + path}, nil, nil
	}
	if path := e.host.LookPath(string(s.tool)); path != "" {
		version, reason := e.probe(ctx, s, path)
		if reason == "" {
			return finding{path: path, detail: version + " (on PATH) " + path}, nil, nil
		}
		e.reporter.note(s.tool, "%s is passed over: %s", path, reason)
	}
	pin, err := e.readPin(s)
	if err != nil {
		return finding{}, nil, err
	}
	if path := filepath.Join(e.cfg.CacheDir, pin.key, string(s.tool)); e.host.Exists(path) {
		return finding{path: path, detail: pin.version + " (built before) " + path}, nil, nil
	}
	goTool, err := e.findGo(ctx, s.tool)
	if err != nil {
		return finding{}, nil, err
	}
	return finding{
		missing: e.missingForGo(),
		title:   fmt.Sprintf("builds version %s from source, once (%s on two cores)", pin.version, s.takes),
		make: func(ctx context.Context, p *progress) (string, error) {
			return e.buildServer(ctx, s, pin, goTool, p)
		},
	}, nil, nil
}

// probe asks a program for its version; reason is why it cannot be used.
func (e *ensurer) probe(ctx context.Context, s server, path string) (version, reason string) {
	program := e.host.LookPath(path)
	if program == "" {
		return "", "it is not a program"
	}
	// Another program of that name may do anything when it is run.
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	text, err := output(ctx, e.host, command{Path: program, Args: s.versionArgs})
	if err != nil {
		return "", "it does not say its version"
	}
	version = parseVersion(text)
	return version, s.accepts.reject(version)
}

// pin is what tools/<name> says of a server.
type pin struct {
	dir     string
	version string
	// key names the cache entry.
	key string
}

func (e *ensurer) readPin(s server) (pin, error) {
	dir := filepath.Join(e.cfg.SourceDir, "tools", string(s.tool))
	goMod, err := e.host.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil && isNotExist(err) || e.cfg.SourceDir == "" {
		return pin{}, lab.Errorf(lab.CodeUnavailable, "%s is neither on PATH nor can it be built: %q is not a checkout of Bothy",
			s.tool, e.cfg.SourceDir).WithHint("run in a checkout of Bothy, or install %s (%s)", s.tool, s.accepts)
	}
	if err != nil {
		return pin{}, fmt.Errorf("read the pin of %s: %w", s.tool, err)
	}
	goSum, err := e.host.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return pin{}, fmt.Errorf("read the pin of %s: %w", s.tool, err)
	}
	version, err := pinnedVersion(goMod, s.pkg)
	if err != nil {
		return pin{}, fmt.Errorf("read the pin of %s: %w", s.tool, err)
	}
	hash := keyHash(goMod, goSum, []byte(strings.Join(buildArgs(s, version, ""), " ")), []byte(runtime.GOOS+"/"+runtime.GOARCH))
	return pin{dir: dir, version: version, key: fmt.Sprintf("%s-%s-%s", s.tool, version, hash)}, nil
}

// buildArgs are those of the go command.
func buildArgs(s server, version, out string) []string {
	link := linkFlags
	if s.versionVar != "" {
		link += " -X " + s.versionVar + "=" + version
	}
	args := []string{"build", "-v", "-mod=readonly", "-buildvcs=false", "-ldflags", link}
	if s.tags != "" {
		args = append(args, "-tags", s.tags)
	}
	return append(args, "-o", out, s.pkg)
}

// buildEnv keeps what a developer set for other work away from the build. Nomad's
// exec driver needs cgo.
func buildEnv() []string { return []string{"GOWORK=off", "CGO_ENABLED=1"} }

func (e *ensurer) buildServer(ctx context.Context, s server, pin pin, goTool string, p *progress) (string, error) {
	dir := filepath.Join(e.cfg.CacheDir, pin.key)
	err := makeEntry(ctx, dir, string(s.tool), func() { p.set(waitingText) }, func(partial string) error {
		// An interrupted go command leaves its work behind; here it goes with the rest.
		work := filepath.Join(partial, "work")
		if err := os.Mkdir(work, 0o700); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
		err := e.host.Run(ctx, command{
			Path: goTool,
			Args: buildArgs(s, pin.version, filepath.Join(partial, string(s.tool))),
			Dir:  pin.dir,
			Env:  append(buildEnv(), "GOTMPDIR="+work),
			Line: goProgress(p),
		})
		if err != nil {
			return fmt.Errorf("build version %s: %w", pin.version, err)
		}
		if err := os.RemoveAll(work); err != nil {
			return fmt.Errorf("remove what building left: %w", err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, string(s.tool)), nil
}

// goProgress counts what `go build -v` prints: modules that it fetches, then
// packages that it compiles.
func goProgress(p *progress) func(string) {
	modules, packages := 0, 0
	p.set("starting")
	return func(line string) {
		switch {
		case strings.HasPrefix(line, "go: downloading "):
			modules++
			p.set("%d modules fetched", modules)
		case !strings.ContainsAny(line, " :#\t"):
			packages++
			p.set("%d packages compiled", packages)
		}
	}
}

// findGo finds a Go that is new enough to build a server.
func (e *ensurer) findGo(ctx context.Context, tool Tool) (string, error) {
	path := e.host.LookPath("go")
	if path == "" && e.host.Exists("/usr/local/go/bin/go") {
		path = "/usr/local/go/bin/go"
	}
	hint := fmt.Sprintf("install Go %s or newer, or name a %s by its setting", oldestGo, tool)
	if path == "" {
		return "", lab.Errorf(lab.CodeUnavailable, "%s must be built, and there is no Go", tool).WithHint("%s", hint)
	}
	text, err := output(ctx, e.host, command{Path: path, Args: []string{"env", "GOVERSION"}})
	if err != nil {
		return "", lab.Wrap(lab.CodeUnavailable, err, "%s must be built, and %s does not run", tool, path).WithHint("%s", hint)
	}
	if !newEnoughGo(text) {
		return "", lab.Errorf(lab.CodeUnavailable, "%s must be built, and %s is %s", tool, path, strings.TrimSpace(text)).
			WithHint("%s", hint)
	}
	return path, nil
}

// newEnoughGo reads what `go env GOVERSION` prints: "go1.26.8", "go1.27rc1", "devel go1.27-...".
func newEnoughGo(text string) bool {
	_, version, found := strings.Cut(strings.TrimSpace(text), "go")
	if !found {
		return false
	}
	end := strings.IndexFunc(version, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end >= 0 {
		version = version[:end]
	}
	return semver.IsValid("v"+version) && semver.Compare("v"+version, "v"+oldestGo) >= 0
}
