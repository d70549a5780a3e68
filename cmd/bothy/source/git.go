package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

const (
	// askTimeout bounds a question to a work tree, fetchTimeout the fetching of a repository.
	askTimeout   = 15 * time.Second
	fetchTimeout = 5 * time.Minute
	// maxOutput is how much of what git says is kept, in bytes.
	maxOutput = 1 << 20
)

// Git runs the git program.
type Git struct {
	// Environ is the environment that it runs in.
	Environ []string
	// Progress takes what git says of a fetch while it goes on; nil for nobody.
	Progress io.Writer
}

// run gives what git prints. It never asks anybody anything, runs no hooks and no
// helper programs of a repository's.
func (g Git) run(ctx context.Context, progress io.Writer, args ...string) ([]byte, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, lab.Wrap(lab.CodeInvalid, err, "the program git is not there").
			WithHint("install it (on Debian: apt-get install git), or fetch the repository by other means and push its folder")
	}
	safe := []string{
		"-c", "protocol.allow=never", "-c", "protocol.ext.allow=never",
		"-c", "protocol.https.allow=always", "-c", "protocol.ssh.allow=always", "-c", "protocol.file.allow=always",
		"-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsmonitor=false", "-c", "submodule.recurse=false",
	}
	// What a person names stands after -- or was checked.
	command := exec.CommandContext(ctx, program, append(safe, args...)...)
	command.Env = append(g.environ(), "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "SSH_ASKPASS=true", "LC_ALL=C")
	command.WaitDelay = time.Second
	out, said := &limited{most: maxOutput}, &limited{most: maxOutput}
	command.Stdout, command.Stderr = out, said
	if progress != nil {
		command.Stderr = io.MultiWriter(said, progress)
	}
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("run git: %w", ctx.Err())
		}
		return nil, &failure{said: said.text.String(), cause: err}
	}
	return out.text.Bytes(), nil
}

// environ is the environment without what would lead git to another repository.
func (g Git) environ() []string {
	var kept []string
	ssh := "GIT_SSH_COMMAND=ssh -o BatchMode=yes"
	for _, variable := range g.Environ {
		name, _, _ := strings.Cut(variable, "=")
		switch name {
		case "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_NAMESPACE":
			continue
		case "GIT_SSH_COMMAND", "GIT_SSH":
			ssh = ""
		}
		kept = append(kept, variable)
	}
	if ssh != "" {
		kept = append(kept, ssh)
	}
	return kept
}

// failure is what git said when it failed.
type failure struct {
	said  string
	cause error
}

func (f *failure) Error() string { return f.cause.Error() + ": " + f.said }
func (f *failure) Unwrap() error { return f.cause }

// why gives the line of git's that says most.
func (f *failure) why() string {
	why := f.cause.Error()
	for line := range strings.Lines(f.said) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "fatal: "); ok {
			return text
		}
		if text := strings.TrimSpace(line); text != "" {
			why = text
		}
	}
	return why
}

// fetch gets the templates of a repository: the newest commit of a ref, without
// its history and without a work tree, so that nothing of it is ever run.
func (g Git) fetch(ctx context.Context, r remote) (_ []File, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	folder, err := os.MkdirTemp("", "bothy-template-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if _, err := g.run(ctx, nil, "init", "--quiet", "--bare", "--template=", folder); err != nil {
		return nil, fmt.Errorf("make a temporary repository: %w", err)
	}
	where := r.url
	if info, err := os.Stat(where); err == nil && info.IsDir() {
		if where, err = filepath.Abs(where); err != nil {
			return nil, fmt.Errorf("find %s: %w", r.url, err)
		}
	}
	ref := r.ref
	if ref == "" {
		ref = "HEAD"
	}
	fetch := []string{"-C", folder, "fetch", "--depth=1", "--no-tags", "--no-recurse-submodules"}
	if g.Progress != nil {
		fetch = append(fetch, "--progress")
	}
	if _, err := g.run(ctx, g.Progress, append(fetch, "--", where, ref)...); err != nil {
		return nil, unfetched(r, err)
	}
	return g.templates(ctx, folder, r)
}

func unfetched(r remote, err error) error {
	var failed *failure
	if !errors.As(err, &failed) {
		return err
	}
	return lab.Errorf(lab.CodeInvalid, "git can't fetch %s: %s", r, failed.why()).
		WithHint("is the address right, is there such a branch, tag or whole commit, and may you read it without a prompt (a credential helper, an SSH agent)?")
}

