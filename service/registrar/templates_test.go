package registrar_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

func TestTheCatalogHasTheFilesOfAllFolders(t *testing.T) {
	t.Parallel()
	own := strings.Replace(editor, "An editor for tests.", "The operator's own.", 1)
	catalog, err := registrar.NewCatalog(
		registrar.Folder{Kind: lab.OriginBuiltin, FS: fstest.MapFS{
			"editor.nomad.hcl": {Data: []byte(editor)}, "shell.nomad.hcl": {Data: []byte(editor)},
			"README.md": {Data: []byte("not a template")}, "cluster/fabio.nomad.hcl": {Data: []byte("not a template")},
		}},
		registrar.Folder{Kind: lab.OriginFolder, Path: "/etc/bothy", FS: fstest.MapFS{"editor.nomad.hcl": {Data: []byte(own)}}},
	)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range catalog.Templates() {
		got = append(got, fmt.Sprintf("%s: %s %s %s", entry.Name, entry.Description, entry.Origin.Kind, entry.Origin.Path))
	}
	wantEqual(t, got, []string{
		"editor: The operator's own. folder /etc/bothy/editor.nomad.hcl", "shell: An editor for tests. builtin shell.nomad.hcl",
	})
	wantCode(t, second(catalog.Template("none")), lab.CodeNotFound)
}

