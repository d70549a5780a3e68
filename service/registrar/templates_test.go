package registrar_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

func TestTheCatalogHasTheFilesOfAllFolders(t *testing.T) {
	t.Parallel()
	own := strings.Replace(editor, "An editor for tests.", "The operator's own.", 1)
	catalog, err := registrar.NewCatalog(
		fstest.MapFS{
			"editor.nomad.hcl": {Data: []byte(editor)}, "shell.nomad.hcl": {Data: []byte(editor)},
			"README.md": {Data: []byte("not a template")}, "cluster/fabio.nomad.hcl": {Data: []byte("not a template")},
		},
		fstest.MapFS{"editor.nomad.hcl": {Data: []byte(own)}},
	)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, template := range catalog.Templates() {
		got = append(got, template.Name+": "+template.Description)
	}
	wantEqual(t, got, []string{"editor: The operator's own.", "shell: An editor for tests."})
	wantCode(t, second(catalog.Template("none")), lab.CodeNotFound)
}

func TestTheCatalogNamesEveryBrokenFile(t *testing.T) {
	t.Parallel()
	_, err := registrar.NewCatalog(fstest.MapFS{
		"broken.nomad.hcl":   {Data: []byte("job \"x\" {\n")},
		"editor.nomad.hcl":   {Data: []byte(editor)},
		"homeless.nomad.hcl": {Data: []byte(strings.Replace(editor, `volume "home"`, `volume "attic"`, 1))},
	})
	coded := wantCode(t, err, lab.CodeInvalid)
	for _, file := range []string{"broken.nomad.hcl:", "homeless.nomad.hcl:"} {
		found := false
		for _, f := range coded.Fields {
			found = found || strings.HasPrefix(f.Name, file)
		}
		if !found {
			t.Errorf("%s is not among %v", file, coded.Fields)
		}
	}
}

func TestTemplatesAreShownWithTheirVariables(t *testing.T) {
	t.Parallel()
	o := open(t)
	all, err := o.Templates(t.Context())
	o.must(err)
	wantEqual(t, []string{all[0].Name, all[1].Name}, []string{"editor", "other"})
	one, err := o.Template(t.Context(), "editor")
	o.must(err)
	wantEqual(t, one, all[0])
	if one.Source != editor || one.Digest == "" || one.Description != "An editor for tests." || len(one.Variables) != 7 {
		t.Errorf("got %+v", one)
	}
}
