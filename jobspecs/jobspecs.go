// Package jobspecs holds the job files that come with Bothy: the templates of
// workspaces, and the files of their homes. All are plain files for Nomad's own
// commands.
package jobspecs

import "embed"

// FS has the workspace templates, <name>.nomad.hcl, and the files of homes,
// home-host.volume.hcl and home-csi.volume.hcl, which hold an example's values
// where a workspace's own go.
//
//go:embed *.nomad.hcl *.volume.hcl
var FS embed.FS
