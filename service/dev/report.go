package dev

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/dev/stack"
	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// toolLine words an event of the toolchain.
func toolLine(e toolchain.Event) string {
	var b bytes.Buffer
	toolchain.TextReporter(&b)(e)
	return strings.TrimSuffix(b.String(), "\n")
}

// stackLine words an event of the stack.
func stackLine(e stack.Event) string {
	return fmt.Sprintf("%s: %s (%s)", e.Part, strings.ReplaceAll(e.Step, "\n", "; "), e.Took.Round(100*time.Millisecond))
}
