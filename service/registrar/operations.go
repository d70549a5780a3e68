package registrar

import (
	"context"
	"encoding/base64"

	"github.com/bothylabs/bothy/service/lab"
)

// defaultPage is how many items a page has when nobody says otherwise.
const defaultPage = 100

// Page chooses a part of a list: Limit items at most, 0 for 100, after those of the
// page whose cursor is given.
type Page struct {
	Limit  int
	Cursor string
}

// limit asks for one more than the page takes, which tells whether another follows.
func (p Page) limit() int {
	if p.Limit == 0 {
		return defaultPage + 1
	}
	return p.Limit + 1
}

// after is the id of the last item of the page before.
func (p Page) after() (string, error) {
	id, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil {
		return "", lab.Invalid("the page can't be found", lab.Field{
			Name: "cursor", Problem: "is not one that a list gave", Remedy: "use the next_cursor of the page before",
		})
	}
	return string(id), nil
}

// cut takes the surplus item off a page, and gives the cursor of the next one, "" when there is none.
func cut[T any](items []T, p Page, id func(T) string) (page []T, next string) {
	if len(items) < p.limit() {
		return items, ""
	}
	page = items[:len(items)-1]
	return page, base64.RawURLEncoding.EncodeToString([]byte(id(page[len(page)-1])))
}

// Operations gives the operations that a filter chooses, the newest first, and the
// cursor of the next page. Also those of classes that are gone.
func (r *Registrar) Operations(ctx context.Context, filter lab.OperationFilter, page Page) ([]lab.Operation, string, error) {
	after, err := page.after()
	if err != nil {
		return nil, "", err
	}
	found, err := r.Store.Operations(ctx, filter, after, page.limit())
	if err != nil {
		return nil, "", err
	}
	operations, next := cut(found, page, func(o lab.Operation) string { return o.ID })
	return operations, next, nil
}

// Operation gives one operation.
func (r *Registrar) Operation(ctx context.Context, id string) (lab.Operation, error) {
	return r.Store.Operation(ctx, id)
}

// OperationItems gives an operation's items, of one outcome or of any for "", and
// the cursor of the next page.
func (r *Registrar) OperationItems(ctx context.Context, id string, outcome lab.Outcome, page Page) ([]lab.OperationItem, string, error) {
	after, err := page.after()
	if err != nil {
		return nil, "", err
	}
	if _, err := r.Store.Operation(ctx, id); err != nil {
		return nil, "", err
	}
	found, err := r.Store.OperationItems(ctx, id, outcome, after, page.limit())
	if err != nil {
		return nil, "", err
	}
	items, next := cut(found, page, func(i lab.OperationItem) string { return i.WorkspaceID })
	return items, next, nil
}
