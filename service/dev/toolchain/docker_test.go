package toolchain

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

// dockerUnpacks makes the fake apt-get and dpkg-deb give the engine's programs.
func (b *bench) dockerUnpacks() {
	b.host.runs["apt-get"] = func(c command) error {
		if slices.Contains(c.Args, "install") {
			library, _ := dockerLibrary()
			b.host.files[library] = ""
			return nil
		}
		return os.WriteFile(filepath.Join(c.Dir, "docker.io_20.10_amd64.deb"), nil, 0o600)
	}
	b.host.runs["dpkg-deb"] = func(c command) error {
		var errs []error
		for _, name := range []string{"usr/bin/docker", "usr/sbin/dockerd"} {
			path := filepath.Join(c.Args[2], name)
			errs = append(errs, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600))
		}
		return errors.Join(errs...)
	}
	b.host.runs["docker"] = func(command) error { return nil }
	b.host.runs["dockerd"] = b.host.runs["docker"]
}

func TestDockerIsUnpackedOnceAndNotInstalled(t *testing.T) {
	b := newBench(t, bareDebian())
	b.dockerUnpacks()
	paths, err := b.ensure(t.Context(), []Tool{Docker})
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"docker", "dockerd"} {
		if !b.host.Exists(filepath.Join(paths.Docker, program)) {
			t.Errorf("%s has no %s", paths.Docker, program)
		}
	}
	if b.host.didRun("apt-get", "install", "docker.io") {
		t.Error("installed the engine, which starts it")
	}
	if !b.host.didRun("install", "libdevmapper1.02.1") {
		t.Errorf("the engine's library was not installed: %v", b.host.ran)
	}
	runs := len(b.host.ran)
	again, err := b.ensure(t.Context(), []Tool{Docker})
	if err != nil || again.Docker != paths.Docker || len(b.host.ran) != runs {
		t.Errorf("the second time: %s, %v, %v", again.Docker, err, b.host.ran[runs:])
	}
}

func TestAnInstalledDockerIsUsed(t *testing.T) {
	b := newBench(t, bareDebian())
	b.host.installAll("dockerd", "docker")
	paths, err := b.ensure(t.Context(), []Tool{Docker})
	if err != nil || paths.Docker != "/usr/bin" || len(b.host.ran) > 0 {
		t.Errorf("%+v, %v, %v", paths, err, b.host.ran)
	}
}

func TestDockerWithoutApt(t *testing.T) {
	b := newBench(t, bareDebian())
	delete(b.host.programs, "apt-get")
	if _, err := b.ensure(t.Context(), []Tool{Docker}); lab.CodeOf(err) != lab.CodeUnavailable {
		t.Errorf("got %v", err)
	}
}
