package events

import (
	"context"
	"fmt"

	"github.com/bothylabs/bothy/service/lab"
)

// maxBatch is how many events a subscriber gets at a time.
const maxBatch = 256

// Subscription reads events one after the other from some id on. It is one
// goroutine's, holds nothing but its position, and needs no closing.
type Subscription struct {
	feed    *Feed
	matches func(lab.Event) bool
	// position is the id up to which everything was read or passed over.
	position int64
	// along says that it has caught up with what the feed keeps in memory.
	along bool
	lost  bool
}

// Subscribe begins after the event with the id given, or with lab.EventsFromNow. matches says which events are wanted; it is called by Next alone.
// CodeUnavailable when the database does not answer or the server is ending.
func (f *Feed) Subscribe(ctx context.Context, after int64, matches func(lab.Event) bool) (*Subscription, error) {
	select {
	case <-f.started:
	case <-ctx.Done():
		return nil, lab.Wrap(lab.CodeUnavailable, ctx.Err(), "the events cannot be read yet").WithHint("try again")
	}
	f.mu.Lock()
	position, ended := f.last, f.ended
	f.mu.Unlock()
	if ended {
		return nil, lab.Errorf(lab.CodeUnavailable, "the server is ending").WithHint("try again")
	}
	s := &Subscription{feed: f, matches: matches, position: position}
	if after == lab.EventsFromNow {
		return s, nil
	}
	// The database knows more than this instance may have read.
	first, last, err := f.cfg.Log.EventRange(ctx)
	if err != nil {
		return nil, fmt.Errorf("find where to go on: %w", err)
	}
	if after < first-1 || after > last {
		s.lost = true
		return s, nil
	}
	s.position = after
	return s, nil
}

// Position is the id up to which everything was read or passed over.
func (s *Subscription) Position() int64 { return s.position }

// Lost says that what was asked for is not kept, or never was: the subscription
// begins with what comes now.
func (s *Subscription) Lost() bool { return s.lost }

// Next waits for events that are wanted and gives them, some hundred at most. Its
// error is that of ctx, lab.ErrFollowerSlow, lab.ErrEventsGone or
// lab.ErrEventsEnd, or the database's.
func (s *Subscription) Next(ctx context.Context) ([]lab.Event, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err //nolint:wrapcheck // the caller's own
		}
		events, moved, err := s.read(ctx)
		if err != nil {
			return nil, err
		}
		if wanted := s.pass(events); len(wanted) > 0 {
			return wanted, nil
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-moved:
		case <-ctx.Done():
		}
	}
}

// pass moves on, and gives those of the events that are wanted.
func (s *Subscription) pass(events []lab.Event) []lab.Event {
	var wanted []lab.Event
	for _, e := range events {
		if s.matches(e) {
			wanted = append(wanted, e)
		}
		s.position = e.ID
	}
	return wanted
}

// read gives what comes next, from memory or, until the subscriber has caught up,
// from the database; moved is closed when there is more.
func (s *Subscription) read(ctx context.Context) (events []lab.Event, moved <-chan struct{}, err error) {
	f := s.feed
	f.mu.Lock()
	switch {
	case f.ended:
		f.mu.Unlock()
		return nil, nil, lab.ErrEventsEnd
	case s.position+1 >= f.first:
		defer f.mu.Unlock()
		s.along = true
		for id := s.position + 1; id <= f.last && len(events) < maxBatch; id++ {
			events = append(events, f.recent[id%int64(len(f.recent))])
		}
		return events, f.moved, nil
	case s.along:
		f.mu.Unlock()
		return nil, nil, lab.ErrFollowerSlow
	}
	moved = f.moved
	f.mu.Unlock()
	events, err = f.cfg.Log.Events(ctx, s.position, maxBatch)
	switch {
	case ctx.Err() != nil:
		return nil, nil, ctx.Err() //nolint:wrapcheck // the caller's own
	case err != nil:
		return nil, nil, fmt.Errorf("read events: %w", err)
	case len(events) == 0 || events[0].ID != s.position+1:
		return nil, nil, lab.ErrEventsGone
	}
	return events, moved, nil
}