func TestTheCatalogNamesEveryBrokenFile(t *testing.T) {
	t.Parallel()
	_, err := registrar.NewCatalog(registrar.Folder{Kind: lab.OriginFolder, FS: fstest.MapFS{
		"broken.nomad.hcl":   {Data: []byte("job \"x\" {\n")},
		"editor.nomad.hcl":   {Data: []byte(editor)},
		"homeless.nomad.hcl": {Data: []byte(strings.Replace(editor, `volume "home"`, `volume "attic"`, 1))},
		"a name.nomad.hcl":   {Data: []byte(editor)},
	}})
	coded := wantCode(t, err, lab.CodeInvalid)
	for _, file := range []string{"broken.nomad.hcl:", "homeless.nomad.hcl:", "a name.nomad.hcl"} {
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
	one, err := o.Template(t.Context(), "editor", 0)
	o.must(err)
	if one.Source != editor || one.Version != 1 || one.Digest == "" || one.Description != "An editor for tests." || len(one.Variables) != 7 {
		t.Errorf("got %+v", one)
	}
	if one.Origin.Kind != lab.OriginBuiltin || one.RegisteredBy != "server" || one.CreatedAt.IsZero() {
		t.Errorf("got %+v", one)
	}
}

// thicker is the editor with another default and bounds of memory.
func thicker(n int) string {
	return strings.Replace(editor, "default     = 500", fmt.Sprintf("default     = %d", n), 1)
}

// push registers a source as the next version of the editor.
func (o *office) push(source string) registrar.RegisteredTemplate {
	o.t.Helper()
	pushed, err := o.PushTemplate(context.Background(), o.intent, registrar.TemplateInput{Name: "editor", Source: source})
	o.must(err)
	return pushed
}

func TestWhatIsPushedIsANewVersion(t *testing.T) {
	t.Parallel()
	o := open(t)
	in := registrar.TemplateInput{
		Name: "editor", Source: thicker(700), Message: " More MHz.\n", Author: lab.Author{Name: "Ada", Email: "ada@example.org"},
		Origin: lab.TemplateOrigin{Kind: lab.OriginGit, URL: "git@git.example.org:labs/templates.git", Path: "x/editor.nomad.hcl", Revision: "5f0c", Dirty: true},
	}
	pushed, err := o.PushTemplate(t.Context(), o.intent, in)
	o.must(err)
	if !pushed.New || pushed.Version != 2 || pushed.Unasked != "" || pushed.Message != "More MHz." ||
		pushed.Author != in.Author || pushed.Origin != in.Origin || pushed.RegisteredBy != "token:teacher" || pushed.Source != in.Source {
		t.Errorf("got %+v", pushed)
	}
	act := o.lastAct()
	wantEqual(t, []any{act.Action, act.Detail["name"], act.Detail["version"]}, []any{"template.push", "editor", 2.0})

	// Once more is the same version; what is not the newest any more is another.
	again, err := o.PushTemplate(t.Context(), o.intent, in)
	o.must(err)
	wantEqual(t, []any{again.New, again.Version, again.ID, again.Source}, []any{false, int64(2), pushed.ID, in.Source})
	wantEqual(t, o.push(editor).Version, int64(3))

	wantEqual(t, len(o.versions("editor")), 3)
	for version, source := range map[int64]string{0: editor, 1: editor, 2: in.Source, 3: editor} {
		got, err := o.Template(t.Context(), "editor", version)
		o.must(err)
		wantEqual(t, got.Source, source)
	}
}

func TestWhatIsNoTemplateIsRefused(t *testing.T) {
	t.Parallel()
	o := open(t)
	field := func(name string) []string { return []string{name} }
	for title, test := range map[string]struct {
		change func(*registrar.TemplateInput)
		fields []string
	}{
		"no HCL": {func(in *registrar.TemplateInput) { in.Source = "job \"x\" {\n" }, field("editor.nomad.hcl:1:9")},
		"no home": {func(in *registrar.TemplateInput) {
			in.Source = strings.Replace(editor, `volume "home"`, `volume "attic"`, 1)
		}, field("editor.nomad.hcl:41:3")},
		"no health": {func(in *registrar.TemplateInput) { in.Source = strings.Replace(editor, `path = "/healthz"`, "", 1) }, field("editor.nomad.hcl:50:13")},
		"no port":   {func(in *registrar.TemplateInput) { in.Source = strings.Replace(editor, `port "http" {}`, "", 1) }, field("editor.nomad.hcl:41:3")},
		"another slug": {func(in *registrar.TemplateInput) {
			in.Source = strings.Replace(editor, "type = string", "type = number", 1)
		}, field("editor.nomad.hcl:2:1")},
		"too large": {func(in *registrar.TemplateInput) { in.Source = editor + strings.Repeat("#", 256<<10) }, field("editor.nomad.hcl")},
		"no UTF-8":  {func(in *registrar.TemplateInput) { in.Source = "# Žo\n# \xe9t\xe9\n" + editor }, field("editor.nomad.hcl:2:3")},
		"a NUL":     {func(in *registrar.TemplateInput) { in.Source = "# ok\x00" + editor }, field("editor.nomad.hcl:1:5")},
		"nothing":   {func(in *registrar.TemplateInput) { in.Source = "" }, []string{"editor.nomad.hcl:1:1", "editor.nomad.hcl:1:1"}},
		"its name":  {func(in *registrar.TemplateInput) { in.Name = "../x" }, []string{"template", "x.nomad.hcl"}},
		"what is said of it": {func(in *registrar.TemplateInput) {
			in.Author = lab.Author{Name: "Ada\nEve", Email: strings.Repeat("x", 255)}
			in.Message = "\x1b[31mred"
			in.Origin = lab.TemplateOrigin{Kind: lab.OriginBuiltin, Path: strings.Repeat("x", 1001), Revision: "\t", URL: "https://ada:secret@git.example.org/x"}
		}, []string{"author.name", "author.email", "origin.path", "origin.revision", "message", "origin.url", "origin.kind"}},
		"a token as a user": {func(in *registrar.TemplateInput) { in.Origin.URL = "https://ghp_secret@git.example.org/x" }, field("origin.url")},
		"a token behind it": {func(in *registrar.TemplateInput) { in.Origin.URL = "https://git.example.org/x?token=secret" }, field("origin.url")},
		"a hidden password": {func(in *registrar.TemplateInput) { in.Origin.URL = "https:ada:secret@git.example.org/x" }, field("origin.url")},
		"no repository":     {func(in *registrar.TemplateInput) { in.Origin.URL = "a b:secret@x" }, field("origin.url")},
		"no kind of origin": {func(in *registrar.TemplateInput) { in.Origin.Kind = "moon" }, field("origin.kind")},
	} {
		t.Run(title, func(t *testing.T) {
			in := registrar.TemplateInput{Name: "editor", Source: thicker(700)}
			test.change(&in)
			coded := o.refused(lab.CodeInvalid, func() error { return second(o.PushTemplate(t.Context(), o.intent, in)) })
			var names []string
			for _, f := range coded.Fields {
				names = append(names, f.Name)
				if f.Problem == "" || f.Remedy == "" || strings.Contains(f.String(), "secret") {
					t.Errorf("field %v", f)
				}
			}
			if title != "its name" {
				wantEqual(t, names, test.fields)
			}
		})
	}
	for _, url := range []string{"", "https://git.example.org/labs.git", "ssh://git@git.example.org/labs.git", "git@git.example.org:labs.git", "/srv/git/labs.git", "file:///srv/git/labs.git"} {
		_, err := o.PushTemplate(t.Context(), o.intent, registrar.TemplateInput{Name: "editor", Source: editor, Origin: lab.TemplateOrigin{URL: url}})
		o.must(err)
	}
}

func TestNomadsParserHasItsSay(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.cluster.unread = lab.Invalid("Nomad can't read the job file", lab.Field{Name: "job.nomad.hcl:41:5", Problem: "no such block", Remedy: "correct the template"})
	coded := o.refused(lab.CodeInvalid, func() error {
		return second(o.PushTemplate(t.Context(), o.intent, registrar.TemplateInput{Name: "editor", Source: thicker(700)}))
	})
	wantFields(t, coded, "editor.nomad.hcl:41:5")
	if got := o.cluster.read[0]; got != thicker(700)+"slug = \"example-course-student\"\n" {
		t.Errorf("Nomad was given %s", got)
	}

	// One that can't be asked stands in nobody's way.
	for i, down := range []error{
		lab.Errorf(lab.CodeUnavailable, "Nomad does not answer"), lab.Errorf(lab.CodeRefused, "the token lacks parse-job"),
	} {
		o.cluster.unread = down
		pushed := o.push(thicker(701 + i))
		if !pushed.New || pushed.Unasked != down.Error() {
			t.Errorf("got %+v", pushed)
		}
	}
	o.cluster.unread = errors.New("a fault")
	wantCode(t, fmt.Errorf("x: %w", lab.Wrap(lab.CodeOf(second(o.PushTemplate(t.Context(), o.intent, registrar.TemplateInput{Name: "editor", Source: thicker(800)}))), nil, "x")), lab.CodeInternal)

	// Only a course knows what suits this one's validation.
	asked := len(o.cluster.read)
	if pushed := o.push(strings.Replace(editor, "  default     = 500\n", "", 1)); pushed.Unasked == "" || len(o.cluster.read) != asked {
		t.Errorf("got %+v", pushed)
	}
}

func TestServersOfTwoVersionsDoNotPushEachOthersTemplatesAway(t *testing.T) {
	t.Parallel()
	o := open(t)
	before := o.everything()
	o.takeUp(map[string]string{"editor": editor, "other": editor}) // a restart
	wantEqual(t, o.everything(), before)
	for range 3 {
		o.takeUp(map[string]string{"editor": thicker(700)}) // a newer one
		o.takeUp(map[string]string{"editor": editor})       // and an older one beside it
	}
	wantEqual(t, len(o.versions("editor")), 2)
	newest, err := o.Template(t.Context(), "editor", 0)
	o.must(err)
	wantEqual(t, newest.Source, thicker(700))
}

func TestServersThatStartTogetherRegisterATemplateOnce(t *testing.T) {
	t.Parallel()
	o := open(t)
	catalog, err := registrar.NewCatalog(registrar.Folder{Kind: lab.OriginBuiltin, FS: fstest.MapFS{
		"editor.nomad.hcl": {Data: []byte(thicker(700))}, "new.nomad.hcl": {Data: []byte(editor)},
	}})
	o.must(err)
	var all sync.WaitGroup
	for i := range 8 {
		instance := o.instances(t)[i%2]
		all.Go(func() {
			if err := instance.TakeUpTemplates(t.Context(), catalog); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for name, want := range map[string]int{"editor": 2, "new": 1} {
		wantEqual(t, len(o.versions(name)), want)
	}
}
