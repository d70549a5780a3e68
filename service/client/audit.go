package client

import (
	"context"
	"io"
	"iter"
	"net/url"
	"time"
)

// AuditFilter chooses rows of the record of changes; the zero value all.
type AuditFilter struct {
	// Actor is a credential's or user's name, or a user's id.
	Actor string
	Role  string
	// Action is an action, or a kind of actions with a dot at its end: "class.".
	Action string
	// Target is the id of what was changed.
	Target string
	// Result is done, refused or "" for both.
	Result AuditResult
	// From and To bound when it was, To not included; zero for no bound.
	From, To time.Time
	// Limit is the most rows in all; 0 for no limit.
	Limit int
}

// AllAudit reads the record of changes, the newest row first, page by page as they
// are taken. After an error nothing comes any more.
func (c *Client) AllAudit(ctx context.Context, filter AuditFilter) iter.Seq2[Audit, error] {
	params := ListAuditParams{
		Actor: orNil(filter.Actor), Role: orNil(ListAuditParamsRole(filter.Role)), Action: orNil(filter.Action),
		Target: orNil(filter.Target), Result: orNil(filter.Result),
	}
	if !filter.From.IsZero() {
		params.From = &filter.From
	}
	if !filter.To.IsZero() {
		params.To = &filter.To
	}
	return pages(filter.Limit, func(limit *Limit, cursor *Cursor) ([]Audit, *string, error) {
		params.Limit, params.Cursor = limit, cursor
		r, err := c.raw.ListAuditWithResponse(ctx, &params)
		list, err := read(r, err, (*ListAuditResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	})
}

// Audit lists the record of changes, the newest row first.
func (c *Client) Audit(ctx context.Context, filter AuditFilter) ([]Audit, error) {
	return Collect(c.AllAudit(ctx, filter))
}

// ExportAudit gives all rows that a filter chooses, whatever its Limit, as "csv" or
// "ndjson"; it is to be closed. A reading that ends with lab.CodeUnavailable broke off.
func (c *Client) ExportAudit(ctx context.Context, filter AuditFilter, format string) (io.ReadCloser, error) {
	query := url.Values{"format": {format}}
	for name, value := range map[string]string{
		"actor": filter.Actor, "role": filter.Role, "action": filter.Action, "target": filter.Target, "result": string(filter.Result),
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"from": filter.From, "to": filter.To} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	body, err := c.stream.get(ctx, c.stream.base+"/v1/audit?"+query.Encode())
	if err != nil {
		return nil, err
	}
	return &textStream{ctx: ctx, body: body, addr: c.stream.addr}, nil
}
