package jobspec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/bothylabs/bothy/service/lab"
)

// homeFile gives the volume file of a workspace's home, for "nomad volume create".
func homeFile(s Settings, sub Subject) ([]byte, error) {
	switch s.HomeType {
	case HomeHost:
		return hostHome(s, sub), nil
	case HomeCSI:
		return csiHome(s, sub)
	}
	return nil, lab.Invalid("the home cannot be described", lab.Field{
		Name: "settings.home_type", Problem: fmt.Sprintf("%q is not a kind of home", s.HomeType), Remedy: "it is host or csi",
	})
}

// hostHome is a dynamic host volume (https://developer.hashicorp.com/nomad/docs/other-specifications/volume/host):
// a directory on one node, which Nomad's own plugin "mkdir" makes.
func hostHome(s Settings, sub Subject) []byte {
	f := hclwrite.NewEmptyFile()
	body := f.Body()
	text(body, "type", "host")
	text(body, "name", sub.Slug.HomeVolume())
	text(body, "namespace", s.Namespace)
	text(body, "node_pool", s.NodePool)
	text(body, "plugin_id", "mkdir")
	capability(body, "single-node-single-writer")
	body.AppendNewline()
	parameters := body.AppendNewBlock("parameters", nil).Body()
	text(parameters, "mode", "0700")
	text(parameters, "uid", strconv.Itoa(s.HomeUID))
	text(parameters, "gid", strconv.Itoa(s.HomeGID))
	return f.Bytes()
}

// csiHome is an access point of its own on EFS, which makes the directory
// /<cohort>/<course>/<student> and enforces who owns it
// (parameters as in https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/master/docs/README.md).
func csiHome(s Settings, sub Subject) ([]byte, error) {
	for name, value := range map[string]string{"home.csi_plugin": s.CSIPlugin, "home.csi_file_system": s.CSIFileSystem} {
		if value == "" {
			return nil, lab.Invalid("the home cannot be described", lab.Field{
				Name: "settings." + name, Problem: "is not set, and homes are CSI volumes", Remedy: "name it, or set the home's type to host",
			})
		}
	}
	student := strings.TrimPrefix(string(sub.Slug), sub.CohortKey+"-"+sub.CourseKey+"-")
	f := hclwrite.NewEmptyFile()
	body := f.Body()
	text(body, "type", "csi")
	text(body, "id", sub.Slug.HomeVolume())
	text(body, "name", sub.Slug.HomeVolume())
	text(body, "namespace", s.Namespace)
	text(body, "plugin_id", s.CSIPlugin)
	capability(body, "single-node-writer")
	body.AppendNewline()
	parameters := body.AppendNewBlock("parameters", nil).Body()
	text(parameters, "provisioningMode", "efs-ap")
	text(parameters, "fileSystemId", s.CSIFileSystem)
	text(parameters, "basePath", "/"+sub.CohortKey+"/"+sub.CourseKey)
	text(parameters, "subPathPattern", student)
	text(parameters, "ensureUniqueDirectory", "false")
	text(parameters, "directoryPerms", "700")
	text(parameters, "uid", strconv.Itoa(s.HomeUID))
	text(parameters, "gid", strconv.Itoa(s.HomeGID))
	return f.Bytes(), nil
}

func text(body *hclwrite.Body, name, value string) {
	body.SetAttributeValue(name, cty.StringVal(value))
}

func capability(body *hclwrite.Body, accessMode string) {
	body.AppendNewline()
	b := body.AppendNewBlock("capability", nil).Body()
	text(b, "access_mode", accessMode)
	text(b, "attachment_mode", "file-system")
}
