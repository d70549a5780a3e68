package command

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/bothylabs/bothy/service/client"
)

// trust is something that is given to users.
type trust struct {
	// thing is "cohort", whom is "instructors", role what each of them must be.
	thing, whom, role string
	// sample is a thing to show in examples.
	sample string
	get    func(s *client.Client, ctx context.Context, ref string) (client.Appointees, error)
	set    func(s *client.Client, ctx context.Context, ref string, users []string) ([]client.Appointee, error)
}

func cohortTrust() trust {
	return trust{"cohort", "instructors", "instructor", "fall-26", (*client.Client).CohortInstructors, (*client.Client).SetCohortInstructors}
}

func courseTrust() trust {
	return trust{"course", "instructors", "instructor", "py101", (*client.Client).CourseInstructors, (*client.Client).SetCourseInstructors}
}

func classTrust() trust {
	return trust{"class", "assistants", "assistant", "fall-26/py101", (*client.Client).ClassAssistants, (*client.Client).SetClassAssistants}
}

// appoint is `bothy cohort instructors`, `bothy course instructors` and `bothy class assistants`.
type appoint struct {
	env    *Env
	of     trust
	remote remoteFlags
	output output

	add, remove repeated
}

func (c *appoint) doc() doc {
	line := fmt.Sprintf("bothy %s %s ", c.of.thing, c.of.whom)
	return doc{
		args:     []string{"<" + c.of.thing + ">"},
		synopsis: fmt.Sprintf("Show who has a %s, and give it to others", c.of.thing),
		text: fmt.Sprintf(`
Shows the %[2]s who have a %[1]s. With -add and -remove it gives
the %[1]s to users with the role %[3]s, and takes it from others.
`, c.of.thing, c.of.whom, c.of.role),
		examples: []example{
			{"Who has it", line + c.of.sample},
			{"Give it to one, and take it from another", line + "-add grace@example.edu -remove alan@example.edu " + c.of.sample},
		},
	}
}

func (c *appoint) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.Var(&c.add, "add", "`User` to give it to, by login or id; may be given several times.")
		set.Var(&c.remove, "remove", "`User` to take it from, by login or id; may be given several times.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *appoint) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	now, err := c.of.get(s, ctx, args[0])
	if err != nil {
		return err
	}
	users := now.Users
	if len(c.add)+len(c.remove) > 0 {
		wanted, err := c.wanted(now.Users, args[0])
		if err != nil {
			return err
		}
		if users, err = c.of.set(s.With(client.Conditions{IfMatch: now.ETag}), ctx, args[0], wanted); err != nil {
			return err
		}
	}
	return c.output.show(c.env, users, func() {
		if len(users) == 0 {
			c.env.UI.Output(fmt.Sprintf("The %s %s has no %s.", c.of.thing, args[0], c.of.whom))
			return
		}
		t := newTable("LOGIN", "NAME")
		for _, user := range users {
			t.add(user.Login, user.Name)
		}
		c.env.show(t)
	})
}

// wanted gives who is to have it.
func (c *appoint) wanted(now []client.Appointee, ref string) ([]string, error) {
	wanted := slices.Clone(c.add)
	gone := map[string]bool{}
	for _, user := range now {
		i := slices.IndexFunc(c.remove, func(ref string) bool { return ref == user.ID || strings.EqualFold(ref, user.Login) })
		if i < 0 {
			wanted = append(wanted, user.ID)
			continue
		}
		gone[c.remove[i]] = true
	}
	for _, user := range c.remove {
		if !gone[user] {
			return nil, usagef("%s does not have the %s %s", user, c.of.thing, ref)
		}
	}
	return wanted, nil
}
