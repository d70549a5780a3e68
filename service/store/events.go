package store

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bothylabs/bothy/service/lab"
)

// cleanBatch bounds how many events one transaction removes.
const cleanBatch = 1000

// Events gives the events after an id in the order of their ids, limit at most.
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]lab.Event, error) {
	var rows []eventRow
	err := s.reader().list(ctx, &rows, `SELECT id, at, type, subject_id, class_id, cohort_id, course_id, student_id, data
		FROM events WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
	if err != nil {
		return nil, s.failed(ctx, "read events", err)
	}
	return convert(rows, eventRow.event), nil
}

// EventRange gives the id of the oldest event that is kept and that of the
// newest there was; the first is last+1 while none is kept.
func (s *Store) EventRange(ctx context.Context) (first, last int64, err error) {
	var row struct {
		First int64 `db:"first"`
		Last  int64 `db:"last"`
	}
	err = s.reader().get(ctx, &row,
		`SELECT COALESCE((SELECT MIN(id) FROM events), c.last + 1) AS first, c.last AS last FROM event_counter c`)
	if err != nil {
		return 0, 0, s.failed(ctx, "read which events are kept", err)
	}
	return row.First, row.Last, nil
}

// CleanEvents removes the events that are older than a moment, and of the rest
// all but the newest, of which it keeps as many as given. It gives how many went.
func (s *Store) CleanEvents(ctx context.Context, before time.Time, keep int64) (int64, error) {
	first, last, err := s.EventRange(ctx)
	if err != nil {
		return 0, err
	}
	var young int64 // the oldest that is young enough
	err = s.reader().get(ctx, &young, `SELECT COALESCE(MIN(id), ?) FROM events WHERE at >= ?`, last+1, stamp(before))
	if err != nil {
		return 0, s.failed(ctx, "find old events", err)
	}
	until := max(last-keep, young-1)
	var removed int64
	for first <= until {
		first = min(first+cleanBatch, until+1)
		err := s.update(ctx, "remove old events", func(tx session) error {
			n, err := tx.exec(ctx, `DELETE FROM events WHERE id < ?`, first)
			if err == nil {
				removed += n
			}
			return err
		})
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// Listen calls wake, from any goroutine, whenever there may be new events, until
// ctx ends, which is no error. It is quick and not to be relied on alone: what other
// instances tell may be lost, and when the database can no longer tell, Listen ends
// with an error. One may listen at a time.
func (s *Store) Listen(ctx context.Context, wake func()) error {
	g, both := errgroup.WithContext(ctx)
	g.Go(func() error {
		for {
			select {
			case <-both.Done():
				return nil
			case <-s.news:
				wake()
			}
		}
	})
	if s.dialect.listen != nil {
		g.Go(func() error { return s.dialect.listen(both, s.dsn, wake) })
	}
	if err := g.Wait(); err != nil {
		return s.failed(ctx, "listen for events", err)
	}
	return nil
}
