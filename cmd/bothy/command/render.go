package command

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/roster"
	"github.com/bothylabs/bothy/service/slug"
)

// render is `bothy render`.
type render struct {
	env      *Env
	params   params
	settings jobFlags

	cohort, course  string
	student, roster string
	out             string
	force           bool
}

func (*render) doc() doc {
	return doc{
		args:     []string{"<template>"},
		synopsis: "Write the job files of a student or a whole roster",
		text: `
Renders a template for one student (-student) or for everybody on a roster
(-roster), without a server and without a network. The results are plain files
for Nomad: for each student <slug>.nomad.hcl, which is the template with the
values written in, and <slug>.volume.hcl, which is the home that the job needs.
Start one with

    nomad volume create out/<slug>.volume.hcl
    nomad job run out/<slug>.nomad.hcl

The template is a built-in one by its name, or a file by its path. Names become
slugs that are unique within the roster; only a server knows the slugs that
were given before. Files are written all or none, and files that exist with
other content are left alone unless -force is given. One student without -out
is printed.

Without -vault-role the workspaces have no secrets: a server makes each
workspace's secret in Vault, and a file that is run by hand has nobody to.
`,
		examples: []example{
			{"One student, to look at", "bothy render code-server-exec -cohort \"Fall 26\" -course py101 -student \"Ana Pérez\""},
			{"A whole roster", "bothy render code-server-exec -cohort \"Fall 26\" -course py101 \\\n    -var memory=2048 -roster students.csv -out out/"},
			{"A template of your own", "bothy render ./mine.nomad.hcl -cohort \"Fall 26\" -course py101 -student Ana"},
		},
	}
}

func (c *render) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.cohort, "cohort", "", "`Name` or key of the cohort. Needed.")
		set.StringVar(&c.course, "course", "", "`Name` or key of the course. Needed.")
		set.StringVar(&c.student, "student", "", "`Name` of the one student.")
		set.StringVar(&c.roster, "roster", "", "CSV `file` of students with the columns name and email; \"-\" reads standard input.")
		set.StringVar(&c.out, "out", "", "`Folder` to write the files into; it is made where it is missing.")
		set.BoolVar(&c.force, "force", false, "Overwrite files that exist with other content.")
	})
	c.params.flags(f)
	c.settings.flags(f)
}

func (c *render) run(_ context.Context, args []string) error {
	if err := c.check(); err != nil {
		return err
	}
	settings, err := c.settings.read(c.env)
	if err != nil {
		return err
	}
	template, err := c.env.templateByRef(args[0])
	if err != nil {
		return err
	}
	parameters, err := c.params.read(c.env, template.Variables())
	if err != nil {
		return err
	}
	if err := template.CheckParams(values(parameters)); err != nil {
		return placed(err, parameters)
	}
	names, err := c.names()
	if err != nil {
		return err
	}
	rendered, err := renderAll(template, settings, c.cohort, c.course, names, values(parameters))
	if err != nil {
		return err
	}
	if c.out == "" {
		fmt.Fprint(c.env.Stdout, string(rendered[0].Job))
		return nil
	}
	return c.write(rendered)
}

func (c *render) check() error {
	switch {
	case c.cohort == "":
		return usagef("-cohort is missing")
	case c.course == "":
		return usagef("-course is missing")
	case (c.student == "") == (c.roster == ""):
		return usagef("give either -student or -roster")
	case c.roster != "" && c.out == "":
		return usagef("-out is missing: it names the folder for the files of a roster")
	}
	if err := jobspec.ValidateText("-cohort", c.cohort); err != nil {
		return err
	}
	return jobspec.ValidateText("-course", c.course)
}

// names gives whom to render for.
func (c *render) names() ([]string, error) {
	if c.student != "" {
		return []string{c.student}, jobspec.ValidateText("-student", c.student)
	}
	rows, err := c.env.readRoster(c.roster)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row.Name
	}
	return names, nil
}

// renderAll renders for each name, in order.
func renderAll(t *jobspec.Template, settings jobspec.Settings, cohort, course string, names []string, params jobspec.Params) ([]renderedJob, error) {
	cohortKey, courseKey := slug.Key(cohort), slug.Key(course)
	all := make([]renderedJob, 0, len(names))
	for _, one := range slug.Assign(cohortKey, courseKey, names) {
		subject := jobspec.Subject{Slug: one, CohortKey: cohortKey, CourseKey: courseKey}
		rendered, err := jobspec.Render(t, settings, subject, params)
		if err != nil {
			return nil, err
		}
		all = append(all, renderedJob{Rendered: rendered, slug: one})
	}
	return all, nil
}

type renderedJob struct {
	*jobspec.Rendered
	slug lab.Slug
}

func (c *render) write(rendered []renderedJob) error {
	files := make(map[string][]byte, 2*len(rendered))
	for _, r := range rendered {
		files[string(r.slug)+".nomad.hcl"] = r.Job
		files[string(r.slug)+".volume.hcl"] = r.Volume
	}
	done, err := writeFiles(c.out, files, c.force)
	if err != nil {
		return err
	}
	c.env.UI.Output(fmt.Sprintf("%s in %s: %d files written, %d replaced, %d unchanged.", count(len(rendered), "student"), c.out, done.made, done.replaced, done.same))
	return nil
}

// readRoster reads and checks a roster file, "-" for standard input.
func (e *Env) readRoster(path string) ([]roster.Row, error) {
	content, err := e.readInput(path)
	if err != nil {
		return nil, err
	}
	return roster.Parse(strings.NewReader(content), path)
}

// jobFlags are what a deployment puts into its jobs; the server has them in its configuration.
type jobFlags struct{ said config.Flags }

func (j *jobFlags) flags(f *flags) {
	j.said = config.Flags{}
	f.group("Settings (as a server has them; also by their environment variables)", j.said.RegisterJob)
}

func (j *jobFlags) read(e *Env) (jobspec.Settings, error) {
	c, err := config.LoadJob(e.LookupEnv, j.said)
	if err != nil {
		return jobspec.Settings{}, err
	}
	if _, said := j.said["vault.role"]; !said {
		// A file that is run by hand has nobody to make its secrets, whatever a server is told.
		c.Vault.Role = ""
	}
	return app.JobSettings(c, ""), nil
}
