package jobspec

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Check tells where a template breaks the contract of docs/templates.md, as far
// as its text shows it; what cannot be read without a server is taken to be
// right. It is nil or CodeInvalid, with a field "file:line:column" for each
// breach.
func (t *Template) Check() error {
	c := &contract{template: t, ctx: t.exampleContext()}
	c.words = vocabulary(example())
	c.check()
	if len(c.breaches) == 0 {
		return nil
	}
	return invalid(fmt.Sprintf("the template %q does not offer what a workspace needs", t.Name), inOrder(c.breaches))
}

type contract struct {
	template *Template
	ctx      *hcl.EvalContext
	words    map[string]cty.Value
	breaches hcl.Diagnostics
}

func (c *contract) breach(at hcl.Range, what, remedy string) {
	c.breaches = append(c.breaches, problem(at, what, remedy))
}

// inOrder sorts by the place in the file, and by text at the same place.
func inOrder(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortFunc(diags, func(a, b *hcl.Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte), cmp.Compare(a.Summary, b.Summary))
	})
	return diags
}

func (c *contract) check() {
	if c.template.variable("slug") == nil {
		c.breach(c.template.body.SrcRange, `there is no variable "slug"`, `declare: variable "slug" { type = string }`)
	}
	job := c.one(c.template.body, "job", "one workspace is one job")
	if job == nil {
		return
	}
	c.job(job)
	c.secrets(job.Body)
	c.typedText(job.Body)
	if group := c.one(job.Body, "group", "a workspace is one group: its tasks share a network and a home"); group != nil {
		c.group(group)
	}
}

// one gives the only block of a kind, and notes when there is none or another.
func (c *contract) one(body *hclsyntax.Body, kind, remedy string) *hclsyntax.Block {
	found := blocks(body, kind)
	if len(found) == 1 {
		return found[0]
	}
	at := body.SrcRange
	if len(found) > 1 {
		at = found[1].DefRange()
	}
	c.breach(at, fmt.Sprintf("there are %d %s blocks instead of one", len(found), kind), remedy)
	return nil
}

func (c *contract) job(job *hclsyntax.Block) {
	at := job.DefRange()
	if c.read(job.Body, "id").isNot(cty.StringVal("bothy-" + c.slug())) {
		c.breach(c.at(job.Body, "id", at), "the job's id is not bothy-<slug>", `write: id = "bothy-${var.slug}"`)
	}
	if c.read(job.Body, "namespace").isNot(c.words["namespace"]) {
		c.breach(c.at(job.Body, "namespace", at), "the job is not in Bothy's namespace", "write: namespace = var.namespace")
	}
	if c.read(job.Body, "type").differs(cty.StringVal("service")) {
		c.breach(c.at(job.Body, "type", at), "the job is not a service job", `write: type = "service", or leave it out`)
	}
	for _, kind := range []string{"periodic", "parameterized", "multiregion"} {
		for _, b := range blocks(job.Body, kind) {
			c.breach(b.DefRange(), fmt.Sprintf("a workspace cannot be %s", kind), "remove the block")
		}
	}
	for key, word := range map[string]string{MetaInstallation: "installation_id", MetaWorkspace: "workspace_id"} {
		if !c.hasMeta(job.Body, key, c.words[word]) {
			c.breach(at, fmt.Sprintf("the job's meta has no %s with var.%s", key, word), fmt.Sprintf("add to the job: meta { %s = var.%s }", key, word))
		}
	}
}

// hasMeta reads meta as a block or as a map.
func (c *contract) hasMeta(body *hclsyntax.Body, key string, want cty.Value) bool {
	for _, b := range nested(body, "meta") {
		if !c.read(b, key).isNot(want) {
			return true
		}
	}
	meta := c.read(body, "meta")
	if !meta.given || !meta.known {
		return meta.given
	}
	if t := meta.value.Type(); !t.IsObjectType() && !t.IsMapType() {
		return false
	}
	value, ok := meta.value.AsValueMap()[key]
	return ok && value.RawEquals(want)
}

func (c *contract) group(group *hclsyntax.Block) {
	at := group.DefRange()
	if c.read(group.Body, "count").differs(cty.NumberIntVal(1)) {
		c.breach(c.at(group.Body, "count", at), "the group's count is not 1", "a home has room for one")
	}
	c.network(group)
	c.home(group)
	c.service(group)
}

func (c *contract) network(group *hclsyntax.Block) {
	var ports []*hclsyntax.Block
	for _, network := range nested(group.Body, "network") {
		if c.read(network, "mode").isNot(cty.StringVal("bridge")) {
			c.breach(c.at(network, "mode", network.SrcRange), "the network's mode is not bridge", `write: mode = "bridge"; a workspace has a network namespace of its own`)
		}
		ports = append(ports, blocks(network, "port")...)
	}
	hasHTTP := false
	for _, port := range ports {
		if len(port.Labels) != 1 || port.Labels[0] != "http" {
			c.breach(port.DefRange(), `there is a port beside "http"`, "remove it: visitors reach a workspace through one port, and nothing else does")
			continue
		}
		hasHTTP = true
		if c.read(port.Body, "static").given {
			c.breach(c.at(port.Body, "static", port.DefRange()), "the port is static", "remove it: a node runs many workspaces; use to = … for the port inside")
		}
	}
	if !hasHTTP {
		c.breach(group.DefRange(), `the group's network has no port "http"`, `add: port "http" { to = 8080 }`)
	}
}

