package toolchain

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// Ensure finds the tools that it is asked for, and installs or builds what is
// missing. It says what it will do before it does it. Nothing is changed when a
// setting is wrong or when what a build needs cannot be had (lab.CodeInvalid,
// lab.CodeUnavailable). When ctx ends, what is being made is dropped.
func Ensure(ctx context.Context, cfg Config, tools ...Tool) (Paths, error) {
	e, err := newEnsurer(cfg, machine{})
	if err != nil {
		return Paths{}, err
	}
	return e.ensure(ctx, tools)
}

type ensurer struct {
	cfg      Config
	host     host
	reporter *reporter
	// lockRetry is the pause between two tries to get apt's locks.
	lockRetry time.Duration
}

func newEnsurer(cfg Config, h host) (*ensurer, error) {
	if cfg.CacheDir == "" {
		dir, err := DefaultCacheDir()
		if err != nil {
			return nil, err
		}
		cfg.CacheDir = dir
	}
	dir, err := absolute("the cache", cfg.CacheDir)
	if err != nil {
		return nil, err
	}
	cfg.CacheDir = dir
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &ensurer{cfg: cfg, host: h, reporter: &reporter{to: cfg.Report, now: cfg.Now}, lockRetry: lockRetry}, nil
}

// finding is what is known of a tool before anything is changed: where it is, or
// what must be installed or made.
type finding struct {
	path   string
	detail string
	// missing are Debian packages to install first.
	missing []debianPackage
	// make, where set, makes the tool and gives its path.
	make  func(ctx context.Context, p *progress) (string, error)
	title string
}

func (e *ensurer) ensure(ctx context.Context, tools []Tool) (Paths, error) {
	findings, err := e.findAll(ctx, tools)
	if err != nil {
		return Paths{}, err
	}
	var paths Paths
	var missing []debianPackage
	steps := 0
	for _, tool := range tools {
		f := findings[tool]
		if f.path != "" {
			paths.set(tool, f.path)
			e.reporter.event(Event{Kind: Found, Tool: tool, Text: f.detail})
		}
		if f.make != nil {
			steps++
		}
		missing = append(missing, f.missing...)
	}
	if missing = distinct(missing); len(missing) > 0 {
		steps++
	}
	step := 0
	if len(missing) > 0 {
		if err := e.checkInstallable(missing); err != nil {
			return Paths{}, err
		}
		step++
		if err := e.install(ctx, missing, step, steps); err != nil {
			return Paths{}, err
		}
	}
	for _, tool := range tools {
		f := findings[tool]
		switch {
		case f.path != "":
		case f.make == nil:
			path, detail := e.findPackaged(tool)
			if path == "" {
				return Paths{}, lab.Errorf(lab.CodeUnavailable, "%s was installed and still cannot be found", tool)
			}
			paths.set(tool, path)
			e.reporter.event(Event{Kind: Found, Tool: tool, Text: detail})
		default:
			step++
			err := e.reporter.step(Event{Tool: tool, Step: step, Steps: steps, Text: f.title}, func(p *progress) error {
				path, err := f.make(ctx, p)
				paths.set(tool, path)
				return err
			})
			if err != nil {
				return Paths{}, fmt.Errorf("make %s: %w", tool, err)
			}
		}
	}
	return paths, nil
}

// findAll looks for every tool and changes nothing. All wrong settings are in
// one error.
func (e *ensurer) findAll(ctx context.Context, tools []Tool) (map[Tool]finding, error) {
	findings := make(map[Tool]finding, len(tools))
	var wrong []lab.Field
	for _, tool := range tools {
		f, field, err := e.find(ctx, tool)
		switch {
		case err != nil:
			return nil, err
		case field != nil:
			wrong = append(wrong, *field)
		default:
			findings[tool] = f
		}
	}
	if len(wrong) > 0 {
		return nil, lab.Invalid("a program that a setting names cannot be used", wrong...)
	}
	return findings, nil
}

// find looks for one tool; a field says what is wrong with a setting.
func (e *ensurer) find(ctx context.Context, tool Tool) (finding, *lab.Field, error) {
	if s, ok := serverFor(tool); ok {
		return e.findServer(ctx, s)
	}
	if path := e.cfg.Overrides[tool]; path != "" {
		return e.findOverride(tool, path)
	}
	switch tool {
	case CodeServer:
		f, err := e.findCodeServer(ctx)
		return f, nil, err
	case WebTerminal:
		f, err := e.findWebTerminal()
		return f, nil, err
	case Docker:
		f, err := e.findDocker()
		return f, nil, err
	default:
		path, detail := e.findPackaged(tool)
		if path != "" {
			return finding{path: path, detail: detail}, nil, nil
		}
		pkg, ok := packageOf(tool)
		if !ok {
			return finding{}, nil, fmt.Errorf("toolchain: %q is not a tool that can be ensured", tool)
		}
		return finding{missing: []debianPackage{pkg}}, nil, nil
	}
}

// findOverride takes a tool whose version does not matter from where its setting says.
func (e *ensurer) findOverride(tool Tool, path string) (finding, *lab.Field, error) {
	found := path
	what := "a program"
	switch tool {
	case CNI:
		what = "a folder with the plugins"
		if !e.hasCNIPlugins(path) {
			found = ""
		}
	case Postgres:
		what = "a folder with initdb and postgres"
		if !e.hasPostgres(path) {
			found = ""
		}
	case CodeServer:
		what = "a folder that holds bin/code-server"
		if !e.host.Exists(codeServerProgram(path)) {
			found = ""
		}
	default:
		found = e.host.LookPath(path)
	}
	if found == "" {
		return finding{}, &lab.Field{
			Name: string(tool), Problem: fmt.Sprintf("%s is not %s", path, what),
			Remedy: "name another, or leave the setting out",
		}, nil
	}
	return finding{path: found, detail: found + " (by its setting)"}, nil, nil
}

// distinct keeps the first of equal packages.
func distinct(packages []debianPackage) []debianPackage {
	var out []debianPackage
	for _, p := range packages {
		if !slices.ContainsFunc(out, func(o debianPackage) bool { return o.name == p.name }) {
			out = append(out, p)
		}
	}
	return out
}
