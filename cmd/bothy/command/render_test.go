package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/jobspec"
)

const rosterOfThree = "name,email\nAna Pérez,ana@example.edu\nana perez,second@example.edu\nBo Lindström,bo@example.edu\n"

func TestRenderWritesARosterIntoAFolder(t *testing.T) {
	w := newWorld(t)
	dir := folder(t, map[string]string{"students.csv": rosterOfThree})
	out := filepath.Join(dir, "out")
	line := []string{
		"render", "code-server-exec", "-cohort", "Fall 26", "-course", "py101",
		"-var", "memory=2048", "-roster", filepath.Join(dir, "students.csv"), "-out", out,
	}
	w.run(line...).ok().says("3 students in " + out + ": 6 files written, 0 replaced, 0 unchanged.")
	want := []string{
		"fall-26-py101-ana-perez-2.nomad.hcl", "fall-26-py101-ana-perez-2.volume.hcl",
		"fall-26-py101-ana-perez.nomad.hcl", "fall-26-py101-ana-perez.volume.hcl",
		"fall-26-py101-bo-lindstrom.nomad.hcl", "fall-26-py101-bo-lindstrom.volume.hcl",
	}
	if diff := cmp.Diff(want, namesIn(t, out)); diff != "" {
		t.Error(diff)
	}
	rendered := parsed(t, filepath.Join(out, "fall-26-py101-bo-lindstrom.nomad.hcl"))
	for name, value := range map[string]any{"slug": "fall-26-py101-bo-lindstrom", "memory": 2048.0, "vault_role": "", "namespace": "bothy"} {
		if got := rendered[name]; got != value {
			t.Errorf("%s is %v, want %v", name, got, value)
		}
	}

	w.run(line...).ok().says("0 files written, 0 replaced, 6 unchanged.")
	changed := slices.Replace(slices.Clone(line), 7, 8, "memory=4096")
	w.run(changed...).fails(exitLocal, "nothing was written: files would be overwritten (3 problems)", "fall-26-py101-ana-perez.nomad.hcl: exists with other content (-force overwrites it)")
	if got := parsed(t, filepath.Join(out, "fall-26-py101-bo-lindstrom.nomad.hcl"))["memory"]; got != 2048.0 {
		t.Errorf("a refused rendering changed a file: memory is %v", got)
	}
	w.run(append(changed, "-force")...).ok().says("0 files written, 3 replaced, 3 unchanged.")
}

