package toolchain

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// debianPackage is a package that must be installed, and why.
type debianPackage struct{ name, why string }

// packageOf names the package of a tool that Debian has.
func packageOf(tool Tool) (debianPackage, bool) {
	switch tool {
	case NGINX:
		return debianPackage{"nginx-light", "the proxy in front of each workspace"}, true
	case CNI:
		return debianPackage{"containernetworking-plugins", "the network of each workspace"}, true
	case Iptables:
		return debianPackage{"iptables", "the firewall rules of the workspaces' network"}, true
	case Nftables:
		return debianPackage{"nftables", "the firewall rules that separate workspaces"}, true
	case Ripgrep:
		return debianPackage{"ripgrep", "search in the editor"}, true
	case Chromium:
		return debianPackage{"chromium", "the browser of the end-to-end tests"}, true
	case Postgres:
		return debianPackage{"postgresql", "the database of the store's tests"}, true
	case Mmdebstrap:
		return debianPackage{"mmdebstrap", "the images of the end-to-end tests"}, true
	case Nomad, Consul, Vault, Fabio, Traefik, CodeServer, WebTerminal, Node, Docker:
	}
	return debianPackage{}, false
}

// findPackaged looks for a tool that Debian packages, wherever it came from.
func (e *ensurer) findPackaged(tool Tool) (path, detail string) {
	var programs []string
	switch tool {
	case CNI:
		for _, dir := range []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"} {
			if e.hasCNIPlugins(dir) {
				return dir, dir
			}
		}
		return "", ""
	case Postgres:
		dir := e.findPostgres()
		return dir, dir
	case NGINX:
		programs = []string{"nginx"}
	case Iptables:
		programs = []string{"iptables"}
	case Nftables:
		programs = []string{"nft"}
	case Ripgrep:
		programs = []string{"rg"}
	case Chromium:
		programs = []string{"chromium", "chromium-browser", "google-chrome"}
	case Mmdebstrap:
		programs = []string{"mmdebstrap"}
	case Nomad, Consul, Vault, Fabio, Traefik, CodeServer, WebTerminal, Node, Docker:
	}
	for _, program := range programs {
		if path := e.host.LookPath(program); path != "" {
			return path, path
		}
	}
	return "", ""
}

// findPostgres gives the folder with the programs of the newest PostgreSQL, which
// Debian and others keep away from PATH; "" when there is none.
func (e *ensurer) findPostgres() string {
	const newest, oldest = 25, 13
	for version := newest; version >= oldest; version-- {
		for _, form := range []string{"/usr/lib/postgresql/%d/bin", "/usr/pgsql-%d/bin"} {
			if dir := fmt.Sprintf(form, version); e.hasPostgres(dir) {
				return dir
			}
		}
	}
	if path := e.host.LookPath("postgres"); path != "" && e.hasPostgres(filepath.Dir(path)) {
		return filepath.Dir(path)
	}
	return ""
}

func (e *ensurer) hasPostgres(dir string) bool {
	return e.host.Exists(filepath.Join(dir, "initdb")) && e.host.Exists(filepath.Join(dir, "postgres"))
}

func (e *ensurer) hasCNIPlugins(dir string) bool {
	for _, plugin := range []string{"bridge", "firewall", "host-local", "loopback", "portmap"} {
		if !e.host.Exists(filepath.Join(dir, plugin)) {
			return false
		}
	}
	return true
}

// missingForGo is what building the servers needs beside Go.
func (e *ensurer) missingForGo() []debianPackage {
	var missing []debianPackage
	if e.host.LookPath("gcc") == "" {
		missing = append(missing, debianPackage{"gcc", "compiles the parts of Nomad that are C"})
	}
	if !e.host.Exists("/usr/include/stdlib.h") {
		missing = append(missing, debianPackage{"libc6-dev", "compiles the parts of Nomad that are C"})
	}
	return missing
}

// missingForNode is what compiling code-server's native modules needs beside Node.js.
func (e *ensurer) missingForNode() []debianPackage {
	const why = "compiles code-server's native modules"
	var missing []debianPackage
	for _, need := range []struct{ program, pkg string }{{"g++", "g++"}, {"make", "make"}, {"python3", "python3"}} {
		if e.host.LookPath(need.program) == "" {
			missing = append(missing, debianPackage{need.pkg, why})
		}
	}
	if e.host.LookPath("rg") == "" {
		pkg, _ := packageOf(Ripgrep)
		missing = append(missing, pkg)
	}
	return missing
}

// checkInstallable refuses where this process cannot install packages, and says what to do.
func (e *ensurer) checkInstallable(packages []debianPackage) error {
	names := packageNames(packages)
	if e.host.LookPath("apt-get") == "" {
		return lab.Errorf(lab.CodeUnavailable, "programs are missing that Debian has in the packages %s, and this system has no apt-get",
			strings.Join(names, ", ")).WithHint("install what they hold, then try again:\n%s", reasons(packages))
	}
	if !e.host.Root() {
		return lab.Errorf(lab.CodeUnavailable, "the packages %s are missing, and only root can install them", strings.Join(names, ", ")).
			WithHint("run: sudo apt-get install -y --no-install-recommends %s", strings.Join(names, " "))
	}
	return nil
}

