package api

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// answerWait is how long a request waits for the answer of the same request
	// that is just being carried out.
	answerWait = 2 * time.Second
	answerPoll = 20 * time.Millisecond
	// keepTimeout bounds the keeping of an answer.
	keepTimeout = 5 * time.Second
)

// Receipts keeps what was done under an Idempotency-Key.
type Receipts interface {
	// Receipt gives what is kept under the intent's key; lab.CodeNotFound when it is not used.
	Receipt(ctx context.Context, intent lab.Intent) (lab.Receipt, error)
	// KeepAnswer keeps the answer beside it. The first one stays.
	KeepAnswer(ctx context.Context, intent lab.Intent, answer lab.Answer) error
}

// once sees to it that what is asked for under a key happens once: a key that is
// used is answered as it was the first time. That a change and the use of its key
// are one is the transaction's work; here the answer is kept, after the change
// and before anybody gets it.
func (h *handler) once(c *gin.Context) {
	intent := intentOf(c.Request.Context())
	if intent.Key == "" || intent.DryRun {
		return
	}
	if h.replayed(c, intent) {
		return
	}
	answer := h.answer(c)
	if last := c.Errors.Last(); last != nil && errors.Is(last.Err, lab.ErrDone) {
		// The same request came at the same time, and was first.
		answer.discard()
		if !h.replayed(c, intent) {
			fail(c, last.Err)
		}
		return
	}
	if op := h.contract.operation(c.Request.Method, c.FullPath()); op == nil || !op.secret {
		h.keep(c, intent, answer)
	}
	answer.send()
}

// replayed answers a request whose key is used, and says whether it is.
func (h *handler) replayed(c *gin.Context, intent lab.Intent) bool {
	receipt, err := h.receipt(c.Request.Context(), intent)
	switch {
	case lab.CodeOf(err) == lab.CodeNotFound:
		return false
	case err != nil:
		fail(c, err)
	case receipt.Fingerprint != intent.Fingerprint:
		fail(c, lab.Errorf(lab.CodeConflict, "this Idempotency-Key was used for another request").
			WithHint("give each request a key of its own, and the same key only to the very same request, body and all"))
	case receipt.Answer != nil:
		c.Header(headerReplayed, "true")
		c.Abort()
		for name, value := range receipt.Answer.Header {
			c.Header(name, value)
		}
		c.Status(receipt.Answer.Status)
		_, _ = c.Writer.Write(receipt.Answer.Body) // who asked has gone when it fails
	default:
		h.answerAgain(c, intent, receipt.Target)
	}
	return true
}

// receipt looks a key up. An answer that may just be on its way is waited for.
func (h *handler) receipt(ctx context.Context, intent lab.Intent) (lab.Receipt, error) {
	receipt, err := h.config.Receipts.Receipt(ctx, intent)
	if err != nil || receipt.Answer != nil || h.config.Now().Sub(receipt.At) > h.config.AnswerWait {
		return receipt, err
	}
	waiting, cancel := context.WithTimeout(ctx, h.config.AnswerWait)
	defer cancel()
	poll := time.NewTicker(answerPoll)
	defer poll.Stop()
	for err == nil && receipt.Answer == nil {
		select {
		case <-waiting.Done():
			return receipt, ctx.Err()
		case <-poll.C:
			receipt, err = h.config.Receipts.Receipt(ctx, intent)
		}
	}
	return receipt, err
}

// answerAgain makes an answer that was never kept, because the process ended
// between the change and its answer: from what was changed as it is now or, for
// what is no single thing, from what the same request would find now.
func (h *handler) answerAgain(c *gin.Context, intent lab.Intent, target string) {
	made := h.server.again(intent.Operation)
	if made == nil {
		c.Header(headerReplayed, "true")
		rehearsal := intent
		rehearsal.DryRun = true
		c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), intentKey{}, rehearsal))
		answer := h.answer(c)
		h.keep(c, intent, answer)
		answer.send()
		return
	}
	write, err := made(c.Request.Context(), target)
	if err != nil {
		fail(c, err)
		return
	}
	c.Header(headerReplayed, "true")
	c.Abort()
	answer := hold(c)
	defer answer.release()
	if err := write(answer); err != nil {
		fail(c, err)
	}
	h.keep(c, intent, answer)
	answer.send()
}

// answer lets the operation answer, and holds that back.
func (h *handler) answer(c *gin.Context) *heldAnswer {
	answer := hold(c)
	defer answer.release()
	c.Next()
	return answer
}

// keep keeps a success; an error may be otherwise the next time.
func (h *handler) keep(c *gin.Context, intent lab.Intent, answer *heldAnswer) {
	if answer.status >= http.StatusMultipleChoices {
		return
	}
	kept := lab.Answer{Status: answer.status, Header: map[string]string{}, Body: answer.body.Bytes()}
	for _, name := range []string{"Content-Type", headerETag, "Location"} {
		if value := answer.Header().Get(name); value != "" {
			kept.Header[name] = value
		}
	}
	// What was done stays done, whether or not who asked still waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), keepTimeout)
	defer cancel()
	if err := h.config.Receipts.KeepAnswer(ctx, intent, kept); err != nil {
		h.config.Log.WarnContext(ctx, "an answer was not kept for its Idempotency-Key", "request_id", requestID(c), "error", err)
	}
}

// heldAnswer is an answer that is not sent yet.
type heldAnswer struct {
	gin.ResponseWriter
	c       *gin.Context
	before  http.Header
	status  int
	body    bytes.Buffer
	written bool
}

// hold takes the place of the request's writer until release.
func hold(c *gin.Context) *heldAnswer {
	held := &heldAnswer{ResponseWriter: c.Writer, c: c, before: c.Writer.Header().Clone(), status: http.StatusOK}
	c.Writer = held
	return held
}

func (a *heldAnswer) release() { a.c.Writer = a.ResponseWriter }

// discard forgets what was held, and the headers that came with it.
func (a *heldAnswer) discard() {
	header := a.Header()
	clear(header)
	maps.Copy(header, a.before)
}

// send sends what was held, to the writer that was there before.
func (a *heldAnswer) send() {
	a.ResponseWriter.WriteHeader(a.status)
	a.ResponseWriter.WriteHeaderNow()
	_, _ = a.ResponseWriter.Write(a.body.Bytes()) // who asked has gone when it fails
}

// WriteHeader implements gin.ResponseWriter, as all below do.
func (a *heldAnswer) WriteHeader(status int) { a.status = status }

// WriteHeaderNow marks the answer as begun.
func (a *heldAnswer) WriteHeaderNow() { a.written = true }

func (a *heldAnswer) Write(data []byte) (int, error) {
	a.written = true
	return a.body.Write(data)
}

// WriteString is Write.
func (a *heldAnswer) WriteString(text string) (int, error) { return a.Write([]byte(text)) }

// Status is the status that is held.
func (a *heldAnswer) Status() int { return a.status }

// Size is the size of the body that is held.
func (a *heldAnswer) Size() int { return a.body.Len() }

// Written says whether the answer is begun.
func (a *heldAnswer) Written() bool { return a.written }
