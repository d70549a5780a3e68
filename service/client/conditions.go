package client

import (
	"net/http"
)

// Conditions are what a change depends on. The zero value asks for it as it is.
type Conditions struct {
	// IfMatch is the ETag as it was last seen: when the thing has changed since,
	// nothing is done, and the error is lab.CodeStale with Problem.Current.
	IfMatch string
	// IdempotencyKey names the request: sent again under the same key, it is not
	// done again, and the answer is the first one.
	IdempotencyKey string
	// DryRun: check and decide everything, answer as if it were done, change nothing.
	DryRun bool
}

// With gives a client whose changes carry the conditions. A client with IfMatch or
// IdempotencyKey is for one change.
func (c *Client) With(conditions Conditions) *Client {
	doer := *c.doer
	doer.conditions = conditions
	raw, _ := c.raw.ClientInterface.(*Raw) // New made it
	return &Client{raw: rawOf(raw.Server, &doer), doer: &doer, stream: c.stream}
}

// put writes the conditions into a request that changes something.
func (c Conditions) put(r *http.Request) {
	if r.Method == http.MethodGet {
		return
	}
	if c.IfMatch != "" {
		r.Header.Set("If-Match", c.IfMatch)
	}
	if c.IdempotencyKey != "" {
		r.Header.Set(headerIdempotencyKey, c.IdempotencyKey)
	}
	if c.DryRun {
		query := r.URL.Query()
		query.Set("dry_run", "true")
		r.URL.RawQuery = query.Encode()
	}
}
