package jobspec

import (
	"fmt"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/bothylabs/bothy/jobspecs"
	"github.com/bothylabs/bothy/service/lab"
)

// homeFile gives the file of a workspace's home, for "nomad volume create": the
// file of its kind from jobspecs, with the workspace's own values. Volume files
// have no variables in Nomad.
func homeFile(s Settings, sub Subject) ([]byte, error) {
	if fields := s.homeProblems(); len(fields) > 0 {
		return nil, lab.Invalid("the home cannot be described", fields...)
	}
	name := "home-" + string(s.HomeType) + ".volume.hcl"
	source, err := jobspecs.FS.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the file of homes: %w", err)
	}
	file, diags := hclwrite.ParseConfig(source, name, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("parse the file of homes: %w", diags)
	}
	body := file.Body()
	parameters := body.FirstMatchingBlock("parameters", nil)
	if parameters == nil {
		return nil, fmt.Errorf("%s: no parameters block", name)
	}
	set(body, "namespace", s.Namespace)
	set(parameters.Body(), "uid", strconv.Itoa(s.HomeUID))
	set(parameters.Body(), "gid", strconv.Itoa(s.HomeGID))
	switch s.HomeType {
	case HomeHost:
		set(body, "name", sub.Slug.HomeVolume())
		set(body, "node_pool", s.NodePool)
	case HomeCSI:
		set(body, "id", sub.Slug.HomeVolume())
		set(body, "name", string(sub.Slug))
		set(body, "plugin_id", s.CSIPlugin)
		set(parameters.Body(), "fileSystemId", s.CSIFileSystem)
		set(parameters.Body(), "subPathPattern", "/"+sub.CohortKey+"/"+sub.CourseKey+"/"+sub.student())
	}
	return file.Bytes(), nil
}

// homeProblems tells which settings do not describe a home.
func (s Settings) homeProblems() []lab.Field {
	var fields []lab.Field
	add := func(name, problem, remedy string) {
		fields = append(fields, lab.Field{Name: "settings." + name, Problem: problem, Remedy: remedy})
	}
	if s.HomeUID <= 0 || s.HomeGID <= 0 {
		add("home.uid", fmt.Sprintf("a home cannot belong to user %d, group %d", s.HomeUID, s.HomeGID), "name the user that workspaces run as; code-server's image has 1000 and 1000")
	}
	switch s.HomeType {
	case HomeHost:
	case HomeCSI:
		if !namePattern.MatchString(s.CSIPlugin) {
			add("home.csi.plugin_id", fmt.Sprintf("%.60q is not the id of a CSI plugin", s.CSIPlugin), "name the plugin, or set the home's type to host")
		}
		if !namePattern.MatchString(s.CSIFileSystem) {
			add("home.csi.file_system", fmt.Sprintf("%.60q is not the id of a file system", s.CSIFileSystem), "name the EFS file system, or set the home's type to host")
		}
	default:
		add("home.type", fmt.Sprintf("%q is not a kind of home", string(s.HomeType)), "it is host or csi")
	}
	return fields
}

func set(body *hclwrite.Body, name, value string) {
	body.SetAttributeValue(name, cty.StringVal(value))
}
