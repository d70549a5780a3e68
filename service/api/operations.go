package api

import (
	"context"
	"fmt"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// ListOperations gives a page of the operations that the query asks for.
func (s *server) ListOperations(ctx context.Context, r ListOperationsRequestObject) (ListOperationsResponseObject, error) {
	found, err := s.config.Registrar.Operations(ctx, lab.OperationFilter{
		For:   viewerOf(ctx),
		Class: classRef(given(r.Params.Class)),
		State: lab.OperationState(given(r.Params.State)),
	}, lab.Page{Limit: given(r.Params.Limit), Cursor: given(r.Params.Cursor)})
	if err != nil {
		return nil, err
	}
	return ListOperations200JSONResponse{Items: each(found.Items, asOperation), NextCursor: nextOf(found)}, nil
}

// GetOperation gives one operation.
func (s *server) GetOperation(ctx context.Context, r GetOperationRequestObject) (GetOperationResponseObject, error) {
	found, err := s.config.Registrar.Operation(ctx, r.Operation)
	if err != nil {
		return nil, err
	}
	// No two states of an operation have the same counts: done and superseded only
	// grow, and so does failed while they stay.
	tag := fmt.Sprintf(`"%d.%d.%d"`, found.Counts.Done, found.Counts.Superseded, found.Counts.Failed)
	return GetOperation200JSONResponse{Body: asOperation(found), Headers: GetOperation200ResponseHeaders{ETag: tag}}, nil
}

// ListOperationItems gives a page of what an operation wants of each workspace.
func (s *server) ListOperationItems(ctx context.Context, r ListOperationItemsRequestObject) (ListOperationItemsResponseObject, error) {
	found, err := s.config.Registrar.OperationItems(ctx, r.Operation, lab.Outcome(given(r.Params.Outcome)),
		lab.Page{Limit: given(r.Params.Limit), Cursor: given(r.Params.Cursor)})
	if err != nil {
		return nil, err
	}
	return ListOperationItems200JSONResponse{Items: each(found.Items, asOperationItem), NextCursor: nextOf(found)}, nil
}

// started answers with an operation that goes on.
func started(intent lab.Intent, begun registrar.Started) OperationStartedJSONResponse {
	return OperationStartedJSONResponse{
		Body: asOperation(begun.Operation),
		Headers: OperationStartedResponseHeaders{
			Location: "/v1/operations/" + begun.ID, ETag: etagAfter(intent, begun.Class.Revision),
		},
	}
}

func asOperation(o lab.Operation) Operation {
	return Operation{
		ID: o.ID, Kind: string(o.Kind), Class: o.ClassKey, ClassID: o.ClassID, Actor: o.Actor, State: OperationState(o.State),
		Counts: OperationCounts{
			Total: o.Counts.Total, Pending: o.Counts.Pending, Done: o.Counts.Done,
			Failed: o.Counts.Failed, Superseded: o.Counts.Superseded,
		},
		Affected: o.Affected, CreatedAt: o.CreatedAt, EndedAt: o.EndedAt,
	}
}

func asOperationItem(i lab.OperationItem) OperationItem {
	return OperationItem{
		WorkspaceID: i.WorkspaceID, Slug: i.Slug.String(), Outcome: Outcome(i.Outcome), Reason: i.Reason, EndedAt: i.EndedAt,
	}
}
