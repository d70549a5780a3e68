package command

import (
	"context"
	"fmt"

	"github.com/bothylabs/bothy/service/client"
)

// invite is `bothy user invite`, `bothy student invite` and `bothy cohort invite`.
type invite struct {
	env    *Env
	remote remoteFlags
	output output
	write  dryRunFlag
	// whom is "user", "student" or "cohort".
	whom string
}

func (c *invite) doc() doc {
	const after = `
The old temporary password is good no more once the mail is sent. Who has
forgotten a password of their own needs none of this: the sign-in page mails a
link.
`
	switch c.whom {
	case "user":
		return doc{
			args:     []string{"<user>"},
			synopsis: "Mail a user a new temporary password",
			text:     "\nMails a user, named by login or id, the invitation again, with a new temporary\npassword: for an old one that was lost or is too old.\n" + after,
			examples: []example{{"Invite somebody again", "bothy user invite grace@example.edu"}},
		}
	case "student":
		return doc{
			args:     []string{"<student>"},
			synopsis: "Mail a student a new temporary password",
			text:     "\nMails a student, named by cohort and e-mail address or by id, the invitation\nagain, with a new temporary password.\n" + after,
			examples: []example{{"Invite a student again", "bothy student invite fall-26/ana@example.edu"}},
		}
	default:
		return doc{
			args:     []string{"<class or cohort>"},
			synopsis: "Mail a cohort's students new temporary passwords",
			text: `
Mails the invitation again, with a new temporary password, to everybody enrolled
in a cohort, or in that of a class, who has not chosen a password yet: for a
roster that was imported weeks before the class.
` + after,
			examples: []example{
				{"See how many that would be", "bothy cohort invite -dry-run fall-26"},
				{"The week before a class", "bothy cohort invite fall-26"},
			},
		}
	}
}

func (c *invite) flags(f *flags) {
	c.write.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *invite) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	counts, name, err := c.invite(ctx, s, args[0])
	if err != nil {
		return err
	}
	verb := "is"
	if c.write.dryRun {
		verb = "would be"
	}
	said := fmt.Sprintf("%s %s mailed an invitation.", name, verb)
	if c.whom == "cohort" {
		said = fmt.Sprintf("%s: an invitation %s mailed to %s; %d more have a password of their own, or no address.", name, verb, count(counts.Invited, "student"), counts.PassedOver)
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, counts, said)
	}
	return c.output.show(c.env, counts, func() { c.env.UI.Output(said) })
}

func (c *invite) invite(ctx context.Context, s *client.Client, ref string) (counts client.Invited, name string, err error) {
	write := c.write.matching(s, "")
	switch c.whom {
	case "user":
		counts, err = write.InviteUser(ctx, ref)
		return counts, ref, err
	case "student":
		student, err := studentOf(ctx, s, ref)
		if err != nil {
			return counts, "", err
		}
		counts, err = write.InviteCohort(ctx, student.CohortID, student.ID)
		return counts, person(student), err
	default:
		cohort, err := cohortOf(ctx, s, ref)
		if err != nil {
			return counts, "", err
		}
		counts, err = write.InviteCohort(ctx, cohort, "")
		return counts, cohort, err
	}
}
