package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// MaxStreams is how many answers may go on at once in one server.
	MaxStreams = 256
	// takeWithin is how long a caller may take nothing of a stream before it is cut off.
	takeWithin = 5 * time.Minute
	// askAgain is how often it is asked whether somebody may still have their stream.
	askAgain = 10 * time.Second
	// lastWords is how long a caller may take over the last of a stream that the server ends.
	lastWords = 2 * time.Second
)

// Streams are the answers that go on until one side ends them. The server's
// time limits do not hold for them; End ends them all.
type Streams struct {
	mu     sync.Mutex
	ended  bool
	cancel map[*int]context.CancelCauseFunc
	open   sync.WaitGroup
}

// NewStreams makes the Streams of one server.
func NewStreams() *Streams { return &Streams{cancel: map[*int]context.CancelCauseFunc{}} }

// errEnding is why streams end when the server does.
func errEnding() error {
	return lab.Errorf(lab.CodeUnavailable, "this Bothy server is ending").WithHint("do it again: another one may answer")
}

// begin counts a stream in, and gives a context that ends with the request or
// with the server. done must be called once nothing of the stream runs any more.
func (s *Streams) begin(ctx context.Context) (_ context.Context, done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return nil, nil, errEnding()
	case len(s.cancel) >= MaxStreams:
		return nil, nil, lab.Errorf(lab.CodeUnavailable, "%d logs, commands and other streams are open, which is all that there may be", MaxStreams).
			WithHint("end some of them, or try again later")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	key := new(int)
	s.cancel[key] = cancel
	s.open.Add(1)
	return ctx, func() {
		cancel(nil)
		s.mu.Lock()
		delete(s.cancel, key)
		s.mu.Unlock()
		s.open.Done()
	}, nil
}

// beginStream counts the answer to a request in as a stream, and gives a context that
// also ends once the caller may not have it any more: signed out, revoked, dismissed,
// withdrawn. done must be called once nothing of the stream runs any more.
func (h *handler) beginStream(c *gin.Context) (_ context.Context, done func(), err error) {
	ctx, counted, err := h.config.Streams.begin(c.Request.Context())
	if err != nil {
		return nil, nil, err
	}
	ctx, end := context.WithCancelCause(ctx)
	op, params := h.contract.operation(c.Request.Method, c.FullPath()), slices.Clone(c.Params)
	ticks, stop := h.config.Ticks(askAgain)
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks:
			}
			if err := h.stillMay(ctx, op, params); err != nil {
				end(err)
				return
			}
		}
	})
	return ctx, func() {
		end(nil)
		watch.Wait()
		stop()
		counted()
	}, nil
}

// stillMay says why a caller may not have a stream any more; nil as long as they may,
// and while that is not known.
func (h *handler) stillMay(ctx context.Context, op *operation, params gin.Params) error {
	seen, known := ctx.Value(sightKey{}).(sight)
	if !known {
		return lab.Errorf(lab.CodeUnauthenticated, "it is not known whose this is")
	}
	caller, err := seen.again()
	if err == nil {
		err = h.permits(ctx, op, caller, params)
	}
	switch lab.CodeOf(err) {
	case lab.CodeUnauthenticated:
		return lab.Wrap(lab.CodeUnauthenticated, err, "what this was opened with is not good any more: a session that ended, or a token").
			WithHint("sign in again, or use another token")
	case lab.CodeForbidden, lab.CodeNotFound:
		return lab.Wrap(lab.CodeForbidden, err, "you have no right to this any more").WithHint("ask whoever teaches the class")
	default:
		return nil
	}
}

// End lets no new streams begin, ends those that there are and waits for them,
// until ctx ends.
func (s *Streams) End(ctx context.Context) {
	s.mu.Lock()
	s.ended = true
	for _, cancel := range s.cancel {
		cancel(errEnding())
	}
	s.mu.Unlock()
	all := make(chan struct{})
	go func() { // ends with the last stream
		s.open.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-ctx.Done():
	}
}

// copyText answers with text as it comes, and takes the server's time limits away.
// ctx is the stream's.
func (h *handler) copyText(ctx context.Context, c *gin.Context, media string, text io.Reader) {
	limits := http.NewResponseController(c.Writer)
	// Each write has a limit of its own in place of the server's; a test's recorder has none.
	unblock := context.AfterFunc(ctx, func() { _ = limits.SetWriteDeadline(time.Now().Add(lastWords)) })
	defer unblock()

	c.Header("Content-Type", media)
	c.Header("X-Accel-Buffering", "no") // NGINX between would hold lines back
	c.Status(http.StatusOK)
	c.Writer.WriteHeaderNow()
	buffer := make([]byte, 32<<10)
	for {
		c.Writer.Flush()
		n, err := text.Read(buffer)
		if n > 0 {
			if ctx.Err() == nil {
				_ = limits.SetWriteDeadline(time.Now().Add(takeWithin))
			}
			if _, err := c.Writer.Write(buffer[:n]); err != nil {
				return // the caller is gone
			}
		}
		switch {
		case err == nil:
			continue
		case c.Request.Context().Err() != nil, errors.Is(err, io.EOF) && ctx.Err() == nil:
			return
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause
			if why := new(lab.Error); strings.HasPrefix(media, "text/plain") && errors.As(cause, &why) {
				fmt.Fprintf(c.Writer, "\n==> it ends here: %s <==\n", why.Message)
				c.Writer.Flush()
			}
		}
		// Breaking off is all that says, after a status of 200, that this is not the end.
		_ = c.Error(fmt.Errorf("stream: %w", err))
		panic(http.ErrAbortHandler)
	}
}