func (c *contract) home(group *hclsyntax.Block) {
	at := group.DefRange()
	var home *hclsyntax.Block
	for _, volume := range blocks(group.Body, "volume") {
		if len(volume.Labels) == 1 && volume.Labels[0] == "home" {
			home = volume
		}
	}
	if home == nil {
		c.breach(at, `the group has no volume "home"`, `add: volume "home" { … }, which outlives the allocation`)
		return
	}
	for name, word := range map[string]string{"type": "home_type", "source": "home_volume"} {
		if c.read(home.Body, name).isNot(c.words[word]) {
			c.breach(c.at(home.Body, name, home.DefRange()), fmt.Sprintf("the home's %s is not var.%s", name, word), fmt.Sprintf("write: %s = var.%s", name, word))
		}
	}
	for _, mount := range deeper(nested(group.Body, "task"), "volume_mount") {
		if !c.read(mount, "volume").isNot(cty.StringVal("home")) {
			return
		}
	}
	c.breach(at, `no task mounts the volume "home"`, `add to a task: volume_mount { volume = "home" … }`)
}

func (c *contract) service(group *hclsyntax.Block) {
	var service *hclsyntax.Body
	for _, s := range append(nested(group.Body, "service"), deeper(nested(group.Body, "task"), "service")...) {
		if !c.read(s, "name").isNot(cty.StringVal(c.slug())) {
			service = s
		}
	}
	if service == nil {
		c.breach(group.DefRange(), "there is no service named by the slug", `add to the group: service { name = var.slug, port = "http" … }`)
		return
	}
	at := service.SrcRange
	if c.read(service, "port").isNot(cty.StringVal("http")) {
		c.breach(c.at(service, "port", at), `the service's port is not "http"`, `write: port = "http"`)
	}
	if c.read(service, "provider").differs(cty.StringVal("consul")) {
		c.breach(c.at(service, "provider", at), "the service is not Consul's", `write: provider = "consul"; the routers read Consul`)
	}
	tags := c.read(service, "tags")
	if !tags.given || tags.known && !holds(tags.value, ServiceTag) {
		c.breach(c.at(service, "tags", at), fmt.Sprintf("the service has no tag %q", ServiceTag), "add it: Bothy watches the services that have it")
	}
	for _, check := range nested(service, "check") {
		if !c.read(check, "type").isNot(cty.StringVal("http")) && c.read(check, "path").given {
			return
		}
	}
	c.breach(at, "the service has no check of type http with a path", "add one that answers 200 once the workspace is usable: a workspace is ready when it passes")
}

// secrets holds every vault block to keep its token out of the task.
func (c *contract) secrets(job *hclsyntax.Body) {
	groups := nested(job, "group")
	tasks := append(nested(job, "task"), deeper(groups, "task")...)
	for _, body := range slices.Concat([]*hclsyntax.Body{job}, groups, tasks) {
		for _, vault := range nested(body, "vault") {
			if c.read(vault, "env").isNot(cty.False) {
				c.breach(c.at(vault, "env", vault.SrcRange), "the Vault token would be in the task's environment", "write: env = false; templates read the secrets")
			}
			if c.read(vault, "disable_file").isNot(cty.True) {
				c.breach(c.at(vault, "disable_file", vault.SrcRange), "the Vault token would be in the task's files", "write: disable_file = true; templates read the secrets")
			}
		}
	}
}

// at gives where an argument stands, or its block when it is not there.
func (c *contract) at(body *hclsyntax.Body, name string, otherwise hcl.Range) hcl.Range {
	if attr, ok := body.Attributes[name]; ok {
		return attr.SrcRange
	}
	return otherwise
}

func (c *contract) slug() string { return c.words["slug"].AsString() }

func holds(list cty.Value, text string) bool {
	if !list.CanIterateElements() {
		return false
	}
	for _, element := range list.AsValueSlice() {
		if element.Type() == cty.String && element.AsString() == text {
			return true
		}
	}
	return false
}

// blocks gives the blocks of a kind, not the dynamic ones.
func blocks(body *hclsyntax.Body, kind string) []*hclsyntax.Block {
	var out []*hclsyntax.Block
	for _, b := range body.Blocks {
		if b.Type == kind {
			out = append(out, b)
		}
	}
	return out
}

// nested gives the bodies of the blocks of a kind, and the contents of its dynamic blocks.
func nested(body *hclsyntax.Body, kind string) []*hclsyntax.Body {
	var out []*hclsyntax.Body
	for _, b := range body.Blocks {
		switch {
		case b.Type == kind:
			out = append(out, b.Body)
		case b.Type == "dynamic" && len(b.Labels) == 1 && b.Labels[0] == kind:
			for _, content := range blocks(b.Body, "content") {
				out = append(out, content.Body)
			}
		}
	}
	return out
}

func deeper(bodies []*hclsyntax.Body, kind string) []*hclsyntax.Body {
	var out []*hclsyntax.Body
	for _, body := range bodies {
		out = append(out, nested(body, kind)...)
	}
	return out
}
