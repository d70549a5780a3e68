package command

import (
	"os"
	"strings"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// templateByRef gives a template by the name of a built-in one, or by the path of a file.
func (e *Env) templateByRef(ref string) (*jobspec.Template, error) {
	if !isPath(ref) {
		catalog, err := app.Templates("")
		if err != nil {
			return nil, err
		}
		template, err := catalog.Template(ref)
		if lab.CodeOf(err) == lab.CodeNotFound {
			return nil, lab.NotFound("template", ref).WithHint("`bothy template list` shows those that are built in; a file of your own is named by its path, such as ./%s%s", ref, jobspec.Suffix)
		}
		return template, err
	}
	source, err := e.readInput(ref)
	if err != nil {
		return nil, err
	}
	return jobspec.Parse(ref, []byte(source))
}

// isPath tells a file from the name of a template: it has a slash, or ends as HCL files do.
func isPath(ref string) bool {
	return ref == "-" || strings.ContainsRune(ref, os.PathSeparator) || strings.HasSuffix(ref, ".hcl") || strings.HasSuffix(ref, ".nomad")
}
