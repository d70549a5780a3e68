package command

import (
	"context"
	"flag"
	"fmt"
	"strconv"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// courseCreate is `bothy course create`.
type courseCreate struct {
	env    *Env
	remote remoteFlags
	output output
	params params
	write  writeFlags

	key, template, version string
}

func (*courseCreate) doc() doc {
	return doc{
		args:     []string{"<name>"},
		synopsis: "Create a course from a template",
		text: `
Creates a course from a version of a template, the newest unless
-template-version names another. The course stays with it until it is moved.
`,
		examples: []example{{"A course with more memory", "bothy course create -template code-server -var memory=2048 \"Python 101\""}},
	}
}

func (c *courseCreate) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.key, "key", "", "`Key` of the course, a part of its workspaces' names; made from the name without it.")
		set.StringVar(&c.template, "template", "", "`Name` of the template. Needed.")
		set.StringVar(&c.version, "template-version", "newest", "`Number` of the template's version.")
	})
	c.params.flags(f)
	c.write.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *courseCreate) run(ctx context.Context, args []string) error {
	if c.template == "" {
		return usagef("-template is missing")
	}
	version, err := versionNumber(c.version)
	if err != nil {
		return err
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	said, err := c.params.readFor(ctx, c.env, s, c.template, version)
	if err != nil {
		return err
	}
	parameters := client.Parameters(values(said))
	input := client.CourseInput{Name: args[0], Template: c.template, Parameters: &parameters}
	if c.key != "" {
		input.Key = &c.key
	}
	if version != 0 {
		input.TemplateVersion = &version
	}
	course, err := c.write.on(s).CreateCourse(ctx, input)
	if err != nil {
		return placed(err, said)
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, course, fmt.Sprintf("Course %s would be created from version %d of the template %s.",
			course.Key, course.TemplateVersion, course.Template))
	}
	return c.output.show(c.env, course, func() {
		c.env.UI.Output(fmt.Sprintf("Course %s created from version %d of the template %s.", course.Key, course.TemplateVersion, course.Template))
	})
}

// courseShow is `bothy course show`.
type courseShow struct {
	env    *Env
	remote remoteFlags
	output output
}

func (*courseShow) doc() doc {
	return doc{
		args:     []string{"<course>"},
		synopsis: "Show a course",
		text:     "Shows a course: its template, the version of that, and its parameters.",
		examples: []example{{"Show a course", "bothy course show py101"}},
	}
}

func (c *courseShow) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *courseShow) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	course, err := s.Course(ctx, args[0])
	if err != nil {
		return err
	}
	newest, err := s.Template(ctx, course.Template, 0)
	if err != nil && lab.CodeOf(err) != lab.CodeNotFound {
		return err
	}
	return c.output.show(c.env, course, func() {
		version := strconv.FormatInt(course.TemplateVersion, 10)
		if newest.Version > course.TemplateVersion {
			version += fmt.Sprintf(" (the newest is %d)", newest.Version)
		}
		t := newTable("Course", course.Key)
		t.add("Name", course.Name)
		t.add("Template", course.Template)
		t.add("Version", version)
		parameterTable(t, "Parameters", course.Parameters)
		t.add("Created", date(course.CreatedAt))
		c.env.UI.Output(t.String())
	})
}

// courseUpdate is `bothy course update`.
type courseUpdate struct {
	env     *Env
	remote  remoteFlags
	output  output
	changes parameterChanges
	write   dryRunFlag

	name, template, version string
}

func (*courseUpdate) doc() doc {
	return doc{
		args:     []string{"<course>"},
		synopsis: "Change a course, or move it to another version",
		text: `
Changes what the flags name, and leaves the rest. The parameters of the course
and of each of its classes must suit the version of the template that it is to
be made from; where they do not, nothing is changed.

Workspaces that run keep running as they are; those that a start would now
make otherwise are shown as outdated until then.
`,
		examples: []example{
			{"Move a course to the newest version of its template", "bothy course update -template-version newest py101"},
			{"More memory, and the template's own disk again", "bothy course update -var memory=4096 -unset disk py101"},
		},
	}
}

func (c *courseUpdate) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.name, "name", "", "`Name` for people; the key stays.")
		set.StringVar(&c.template, "template", "", "`Name` of another template, its newest version unless -template-version says otherwise.")
		set.StringVar(&c.version, "template-version", "", "`Number` of the template's version, or newest.")
	})
	c.changes.flags(f, "`Name` of a parameter to leave to the template's default again; may be given several times.")
	c.write.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *courseUpdate) run(ctx context.Context, args []string) error {
	if c.name == "" && c.template == "" && c.version == "" && c.changes.empty() {
		return usagef("nothing to change: give -name, -template, -template-version, -var, -var-file or -unset")
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	before, tag, err := s.CourseTagged(ctx, args[0])
	if err != nil {
		return err
	}
	patch, version, err := c.patch(ctx, s, before)
	if err != nil {
		return err
	}
	said, err := c.changes.readFor(ctx, c.env, s, firstOf(c.template, before.Template), version)
	if err != nil {
		return err
	}
	if !c.changes.empty() {
		parameters, err := c.changes.over(before.Parameters, said)
		if err != nil {
			return err
		}
		patch.Parameters = (*client.Parameters)(&parameters)
	}
	course, err := c.write.matching(s, tag).UpdateCourse(ctx, before.Key, patch)
	if err != nil {
		return placed(err, said)
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, course, fmt.Sprintf("Course %s would be changed; it would be made from version %d of the template %s.",
			course.Key, course.TemplateVersion, course.Template))
	}
	return c.output.show(c.env, course, func() {
		c.env.UI.Output(fmt.Sprintf("Course %s changed; it is made from version %d of the template %s.", course.Key, course.TemplateVersion, course.Template))
	})
}

// patch is what the flags say beside the parameters, and the version that those are for.
func (c *courseUpdate) patch(ctx context.Context, s *client.Client, before client.Course) (client.CoursePatch, int64, error) {
	var patch client.CoursePatch
	if c.name != "" {
		patch.Name = &c.name
	}
	version := before.TemplateVersion
	if c.template != "" && c.template != before.Template {
		patch.Template, version = &c.template, 0
	}
	if c.version == "" {
		return patch, version, nil
	}
	version, err := versionNumber(c.version)
	if err != nil {
		return patch, 0, err
	}
	if version == 0 {
		newest, err := s.Template(ctx, firstOf(c.template, before.Template), 0)
		if err != nil {
			return patch, 0, err
		}
		version = newest.Version
	}
	patch.TemplateVersion = &version
	return patch, version, nil
}

// courseDelete is `bothy course delete`.
type courseDelete struct{ deletion }

func (*courseDelete) doc() doc {
	return doc{
		args:     []string{"<course>"},
		synopsis: "Delete a course that no class takes",
		text:     "Deletes a course. Its classes must be deleted before.",
		examples: []example{{"Delete a course", "bothy course delete py101"}},
	}
}

func (c *courseDelete) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	course, tag, err := s.CourseTagged(ctx, args[0])
	if err != nil {
		return err
	}
	it := doomed{kind: "course", key: course.Key, name: course.Name, tag: tag}
	return c.of(s, it, func(s *client.Client) error { return s.DeleteCourse(ctx, course.Key) })
}