func TestRenderPrintsOneStudentByteForByte(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	line := []string{"render", "shell", "-cohort", "Fall 26", "-course", "Linux 1", "-student", "Ana Pérez", "-namespace", "default", "-datacenters", "a,b", "-vault-role", "r"}
	printed := w.run(line...).ok().out
	w.run(append(line, "-out", dir)...).ok()
	written, err := os.ReadFile(filepath.Join(dir, "fall-26-linux-1-ana-perez.nomad.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), printed); diff != "" {
		t.Errorf("printed and written differ:\n%s", diff)
	}
	got := parsed(t, filepath.Join(dir, "fall-26-linux-1-ana-perez.nomad.hcl"))
	if got["namespace"] != "default" || got["vault_role"] != "r" || !cmp.Equal(got["datacenters"], []any{"a", "b"}) {
		t.Errorf("the settings did not arrive: %v", got)
	}
}

func TestRenderTakesATemplateFromAFile(t *testing.T) {
	w := newWorld(t)
	source := w.run("template", "show", "shell").ok().out
	dir := folder(t, map[string]string{"mine.nomad.hcl": source, "broken.nomad.hcl": "job \"x\" {\n  nonsense here\n}\n"})
	w.run("render", filepath.Join(dir, "mine.nomad.hcl"), "-cohort", "c", "-course", "k", "-student", "Ana").ok().says("c-k-ana")
	w.run("render", filepath.Join(dir, "broken.nomad.hcl"), "-cohort", "c", "-course", "k", "-student", "Ana").
		fails(exitLocal, "broken.nomad.hcl:2:")
	w.run("render", "./nowhere.nomad.hcl", "-cohort", "c", "-course", "k", "-student", "Ana").
		fails(exitLocal, "./nowhere.nomad.hcl: no such file or directory", "Hint: Check the path.")
	w.run("render", "no-such", "-cohort", "c", "-course", "k", "-student", "Ana").
		fails(exitLocal, `no template "no-such"`, "Hint: `bothy template list`")
}

func TestRenderRefusesWhatIsWrongAndWritesNothing(t *testing.T) {
	dir := folder(t, map[string]string{
		"good.csv":    rosterOfThree,
		"columns.csv": "nom,email\nAna,a@example.edu\n",
		"email.csv":   "name,email\nAna,nowhere\n",
		"twice.csv":   "name,email\nAna,a@example.edu\nBo,A@example.edu\n",
		"code.csv":    "name,email\n${NOMAD_TOKEN},a@example.edu\n",
		"bad.hcl":     "memory = 2048\ncpu = ${\n",
		"odd.hcl":     "memory = 1\n",
		"bad.json":    `{"memory": }`,
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	base := []string{"-cohort", "Fall 26", "-course", "py101"}
	cases := map[string]struct {
		flags []string
		want  []string
	}{
		"no cohort":                 {[]string{"-course", "x", "-student", "Ana"}, []string{"-cohort is missing", "`bothy render -h`"}},
		"no course":                 {[]string{"-cohort", "x", "-student", "Ana"}, []string{"-course is missing"}},
		"nobody":                    {base, []string{"give either -student or -roster"}},
		"a student and a roster":    {append(base, "-student", "Ana", "-roster", at("good.csv")), []string{"give either"}},
		"a roster without a folder": {append(base, "-roster", at("good.csv")), []string{"-out is missing"}},
		"wrong columns":             {append(base, "-roster", at("columns.csv"), "-out", at("out")), []string{"columns.csv:1:1", `"nom"`}},
		"a bad address":             {append(base, "-roster", at("email.csv"), "-out", at("out")), []string{"email.csv:2:5", "not an e-mail address"}},
		"the same address twice":    {append(base, "-roster", at("twice.csv"), "-out", at("out")), []string{"twice.csv:3:4", "line 2"}},
		"a name that is program":    {append(base, "-roster", at("code.csv"), "-out", at("out")), []string{"code.csv:2:1", "${"}},
		"a student that is program": {append(base, "-student", "{{ env }}"), []string{"-student", "{{"}},
		"a cohort that is program":  {[]string{"-cohort", "%{ if }", "-course", "x", "-student", "Ana"}, []string{"-cohort", "%{"}},
		"no such roster":            {append(base, "-roster", at("none.csv"), "-out", at("out")), []string{"none.csv: no such file"}},
		"an unknown parameter":      {append(base, "-student", "Ana", "-var", "memry=1"), []string{"-var memry", "code-server-exec", "memory"}},
		"a reserved parameter":      {append(base, "-student", "Ana", "-var", "slug=x"), []string{"-var slug"}},
		"an ill-typed parameter":    {append(base, "-student", "Ana", "-var", `memory="much"`), []string{"-var memory", "number"}},
		"a parameter out of range":  {append(base, "-student", "Ana", "-var-file", at("odd.hcl")), []string{"odd.hcl:1:1: memory", "256 or more"}},
		"a file that is no HCL":     {append(base, "-student", "Ana", "-var-file", at("bad.hcl")), []string{"bad.hcl:2:7"}},
		"a file that is no JSON":    {append(base, "-student", "Ana", "-var-file", at("bad.json")), []string{"bad.json:1:"}},
		"no equals sign":            {append(base, "-student", "Ana", "-var", "memory"), []string{"-var memory: write name=value"}},
		"a value that is no HCL":    {append(base, "-student", "Ana", "-var", "memory=a b"), []string{"-var memory", "is not HCL"}},
		"a setting that is wrong":   {append(base, "-student", "Ana", "-home-type", "nfs"), []string{"flag -home-type: home.type", "host or csi"}},
		"a labs URL with a path":    {append(base, "-student", "Ana", "-labs-url", "http://x/y"), []string{"flag -labs-url", "has a path"}},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			newWorld(t).run(append([]string{"render", "code-server-exec"}, c.flags...)...).fails(exitLocal, c.want...)
			if _, err := os.Stat(at("out")); !os.IsNotExist(err) {
				t.Error("something was written")
			}
		})
	}
}

func TestParametersOfTheCommandLineWinOverFiles(t *testing.T) {
	dir := folder(t, map[string]string{
		"one.hcl":  "memory = 512\ncpu = 200\nenvironment = { A = \"1\" }\n",
		"two.json": `{"memory": 768, "disk": 400}`,
	})
	out := filepath.Join(dir, "out")
	newWorld(t).run(
		"render", "code-server-exec", "-cohort", "c", "-course", "k", "-student", "Ana", "-out", out,
		"-var-file", filepath.Join(dir, "one.hcl"), "-var-file", filepath.Join(dir, "two.json"), "-var", "cpu=300", "-var", "code_server=/opt/other",
	).ok()
	got := parsed(t, filepath.Join(out, "c-k-ana.nomad.hcl"))
	want := map[string]any{"memory": 768.0, "disk": 400.0, "cpu": 300.0, "code_server": "/opt/other", "environment": map[string]any{"A": "1"}}
	for name, value := range want {
		if diff := cmp.Diff(value, got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRenderReadsARosterFromStandardInput(t *testing.T) {
	w := newWorld(t)
	w.Stdin = strings.NewReader(rosterOfThree)
	w.run("render", "shell", "-cohort", "c", "-course", "k", "-roster", "-", "-out", filepath.Join(t.TempDir(), "out")).ok().says("3 students")
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// parsed gives the defaults of a rendered file's variables: the values that were written in.
func parsed(t *testing.T, path string) map[string]any {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := jobspec.Parse(path, source)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	for _, v := range rendered.Variables() {
		values[v.Name] = v.Default
	}
	return values
}
