package command

import (
	"context"
)

// configShow is `bothy config`.
type configShow struct {
	env    *Env
	remote remoteFlags
	output output
}

// configValue is one value of the client's configuration.
type configValue struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

func (*configShow) doc() doc {
	return doc{
		synopsis: "Show which server commands talk to, and why",
		text: `
Shows the client's configuration as it is in effect, and where each value comes
from: a flag, the environment, a context, or the default. The token is not
shown, only where it comes from. A server's own configuration is checked with
"bothy config validate".
`,
		examples: []example{
			{"Which server is it", "bothy config"},
			{"Its address alone", "bothy config -t '{{ range . }}{{ if eq .name \"address\" }}{{ .value }}{{ end }}{{ end }}'"},
		},
	}
}

func (c *configShow) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *configShow) run(context.Context, []string) error {
	t, err := c.remote.target(c.env)
	if err != nil {
		return err
	}
	token := value{t.token.text, t.token.from}
	if token.text == "" && token.from != fromNowhere {
		token.text = "(not shown)"
	}
	var all []configValue
	for _, one := range []struct {
		name string
		value
	}{{"context", t.context}, {"address", t.address}, {"token", token}, {"ca_cert", t.caCert}, {"tls_server_name", t.tlsServerName}} {
		all = append(all, configValue{one.name, one.text, string(one.from)})
	}
	return c.output.show(c.env, all, func() {
		table := newTable("NAME", "VALUE", "FROM")
		for _, v := range all {
			table.add(v.Name, firstOf(v.Value, "-"), v.Source)
		}
		c.env.show(table)
	})
}