// templates reads the templates of what was fetched.
func (g Git) templates(ctx context.Context, folder string, r remote) ([]File, error) {
	git := func(args ...string) ([]byte, error) {
		return g.run(ctx, nil, append([]string{"-C", folder}, args...)...)
	}
	commit, err := git("log", "-1", "--format=%H%x00%an%x00%ae", "FETCH_HEAD")
	if err != nil {
		return nil, fmt.Errorf("read the commit: %w", err)
	}
	said := strings.Split(strings.TrimSuffix(string(commit), "\n"), "\x00")
	if len(said) != 3 {
		return nil, fmt.Errorf("git says %q of the commit", commit)
	}
	where := r.path
	if !strings.HasSuffix(where, jobspec.Suffix) && where != "" {
		where += "/"
	}
	list := []string{"ls-tree", "-z", "--long", "FETCH_HEAD"}
	if where != "" {
		list = append(list, "--", where)
	}
	listing, err := git(list...)
	if err != nil {
		return nil, fmt.Errorf("list the files: %w", err)
	}
	var files []File
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(listing), "\x00"), "\x00") {
		described, name, _ := strings.Cut(entry, "\t")
		field := strings.Fields(described) // mode, type, object, size
		if len(field) != 4 || !strings.HasPrefix(field[0], "100") || !strings.HasSuffix(name, jobspec.Suffix) {
			continue
		}
		size, err := strconv.Atoi(field[3])
		if err != nil {
			return nil, fmt.Errorf("git says %q of %s", described, name)
		}
		if size > jobspec.MaxSource {
			return nil, lab.Invalid("the template cannot be used", lab.Field{
				Name: name, Problem: fmt.Sprintf("is larger than %d KiB", jobspec.MaxSource>>10), Remedy: "a job file is a few KiB of text",
			})
		}
		content, err := git("cat-file", "blob", field[2])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		files = append(files, File{
			Name: nameOf(name), Path: name, Source: content,
			Origin: lab.TemplateOrigin{Kind: lab.OriginGit, URL: public(r.url), Path: path.Clean(name), Revision: said[0]},
			Author: lab.Author{Name: said[1], Email: said[2]},
		})
	}
	return sorted(files), some(r.String(), len(files))
}

// workTree is what git knows of a folder.
type workTree struct {
	git Git
	// root is "" for a folder that is in no work tree.
	root   string
	origin lab.TemplateOrigin
	author lab.Author
}

// workTree asks about a folder. Where git is not there or does not know it, what
// is pushed from there is an upload like any other.
func (g Git) workTree(ctx context.Context, folder string) workTree {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ask := func(args ...string) string {
		out, err := g.run(ctx, nil, append([]string{"-C", folder}, args...)...)
		if err != nil {
			return "" // not known
		}
		return strings.TrimSpace(string(out))
	}
	tree := workTree{
		git: g, root: ask("rev-parse", "--show-toplevel"), origin: lab.TemplateOrigin{Kind: lab.OriginUpload},
		author: lab.Author{Name: ask("config", "user.name"), Email: ask("config", "user.email")},
	}
	if tree.root == "" {
		return tree
	}
	name, _, _ := strings.Cut(ask("remote"), "\n")
	if ask("remote", "get-url", "origin") != "" {
		name = "origin"
	}
	tree.origin.Kind, tree.origin.Revision = lab.OriginGit, ask("rev-parse", "--verify", "HEAD")
	if name != "" {
		tree.origin.URL = public(ask("remote", "get-url", name))
	}
	tree.origin.Dirty = tree.origin.Revision == "" || ask("status", "--porcelain", "--untracked-files=no") != ""
	return tree
}

// of gives a file's origin and author.
func (t workTree) of(ctx context.Context, file string) (lab.TemplateOrigin, lab.Author) {
	origin := t.origin
	if t.root == "" {
		origin.Path = filepath.ToSlash(filepath.Base(file))
		return origin, t.author
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	name := filepath.Base(file)
	git := func(args ...string) (string, error) {
		out, err := t.git.run(ctx, nil, append([]string{"-C", filepath.Dir(file)}, args...)...)
		return strings.TrimSpace(string(out)), err
	}
	prefix, err := git("rev-parse", "--show-prefix")
	if err != nil {
		prefix = ""
	}
	origin.Path = path.Join(prefix, name)
	// A file that is in no commit is not what the commit's name stands for.
	if changed, err := git("status", "--porcelain", "--ignored", "--", name); err != nil || changed != "" {
		origin.Dirty = true
	}
	return origin, t.author
}

// limited keeps the beginning of what is written.
type limited struct {
	text bytes.Buffer
	most int
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	l.text.Write(p[:min(len(p), max(0, l.most-l.text.Len()))])
	return len(p), nil
}
