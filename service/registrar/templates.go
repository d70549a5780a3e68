package registrar

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// Catalog has the templates that courses can be made from.
type Catalog interface {
	// Template gives one by name, CodeNotFound when there is none.
	Template(name string) (*jobspec.Template, error)
	// Templates gives all, by name.
	Templates() []*jobspec.Template
}

// TemplateView is a template as people see it.
type TemplateView struct {
	Name        string
	Description string
	Digest      string
	// Source is the job file.
	Source    string
	Variables []jobspec.Variable
}

// TemplateFilter chooses templates; the zero value all.
type TemplateFilter struct {
	// Search is a text that the name or description has in it, in whatever case.
	Search string
}

// Templates gives a page of the templates that a filter chooses, by name.
func (r *Registrar) Templates(_ context.Context, filter TemplateFilter, page lab.Page) (lab.List[TemplateView], error) {
	page, err := checkList(filter.Search, page)
	if err != nil {
		return lab.List[TemplateView]{}, err
	}
	var chosen []TemplateView
	for _, t := range r.Catalog.Templates() {
		if containsFold(t.Name, filter.Search) || containsFold(t.Description, filter.Search) {
			chosen = append(chosen, viewOfTemplate(t))
		}
	}
	return pageByName("templates", chosen, filter.Search, page, func(t TemplateView) string { return t.Name })
}

// Template gives one template by name.
func (r *Registrar) Template(_ context.Context, name string) (TemplateView, error) {
	t, err := r.Catalog.Template(name)
	if err != nil {
		return TemplateView{}, err
	}
	return viewOfTemplate(t), nil
}

func viewOfTemplate(t *jobspec.Template) TemplateView {
	return TemplateView{
		Name: t.Name, Description: t.Description, Digest: t.Digest(), Source: t.Source(), Variables: t.Variables(),
	}
}

// checkTemplate collects what is wrong with a course's template and parameters.
func (r *Registrar) checkTemplate(p *problems, name string, parameters map[string]any) error {
	t, err := r.Catalog.Template(name)
	if lab.CodeOf(err) == lab.CodeNotFound {
		p.add("template", fmt.Sprintf("there is no template %q", name), "use one of "+r.templateNames())
		return nil
	}
	if err != nil {
		return err
	}
	return p.take(t.CheckParams(parameters))
}

func (r *Registrar) templateNames() string {
	var names []string
	for _, t := range r.Catalog.Templates() {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

// Templates is a Catalog that was read once from files.
type Templates struct {
	byName map[string]*jobspec.Template
}

// NewCatalog reads every *.nomad.hcl file at the top of each folder as the
// template of that name and checks it against the contract. A later folder's
// template takes the place of an earlier one's, so that an operator can change
// what is built in. Files that can't be used are CodeInvalid, with the line and
// column of each problem.
func NewCatalog(folders ...fs.FS) (*Templates, error) {
	c := &Templates{byName: make(map[string]*jobspec.Template)}
	var p problems
	for _, folder := range folders {
		files, err := fs.Glob(folder, "*"+jobspec.Suffix)
		if err != nil {
			return nil, fmt.Errorf("list templates: %w", err)
		}
		for _, file := range files {
			t, err := readTemplate(folder, file)
			if err := p.take(err); err != nil {
				return nil, err
			}
			if t != nil {
				c.byName[t.Name] = t
			}
		}
	}
	if err := p.err("the templates can't be used"); err != nil {
		return nil, err
	}
	return c, nil
}

func readTemplate(folder fs.FS, file string) (*jobspec.Template, error) {
	source, err := fs.ReadFile(folder, file)
	if err != nil {
		return nil, fmt.Errorf("read template %s: %w", file, err)
	}
	t, err := jobspec.Parse(file, source)
	if err != nil {
		return nil, err
	}
	return t, t.Check()
}

// Template implements Catalog.
func (c *Templates) Template(name string) (*jobspec.Template, error) {
	t, ok := c.byName[name]
	if !ok {
		return nil, lab.NotFound("template", name)
	}
	return t, nil
}

// Templates implements Catalog.
func (c *Templates) Templates() []*jobspec.Template {
	all := make([]*jobspec.Template, 0, len(c.byName))
	for _, t := range c.byName {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *jobspec.Template) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
