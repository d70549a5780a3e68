package api

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// ListWorkspaces gives a page of the workspaces that the query asks for.
func (s *server) ListWorkspaces(ctx context.Context, r ListWorkspacesRequestObject) (ListWorkspacesResponseObject, error) {
	found, err := s.config.Registrar.Workspaces(ctx, registrar.WorkspaceFilter{
		For:            viewerOf(ctx),
		Search:         given(r.Params.Search),
		Class:          classRef(given(r.Params.Class)),
		Cohort:         given(r.Params.Cohort),
		Course:         given(r.Params.Course),
		Student:        given(r.Params.Student),
		Desired:        lab.Desired(given(r.Params.Desired)),
		Phases:         each(given(r.Params.Phase), func(p Phase) lab.Phase { return lab.Phase(p) }),
		Drifted:        r.Params.Drifted,
		Outdated:       r.Params.Outdated,
		IncludeDeleted: given(r.Params.IncludeDeleted),
	}, pageOf(r.Params.Limit, r.Params.Cursor, r.Params.Sort))
	if err != nil {
		return nil, err
	}
	return ListWorkspaces200JSONResponse{Items: each(found.Items, asWorkspace), NextCursor: nextOf(found)}, nil
}

// GetWorkspace gives one workspace.
func (s *server) GetWorkspace(ctx context.Context, r GetWorkspaceRequestObject) (GetWorkspaceResponseObject, error) {
	found, err := s.config.Registrar.Workspace(ctx, r.Workspace)
	if err != nil {
		return nil, err
	}
	return GetWorkspace200JSONResponse{Body: asWorkspace(found), Headers: GetWorkspace200ResponseHeaders{ETag: etag(found.Version)}}, nil
}

// DeleteWorkspace deletes a workspace, and its home when that is asked for.
func (s *server) DeleteWorkspace(ctx context.Context, r DeleteWorkspaceRequestObject) (DeleteWorkspaceResponseObject, error) {
	intent := intentOf(ctx)
	going, err := s.config.Registrar.DeleteWorkspace(ctx, intent, r.Workspace, given(r.Params.ReleaseHome))
	if err != nil {
		return nil, err
	}
	return DeleteWorkspace202JSONResponse{workspaceAct(intent, going)}, nil
}

// StartWorkspace wants a workspace running.
func (s *server) StartWorkspace(ctx context.Context, r StartWorkspaceRequestObject) (StartWorkspaceResponseObject, error) {
	done, err := s.actOnWorkspace(ctx, r.Workspace, registrar.ActStart)
	if err != nil {
		return nil, err
	}
	return StartWorkspace202JSONResponse{done}, nil
}

// StopWorkspace wants a workspace stopped.
func (s *server) StopWorkspace(ctx context.Context, r StopWorkspaceRequestObject) (StopWorkspaceResponseObject, error) {
	done, err := s.actOnWorkspace(ctx, r.Workspace, registrar.ActStop)
	if err != nil {
		return nil, err
	}
	return StopWorkspace202JSONResponse{done}, nil
}

// RestartWorkspace restarts a workspace.
func (s *server) RestartWorkspace(ctx context.Context, r RestartWorkspaceRequestObject) (RestartWorkspaceResponseObject, error) {
	done, err := s.actOnWorkspace(ctx, r.Workspace, registrar.ActRestart)
	if err != nil {
		return nil, err
	}
	return RestartWorkspace202JSONResponse{done}, nil
}

// ResetWorkspace gives a workspace a new home.
func (s *server) ResetWorkspace(ctx context.Context, r ResetWorkspaceRequestObject) (ResetWorkspaceResponseObject, error) {
	done, err := s.actOnWorkspace(ctx, r.Workspace, registrar.ActReset)
	if err != nil {
		return nil, err
	}
	return ResetWorkspace202JSONResponse{done}, nil
}

func (s *server) actOnWorkspace(ctx context.Context, ref string, act registrar.Act) (WorkspaceActJSONResponse, error) {
	intent := intentOf(ctx)
	view, err := s.config.Registrar.ActOnWorkspace(ctx, intent, ref, act)
	if err != nil {
		return WorkspaceActJSONResponse{}, err
	}
	return workspaceAct(intent, view), nil
}

func workspaceAct(intent lab.Intent, view registrar.WorkspaceView) WorkspaceActJSONResponse {
	return WorkspaceActJSONResponse{
		Body: asWorkspace(view), Headers: WorkspaceActResponseHeaders{ETag: etagAfter(intent, view.Version)},
	}
}