func packageNames(packages []debianPackage) []string {
	names := make([]string, 0, len(packages))
	for _, p := range packages {
		names = append(names, p.name)
	}
	return names
}

func reasons(packages []debianPackage) string {
	lines := make([]string, 0, len(packages))
	for _, p := range packages {
		lines = append(lines, "  "+p.name+": "+p.why)
	}
	return strings.Join(lines, "\n")
}

// install installs packages, having said which and why.
func (e *ensurer) install(ctx context.Context, packages []debianPackage, step, steps int) error {
	title := "installs from Debian:\n" + reasons(packages)
	return e.reporter.step(Event{Step: step, Steps: steps, Text: title}, func(p *progress) error {
		quiet, err := e.keepDaemonsDown(ctx, packages)
		if err != nil {
			return err
		}
		install := append([]string{"install", "-y", "--no-install-recommends"}, packageNames(packages)...)
		err = e.apt(ctx, "", append(install, "--download-only"), p)
		if err == nil {
			// Not to be interrupted: dpkg would be left in the middle of a package.
			err = e.apt(context.WithoutCancel(ctx), "", install, p)
		}
		return errors.Join(err, quiet())
	})
}

// unitOf names the server that a package would start at its installation.
func unitOf(p debianPackage) string {
	switch p.name {
	case "nginx-light":
		return "nginx.service"
	case "postgresql":
		return "postgresql.service"
	default:
		return ""
	}
}

// keepDaemonsDown sees to it that packages start no server: workspaces and tests
// run their own. Only systemd would start one; elsewhere the packages start none.
// The function that it gives is to be called after the installation.
func (e *ensurer) keepDaemonsDown(ctx context.Context, packages []debianPackage) (after func() error, err error) {
	systemctl := e.host.LookPath("systemctl")
	if systemctl == "" || !e.host.Exists("/run/systemd/system") {
		return func() error { return nil }, nil
	}
	run := func(ctx context.Context, args ...string) error {
		return e.host.Run(ctx, command{Path: systemctl, Args: args})
	}
	var masked []string
	after = func() error {
		ctx := context.WithoutCancel(ctx) // also after an interruption
		var errs []error
		for _, unit := range masked {
			if e.host.Exists("/lib/systemd/system/" + unit) {
				errs = append(errs, run(ctx, "disable", unit))
			}
			errs = append(errs, run(ctx, "unmask", "--runtime", unit))
		}
		return errors.Join(errs...)
	}
	for _, p := range packages {
		unit := unitOf(p)
		if unit == "" {
			continue
		}
		// A mask below /run is gone after a reboot, whatever happens here.
		if err := run(ctx, "mask", "--runtime", unit); err != nil {
			return nil, errors.Join(err, after())
		}
		masked = append(masked, unit)
	}
	return after, nil
}

const (
	// lockWait is how long another run of apt may hold its locks.
	lockWait  = 10 * time.Minute
	lockRetry = 3 * time.Second
)

var (
	// staleLists are the complaints that go away with newer package lists.
	staleLists = regexp.MustCompile(`Unable to locate package|has no installation candidate|404 +Not Found|Failed to fetch|Can't select candidate|Unable to find a source`)
	heldLocks  = regexp.MustCompile(`Could not get lock|Unable to (acquire|lock)`)
	aptStages  = regexp.MustCompile(`^(Get:|Unpacking |Setting up |Waiting for )`)
)

// apt runs apt-get; where its lists of packages are too old for the task, they
// are updated first.
func (e *ensurer) apt(ctx context.Context, dir string, args []string, p *progress) error {
	err := e.aptGet(ctx, dir, args, p)
	if err == nil || ctx.Err() != nil || !staleLists.MatchString(err.Error()) {
		return err
	}
	p.set("updating the lists of packages")
	// One source that is out of reach must not stop what the others can give.
	updateErr := e.aptGet(ctx, "", []string{"update"}, p)
	if err := e.aptGet(ctx, dir, args, p); err != nil {
		return errors.Join(err, updateErr)
	}
	return nil
}

// aptGet runs apt-get once, after whoever holds its locks. apt itself waits for
// the lock of installations, but not for that of the lists.
func (e *ensurer) aptGet(ctx context.Context, dir string, args []string, p *progress) error {
	deadline := time.NewTimer(lockWait)
	defer deadline.Stop()
	told := false
	held := func() {
		if !told {
			told = true
			e.reporter.note("", "another process is using apt; waiting for that")
		}
	}
	for {
		err := e.host.Run(ctx, command{
			Path: e.host.LookPath("apt-get"),
			// Downloads go to folders that apt's own user cannot read.
			Args: append([]string{"-q", "-o", "APT::Sandbox::User=root", "-o", "DPkg::Lock::Timeout=600"}, args...),
			Dir:  dir,
			Env:  []string{"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"},
			Line: func(line string) {
				if strings.HasPrefix(line, "Waiting for cache lock") {
					held()
				}
				if aptStages.MatchString(line) {
					p.set("%s", line)
				}
			},
		})
		if err == nil || ctx.Err() != nil || !heldLocks.MatchString(err.Error()) {
			return err
		}
		held()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
			return err
		case <-time.After(e.lockRetry):
		}
	}
}
