package command

import (
	"context"
	"flag"
	"strconv"

	"github.com/bothylabs/bothy/service/client"
)

// courseList is `bothy course list`.
type courseList struct {
	env    *Env
	list   listFlags
	remote remoteFlags
	output output

	template string
}

func (*courseList) doc() doc {
	return doc{
		synopsis: "List the courses",
		text:     "Lists the courses with the template and version of each, by key where no other\norder is asked for.",
		examples: []example{
			{"List the courses", "bothy course list"},
			{"Those made from a template", "bothy course list -template code-server"},
		},
	}
}

func (c *courseList) flags(f *flags) {
	c.list.flags(f, "key", "name", "template", "created_at", "updated_at")
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.template, "template", "", "Show only the courses that are made from the template of this `name`.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *courseList) run(ctx context.Context, _ []string) error {
	options, err := c.list.options()
	if err != nil {
		return err
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	courses, err := client.Collect(s.AllCourses(ctx, client.CourseFilter{ListOptions: options, Template: c.template}))
	if err != nil {
		return err
	}
	return c.output.show(c.env, courses, func() {
		if len(courses) == 0 {
			if c.list.search != "" || c.template != "" {
				c.env.UI.Output("No such courses.")
				return
			}
			c.env.UI.Output("No courses. Make one with: bothy class create")
			return
		}
		t := newTable("COURSE", "NAME", "TEMPLATE", "VERSION", "CREATED").optional(4, 1)
		for _, course := range courses {
			t.add(course.Key, course.Name, course.Template, strconv.FormatInt(course.TemplateVersion, 10), date(course.CreatedAt))
		}
		c.env.show(t)
	})
}
