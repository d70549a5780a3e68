package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	pathEvents  = "/v1/events"
	mediaEvents = "text/event-stream"
	// heartbeat is how often a stream gives a sign of life, and its token is looked at again.
	heartbeat = 15 * time.Second
	// eventWriteTimeout is how long a reader may take to accept what is sent.
	eventWriteTimeout = 10 * time.Second
	// eventRetry is how long a reader should wait before it comes back.
	eventRetry = 2 * time.Second
)

// EventSource begins a stream of the events that match, after the event with an
// id or with lab.EventsFromNow.
type EventSource func(ctx context.Context, after int64, matches func(lab.Event) bool) (EventStream, error)

// EventStream gives events one after the other.
type EventStream interface {
	// Next waits for events. lab.ErrFollowerSlow, lab.ErrEventsGone and lab.ErrEventsEnd end a stream.
	Next(ctx context.Context) ([]lab.Event, error)
	// Position is the id up to which everything was given or did not match.
	Position() int64
	// Lost says that what was asked for is not kept: the stream begins with what comes now.
	Lost() bool
}

func streamed(h http.Header) bool { return h.Get("Content-Type") == mediaEvents }

// visitEvents writes a stream for as long as it goes on.
type visitEvents func(w http.ResponseWriter) error

// VisitStreamEventsResponse implements StreamEventsResponseObject.
func (v visitEvents) VisitStreamEventsResponse(w http.ResponseWriter) error { return v(w) }

// StreamEvents lets the caller follow changes.
func (s *server) StreamEvents(ctx context.Context, r StreamEventsRequestObject) (StreamEventsResponseObject, error) {
	filter, err := s.eventFilter(ctx, r.Params)
	if err != nil {
		return nil, err
	}
	f := &follower{mark: eventMark(s.config.InstallationID), heartbeat: s.config.Heartbeat, resumes: r.Params.LastEventID != nil}
	f.sight, _ = ctx.Value(sightKey{}).(sight) // authenticate put it there; without it, nothing is seen
	after := f.after(given(r.Params.LastEventID))
	f.stream, err = s.config.Events(ctx, after, func(e lab.Event) bool { return f.sight.scope.Sees(e) && filter.Matches(e) })
	if err != nil {
		return nil, err
	}
	f.lost = f.stream.Lost() || (f.resumes && after == lab.EventsFromNow)
	return visitEvents(func(w http.ResponseWriter) error {
		s.metrics.streams.Inc()
		defer s.metrics.streams.Dec()
		why, err := f.follow(ctx, &eventWriter{w: w, control: http.NewResponseController(w)})
		s.metrics.ended.WithLabelValues(why).Inc()
		return err
	}), nil
}

// eventFilter turns the names in a query into ids.
func (s *server) eventFilter(ctx context.Context, p StreamEventsParams) (lab.EventFilter, error) {
	var filter lab.EventFilter
	if p.Class != nil {
		class, err := s.config.Registrar.Class(ctx, classRef(*p.Class))
		if err != nil {
			return filter, err
		}
		filter.ClassID = class.ID
	}
	if p.Cohort != nil {
		cohort, err := s.config.Registrar.Cohort(ctx, *p.Cohort)
		if err != nil {
			return filter, err
		}
		filter.CohortID = cohort.ID
	}
	if p.Workspace != nil {
		workspace, err := s.config.Registrar.Workspace(ctx, *p.Workspace)
		if err != nil {
			return filter, err
		}
		filter.WorkspaceID = workspace.ID
	}
	for _, t := range given(p.Type) {
		filter.Types = append(filter.Types, lab.EventType(t))
	}
	return filter, nil
}

// eventMark tells the events of one installation from those of another.
func eventMark(installation string) string {
	sum := sha256.Sum256([]byte(installation))
	return hex.EncodeToString(sum[:4])
}

// follower is one who follows.
type follower struct {
	stream    EventStream
	sight     sight
	mark      string
	heartbeat time.Duration
	// resumes says that a Last-Event-ID was sent, lost that it leads nowhere.
	resumes, lost bool
}

// after is the number of an id of this installation. The contract's check has passed it.
func (f *follower) after(id string) int64 {
	number, mark, _ := strings.Cut(id, "-")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || mark != f.mark {
		return lab.EventsFromNow
	}
	return n
}

func (f *follower) id(n int64) string { return strconv.FormatInt(n, 10) + "-" + f.mark }

