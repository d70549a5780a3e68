package nomad

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

// volumeFile is a volume specification as Bothy renders it: the part that homes
// need of what `nomad volume create` takes.
type volumeFile struct {
	Type         string             `hcl:"type"`
	ID           string             `hcl:"id,optional"`
	Name         string             `hcl:"name"`
	Namespace    string             `hcl:"namespace,optional"`
	PluginID     string             `hcl:"plugin_id,optional"`
	NodePool     string             `hcl:"node_pool,optional"`
	Capabilities []volumeCapability `hcl:"capability,block"`
	Parameters   *volumeAttributes  `hcl:"parameters,block"`
}

type volumeCapability struct {
	AccessMode     string `hcl:"access_mode"`
	AttachmentMode string `hcl:"attachment_mode"`
}

// volumeAttributes is a block of free names with text values.
type volumeAttributes struct {
	Values map[string]string `hcl:",remain"`
}

func (a *volumeAttributes) values() map[string]string {
	if a == nil {
		return nil
	}
	return a.Values
}

// volumeKind is what a volume file's type says.
const (
	volumeHost = "host"
	volumeCSI  = "csi"
)

// parseVolume reads a volume file.
func parseVolume(source []byte) (volumeFile, error) {
	var v volumeFile
	file, diagnostics := hclparse.NewParser().ParseHCL(source, "home.volume.hcl")
	if !diagnostics.HasErrors() {
		diagnostics = gohcl.DecodeBody(file.Body, nil, &v)
	}
	if diagnostics.HasErrors() {
		return v, lab.Invalid("the home's volume file can't be read", fieldsOf(diagnostics)...)
	}
	if v.Type != volumeHost && v.Type != volumeCSI {
		return v, lab.Invalid("the home's volume file can't be used", lab.Field{
			Name: "home.volume.hcl: type", Problem: fmt.Sprintf("is %q", v.Type), Remedy: `use "host" or "csi"`,
		})
	}
	return v, nil
}

func fieldsOf(diagnostics hcl.Diagnostics) []lab.Field {
	var fields []lab.Field
	for _, d := range diagnostics.Errs() {
		field := lab.Field{Name: "home.volume.hcl", Problem: d.Error()}
		if diagnostic, ok := d.(*hcl.Diagnostic); ok { //nolint:errorlint // hcl gives its own type unwrapped
			field.Problem = diagnostic.Summary + "; " + diagnostic.Detail
			if at := diagnostic.Subject; at != nil {
				field.Name = fmt.Sprintf("home.volume.hcl:%d:%d", at.Start.Line, at.Start.Column)
			}
		}
		fields = append(fields, field)
	}
	return fields
}

// host gives the volume as a dynamic host volume on a node.
func (v volumeFile) host(nodeID string) *api.HostVolume {
	volume := &api.HostVolume{
		Name: v.Name, Namespace: v.Namespace, PluginID: v.PluginID, NodePool: v.NodePool, NodeID: nodeID,
		Parameters: v.Parameters.values(),
	}
	for _, c := range v.Capabilities {
		volume.RequestedCapabilities = append(volume.RequestedCapabilities, &api.HostVolumeCapability{
			AccessMode:     api.HostVolumeAccessMode(c.AccessMode),
			AttachmentMode: api.HostVolumeAttachmentMode(c.AttachmentMode),
		})
	}
	return volume
}

// csi gives the volume as a CSI volume.
func (v volumeFile) csi() *api.CSIVolume {
	volume := &api.CSIVolume{
		ID: v.ID, Name: v.Name, Namespace: v.Namespace, PluginID: v.PluginID, Parameters: v.Parameters.values(),
	}
	for _, c := range v.Capabilities {
		volume.RequestedCapabilities = append(volume.RequestedCapabilities, &api.CSIVolumeCapability{
			AccessMode:     api.CSIVolumeAccessMode(c.AccessMode),
			AttachmentMode: api.CSIVolumeAttachmentMode(c.AttachmentMode),
		})
	}
	return volume
}
