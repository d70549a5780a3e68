package registrar

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// Folder is a folder of templates.
type Folder struct {
	FS fs.FS
	// Kind is the origin of what it holds, and Path where it is; "" for one inside of the program.
	Kind lab.OriginKind
	Path string
}

// CatalogEntry is a template and where it was found.
type CatalogEntry struct {
	*jobspec.Template
	Origin lab.TemplateOrigin
}

// Catalog has the templates that were found in folders.
type Catalog struct {
	byName map[string]CatalogEntry
}

// NewCatalog reads every *.nomad.hcl file at the top of each folder as the
// template of that name and checks it against the contract. A later folder's
// template takes the place of an earlier one's, so that an operator can change
// what is built in. Files that can't be used are CodeInvalid, with the line and
// column of each problem.
func NewCatalog(folders ...Folder) (*Catalog, error) {
	c := &Catalog{byName: make(map[string]CatalogEntry)}
	var p problems
	for _, folder := range folders {
		files, err := fs.Glob(folder.FS, "*"+jobspec.Suffix)
		if err != nil {
			return nil, fmt.Errorf("list templates: %w", err)
		}
		for _, file := range files {
			t, err := readTemplate(folder.FS, file)
			if err := p.take(err); err != nil {
				return nil, err
			}
			if t != nil {
				c.byName[t.Name] = CatalogEntry{t, lab.TemplateOrigin{Kind: folder.Kind, Path: path.Join(folder.Path, file)}}
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
	return readSource(file, source)
}

// readSource reads a template that has to keep the contract.
func readSource(file string, source []byte) (*jobspec.Template, error) {
	t, err := jobspec.Parse(file, source)
	if err != nil {
		return nil, err
	}
	var p problems
	checkTemplateName(&p, file, t.Name)
	if err := p.take(t.Check()); err != nil {
		return nil, err
	}
	return t, p.err(fmt.Sprintf("the template %q can't be used", t.Name))
}

// Template gives one by name, CodeNotFound when there is none.
func (c *Catalog) Template(name string) (*jobspec.Template, error) {
	t, ok := c.byName[name]
	if !ok {
		return nil, lab.NotFound("template", name)
	}
	return t.Template, nil
}

// Templates gives all, by name.
func (c *Catalog) Templates() []CatalogEntry {
	all := make([]CatalogEntry, 0, len(c.byName))
	for _, t := range c.byName {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b CatalogEntry) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
