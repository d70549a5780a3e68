package e2e

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
)

// A transcript collects what a program prints and tells those who wait for it.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed and replaced at each write
}

func newTranscript() *transcript {
	return &transcript{changed: make(chan struct{})}
}

// Write implements io.Writer.
func (p *transcript) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
	return p.text.Write(b)
}

func (p *transcript) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// await waits until the text holds what is wanted. The program's end, when it
// comes first, is an error.
func (p *transcript) await(ctx context.Context, ended <-chan struct{}, wanted string) error {
	for {
		p.mu.Lock()
		found, changed := strings.Contains(p.text.String(), wanted), p.changed
		p.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-changed:
		case <-ended:
			if strings.Contains(p.String(), wanted) {
				return nil
			}
			return fmt.Errorf("it ended before it printed %q", wanted)
		case <-ctx.Done():
			return fmt.Errorf("it did not print %q: %w", wanted, ctx.Err())
		}
	}
}

// lastLines gives the end of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
