package registrar

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
)

// Operations gives a page of the operations that a filter chooses, the newest
// first. Also those of classes that are gone.
func (r *Registrar) Operations(ctx context.Context, filter lab.OperationFilter, page lab.Page) (lab.List[lab.Operation], error) {
	page, err := checkList("", page)
	if err != nil {
		return lab.List[lab.Operation]{}, err
	}
	return r.Store.Operations(ctx, filter, page)
}

// Operation gives one operation.
func (r *Registrar) Operation(ctx context.Context, id string) (lab.Operation, error) {
	return r.Store.Operation(ctx, id)
}

// OperationItems gives a page of an operation's items, of one outcome or of any for "".
func (r *Registrar) OperationItems(
	ctx context.Context, id string, outcome lab.Outcome, page lab.Page,
) (lab.List[lab.OperationItem], error) {
	page, err := checkList("", page)
	if err != nil {
		return lab.List[lab.OperationItem]{}, err
	}
	if _, err := r.Store.Operation(ctx, id); err != nil {
		return lab.List[lab.OperationItem]{}, err
	}
	return r.Store.OperationItems(ctx, id, outcome, page)
}
