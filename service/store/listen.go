package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/lib/pq"
)

// eventChannel is the channel on which instances tell each other of new events.
const eventChannel = "bothy_events"

// listenPostgres holds a connection of its own, outside of the pool. One that dies
// without a word is found out by TCP keepalive, after minutes.
func listenPostgres(ctx context.Context, dsn func() (string, error), wake func()) error {
	told := make(chan *pq.Notification, 1)
	conn, err := openListener(dsn, told)
	if err != nil {
		return err
	}
	// Its goroutine closes the channel when it ends, and may have something to say first.
	defer func() {
		_ = conn.Close() // nothing is lost with it
		for range told {
		}
	}()
	if _, err := conn.ExecSimpleQuery(`LISTEN ` + eventChannel); err != nil {
		return fmt.Errorf("LISTEN: %w", err)
	}
	wake() // what was told before is not told again
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-told:
			if !open {
				return fmt.Errorf("wait for notifications: %w", errors.Join(conn.Err(), errListenerLost))
			}
			wake()
		}
	}
}

var errListenerLost = errors.New("the connection ended")

// openListener connects as the pool does, and with a bound on the time it takes:
// pq gives its listeners no context.
func openListener(dsn func() (string, error), told chan<- *pq.Notification) (*pq.ListenerConn, error) {
	where, err := dsn()
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err)
	}
	cfg, err := parseDSN(where)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(where)
	if err != nil {
		return nil, invalidDSN("is not a URL")
	}
	query := u.Query()
	query.Set("connect_timeout", strconv.Itoa(int(cfg.ConnectTimeout.Seconds())))
	query.Set("application_name", cfg.ApplicationName+" events")
	u.RawQuery = query.Encode()
	conn, err := pq.NewListenerConn(u.String(), told)
	if err != nil {
		return nil, &connectError{cfg: cfg, err: err}
	}
	return conn, nil
}
