package command

import (
	"fmt"
	"io"
	"strings"
)

// screen redraws a few lines in place at a terminal.
type screen struct {
	out   io.Writer
	drawn int
}

// draw replaces what was drawn before. No line may be wider than the terminal.
func (s *screen) draw(lines []string) {
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn) // up to the first line drawn
	}
	for _, line := range lines {
		b.WriteString("\x1b[2K" + line + "\n")
	}
	b.WriteString("\x1b[J") // whatever was longer before
	s.drawn = len(lines)
	fmt.Fprint(s.out, b.String())
}

// keep leaves what is drawn where it is; the next draw begins below.
func (s *screen) keep() { s.drawn = 0 }

// bar draws how many of all are done.
func bar(done, all, columns int) string {
	if all <= 0 || columns <= 0 {
		return ""
	}
	full := done * columns / all
	return strings.Repeat("█", full) + strings.Repeat("░", columns-full)
}
