package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// eventsSilence is how long a stream may say nothing, not even that it is alive, before it is given up.
	eventsSilence = 45 * time.Second
	// A stream that is lost is opened again after these.
	firstReconnect = 250 * time.Millisecond
	lastReconnect  = 15 * time.Second
	// maxEventLine is the longest line of a stream that is read, in bytes.
	maxEventLine = 1 << 20
)

// Types of messages that tell of no change but of the stream itself. They have nothing but an id.
const (
	// EventHello is the first message: read the lists now, and apply what comes.
	EventHello EventType = "hello"
	// EventReset says that changes were missed: read the lists again, and apply what comes.
	EventReset EventType = "reset"
)

// EventFilter says which events to follow; of each field, the zero value asks for any.
type EventFilter struct {
	Class, Cohort, Workspace string
	Types                    []EventType
}

// Events follows changes until ctx ends or the loop is left: after the event with
// an id, or with "" from now on, beginning with EventHello. A stream that is lost
// is opened again where it was, without a gap.
//
// While the server cannot be reached, each try gives its error, and the loop may
// go on; with any other error (a wrong filter or token) the iteration ends.
func (c *Client) Events(ctx context.Context, filter EventFilter, after string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		params := filter.params()
		delays := backoff.NewExponentialBackOff()
		delays.InitialInterval, delays.MaxInterval = firstReconnect, lastReconnect
		for {
			if after != "" {
				params.LastEventID = &after
			}
			opened, err := c.follow(ctx, params, &after, yield)
			switch {
			case errors.Is(err, errLeft), ctx.Err() != nil:
				return
			case err != nil && !yield(Event{}, err), err != nil && !passing(err):
				return
			}
			if opened {
				delays.Reset()
			}
			timer := time.NewTimer(delays.NextBackOff())
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
		}
	}
}

// errLeft says that the loop over the events was left.
var errLeft = errors.New("the loop was left")

func passing(err error) bool {
	code := lab.CodeOf(err)
	return code == lab.CodeUnavailable || code == lab.CodeInternal
}

func (f EventFilter) params() *StreamEventsParams {
	p := &StreamEventsParams{}
	if f.Class != "" {
		class := pathClass(f.Class)
		p.Class = &class
	}
	if f.Cohort != "" {
		p.Cohort = &f.Cohort
	}
	if f.Workspace != "" {
		p.Workspace = &f.Workspace
	}
	if len(f.Types) > 0 {
		p.Type = &f.Types
	}
	return p
}

// follow reads one stream to its end, and keeps in after how far it came. That a
// stream ends which was open is no error.
func (c *Client) follow(ctx context.Context, params *StreamEventsParams, after *string, yield func(Event, error) bool) (opened bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(eventsSilence, cancel)
	defer silence.Stop()
	raw, _ := c.raw.ClientInterface.(*Raw) // New made it
	answer, err := rawOf(raw.Server, c.doer.streaming()).StreamEvents(ctx, params)
	if err != nil {
		if ctx.Err() != nil { // silent from the start
			return false, lab.Wrap(lab.CodeUnavailable, err, "Bothy does not answer").WithHint("try again")
		}
		return false, fmt.Errorf("open the stream of events: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read only
	return true, readEvents(lively{answer.Body, silence}, after, yield)
}

// lively notes that the stream is alive.
type lively struct {
	io.Reader
	silence *time.Timer
}

// Read implements io.Reader.
func (l lively) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if n > 0 {
		l.silence.Reset(eventsSilence)
	}
	return n, err //nolint:wrapcheck // readEvents looks at nothing but whether there is one
}

// readEvents gives each message of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html).
// One that is cut off is not given, and its id does not count.
func readEvents(r io.Reader, after *string, yield func(Event, error) bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEventLine)
	var id, name, data string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if data != "" {
				event, err := readEvent(name, data)
				if err != nil {
					return err
				}
				if id != "" {
					*after = id
				}
				if !yield(event, nil) {
					return errLeft
				}
			} else if id != "" {
				*after = id
			}
			id, name, data = "", "", ""
		case field == "id":
			id = value
		case field == "event":
			name = value
		case field == "data":
			data += value
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return unreadable(lines.Err())
	}
	return nil // it ended, in whatever way
}

func readEvent(name, data string) (Event, error) {
	var event Event
	if err := json.Unmarshal([]byte(data), &event); err != nil {
		return Event{}, unreadable(err)
	}
	event.Type = EventType(name)
	return event, nil
}

func unreadable(err error) error {
	return &lab.Error{
		Code: lab.CodeRefused, Message: "a message of the stream of events could not be read",
		Hint: "is this program as new as the server?", Cause: err,
	}
}
