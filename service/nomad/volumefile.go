package nomad

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

// volumeFile is a volume specification, as `nomad volume create` takes it.
type volumeFile struct {
	Type         string             `hcl:"type"`
	ID           string             `hcl:"id,optional"`
	Name         string             `hcl:"name"`
	Namespace    string             `hcl:"namespace,optional"`
	PluginID     string             `hcl:"plugin_id,optional"`
	NodePool     string             `hcl:"node_pool,optional"`
	ExternalID   string             `hcl:"external_id,optional"`
	CapacityMin  string             `hcl:"capacity_min,optional"`
	CapacityMax  string             `hcl:"capacity_max,optional"`
	Capabilities []volumeCapability `hcl:"capability,block"`
	Constraints  []volumeConstraint `hcl:"constraint,block"`
	Parameters   *volumeAttributes  `hcl:"parameters,block"`
	Context      *volumeAttributes  `hcl:"context,block"`
	MountOptions *volumeMount       `hcl:"mount_options,block"`
}

type volumeCapability struct {
	AccessMode     string `hcl:"access_mode"`
	AttachmentMode string `hcl:"attachment_mode"`
}

type volumeConstraint struct {
	Attribute string `hcl:"attribute,optional"`
	Operator  string `hcl:"operator,optional"`
	Value     string `hcl:"value,optional"`
}

type volumeMount struct {
	FSType     string   `hcl:"fs_type,optional"`
	MountFlags []string `hcl:"mount_flags,optional"`
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

// parseVolume reads a volume file. Secrets have no place in one, and are refused.
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

// capacity reads the bounds of the volume's size in bytes, 0 for none.
func (v volumeFile) capacity() (least, most int64, err error) {
	read := func(name, text string) int64 {
		if text == "" || err != nil {
			return 0
		}
		bytes, parseErr := humanize.ParseBytes(text)
		if parseErr != nil || bytes > 1<<62 {
			err = lab.Invalid("the home's volume file can't be used", lab.Field{
				Name: "home.volume.hcl: " + name, Problem: fmt.Sprintf("%q is not a size", text), Remedy: `write it like "10GiB"`,
			})
			return 0
		}
		return int64(bytes)
	}
	least, most = read("capacity_min", v.CapacityMin), read("capacity_max", v.CapacityMax)
	return least, most, err
}

// constraints gives what a node must satisfy to have the volume.
func (v volumeFile) constraints() []*api.Constraint {
	constraints := make([]*api.Constraint, 0, len(v.Constraints))
	for _, c := range v.Constraints {
		if c.Operator == "" {
			c.Operator = "="
		}
		constraints = append(constraints, &api.Constraint{LTarget: c.Attribute, Operand: c.Operator, RTarget: c.Value})
	}
	return constraints
}

// host gives the volume as a dynamic host volume on a node.
func (v volumeFile) host(nodeID string) (*api.HostVolume, error) {
	least, most, err := v.capacity()
	if err != nil {
		return nil, err
	}
	volume := &api.HostVolume{
		Name: v.Name, Namespace: v.Namespace, PluginID: v.PluginID, NodePool: v.NodePool, NodeID: nodeID,
		Constraints: v.constraints(), Parameters: v.Parameters.values(),
		RequestedCapacityMinBytes: least, RequestedCapacityMaxBytes: most,
	}
	for _, c := range v.Capabilities {
		volume.RequestedCapabilities = append(volume.RequestedCapabilities, &api.HostVolumeCapability{
			AccessMode:     api.HostVolumeAccessMode(c.AccessMode),
			AttachmentMode: api.HostVolumeAttachmentMode(c.AttachmentMode),
		})
	}
	return volume, nil
}

// csi gives the volume as a CSI volume.
func (v volumeFile) csi() (*api.CSIVolume, error) {
	least, most, err := v.capacity()
	if err != nil {
		return nil, err
	}
	volume := &api.CSIVolume{
		ID: v.csiID(), Name: v.Name, Namespace: v.Namespace, PluginID: v.PluginID, ExternalID: v.ExternalID,
		Parameters: v.Parameters.values(), Context: v.Context.values(),
		RequestedCapacityMin: least, RequestedCapacityMax: most,
	}
	if v.MountOptions != nil {
		volume.MountOptions = &api.CSIMountOptions{FSType: v.MountOptions.FSType, MountFlags: v.MountOptions.MountFlags}
	}
	for _, c := range v.Capabilities {
		volume.RequestedCapabilities = append(volume.RequestedCapabilities, &api.CSIVolumeCapability{
			AccessMode:     api.CSIVolumeAccessMode(c.AccessMode),
			AttachmentMode: api.CSIVolumeAttachmentMode(c.AttachmentMode),
		})
	}
	return volume, nil
}

// csiID is the id that a job's volume block names as its source.
func (v volumeFile) csiID() string {
	if v.ID != "" {
		return v.ID
	}
	return v.Name
}
