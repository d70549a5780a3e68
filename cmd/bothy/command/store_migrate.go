package command

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/config"
)

// storeMigrate is `bothy store migrate`.
type storeMigrate struct {
	env      *Env
	output   output
	from, to string
}

func (*storeMigrate) doc() doc {
	return doc{
		synopsis: "Copy a server's database into another one",
		text: `
Copies everything that a Bothy server has stored, from SQLite to PostgreSQL or
back: every workspace, every slug ever given, the record of changes. It is one
transaction, at whose end each row is compared with its original. The target
must be empty; when anything fails, it stays so. The source is not changed.

End every server that uses either database first. A database is named as

    sqlite:<file>     the database file: store.path, or bothy.db in data_dir
    postgres:<file>   a file with mode 0600 that holds the URL of the database
    postgres          the URL in the environment variable BOTHY_STORE_DSN
`,
		examples: []example{
			{"Move to PostgreSQL", "bothy store migrate -from sqlite:/var/lib/bothy/bothy.db -to postgres:/etc/bothy.d/store.dsn"},
			{"And back", "bothy store migrate -from postgres:/etc/bothy.d/store.dsn -to sqlite:/var/lib/bothy/new.db"},
		},
	}
}

func (c *storeMigrate) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.from, "from", "", "The `database` to copy. Needed.")
		set.StringVar(&c.to, "to", "", "The empty `database` to copy it into. Needed.")
	})
	c.output.flags(f)
}

func (c *storeMigrate) run(ctx context.Context, _ []string) error {
	for _, needed := range []struct{ name, value string }{{"-from", c.from}, {"-to", c.to}} {
		if needed.value == "" {
			return usagef("%s is missing", needed.name)
		}
	}
	from, err := config.ParseStore("-from", c.from, c.env.LookupEnv)
	if err != nil {
		return err
	}
	to, err := config.ParseStore("-to", c.to, c.env.LookupEnv)
	if err != nil {
		return err
	}
	begun := c.env.Now()
	tables, err := app.CopyStore(ctx, from, to, c.progress())
	if err != nil {
		return err
	}
	type table struct {
		Table string `json:"table"`
		Rows  int64  `json:"rows"`
	}
	done := struct {
		Rows     int64   `json:"rows"`
		Compared bool    `json:"compared"`
		Tables   []table `json:"tables"`
	}{Compared: true}
	for _, t := range tables {
		done.Rows += t.Rows
		done.Tables = append(done.Tables, table(t))
	}
	return c.output.show(c.env, done, func() {
		c.env.UI.Output(fmt.Sprintf("Copied %d rows of %d tables in %s, and compared each with its original: all are equal.",
			done.Rows, len(done.Tables), c.env.Now().Sub(begun).Round(time.Millisecond)))
		c.env.UI.Output(fmt.Sprintf("Start the server with store.driver = %q to use it; keep the old database until that has worked.", to.Driver))
	})
}

// progress tells how far it is, on standard error: in one line at a terminal, a
// line for each table elsewhere.
func (c *storeMigrate) progress() func(table string, done, all int64) {
	at := screen{out: c.env.Stderr}
	return func(table string, done, all int64) {
		line := fmt.Sprintf("%-12s %d of %d rows", table, done, all)
		switch {
		case c.env.OutTerminal:
			at.draw([]string{line})
			if done == all {
				at.keep()
			}
		case done == all:
			fmt.Fprintln(c.env.Stderr, line)
		}
	}
}
