//go:build !unix

package command

import "os"

// resized signals nothing: these systems have no signal for it.
func resized() (signals <-chan os.Signal, stop func()) { return nil, func() {} }
