package api

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
)

// Door makes links into workspaces. Its errors are coded.
type Door interface {
	Link(ctx context.Context, caller lab.Caller, remote, ref string, as lab.EntryAs, to string) (lab.DoorLink, error)
}

// LinkWorkspace makes a link that opens a workspace once.
func (s *server) LinkWorkspace(ctx context.Context, r LinkWorkspaceRequestObject) (LinkWorkspaceResponseObject, error) {
	in := given(r.Body)
	link, err := s.config.Door.Link(ctx, callerOf(ctx), intentOf(ctx).Actor.Remote, r.Workspace, lab.EntryAs(given(in.As)), given(in.Path))
	if err != nil {
		return nil, err
	}
	return LinkWorkspace200JSONResponse{URL: link.URL, ExpiresAt: link.ExpiresAt, LooksIn: link.LooksIn}, nil
}
