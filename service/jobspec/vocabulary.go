package jobspec

import (
	"net/url"

	"github.com/zclconf/go-cty/cty"

	"github.com/bothylabs/bothy/service/lab"
)

// HomeType is the kind of volume that homes are. Set by the deployment's configuration.
type HomeType string

// The kinds of home.
const (
	HomeHost HomeType = "host" // a Nomad dynamic host volume
	HomeCSI  HomeType = "csi"  // a volume of the EFS CSI plugin
)

// Settings are what a deployment fills in: the same for all its workspaces.
type Settings struct {
	InstallationID string
	Namespace      string
	NodePool       string
	Datacenters    []string
	HomeType       HomeType
	// CSIPlugin is the id of the CSI plugin that homes come from, where HomeType is HomeCSI.
	CSIPlugin string
	// CSIFileSystem is the EFS file system's id, where HomeType is HomeCSI.
	CSIFileSystem string
	// HomeUID and HomeGID own a home's directory.
	HomeUID, HomeGID int
	// LabsURL is the origin of all workspaces as a browser sees it: "http://labs.localhost:9999".
	LabsURL string
	// ConsoleURL is Bothy's own origin; "" where there is none.
	ConsoleURL string
	// DoorURL is where NGINX asks whether a visitor may enter; "" for no door.
	DoorURL string
	// VaultRole is the role of the workspaces' tasks; "" for workspaces without secrets.
	VaultRole string
	// VaultMount is the KV version 2 mount of the workspaces' secrets.
	VaultMount string
}

// Subject is whom a rendering is for.
type Subject struct {
	Slug        lab.Slug
	WorkspaceID string
	CohortKey   string
	CourseKey   string
}

// SecretPath is the data path of a workspace's secrets below a KV version 2 mount.
func SecretPath(mount string, slug lab.Slug) string {
	return mount + "/data/workspaces/" + slug.JobID() + "/env"
}

// WorkspaceURL is where a workspace answers: its path on the labs origin.
func (s Settings) WorkspaceURL(slug lab.Slug) string {
	return s.LabsURL + "/" + string(slug) + "/"
}

// labsHost is the host, and the port where the URL has one.
func (s Settings) labsHost() string {
	u, err := url.Parse(s.LabsURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// vocabulary is the value of every reserved variable. What docs/templates.md
// lists is this map; a course may set none of it.
func vocabulary(s Settings, sub Subject) map[string]cty.Value {
	return map[string]cty.Value{
		"slug":            cty.StringVal(string(sub.Slug)),
		"cohort":          cty.StringVal(sub.CohortKey),
		"course":          cty.StringVal(sub.CourseKey),
		"workspace_id":    cty.StringVal(sub.WorkspaceID),
		"installation_id": cty.StringVal(s.InstallationID),
		"namespace":       cty.StringVal(s.Namespace),
		"node_pool":       cty.StringVal(s.NodePool),
		"datacenters":     texts(s.Datacenters),
		"home_type":       cty.StringVal(string(s.HomeType)),
		"home_volume":     cty.StringVal(sub.Slug.HomeVolume()),
		"labs_url":        cty.StringVal(s.LabsURL),
		"labs_host":       cty.StringVal(s.labsHost()),
		"console_url":     cty.StringVal(s.ConsoleURL),
		"door_url":        cty.StringVal(s.DoorURL),
		"vault_role":      cty.StringVal(s.VaultRole),
		"vault_path":      cty.StringVal(SecretPath(s.VaultMount, sub.Slug)),
	}
}

func texts(list []string) cty.Value {
	if len(list) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	values := make([]cty.Value, 0, len(list))
	for _, s := range list {
		values = append(values, cty.StringVal(s))
	}
	return cty.ListVal(values)
}

func isReserved(name string) bool {
	_, ok := vocabulary(Settings{}, Subject{})[name]
	return ok
}
