//go:build !linux

package stack

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
)

// Stack is a running stack. There is none outside of Linux.
type Stack struct{}

// Start says that a stack needs Linux.
func Start(context.Context, Config) (*Stack, error) { return nil, needsLinux() }

// Clean says that a stack needs Linux.
func Clean(context.Context, Config) ([]string, error) { return nil, needsLinux() }

// Reset says that a stack needs Linux.
func Reset(context.Context, Config) error { return needsLinux() }

// Leftovers says that a stack needs Linux.
func Leftovers(context.Context, Config) ([]string, error) { return nil, needsLinux() }

// Stop does nothing.
func (*Stack) Stop(context.Context) error { return nil }

// Exited gives a channel that nothing is ever sent on.
func (*Stack) Exited() <-chan PartExit { return nil }

// Env gives nothing.
func (*Stack) Env() Env { return Env{} }

func needsLinux() error {
	return lab.Errorf(lab.CodeInvalid, "the development stack needs Linux: namespaces, cgroups and a bridge are its parts")
}
