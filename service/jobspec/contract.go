package jobspec

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/bothylabs/bothy/service/lab"
)

// Check tells where a template breaks the contract of docs/templates.md, as
// far as its text shows it: one job with one group that has one routed port
// "http", a Consul service on it with an HTTP check, and a volume "home" that a
// task mounts; and a variable "slug". It is nil or CodeInvalid with a field
// "file:line:column" for each breach.
func (t *Template) Check() error {
	c := &contract{file: t.file}
	if t.variable("slug") == nil {
		c.missing(t.body.SrcRange, `a variable "slug"`, `declare: variable "slug" { type = string }`)
	}
	if job := c.one(t.body, "job"); job != nil {
		if group := c.one(job.Body, "group"); group != nil {
			c.group(group)
		}
	}
	if len(c.fields) == 0 {
		return nil
	}
	return lab.Invalid(fmt.Sprintf("the template %q does not offer what a workspace needs", t.Name), c.fields...)
}

type contract struct {
	file   string
	fields []lab.Field
}

func (c *contract) missing(at hcl.Range, what, remedy string) {
	c.fields = append(c.fields, lab.Field{
		Name:    fmt.Sprintf("%s:%d:%d", c.file, at.Start.Line, at.Start.Column),
		Problem: "has not " + what,
		Remedy:  remedy,
	})
}

// one gives the only block of a kind, and notes when there is none or another.
func (c *contract) one(body *hclsyntax.Body, kind string) *hclsyntax.Block {
	found := blocks(body, kind)
	if len(found) != 1 {
		c.missing(body.SrcRange, fmt.Sprintf("exactly one %s block (it has %d)", kind, len(found)), "one workspace is one job with one group")
		return nil
	}
	return found[0]
}

func (c *contract) group(group *hclsyntax.Block) {
	at := group.DefRange()
	if !labelled(nested(group.Body, "network"), "port", "http") {
		c.missing(at, `a network with a port "http"`, `the port that the router sends visitors to is labelled "http"`)
	}
	if !labelled([]*hclsyntax.Body{group.Body}, "volume", "home") {
		c.missing(at, `a volume "home"`, "the home is a volume of the group, so that it outlives the allocation")
	}
	if !mounts(group.Body) {
		c.missing(at, `a task that mounts the volume "home"`, `add: volume_mount { volume = "home" … }`)
	}
	services := nested(group.Body, "service")
	if !hasText(services, "port", "http") {
		c.missing(at, `a service on the port "http"`, "the routers find a workspace by its Consul service")
	}
	if !hasText(deeper(services, "check"), "type", "http") {
		c.missing(at, "a service check of the type http", "it answers once the workspace is usable; a workspace is ready when it passes")
	}
}

func mounts(group *hclsyntax.Body) bool {
	return hasText(deeper(nested(group, "task"), "volume_mount"), "volume", "home")
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
	for _, b := range blocks(body, kind) {
		out = append(out, b.Body)
	}
	for _, b := range blocks(body, "dynamic") {
		if len(b.Labels) == 1 && b.Labels[0] == kind {
			out = append(out, nested(b.Body, "content")...)
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

func labelled(bodies []*hclsyntax.Body, kind, label string) bool {
	for _, body := range bodies {
		for _, b := range blocks(body, kind) {
			if len(b.Labels) == 1 && b.Labels[0] == label {
				return true
			}
		}
	}
	return false
}

// hasText tells whether one of the bodies has the attribute with that literal text.
func hasText(bodies []*hclsyntax.Body, name, want string) bool {
	for _, body := range bodies {
		attr, ok := body.Attributes[name]
		if !ok {
			continue
		}
		var got string
		if diags := literal(attr, &got); !diags.HasErrors() && got == want {
			return true
		}
	}
	return false
}