// follow writes what comes until either side ends it, and says in a word why it
// ended; its error is a fault, and not that the reader left.
func (f *follower) follow(ctx context.Context, w *eventWriter) (why string, err error) {
	if err := w.begin(); err != nil {
		return "failed", err
	}
	fmt.Fprintf(w, "retry: %d\n\n", eventRetry.Milliseconds())
	switch position := f.id(f.stream.Position()); {
	case f.lost:
		w.message(position, "reset", fmt.Appendf(nil, `{"id":%q}`, position))
	case !f.resumes:
		w.message(position, "hello", fmt.Appendf(nil, `{"id":%q}`, position))
	}
	beat := time.Now().Add(f.heartbeat)
	for {
		if err := w.flush(); err != nil {
			return whyUnwritten(err), nil
		}
		wait, cancel := context.WithDeadline(ctx, beat)
		events, err := f.stream.Next(wait)
		cancel()
		switch {
		case ctx.Err() != nil:
			return "left", nil
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return w.end(err)
		}
		for _, e := range events {
			id := f.id(e.ID)
			w.message(id, string(e.Type), eventData(id, e))
		}
		if time.Now().Before(beat) {
			continue
		}
		if err := f.look(); err != nil {
			return w.end(err)
		}
		fmt.Fprintf(w, ": alive\nid: %s\n\n", f.id(f.stream.Position()))
		beat = time.Now().Add(f.heartbeat)
	}
}

// look asks again what the caller may see. Only a no ends the stream.
func (f *follower) look() error {
	caller, err := f.sight.again()
	switch {
	case lab.CodeOf(err) == lab.CodeUnauthenticated:
		return err
	case err == nil:
		f.sight.scope = caller.Scope
	}
	return nil
}

// eventData writes an event as the contract has it: its data under the name of its kind.
func eventData(id string, e lab.Event) []byte {
	kind, _, _ := strings.Cut(string(e.Type), ".")
	return fmt.Appendf(nil, `{"id":%q,"type":%q,"at":%q,%q:%s}`, id, e.Type, e.At.UTC().Format(time.RFC3339Nano), kind, e.Data)
}

// eventWriter gathers messages and sends them, each time within a bound.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  []byte
}

// Write implements io.Writer; nothing is sent until flush.
func (w *eventWriter) Write(p []byte) (int, error) {
	w.buffer = append(w.buffer, p...)
	return len(p), nil
}

func (w *eventWriter) message(id, event string, data []byte) {
	fmt.Fprintf(w, "id: %s\nevent: %s\ndata: %s\n\n", id, event, data)
}

// begin sends the header, and frees the stream of the server's time limits.
func (w *eventWriter) begin() error {
	header := w.w.Header()
	header.Set("Content-Type", mediaEvents)
	header.Set("X-Accel-Buffering", "no")
	// The limit of reading would end the request's context while it is long read.
	if err := w.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("lift the limit of reading: %w", err)
	}
	w.w.WriteHeader(http.StatusOK)
	return nil
}

// flush sends what was gathered.
func (w *eventWriter) flush() error {
	if len(w.buffer) == 0 {
		return nil
	}
	if err := w.control.SetWriteDeadline(time.Now().Add(eventWriteTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("bound a write: %w", err)
	}
	_, err := w.w.Write(w.buffer)
	w.buffer = w.buffer[:0]
	if err == nil {
		err = w.control.Flush()
	}
	if err != nil {
		return fmt.Errorf("send events: %w", err)
	}
	return nil
}

// end tells the reader in a comment why the stream ends, and gives it as a word,
// with the error where that is a fault.
func (w *eventWriter) end(err error) (why string, fault error) {
	var text string
	switch {
	case errors.Is(err, lab.ErrFollowerSlow), errors.Is(err, lab.ErrEventsGone):
		why, text = "slow", err.Error()
	case errors.Is(err, lab.ErrEventsEnd):
		why, text = "shutdown", err.Error()
	case lab.CodeOf(err) == lab.CodeUnauthenticated:
		why, text = "token", "the token is not good any more"
	default:
		why, text, fault = "failed", "it cannot go on", err
	}
	fmt.Fprintf(w, ": ends: %s\n\n", text)
	_ = w.flush() // who is not there any more need not be told
	return why, fault
}

// whyUnwritten says why a stream ended whose reader did not take what was sent.
func whyUnwritten(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "slow"
	}
	return "left"
}
