package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/bothylabs/bothy/service/lab"
)

// helperGrace is how long Nomad's executors have to end their tasks.
const helperGrace = time.Second

// sweepRounds is how often a sweep looks again: what ends leaves other things
// free to be removed, and a dying server may still have been making some.
const sweepRounds = 4

// Clean ends and removes everything that a stack in cfg.Dir has left on the
// machine, and gives a line for each thing it found. State below cfg.Dir stays.
// It refuses (lab.CodeConflict) while a living program runs the stack.
func Clean(ctx context.Context, cfg Config) ([]string, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	l := layout(cfg.Dir)
	unlock, err := l.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	return clean(ctx, cfg, l)
}

// Reset cleans and then removes all state below cfg.Dir.
func Reset(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	if err := cfg.validate(); err != nil {
		return err
	}
	l := layout(cfg.Dir)
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := clean(ctx, cfg, l); err != nil {
		return err
	}
	return l.wipe()
}

// Leftovers lists what exists on the machine of a stack in cfg.Dir, one line
// each: its processes, containers, mounts, network namespaces and interfaces,
// firewall rules, CNI state and cgroups. Of a running stack that is everything it
// is made of; after Stop or Clean there is nothing.
func Leftovers(ctx context.Context, cfg Config) ([]string, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	l := layout(cfg.Dir)
	var out []string
	for _, r := range records(cfg, l) {
		inv, err := take(ctx, cfg, l, r)
		if err != nil {
			return nil, err
		}
		out = append(out, inv.list()...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// records gives the networks to look at: the configured one and the one that the
// last start had. A marker file that cannot be read counts as none.
func records(cfg Config, l layout) []record {
	out := []record{{BridgeName: cfg.BridgeName, BridgeSubnet: cfg.BridgeSubnet}}
	if last, ok, err := l.recall(); err == nil && ok && last != out[0] {
		out = append(out, last)
	}
	return out
}

// clean is Clean for who holds the lock.
func clean(ctx context.Context, cfg Config, l layout) ([]string, error) {
	var found []string
	for _, r := range records(cfg, l) {
		swept, err := sweep(ctx, cfg, l, r)
		found = append(found, swept...)
		if err != nil {
			return found, err
		}
	}
	temporary, err := named(l.tmp(), func(string) bool { return true })
	if err != nil {
		return found, err
	}
	for _, path := range temporary {
		if err := os.RemoveAll(path); err != nil {
			return found, fmt.Errorf("remove temporary files: %w", err)
		}
	}
	return found, nil
}

// sweep removes everything outside the directory, and says what it found.
func sweep(ctx context.Context, cfg Config, l layout, r record) ([]string, error) {
	var found []string
	var last error
	for range sweepRounds {
		inv, err := take(ctx, cfg, l, r)
		if err != nil {
			return found, err
		}
		if inv.empty() {
			return found, leaveNetnsDir()
		}
		if found == nil {
			found = inv.list()
		}
		last = inv.remove(ctx, cfg)
	}
	inv, err := take(ctx, cfg, l, r)
	if err != nil {
		return found, err
	}
	if left := inv.list(); len(left) > 0 {
		return found, lab.Wrap(lab.CodeUnavailable, last, "could not remove %d things that the stack has left:\n  %s",
			len(left), strings.Join(left, "\n  "))
	}
	return found, leaveNetnsDir()
}

// remove takes everything down, in the order in which it holds on to each other.
// It goes on after a failure and gives all of them.
func (inv inventory) remove(ctx context.Context, cfg Config) error {
	errs := []error{
		endAll(ctx, inv.servers, cfg.StopTimeout),
		endAll(ctx, inv.helpers, helperGrace),
		endAll(ctx, inv.tasks, 0),
	}
	for _, c := range inv.containers {
		errs = append(errs, dockerEngine(cfg.DockerSocket).remove(ctx, c.ID))
	}
	for _, path := range inv.netns {
		errs = append(errs, unmount(path), removeIfThere(path))
	}
	for _, path := range inv.mounts {
		errs = append(errs, unmount(path))
	}
	for _, name := range inv.links {
		errs = append(errs, removeLink(name))
	}
	for _, table := range inv.tables {
		errs = append(errs, removeTable(ctx, table))
	}
	for _, r := range inv.rules {
		errs = append(errs, r.apply(ctx))
	}
	for _, path := range inv.cni {
		errs = append(errs, removeIfThere(path))
	}
	for _, path := range inv.cgroups {
		errs = append(errs, removeIfThere(path))
	}
	return errors.Join(errs...)
}

// endAll asks processes to end and kills those that have not after grace.
func endAll(ctx context.Context, procs []proc, grace time.Duration) error {
	var errs []error
	if grace > 0 {
		for _, p := range procs {
			errs = append(errs, p.signal(unix.SIGTERM))
		}
		awaitEnd(ctx, procs, grace)
	}
	for _, p := range procs {
		errs = append(errs, p.signal(unix.SIGKILL))
	}
	awaitEnd(ctx, procs, killGrace)
	return errors.Join(errs...)
}

// awaitEnd waits until all processes have ended, or the time is over.
func awaitEnd(ctx context.Context, procs []proc, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, p := range procs {
		fd, err := unix.PidfdOpen(p.PID, 0)
		if err != nil {
			continue // it has ended
		}
		for p.alive() && ctx.Err() == nil {
			// A descriptor of a process becomes readable when that ends. The wait
			// is short, because ctx cannot interrupt it.
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100) //nolint:gosec // descriptors are small
		}
		_ = unix.Close(fd)
	}
}

func unmount(path string) error {
	err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	return nil
}

func removeLink(name string) error {
	link, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil {
		return fmt.Errorf("remove network interface %s: %w", name, err)
	}
	return nil
}

// leaveNetnsDir undoes the mount that Nomad puts over the folder of network
// namespaces, once nobody has one there, and removes the CNI plugins' folder when
// it holds no address any more.
func leaveNetnsDir() error {
	entries, err := os.ReadDir(netnsDir)
	if err == nil && len(entries) == 0 {
		if err := unmount(netnsDir); err != nil {
			return err
		}
	}
	names, err := named(ipamDir, func(string) bool { return true })
	if err != nil {
		return err
	}
	idle := []string{filepath.Join(ipamDir, "lock"), filepath.Join(ipamDir, "last_reserved_ip.0")}
	if slices.ContainsFunc(names, func(path string) bool { return !slices.Contains(idle, path) }) {
		return nil
	}
	for _, path := range append(names, ipamDir) {
		err := removeIfThere(path)
		if errors.Is(err, syscall.ENOTEMPTY) {
			return nil // a neighbour has just taken an address
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wipe removes all state. Nothing may be mounted below the directory: what is
// mounted there is not the stack's to remove.
func (l layout) wipe() error {
	if !exists(l.marker()) {
		others, err := l.others()
		if others {
			err = notOurs(l)
		}
		return err
	}
	mounted, err := mounts(func(point string) bool { return strings.HasPrefix(point, string(l)+"/") })
	if err != nil {
		return err
	}
	if len(mounted) > 0 {
		return lab.Errorf(lab.CodeConflict, "the state is not wiped: %s is still mounted", mounted[0])
	}
	entries, err := os.ReadDir(string(l))
	if err != nil {
		return fmt.Errorf("read the state directory: %w", err)
	}
	for _, e := range entries {
		// The marker goes last, so that a wipe that is cut off can be done again.
		if path := filepath.Join(string(l), e.Name()); path != l.marker() {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("wipe the state: %w", err)
			}
		}
	}
	return removeIfThere(l.marker())
}
