package toolchain

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// heartbeat is the longest silence while something is being made.
const heartbeat = 10 * time.Second

// reporter hands events on, one at a time.
type reporter struct {
	mu  sync.Mutex
	to  Reporter
	now func() time.Time
}

func (r *reporter) event(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to != nil {
		r.to(e)
	}
}

func (r *reporter) note(tool Tool, format string, args ...any) {
	r.event(Event{Kind: Note, Tool: tool, Text: fmt.Sprintf(format, args...)})
}

// progress holds what a step is doing right now, for the heartbeat.
type progress struct {
	mu   sync.Mutex
	text string
}

func (p *progress) set(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = fmt.Sprintf(format, args...)
}

func (p *progress) get() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text
}

// step reports the start, a heartbeat and the end of work. The end is not
// reported when work fails: its error says so.
func (r *reporter) step(e Event, work func(*progress) error) error {
	began := r.now()
	e.Kind = Started
	r.event(e)

	p := &progress{}
	stop := make(chan struct{})
	var beat sync.WaitGroup
	beat.Go(func() {
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				update := e
				update.Kind, update.Text, update.Elapsed = Progress, p.get(), r.now().Sub(began)
				r.event(update)
			}
		}
	})
	err := work(p)
	close(stop)
	beat.Wait()
	if err != nil {
		return err
	}
	e.Kind, e.Elapsed = Done, r.now().Sub(began)
	r.event(e)
	return nil
}

// TextReporter writes events as lines for a person.
func TextReporter(w io.Writer) Reporter {
	return func(e Event) { fmt.Fprintln(w, eventLine(e)) }
}

func eventLine(e Event) string {
	name := string(e.Tool)
	if name == "" && e.Steps > 0 {
		name = "packages"
	}
	took := e.Elapsed.Round(time.Second)
	switch e.Kind {
	case Started:
		return fmt.Sprintf("[%d/%d] %s: %s", e.Step, e.Steps, name, e.Text)
	case Progress:
		if e.Text == "" {
			return fmt.Sprintf("[%d/%d] %s: %s", e.Step, e.Steps, name, took)
		}
		return fmt.Sprintf("[%d/%d] %s: %s, %s", e.Step, e.Steps, name, took, e.Text)
	case Done:
		return fmt.Sprintf("[%d/%d] %s: done in %s", e.Step, e.Steps, name, took)
	case Found, Note:
	}
	if name == "" {
		return e.Text
	}
	return fmt.Sprintf("%s: %s", name, e.Text)
}
