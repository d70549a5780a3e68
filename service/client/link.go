package client

import "context"

// LinkWorkspace makes an address that opens a workspace once; as is "looker_in",
// "student", or "" for what the caller is.
func (c *Client) LinkWorkspace(ctx context.Context, ref string, as WorkspaceLinkInputAs) (WorkspaceLink, error) {
	in := WorkspaceLinkInput{}
	if as != "" {
		in.As = &as
	}
	r, err := c.raw.LinkWorkspaceWithResponse(ctx, ref, in)
	return read(r, err, (*LinkWorkspaceResponse).GetJSON200)
}
