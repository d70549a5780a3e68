//go:build unix

package command

import (
	"os"
	"os/signal"
	"syscall"
)

// resized signals each new size of the terminal, until stop.
func resized() (signals <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGWINCH)
	return c, func() { signal.Stop(c) }
}
