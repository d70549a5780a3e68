package command

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"

	"github.com/bothylabs/bothy/service/client"
)

// templateVersions is `bothy template versions`.
type templateVersions struct {
	env    *Env
	remote remoteFlags
	output output
}

func (*templateVersions) doc() doc {
	return doc{
		args:     []string{"<template>"},
		synopsis: "List the versions of a template",
		text: `
Lists the versions of a template that the server has, newest first, with where
each comes from. A commit with a plus sign had changes beside it that are in no
commit.
`,
		examples: []example{{"What there is", "bothy template versions code-server"}},
	}
}

func (c *templateVersions) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *templateVersions) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	versions, err := s.TemplateVersions(ctx, args[0])
	if err != nil {
		return err
	}
	return c.output.show(c.env, versions, func() {
		t := newTable("VERSION", "CREATED", "BY", "ORIGIN", "COMMIT", "MESSAGE")
		for _, v := range versions {
			t.add(strconv.FormatInt(v.Version, 10), date(v.CreatedAt), firstOf(v.Author.Name, v.RegisteredBy), string(v.Origin.Kind), commitOf(v.Origin), v.Message)
		}
		c.env.show(t)
	})
}

// commitOf gives a commit for a table.
func commitOf(o client.TemplateOrigin) string {
	text := shortRevision(o.Revision)
	if o.Dirty && text != "" {
		text += "+"
	}
	return text
}

// templateDiff is `bothy template diff`.
type templateDiff struct {
	env    *Env
	remote remoteFlags
	output output
	lines  int
}

func (*templateDiff) doc() doc {
	return doc{
		args:     []string{"<template>", "<version>", "<version>"},
		synopsis: "Show what differs between two versions of a template",
		text: `
Prints what differs between two versions of a template, in the unified form that
patch takes; nothing when nothing does.
`,
		examples: []example{{"What version 2 brought", "bothy template diff code-server 1 2"}},
	}
}

func (c *templateDiff) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.IntVar(&c.lines, "lines", udiff.DefaultContextLines, "`Number` of lines around each difference.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *templateDiff) run(ctx context.Context, args []string) error {
	if c.lines < 0 {
		return usagef("-lines %d: give 0 or more", c.lines)
	}
	numbers := make([]int64, 2)
	for i, text := range args[1:3] {
		var err error
		if numbers[i], err = versionNumber(text); err != nil {
			return err
		}
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	var both [2]client.Template
	for i, number := range numbers {
		if both[i], err = s.Template(ctx, args[0], number); err != nil {
			return err
		}
	}
	label := func(t client.Template) string { return fmt.Sprintf("%s.nomad.hcl (version %d)", t.Name, t.Version) }
	diff, err := udiff.ToUnified(label(both[0]), label(both[1]), both[0].Source, udiff.Lines(both[0].Source, both[1].Source), c.lines)
	if err != nil {
		return fmt.Errorf("compare the versions: %w", err)
	}
	shown := struct {
		Template string `json:"template"`
		From     int64  `json:"from"`
		To       int64  `json:"to"`
		Diff     string `json:"diff"`
	}{args[0], both[0].Version, both[1].Version, diff}
	return c.output.show(c.env, shown, func() { c.print(diff) })
}

// print colours a diff for a person.
func (c *templateDiff) print(diff string) {
	s := c.env.style()
	for line := range strings.Lines(diff) {
		text, end := strings.TrimSuffix(line, "\n"), line[len(strings.TrimSuffix(line, "\n")):]
		switch {
		case strings.HasPrefix(text, "---"), strings.HasPrefix(text, "+++"):
			text = s.bold(text)
		case strings.HasPrefix(text, "@@"):
			text = s.faint(text)
		case strings.HasPrefix(text, "-"):
			text = s.red(text)
		case strings.HasPrefix(text, "+"):
			text = s.green(text)
		}
		fmt.Fprint(c.env.Stdout, text+end)
	}
}

// versionNumber reads a version; "newest" and "latest" are 0.
func versionNumber(text string) (int64, error) {
	if text == "newest" || text == "latest" {
		return 0, nil
	}
	number, err := strconv.ParseInt(text, 10, 32)
	if err != nil || number < 1 {
		return 0, usagef("%q is not a version: give a number from 1, or newest", text)
	}
	return number, nil
}
