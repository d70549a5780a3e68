package source_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/cmd/bothy/source"
	"github.com/bothylabs/bothy/service/lab"
)

const job = "# A template.\njob \"x\" {}\n"

// machine is a home of its own for git.
func machine(t *testing.T) source.Git {
	t.Helper()
	home := t.TempDir()
	write(t, filepath.Join(home, ".gitconfig"), "[user]\n\tname = Ada Lovelace\n\temail = ada@example.edu\n[init]\n\tdefaultBranch = main\n")
	return source.Git{Environ: []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1"}}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, g source.Git, dir string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", args...)
	command.Dir, command.Env = dir, g.Environ
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// repository has two templates in a folder and one at the top, in one commit.
func repository(t *testing.T, g source.Git) (dir, commit string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "labs")
	write(t, filepath.Join(dir, "top.nomad.hcl"), job)
	write(t, filepath.Join(dir, "more", "b.nomad.hcl"), job+"# b\n")
	write(t, filepath.Join(dir, "more", "a.nomad.hcl"), job+"# a\n")
	write(t, filepath.Join(dir, "more", "README.md"), "no template")
	write(t, filepath.Join(dir, "more", "deeper", "c.nomad.hcl"), job)
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "more", "link.nomad.hcl")); err != nil {
		t.Fatal(err)
	}
	git(t, g, dir, "init", "--quiet")
	git(t, g, dir, "add", ".")
	git(t, g, dir, "commit", "--quiet", "-m", "first")
	git(t, g, dir, "tag", "v1")
	return dir, git(t, g, dir, "rev-parse", "HEAD")
}

