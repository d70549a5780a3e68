package command

import "context"

// courseList is `bothy course list`.
type courseList struct {
	env    *Env
	remote remoteFlags
	output output
}

func (*courseList) doc() doc {
	return doc{
		synopsis: "List the courses",
		text:     "Lists all courses, by key, with the template that each is made from.",
		examples: []example{{"List the courses", "bothy course list"}},
	}
}

func (c *courseList) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *courseList) run(ctx context.Context, _ []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	courses, err := s.Courses(ctx)
	if err != nil {
		return err
	}
	return c.output.show(c.env, courses, func() {
		if len(courses) == 0 {
			c.env.UI.Output("No courses. Make one with: bothy class create")
			return
		}
		t := newTable("COURSE", "NAME", "TEMPLATE", "CREATED").optional(3, 1)
		for _, course := range courses {
			t.add(course.Key, course.Name, course.Template, date(course.CreatedAt))
		}
		c.env.show(t)
	})
}
