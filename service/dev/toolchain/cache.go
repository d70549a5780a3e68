package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often a lock that another process holds is tried again: flock
// has no wait that a context can end.
const lockPoll = 500 * time.Millisecond

// waitingText is what a step says while another process makes the same entry.
const waitingText = "another process is making it; waiting for that"

// keyHash is a short hash of everything that decides what a cache entry holds.
// Each part's length goes in, so that parts cannot run into each other.
func keyHash(parts ...[]byte) string {
	h := sha256.New()
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "%d:", len(part)) // a hash cannot fail
		_, _ = h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// makeEntry makes the cache entry dir, a folder that holds program, by calling
// build with an empty folder beside it that then takes its name. Where two
// processes want it, one makes it and the other waits: waiting is called once in
// that case.
func makeEntry(ctx context.Context, dir, program string, waiting func(), build func(partial string) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // programs, nothing private; tasks run as other users
		return fmt.Errorf("make the cache: %w", err)
	}
	unlock, err := lock(ctx, dir+".lock", waiting)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()

	if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
		return nil // made while this process waited
	}
	partial := dir + ".partial"
	// What a process that was killed left, or an entry that someone broke: whoever
	// holds the lock owns them.
	if err := errors.Join(os.RemoveAll(partial), os.RemoveAll(dir)); err != nil {
		return fmt.Errorf("clear what an earlier run left: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(partial))
		}
	}()
	if err := os.Mkdir(partial, 0o755); err != nil { //nolint:gosec // as above
		return fmt.Errorf("make the cache entry: %w", err)
	}
	if err := build(partial); err != nil {
		return err
	}
	if err := os.Rename(partial, dir); err != nil {
		return fmt.Errorf("publish the cache entry: %w", err)
	}
	return nil
}

// lock takes an exclusive lock that the kernel releases if this process dies.
func lock(ctx context.Context, path string, waiting func()) (unlock func() error, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644) //nolint:gosec // empty
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	told := false
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return file.Close, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		if !told {
			told = true
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for %s: %w", path, context.Cause(ctx)), file.Close())
		case <-time.After(lockPoll):
		}
	}
}

// copyFile copies a program.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // a program that tasks run as other users
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return nil
}
