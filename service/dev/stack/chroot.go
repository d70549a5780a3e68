package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// chrootEntry shows a path of this machine to tasks of the exec driver.
type chrootEntry struct{ From, To string }

// taskPaths is what a task of the exec driver can see of this machine, apart
// from what the configuration adds: a shell and its tools, git, Node.js, Python,
// NGINX, names of users and hosts, certificates, terminals and locales. Nomad
// links each file into every task, so the list is short, and what is not there is
// left out.
func taskPaths() []string {
	return []string{
		"/usr/bin",
		"/usr/sbin/nginx",
		"/usr/lib/x86_64-linux-gnu",
		"/usr/lib/aarch64-linux-gnu",
		"/usr/lib64",
		"/usr/lib/ld-linux-aarch64.so.1",
		"/usr/lib/file",
		"/usr/lib/git-core",
		"/usr/lib/locale",
		"/usr/lib/nginx",
		"/usr/lib/terminfo",
		"/usr/share/ca-certificates",
		"/usr/share/git-core",
		"/usr/share/misc",
		"/usr/share/nginx",
		"/usr/share/terminfo",

		"/etc/alternatives",
		"/etc/bash.bashrc",
		"/etc/debian_version",
		"/etc/group",
		"/etc/host.conf",
		"/etc/inputrc",
		"/etc/ld.so.cache",
		"/etc/localtime",
		"/etc/mime.types",
		"/etc/nanorc",
		"/etc/nginx",
		"/etc/nsswitch.conf",
		"/etc/passwd",
		"/etc/profile",
		"/etc/profile.d",
		"/etc/protocols",
		"/etc/services",
		"/etc/shells",
		"/etc/skel",
		"/etc/ssl/certs",
		"/etc/ssl/openssl.cnf",
		"/etc/terminfo",
		"/etc/timezone",
	}
}

// chrootEntries lists everything that tasks see: the paths above, Python's
// versioned library folders, the skeleton, and what the configuration adds.
func chrootEntries(skeleton string, extra map[string]string) ([]chrootEntry, error) {
	entries := []chrootEntry{{skeleton, "/"}}
	for _, path := range taskPaths() {
		entries = append(entries, chrootEntry{path, path})
	}
	pythons, err := filepath.Glob("/usr/lib/python3*")
	if err != nil {
		return nil, fmt.Errorf("find Python's libraries: %w", err)
	}
	for _, path := range pythons {
		entries = append(entries, chrootEntry{path, path})
	}
	for _, from := range slices.Sorted(maps.Keys(extra)) {
		entries = append(entries, chrootEntry{from, extra[from]})
	}
	return entries, nil
}

// buildSkeleton makes the folder that becomes the top of every task's root: the
// links of a merged /usr, so that nothing is linked twice, and a resolver that
// answers from inside a workspace.
func buildSkeleton(dir string) error {
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		target := "usr/" + name
		if got, err := os.Readlink("/" + name); err != nil || got != target {
			return fmt.Errorf("/%s is not a link to %s: the exec driver's root needs a merged /usr, as Debian 12 has it", name, target)
		}
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make the root of tasks: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "etc"), 0o755); err != nil { //nolint:gosec // tasks run as ordinary users
		return fmt.Errorf("make the root of tasks: %w", err)
	}
	resolver, err := resolverConfig()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "etc", "resolv.conf")
	if err := writeFile(path, resolver); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o644); err != nil { //nolint:gosec // tasks run as ordinary users
		return fmt.Errorf("make the root of tasks: %w", err)
	}
	return nil
}

// resolverConfig gives this machine's resolv.conf. Where systemd-resolved runs,
// that names a stub on loopback, which a workspace cannot reach; its own upstream
// servers are in another file.
func resolverConfig() ([]byte, error) {
	for _, path := range []string{"/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"} {
		text, err := os.ReadFile(path)
		if err == nil {
			return text, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the resolver's configuration: %w", err)
		}
	}
	return nil, nil
}
