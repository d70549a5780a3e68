//go:build unix

package doctor

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// freeSpace gives the bytes that this user can still write below dir.
func freeSpace(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("look at the space of %s: %w", dir, err)
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil //nolint:gosec,unconvert // G115: never negative; the types differ between systems
}
