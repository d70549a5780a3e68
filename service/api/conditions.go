package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	headerIfMatch        = "If-Match"
	headerIdempotencyKey = "Idempotency-Key"
	headerETag           = "ETag"
	headerDryRun         = "Bothy-Dry-Run"
	headerReplayed       = "Idempotency-Replayed"
)

// intentKey is the context key of the lab.Intent that a request is.
type intentKey struct{}

// intentOf gives who asks for a change, and on which conditions.
func intentOf(ctx context.Context) lab.Intent {
	intent, _ := ctx.Value(intentKey{}).(lab.Intent) // readIntent put it there before anything else
	return intent
}

// readIntent finds out on which conditions a change is asked for. A condition that
// the operation does not know is refused: passing it over could do harm.
func (h *handler) readIntent(c *gin.Context) {
	r := c.Request
	op := h.contract.operation(r.Method, c.FullPath())
	actor, _ := r.Context().Value(actorKey{}).(lab.Actor)
	intent := lab.Intent{Actor: actor, Operation: op.id}
	if r.Method == http.MethodGet { // what it does all the same is only written down
		c.Request = r.WithContext(context.WithValue(r.Context(), intentKey{}, intent))
		return
	}
	intent.DryRun = r.URL.Query().Get("dry_run") == "true"
	err := op.checkConditions(r.Header)
	if tags := r.Header.Values(headerIfMatch); err == nil && len(tags) > 0 {
		intent.Match, err = parseMatch(tags)
		r.Header.Set(headerIfMatch, strings.Join(tags, ", ")) // the generated code takes one
	}
	if err == nil && r.Header.Get(headerIdempotencyKey) != "" {
		intent.Key = r.Header.Get(headerIdempotencyKey)
		intent.Fingerprint, err = fingerprint(r)
	}
	if err != nil {
		fail(c, err)
		return
	}
	if intent.DryRun {
		c.Header(headerDryRun, "true")
	}
	c.Request = r.WithContext(context.WithValue(r.Context(), intentKey{}, intent))
}

func (op *operation) checkConditions(header http.Header) error {
	for _, name := range []string{headerIfMatch, headerIdempotencyKey} {
		values := header.Values(name)
		switch {
		case len(values) > 0 && !op.takes(name):
			return invalidHeader(name, "is not taken by this operation", "leave it out")
		case len(values) > 1 && name == headerIdempotencyKey:
			return invalidHeader(name, "is given more than once", "give it once")
		}
	}
	return nil
}

// takes says whether the contract has the header for the operation.
func (op *operation) takes(header string) bool {
	for _, p := range op.parameters {
		if p.In == "header" && p.Name == header {
			return true
		}
	}
	return false
}

func invalidHeader(name, problem, remedy string) error {
	return lab.Invalid("the request is not valid", lab.Field{Name: name, Problem: problem, Remedy: remedy})
}

// parseMatch reads If-Match (RFC 9110, 13.1.1): the revisions that will do, nil
// where any will. Weak tags match nothing, nor do those that Bothy never gave.
func parseMatch(values []string) ([]int64, error) {
	wrong := invalidHeader(headerIfMatch, "is no list of entity tags", `give the ETag as it was answered, quotes and all, as in "7"`)
	rest := strings.TrimSpace(strings.Join(values, ","))
	if rest == "*" {
		return nil, nil
	}
	match, tags := []int64{}, 0
	for rest != "" {
		if rest[0] == ',' {
			rest = strings.TrimLeft(rest[1:], " \t,")
			continue
		}
		tag, weak, after, ok := cutTag(rest)
		if !ok {
			return nil, wrong
		}
		tags++
		if revision, err := strconv.ParseInt(tag, 10, 64); err == nil && !weak && tag == strconv.FormatInt(revision, 10) {
			match = append(match, revision)
		}
		rest = strings.TrimLeft(after, " \t")
		if rest != "" && rest[0] != ',' {
			return nil, wrong
		}
	}
	if tags == 0 {
		return nil, wrong
	}
	return match, nil
}

// cutTag takes one entity tag from the beginning of a text.
func cutTag(text string) (tag string, weak bool, rest string, ok bool) {
	text, weak = strings.CutPrefix(text, "W/")
	text, ok = strings.CutPrefix(text, `"`)
	if !ok {
		return "", false, "", false
	}
	tag, rest, ok = strings.Cut(text, `"`)
	if !ok || strings.ContainsFunc(tag, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", false, "", false
	}
	return tag, weak, rest, true
}

// fingerprint tells one request from another. The body is left to be read again.
func fingerprint(r *http.Request) (string, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", fmt.Errorf("read the body again: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%s\n", r.Method, r.URL.EscapedPath(), r.URL.RawQuery)
	sum.Write(body)
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// etag is the validator of what is read.
func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// etagAfter is the validator of what is changed. Nobody can have seen what a dry
// run tells of, and somebody else may be given that revision: it is weak, so that
// it matches nothing.
func etagAfter(intent lab.Intent, revision int64) string {
	if intent.DryRun {
		return "W/" + etag(revision)
	}
	return etag(revision)
}
