package toolchain

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	webTerminalPackage = "shellinabox"
	webTerminalProgram = "shellinaboxd"
	// webTerminalSeries is Debian's version since 2016.
	webTerminalSeries = "2.2"
)

// findWebTerminal looks for shellinaboxd on PATH and in the cache. Its package is
// unpacked, never installed: installed it starts a server that offers a login to
// the machine.
func (e *ensurer) findWebTerminal() (finding, error) {
	if path := e.host.LookPath(webTerminalProgram); path != "" {
		return finding{path: path, detail: path + " (on PATH)"}, nil
	}
	key := webTerminalPackage + "-" + webTerminalSeries + "-" + keyHash([]byte(runtime.GOOS+"/"+runtime.GOARCH))
	dir := filepath.Join(e.cfg.CacheDir, key)
	path := filepath.Join(dir, "usr", "bin", webTerminalProgram)
	if e.host.Exists(path) {
		return finding{path: path, detail: "(unpacked before) " + path}, nil
	}
	if e.host.LookPath("apt-get") == "" {
		return finding{}, lab.Errorf(lab.CodeUnavailable, "the web terminal is Debian's %s, and this system has no apt-get", webTerminalPackage).
			WithHint("install %s, or name a %s by its setting", webTerminalPackage, webTerminalProgram)
	}
	return finding{
		title: "unpacks Debian's " + webTerminalPackage + ", without installing it",
		make: func(ctx context.Context, p *progress) (string, error) {
			program := filepath.Join("usr", "bin", webTerminalProgram)
			err := makeEntry(ctx, dir, program, func() { p.set(waitingText) }, func(partial string) error {
				return e.unpackWebTerminal(ctx, partial, p)
			})
			return path, err
		},
	}, nil
}

func (e *ensurer) unpackWebTerminal(ctx context.Context, dir string, p *progress) error {
	if err := e.apt(ctx, dir, []string{"download", webTerminalPackage}, p); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, webTerminalPackage+"_*.deb"))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("apt-get downloaded no package %s", webTerminalPackage)
	}
	if err := e.host.Run(ctx, command{Path: e.host.LookPath("dpkg-deb"), Args: []string{"--extract", files[0], dir}}); err != nil {
		return err
	}
	if err := os.Remove(files[0]); err != nil {
		return fmt.Errorf("remove the package: %w", err)
	}
	program := filepath.Join(dir, "usr", "bin", webTerminalProgram)
	text, err := output(ctx, e.host, command{Path: program, Args: []string{"--version"}})
	if err != nil {
		// Its libraries come with NGINX's package and with every Debian's base.
		return fmt.Errorf("%s does not run here (it needs the libraries of libssl3, libpam0g and zlib1g): %w", webTerminalProgram, err)
	}
	if !strings.Contains(text, "version "+webTerminalSeries) {
		return fmt.Errorf("%s is another version than %s: %s", webTerminalProgram, webTerminalSeries, strings.TrimSpace(text))
	}
	return nil
}
