package dev

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bothylabs/bothy/service/lab"
)

// lockDir holds locks outside of the state directories, which a reset empties.
const lockDir = "/run/bothy"

// lock keeps a second run off the same state, before anything else is looked at:
// a stack that runs already is a better reason than the ports that it holds. The
// kernel gives it back when the program ends, however it ends.
func lock(dir string) (unlock func(), err error) {
	err = os.MkdirAll(lockDir, 0o700)
	if errors.Is(err, os.ErrPermission) {
		return nil, lab.Errorf(lab.CodeInvalid, "Nomad's exec driver, network namespaces and mounts need root").WithHint("run it with sudo")
	}
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	sum := sha256.Sum256([]byte(dir))
	f, err := os.OpenFile(filepath.Join(lockDir, "dev-"+hex.EncodeToString(sum[:6])+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = inUse(dir, f)
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

func inUse(dir string, f *os.File) error {
	text := make([]byte, 16)
	n, _ := f.ReadAt(text, 0) // a short read is the normal case
	return lab.Errorf(lab.CodeConflict, "`bothy dev` is running in %s already (pid %s)", dir, strings.TrimSpace(string(text[:n]))).
		WithHint("end it first, or choose another folder with -dir, and other ports with -offset")
}
