package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/mail"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/bothylabs/bothy/cmd/bothy/source"
	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// templatePush is `bothy template push`.
type templatePush struct {
	env    *Env
	remote remoteFlags
	output output
	write  dryRunFlag

	name, message, author string
}

func (*templatePush) doc() doc {
	return doc{
		args:     []string{"<file | folder | repository>"},
		synopsis: "Register a version of a template",
		text: `
Registers job files with the server: each becomes the next version of the
template that the file is named after, <name>.nomad.hcl. A version never
changes. Courses stay with the version that they have until they are moved
(` + "`bothy course update -template-version`" + `). Where the source is that of the
newest version already, nothing is registered.

A folder is pushed with all templates at its top. In a Git work tree, the
remote's address, the commit, and whether there are uncommitted changes are
kept with the version, and the author is the one of Git's configuration.

A Git repository is fetched with the program git, without its history and into
a temporary folder; nothing of it is run. Its address is https://…, ssh://…,
user@host:path, file://… or a path, then //folder for one below its top, and
?ref=… for a branch, a tag or a commit. Passwords do not belong in it: Git's
credential helpers and SSH agent are used, and nobody is prompted.
`,
		examples: []example{
			{"A template of your own", "bothy template push -message \"More memory\" ./mine.nomad.hcl"},
			{"All templates of a folder, to see what would be done", "bothy template push -dry-run templates/"},
			{"From a Git repository", "bothy template push 'https://git.example.edu/labs.git//templates?ref=main'"},
		},
	}
}

func (c *templatePush) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.name, "name", "", "`Name` of the template, where it is another than the file's; for one file.")
		set.StringVar(&c.message, "message", "", "`Text` that says what is new.")
		set.StringVar(&c.author, "author", "", "Who wrote it, as `author` \"Ada Lovelace <ada@example.edu>\"; without it, Git knows.")
	})
	c.write.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

// pushed is one template as -json shows it.
type pushed struct {
	client.PushedTemplate
	// New says that the version was made just now.
	New bool `json:"new"`
}

func (c *templatePush) run(ctx context.Context, args []string) error {
	author, err := authorOf(c.author)
	if err != nil {
		return err
	}
	git := source.Git{Environ: os.Environ()}
	if c.env.OutTerminal && !c.output.json {
		git.Progress = c.env.Stderr
	}
	files, err := git.Find(ctx, args[0])
	if err != nil {
		return err
	}
	if c.name != "" {
		if len(files) > 1 {
			return usagef("-name is for one file, and %s has %d", args[0], len(files))
		}
		files[0].Name = c.name
	}
	if err := checkFiles(files); err != nil {
		return err
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	s = c.write.matching(s, "")
	done := []pushed{}
	var failed []error
	for _, file := range files {
		if author != nil {
			file.Author = *author
		}
		one, err := c.push(ctx, s, file)
		if err != nil {
			failed = append(failed, inFile(file, len(files), err))
			continue
		}
		done = append(done, one)
	}
	c.write.warn(c.env)
	if err := c.output.show(c.env, done, func() { c.tell(done) }); err != nil {
		return err
	}
	return c.failure(failed, len(files))
}

func (c *templatePush) push(ctx context.Context, s *client.Client, file source.File) (pushed, error) {
	origin := file.Origin
	one, isNew, err := s.PushTemplate(ctx, file.Name, client.TemplateInput{
		Source: string(file.Source), Message: &c.message,
		Author: &client.TemplateAuthorInput{Name: &file.Author.Name, Email: &file.Author.Email},
		Origin: &client.TemplateOriginInput{
			Kind: client.TemplateOriginInputKind(origin.Kind), URL: &origin.URL, Path: &origin.Path, Revision: &origin.Revision, Dirty: &origin.Dirty,
		},
	})
	return pushed{PushedTemplate: one, New: isNew}, err
}

func (c *templatePush) tell(done []pushed) {
	for _, one := range done {
		switch {
		case !one.New:
			c.env.UI.Output(fmt.Sprintf("Template %s: version %d has this source already.", one.Name, one.Version))
		case c.write.dryRun:
			c.env.UI.Output(fmt.Sprintf("Template %s: would be version %d%s.", one.Name, one.Version, originText(one.Origin)))
		default:
			c.env.UI.Output(fmt.Sprintf("Template %s: registered version %d%s.", one.Name, one.Version, originText(one.Origin)))
		}
		if one.Unasked != "" {
			c.env.UI.Output("  Nomad did not read it: " + one.Unasked + ".")
		}
	}
}

// failure says what could not be pushed; what could be is not taken back.
func (c *templatePush) failure(failed []error, all int) error {
	switch {
	case len(failed) == 0:
		return nil
	case all == 1:
		return failed[0]
	}
	for _, err := range failed[1:] {
		c.env.report(err)
	}
	return failed[0]
}

// inFile names the file that an error is about, where there are others.
func inFile(file source.File, all int, err error) error {
	var coded *lab.Error
	if all == 1 || !errors.As(err, &coded) {
		return err
	}
	moved := *coded
	moved.Message = file.Path + ": " + moved.Message
	return errors.Join(&moved, err)
}

// checkFiles refuses what could not even be sent.
func checkFiles(files []source.File) error {
	var fields []lab.Field
	for _, file := range files {
		switch {
		case len(file.Source) > jobspec.MaxSource:
			fields = append(fields, lab.Field{Name: file.Path, Problem: fmt.Sprintf("is larger than %d KiB", jobspec.MaxSource>>10), Remedy: "a job file is a few KiB of text"})
		case !utf8.Valid(file.Source):
			_, err := jobspec.Parse(file.Path, file.Source)
			var coded *lab.Error
			if errors.As(err, &coded) {
				fields = append(fields, coded.Fields...)
			}
		case len(file.Source) == 0:
			fields = append(fields, lab.Field{Name: file.Path, Problem: "is empty", Remedy: "is it the right file?"})
		}
	}
	if len(fields) > 0 {
		return lab.Invalid("nothing was pushed", fields...)
	}
	return nil
}

// authorOf reads -author; nil when it was not given.
func authorOf(text string) (*lab.Author, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // that nobody is named is an answer
	}
	if !strings.Contains(text, "<") {
		return &lab.Author{Name: strings.TrimSpace(text)}, nil
	}
	address, err := mail.ParseAddress(text)
	if err != nil {
		return nil, usagef("-author %s: write it as in \"Ada Lovelace <ada@example.edu>\"", text)
	}
	return &lab.Author{Name: address.Name, Email: address.Address}, nil
}

// originText says where a version comes from, to follow a sentence.
func originText(o client.TemplateOrigin) string {
	if o.Revision == "" {
		return ""
	}
	text := " from commit " + shortRevision(o.Revision)
	if o.Dirty {
		text += ", with changes that are in no commit"
	}
	return text
}

func shortRevision(revision string) string { return revision[:min(len(revision), 12)] }
