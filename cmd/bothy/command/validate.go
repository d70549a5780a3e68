package command

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"strings"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/jobspec"
)

// validate is `bothy validate`.
type validate struct {
	env      *Env
	params   params
	settings jobFlags

	cohort, course, roster string
	offline                bool
}

func (*validate) doc() doc {
	return doc{
		args:     []string{"<template>"},
		synopsis: "Check a template, its parameters and a roster",
		text: `
Checks a template (a built-in one by its name, or a file by its path) against
what a workspace must offer, the parameters against the template, and a roster.
Then it renders one workspace, and where NOMAD_ADDR is set has Nomad check the
result: by its own parser, and whether any of its nodes could ever run it.
Nothing is changed. What is wrong is named with file, line and column.
`,
		examples: []example{
			{"A template of your own", "bothy validate ./mine.nomad.hcl"},
			{"With everything that a class will have", "bothy validate code-server-exec -var memory=2048 -roster students.csv"},
		},
	}
}

func (c *validate) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.cohort, "cohort", "cohort", "`Name` or key of the cohort to render for.")
		set.StringVar(&c.course, "course", "course", "`Name` or key of the course to render for.")
		set.StringVar(&c.roster, "roster", "", "CSV `file` of students to check; \"-\" reads standard input.")
		set.BoolVar(&c.offline, "offline", false, "Do not ask Nomad, even if NOMAD_ADDR is set.")
	})
	c.params.flags(f)
	c.settings.flags(f)
}

func (c *validate) run(ctx context.Context, args []string) error {
	settings, err := c.settings.read(c.env)
	if err != nil {
		return err
	}
	template, err := c.env.templateByRef(args[0])
	if err != nil {
		return err
	}
	if err := template.Check(); err != nil {
		return err
	}
	c.env.UI.Output(fmt.Sprintf("Template %s: has what a workspace must offer.", template.Name))
	names := []string{"student"}
	if c.roster != "" {
		rows, err := c.env.readRoster(c.roster)
		if err != nil {
			return err
		}
		names = nil
		for _, row := range rows {
			names = append(names, row.Name)
		}
		c.env.UI.Output(fmt.Sprintf("Roster %s: %s.", c.roster, count(len(rows), "student")))
	}
	if missing := needed(template); c.params.empty() && len(missing) > 0 {
		c.env.UI.Output("Not rendered: values are needed for " + strings.Join(missing, ", ") + " (-var or -var-file).")
		return nil
	}
	parameters, err := c.params.read(c.env, template.Variables())
	if err != nil {
		return err
	}
	if err := template.CheckParams(values(parameters)); err != nil {
		return placed(err, parameters)
	}
	rendered, err := renderAll(template, settings, c.cohort, c.course, names, values(parameters))
	if err != nil {
		return err
	}
	c.env.UI.Output(fmt.Sprintf("Parameters: fit the template; %s can be rendered.", count(len(rendered), "job")))
	return c.askNomad(ctx, settings.Namespace, rendered[0].Job)
}

// needed names the variables that only a person can give a value.
func needed(t *jobspec.Template) []string {
	var names []string
	for _, v := range t.Variables() {
		if v.Required && !v.Reserved {
			names = append(names, v.Name)
		}
	}
	return names
}

func (c *validate) askNomad(ctx context.Context, namespace string, job []byte) error {
	switch {
	case c.offline:
		c.env.UI.Output("Nomad: not asked (-offline).")
		return nil
	case c.env.getenv("NOMAD_ADDR") == "":
		c.env.UI.Output("Nomad: not asked (NOMAD_ADDR is not set).")
		return nil
	}
	settings, err := config.LoadNomad(c.env.LookupEnv)
	if err != nil {
		return err
	}
	settings.Namespace = namespace
	nomad, err := app.NewNomad(settings, app.Deps{Logger: slog.New(slog.DiscardHandler), Now: c.env.Now})
	if err != nil {
		return err
	}
	if err := nomad.Check(ctx, job); err != nil {
		return fmt.Errorf("check by Nomad: %w", err)
	}
	c.env.UI.Output(fmt.Sprintf("Nomad at %s: takes the job, and can place it.", settings.Address))
	return nil
}
