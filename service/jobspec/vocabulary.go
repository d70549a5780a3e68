package jobspec

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/bothylabs/bothy/service/lab"
)

// What Bothy writes into the meta of every job that it makes, and nothing else:
// a change of meta replaces a running workspace.
const (
	MetaInstallation = "bothy_installation_id"
	MetaWorkspace    = "bothy_workspace_id"
)

const (
	// ServiceTag marks a workspace's service in Consul; the service's name is the slug.
	ServiceTag = "bothy"
	// MetaActivityPath is the key of the service's meta that names the template's activity path.
	MetaActivityPath = "bothy-activity-path"
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
	// HomeUID and HomeGID own a home's directory: the user that the template's workspace runs as.
	HomeUID, HomeGID int
	// LabsURL is the origin of all workspaces as a browser sees it: "http://labs.localhost:9999".
	LabsURL string
	// ConsoleURL is Bothy's own origin; "" where there is none.
	ConsoleURL string
	// DoorURL is where NGINX asks whether a visitor may enter; "" for no door.
	DoorURL string
	// DoorResolver is the DNS server that NGINX asks for DoorURL's host; "" where that is an address.
	DoorResolver string
	// VaultRole is the role of the workspaces' tasks; "" for workspaces without secrets.
	VaultRole string
	// VaultMount is the KV version 2 mount of the workspaces' secrets.
	VaultMount string
}

// Subject is whom a rendering is for.
type Subject struct {
	// Slug begins with the two keys and a hyphen after each.
	Slug        lab.Slug
	WorkspaceID string
	CohortKey   string
	CourseKey   string
}

// SecretPath is the data path of a workspace's secrets in a KV version 2 mount.
func SecretPath(mount string, slug lab.Slug) string {
	return mount + "/data/workspaces/" + slug.JobID() + "/env"
}

// WorkspaceURL is where a workspace answers: its path on the labs origin.
func (s Settings) WorkspaceURL(slug lab.Slug) string {
	return s.LabsURL + "/" + string(slug) + "/"
}

// labsHost is the host of the labs origin, and its port where it has one.
func (s Settings) labsHost() string {
	u, err := url.Parse(s.LabsURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// vocabulary is the value of every reserved variable: docs/templates.md lists
// them, and a course may set none of them.
func vocabulary(s Settings, sub Subject) map[string]cty.Value {
	vaultPath := ""
	if s.VaultRole != "" {
		vaultPath = SecretPath(s.VaultMount, sub.Slug)
	}
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
		"door_resolver":   cty.StringVal(s.DoorResolver),
		"vault_role":      cty.StringVal(s.VaultRole),
		"vault_path":      cty.StringVal(vaultPath),
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

// reservedTypes is the type of every reserved variable.
func reservedTypes() map[string]cty.Type {
	types := make(map[string]cty.Type)
	for name, value := range vocabulary(Settings{}, Subject{}) {
		types[name] = value.Type()
	}
	return types
}

func isReserved(name string) bool {
	_, ok := reservedTypes()[name]
	return ok
}

var (
	namePattern       = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	optionalName      = regexp.MustCompile(`^[A-Za-z0-9_-]{0,128}$`)
	datacenterPattern = regexp.MustCompile(`^[A-Za-z0-9_.*-]{1,128}$`)
	mountPattern      = regexp.MustCompile(`^([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?$`)
	doorPattern       = regexp.MustCompile(`^http://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)
	resolverPattern   = regexp.MustCompile(`^([0-9.]{7,15}:[0-9]{1,5})?$`)
	originPattern     = regexp.MustCompile(`^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)
)

// problems tells which settings cannot go into a job. The configuration says
// the same earlier and closer to its place; nothing goes into a job unchecked.
func (s Settings) problems() []lab.Field {
	var fields []lab.Field
	check := func(name, value string, pattern *regexp.Regexp, remedy string) {
		if !pattern.MatchString(value) {
			fields = append(fields, lab.Field{Name: "settings." + name, Problem: fmt.Sprintf("%.60q cannot go into a job", value), Remedy: remedy})
		}
	}
	const (
		letters = "use letters, digits, hyphens and underscores"
		origin  = "write http:// or https://, a host name and, where it is not the usual one, a port: http://labs.example.org"
	)
	check("installation_id", s.InstallationID, optionalName, letters)
	check("namespace", s.Namespace, namePattern, letters)
	check("node_pool", s.NodePool, namePattern, letters)
	for _, datacenter := range s.Datacenters {
		check("datacenters", datacenter, datacenterPattern, letters+", or * for any text")
	}
	if len(s.Datacenters) == 0 {
		fields = append(fields, lab.Field{Name: "settings.datacenters", Problem: "names no datacenter", Remedy: "name one, or * for all"})
	}
	check("labs_url", s.LabsURL, originPattern, origin)
	if s.ConsoleURL != "" {
		check("console_url", s.ConsoleURL, originPattern, origin)
	}
	check("vault_role", s.VaultRole, optionalName, letters)
	check("vault_mount", s.VaultMount, mountPattern, letters+", and slashes between them")
	if s.VaultRole != "" && s.VaultMount == "" {
		fields = append(fields, lab.Field{Name: "settings.vault_mount", Problem: "is not set, and there is a Vault role", Remedy: "name the KV version 2 mount of the workspaces' secrets"})
	}
	if s.DoorURL != "" {
		check("door_url", s.DoorURL, doorPattern, "write http://, an address or a name and a port: http://172.26.64.1:8082")
	}
	check("door_resolver", s.DoorResolver, resolverPattern, "write an address and a port: 10.0.0.2:53")
	return fields
}

// problems tells why a job cannot be made for the subject.
func (sub Subject) problems() []lab.Field {
	var fields []lab.Field
	check := func(name string, ok bool, problem, remedy string) {
		if !ok {
			fields = append(fields, lab.Field{Name: name, Problem: problem, Remedy: remedy})
		}
	}
	_, err := lab.ParseSlug(string(sub.Slug))
	check("slug", err == nil, fmt.Sprintf("%.80q is not a slug", string(sub.Slug)), "use lower-case letters, digits and single hyphens between them")
	check("slug", strings.HasPrefix(string(sub.Slug), sub.classPrefix()) && len(sub.Slug) > len(sub.classPrefix()),
		fmt.Sprintf("%.80q does not begin with its class, %q", string(sub.Slug), sub.classPrefix()), "take a slug of this class")
	for _, key := range []struct{ name, value string }{{"cohort", sub.CohortKey}, {"course", sub.CourseKey}} {
		_, err := lab.ParseSlug(key.value)
		check(key.name, err == nil, fmt.Sprintf("%.80q is not a key", key.value), "use lower-case letters, digits and single hyphens between them")
	}
	check("workspace_id", optionalName.MatchString(sub.WorkspaceID), fmt.Sprintf("%.80q is not an id", sub.WorkspaceID), "use letters, digits and hyphens")
	return fields
}

func (sub Subject) classPrefix() string { return sub.CohortKey + "-" + sub.CourseKey + "-" }

// student is the student's own part of the slug.
func (sub Subject) student() string {
	return strings.TrimPrefix(string(sub.Slug), sub.classPrefix())
}
