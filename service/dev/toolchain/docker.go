package toolchain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/bothylabs/bothy/service/lab"
)

// dockerPackages are the engine and the programs that it starts.
func dockerPackages() []string { return []string{"docker.io", "containerd", "runc", "tini"} }

// dockerSeries stands for what the packages hold in the release of Debian that
// the stack is made for.
const dockerSeries = "20.10"

// dockerLibrary is what the engine needs and a small Debian lacks.
func dockerLibrary() (path string, pkg debianPackage) {
	triplet := "x86_64-linux-gnu"
	if runtime.GOARCH == "arm64" {
		triplet = "aarch64-linux-gnu"
	}
	return "/usr/lib/" + triplet + "/libdevmapper.so.1.02.1", debianPackage{"libdevmapper1.02.1", "a library of the Docker engine"}
}

// findDocker looks for the folder with the engine's programs on PATH and in the
// cache. The packages are unpacked, never installed: installed they start an
// engine that changes the machine's firewall and forwards its packets.
func (e *ensurer) findDocker() (finding, error) {
	if program := e.host.LookPath("dockerd"); program != "" && e.host.LookPath("docker") != "" {
		dir := filepath.Dir(program)
		return finding{path: dir, detail: dir + " (on PATH)"}, nil
	}
	dir := filepath.Join(e.cfg.CacheDir, "docker-"+dockerSeries+"-"+keyHash([]byte(runtime.GOOS+"/"+runtime.GOARCH)))
	bin := filepath.Join(dir, "bin")
	var missing []debianPackage
	if library, pkg := dockerLibrary(); !e.host.Exists(library) {
		missing = append(missing, pkg)
	}
	if e.host.Exists(filepath.Join(bin, "dockerd")) {
		if len(missing) > 0 {
			return finding{missing: missing, title: "takes what was unpacked before", make: func(context.Context, *progress) (string, error) { return bin, nil }}, nil
		}
		return finding{path: bin, detail: "(unpacked before) " + bin}, nil
	}
	if e.host.LookPath("apt-get") == "" {
		return finding{}, lab.Errorf(lab.CodeUnavailable, "the Docker engine is Debian's docker.io, and this system has no apt-get").
			WithHint("install a Docker engine")
	}
	return finding{
		missing: missing,
		title:   "unpacks Debian's docker.io, without installing it (65 MB)",
		make: func(ctx context.Context, p *progress) (string, error) {
			err := makeEntry(ctx, dir, filepath.Join("bin", "dockerd"), func() { p.set(waitingText) }, func(partial string) error {
				return e.unpackDocker(ctx, partial, p)
			})
			return bin, err
		},
	}, nil
}

// unpackDocker puts the programs of all packages into one folder, bin.
func (e *ensurer) unpackDocker(ctx context.Context, dir string, p *progress) error {
	if err := e.apt(ctx, dir, append([]string{"download"}, dockerPackages()...), p); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(files) == 0 {
		return errors.New("apt-get downloaded no packages")
	}
	for _, file := range files {
		if err := e.host.Run(ctx, command{Path: e.host.LookPath("dpkg-deb"), Args: []string{"--extract", file, dir}}); err != nil {
			return err
		}
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("remove the package: %w", err)
		}
	}
	for _, from := range []string{"usr/bin", "usr/sbin"} {
		if err := moveInto(filepath.Join(dir, from), filepath.Join(dir, "bin")); err != nil {
			return err
		}
	}
	for _, program := range []string{"docker", "dockerd"} {
		if err := e.host.Run(ctx, command{Path: filepath.Join(dir, "bin", program), Args: []string{"--version"}}); err != nil {
			return err
		}
	}
	return nil
}
