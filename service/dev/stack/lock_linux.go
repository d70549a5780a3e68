package stack

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bothylabs/bothy/service/lab"
)

// lock makes sure that one program at a time works on a stack. It locks the
// directory itself, which is made when it is missing; the kernel gives the lock
// back when the program ends, however it ends.
func (l layout) lock() (unlock func(), err error) {
	created := !exists(string(l))
	if err := os.MkdirAll(string(l), 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	dir, err := os.Open(string(l))
	if err != nil {
		return nil, fmt.Errorf("open the state directory: %w", err)
	}
	err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return func() {
			if created {
				_ = os.Remove(string(l)) // only if nothing was put there
			}
			_ = dir.Close()
		}, nil
	}
	defer func() { _ = dir.Close() }()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, lab.Errorf(lab.CodeConflict, "a development stack is running in %s%s", string(l), lockHolder(dir)).
			WithHint("end it first, or choose another directory and other ports")
	}
	return nil, fmt.Errorf("lock the state directory: %w", err)
}

// lockHolder words who holds the lock on an open file, as far as it can be seen.
func lockHolder(f *os.File) string {
	const fieldPID, fieldInode = 4, 5
	var stat unix.Stat_t
	if unix.Fstat(int(f.Fd()), &stat) != nil {
		return ""
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(locks)) {
		fields := strings.Fields(line)
		if len(fields) > fieldInode && strings.HasSuffix(fields[fieldInode], fmt.Sprintf(":%d", stat.Ino)) {
			return fmt.Sprintf(" (pid %s)", fields[fieldPID])
		}
	}
	return ""
}