func find(t *testing.T, g source.Git, ref string) []source.File {
	t.Helper()
	files, err := g.Find(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func names(files []source.File) []string {
	var all []string
	for _, f := range files {
		all = append(all, f.Name)
	}
	return all
}

func refused(t *testing.T, g source.Git, ref string) *lab.Error {
	t.Helper()
	files, err := g.Find(t.Context(), ref)
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code != lab.CodeInvalid {
		t.Fatalf("%s: got %v, %v", ref, names(files), err)
	}
	return coded
}

func TestAFileOutsideOfGitIsAnUpload(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mine.nomad.hcl")
	write(t, path, job)
	want := []source.File{{
		Name: "mine", Path: path, Source: []byte(job), Origin: lab.TemplateOrigin{Kind: lab.OriginUpload, Path: "mine.nomad.hcl"},
		Author: lab.Author{Name: "Ada Lovelace", Email: "ada@example.edu"},
	}}
	if diff := cmp.Diff(want, find(t, machine(t), path)); diff != "" {
		t.Error(diff)
	}
}

func TestAWorkTreeSaysWhereItsFilesComeFrom(t *testing.T) {
	t.Parallel()
	g := machine(t)
	dir, commit := repository(t, g)
	git(t, g, dir, "remote", "add", "origin", "https://ada:secret@git.example.edu/labs.git?token=secret")
	want := lab.TemplateOrigin{Kind: lab.OriginGit, URL: "https://git.example.edu/labs.git", Path: "more/a.nomad.hcl", Revision: commit}
	folder := filepath.Join(dir, "more")
	origin := func() lab.TemplateOrigin { return find(t, g, filepath.Join(folder, "a.nomad.hcl"))[0].Origin }
	if diff := cmp.Diff(want, origin()); diff != "" {
		t.Error(diff)
	}
	if files := find(t, g, folder+"/"); !slices.Contains(names(files), "a") || files[0].Origin != want || files[0].Author.Email != "ada@example.edu" {
		t.Errorf("got %+v", files)
	}
	write(t, filepath.Join(dir, "more", "README.md"), "changed")
	if !origin().Dirty {
		t.Error("a change beside it is not told")
	}
	git(t, g, dir, "checkout", "--quiet", ".")
	write(t, filepath.Join(folder, "new.nomad.hcl"), job)
	if origin().Dirty || !find(t, g, filepath.Join(folder, "new.nomad.hcl"))[0].Origin.Dirty {
		t.Error("only the file that is in no commit is not what the commit stands for")
	}
}

func TestARepositoryIsRead(t *testing.T) {
	t.Parallel()
	g := machine(t)
	dir, commit := repository(t, g)
	write(t, filepath.Join(dir, "more", "a.nomad.hcl"), job+"# newer\n")
	git(t, g, dir, "commit", "--quiet", "-am", "second")
	newest := git(t, g, dir, "rev-parse", "HEAD")
	hook := filepath.Join(dir, ".git", "hooks", "post-checkout")
	write(t, hook, "#!/bin/sh\ntouch "+dir+"/hooked\n")

	for ref, want := range map[string]struct {
		names  []string
		commit string
	}{
		"file://" + dir:                          {[]string{"top"}, newest},
		dir + "/.git":                            {[]string{"top"}, newest},
		"file://" + dir + "//more?ref=main":      {[]string{"a", "b"}, newest},
		"file://" + dir + "//more/?ref=v1":       {[]string{"a", "b"}, commit},
		dir + "//more/a.nomad.hcl":               {[]string{"a"}, newest},
		"file://" + dir + "//more?ref=" + newest: {[]string{"a", "b"}, newest},
	} {
		files := find(t, g, ref)
		if diff := cmp.Diff(want.names, names(files)); diff != "" {
			t.Errorf("%s: %s", ref, diff)
		}
		for _, f := range files {
			if f.Origin.Revision != want.commit || f.Origin.Kind != lab.OriginGit || f.Origin.Dirty || f.Author.Name != "Ada Lovelace" {
				t.Errorf("%s: got %+v", ref, f)
			}
		}
	}
	files := find(t, g, "file://"+dir+"//more?ref=v1")
	if string(files[0].Source) != job+"# a\n" || files[0].Origin.Path != "more/a.nomad.hcl" || files[0].Origin.URL != "file://"+dir {
		t.Errorf("got %+v", files[0])
	}
	if _, err := os.Stat(filepath.Join(dir, "hooked")); err == nil {
		t.Error("a hook was run")
	}
	for _, ref := range []string{"file://" + dir + "?ref=none", "file://" + dir + "x", "file://" + dir + "//none"} {
		if e := refused(t, g, ref); e.Hint == "" {
			t.Errorf("%s: %v", ref, e)
		}
	}
}

func TestWhatIsNoRepositoryToFetchIsRefused(t *testing.T) {
	t.Parallel()
	marker := filepath.Join(t.TempDir(), "ran")
	for _, ref := range []string{
		"ext::sh -c touch% " + marker, "ext::sh", "http://git.example.edu/x.git", "git://git.example.edu/x.git", "ftp://x/y",
		"https://ada:secret@git.example.edu/x.git", "https://secret@git.example.edu/x.git", "ssh://git:secret@git.example.edu/x.git",
		"https://git.example.edu/x.git?token=secret", "https://git.example.edu/x.git?ref=", "https://git.example.edu/x.git?ref=--upload-pack=secret",
		"https://git.example.edu/x.git?ref=a..b", "--upload-pack=touch.git", "https://git.example.edu/x.git//../../etc", "https://git.exa mple/%zz.git",
	} {
		if e := refused(t, machine(t), ref); strings.Contains(e.Error(), "secret") || len(e.Fields) != 1 || e.Fields[0].Remedy == "" {
			t.Errorf("%s: got %v", ref, e)
		}
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("a helper was run")
	}
}

func TestAFolderWithoutTemplatesAndAMissingFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if e := refused(t, machine(t), dir); !strings.Contains(e.Message, "has no template") {
		t.Error(e)
	}
	if e := refused(t, machine(t), filepath.Join(dir, "none.nomad.hcl")); !strings.Contains(e.Message, "no such file") {
		t.Error(e)
	}
}

func TestAMachineWithoutGit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.nomad.hcl")
	write(t, path, job)
	t.Setenv("PATH", t.TempDir())
	g := source.Git{}
	if e := refused(t, g, "https://git.example.edu/labs.git"); !strings.Contains(e.Hint, "install") {
		t.Error(e)
	}
	if files := find(t, g, path); files[0].Origin.Kind != lab.OriginUpload {
		t.Errorf("got %+v", files)
	}
}
