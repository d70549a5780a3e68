package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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
		case errors.Is(err, io.EOF), c.Request.Context().Err() != nil:
			return
		}
		// Breaking off is all that says, after a status of 200, that this is not the end.
		_ = c.Error(fmt.Errorf("stream: %w", err))
		panic(http.ErrAbortHandler)
	}
}
