package client

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const headerIdempotencyKey = "Idempotency-Key"

// A request whose connection was lost is sent again after 200 ms at first, four
// times in all.
const (
	firstRetry = 200 * time.Millisecond
	maxTries   = 4
)

// Option changes how a client works.
type Option func(*doer)

// WithRandom takes the randomness of keys from r, which must give as much as is asked for.
func WithRandom(r io.Reader) Option { return func(d *doer) { d.random = r } }

// WithFirstRetry sets how long it takes until a request whose connection was lost is sent again at first.
func WithFirstRetry(delay time.Duration) Option { return func(d *doer) { d.firstRetry = delay } }

// repeatable gives a request a key, so that it can be sent again when its
// connection is lost and nobody knows whether it was carried out.
func (c *Client) repeatable(_ context.Context, r *http.Request) error {
	if c.doer.conditions.DryRun {
		return nil
	}
	key := make([]byte, 16)
	if _, err := io.ReadFull(c.doer.random, key); err != nil {
		return fmt.Errorf("make an Idempotency-Key: %w", err)
	}
	r.Header.Set(headerIdempotencyKey, hex.EncodeToString(key))
	return nil
}

// send sends a request, and once more under the same key when the connection was lost.
func (d *doer) send(r *http.Request) (*http.Response, error) {
	if r.Header.Get(headerIdempotencyKey) == "" || (r.Body != nil && r.GetBody == nil) {
		answer, err := d.http.Do(r)
		if err == nil {
			answer.Body = limited{io.LimitReader(answer.Body, d.limit), answer.Body}
		}
		return answer, err //nolint:wrapcheck // its caller explains it
	}
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval = d.firstRetry
	sent := false
	return backoff.Retry(r.Context(), func() (*http.Response, error) { //nolint:wrapcheck // its caller explains it
		answer, err := d.try(r)
		// Who was never reached is away, and was asked nothing; after a loss, that is the same server restarting.
		if err != nil && !lost(err) && (!sent || !errors.Is(err, syscall.ECONNREFUSED)) {
			return nil, backoff.Permanent(err)
		}
		sent = true
		return answer, err
	}, backoff.WithBackOff(delays), backoff.WithMaxTries(maxTries))
}

type limited struct {
	io.Reader
	io.Closer
}

// try sends a request and reads its whole answer.
func (d *doer) try(r *http.Request) (*http.Response, error) {
	again := r.Clone(r.Context())
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, fmt.Errorf("read the body again: %w", err)
		}
		again.Body = body
	}
	answer, err := d.http.Do(again)
	if err != nil {
		return nil, err //nolint:wrapcheck // unreachable explains it
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	return answer, nil
}

// lost says whether a connection broke off after the request may have been read.
func lost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
