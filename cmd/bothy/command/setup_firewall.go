package command

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/bothylabs/bothy/service/firewall"
	"github.com/bothylabs/bothy/service/lab"
)

// setupFirewall is `bothy setup firewall`.
type setupFirewall struct {
	env *Env

	bridge, subnet, subnet6, gateway string
	port                             uint
	dns, allow                       repeated
}

func (*setupFirewall) doc() doc {
	return doc{
		synopsis: "Print the rules that separate workspaces",
		text: `
Prints a file for nftables that separates the workspaces on this Nomad client
from each other, from the host and the servers on it, from private networks and
from the metadata address of clouds. What stays open to them is the door, the
name servers and the internet. Nothing is changed: apply it with "nft -f", on
every Nomad client, whenever the machine starts. It replaces what an earlier one
has set, all or nothing.
`,
		examples: []example{
			{"Show the rules of a usual client", "bothy setup firewall -dns 10.0.0.2"},
			{"A course's package mirror is in a private network", "bothy setup firewall -dns 10.0.0.2 -allow 10.0.5.3:443"},
		},
	}
}

func (c *setupFirewall) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.bridge, "bridge", "nomad", "`Name` of the bridge: bridge_network_name of Nomad's client.")
		set.StringVar(&c.subnet, "subnet", "172.26.64.0/20", "IPv4 `network` of the bridge: bridge_network_subnet.")
		set.StringVar(&c.subnet6, "subnet6", "", "IPv6 `network` of the bridge: bridge_network_subnet_ipv6. Without one, nothing leaves a workspace over IPv6.")
		set.StringVar(&c.gateway, "gateway", "", "The host's `address` on the bridge. Default: the first of the subnet.")
		set.UintVar(&c.port, "door-port", 8082, "`Port` on the gateway where the door listens; 0 for none.")
		set.Var(&c.dns, "dns", "`Address` of a name server that workspaces may ask. May be repeated. Default: those of this machine.")
		set.Var(&c.allow, "allow", "`Address` and port in a private network that workspaces may reach. May be repeated.")
	})
}

func (c *setupFirewall) run(context.Context, []string) error {
	set, err := c.set()
	if err != nil {
		return err
	}
	script, err := set.Script()
	if err != nil {
		return err
	}
	c.env.UI.Output(strings.TrimSuffix(script, "\n"))
	return nil
}

// set reads the flags.
func (c *setupFirewall) set() (firewall.Set, error) {
	set := firewall.Set{Bridge: c.bridge}
	var fields []lab.Field
	wrong := func(name, text, form string) {
		fields = append(fields, lab.Field{Name: name, Problem: fmt.Sprintf("%q can't be read", text), Remedy: "write it as " + form})
	}
	var err error
	if set.Subnet, err = netip.ParsePrefix(c.subnet); err != nil {
		wrong("-subnet", c.subnet, "172.26.64.0/20")
	} else {
		set.Gateway = set.Subnet.Addr().Next()
	}
	if c.subnet6 != "" {
		if set.Subnet6, err = netip.ParsePrefix(c.subnet6); err != nil {
			wrong("-subnet6", c.subnet6, "fd26:64::/64")
		}
	}
	if c.gateway != "" {
		if set.Gateway, err = netip.ParseAddr(c.gateway); err != nil {
			wrong("-gateway", c.gateway, "172.26.64.1")
		}
	}
	switch {
	case c.port > 65535:
		wrong("-door-port", fmt.Sprint(c.port), "8082")
	case c.port > 0:
		set.Ports = []uint16{uint16(c.port)}
	}
	for _, text := range c.dns {
		a, err := netip.ParseAddr(text)
		if err != nil {
			wrong("-dns", text, "10.0.0.2")
		}
		set.Resolvers = append(set.Resolvers, a)
	}
	for _, text := range c.allow {
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			wrong("-allow", text, "10.0.5.3:443")
		}
		set.Allowed = append(set.Allowed, a)
	}
	if len(fields) > 0 {
		return set, lab.Invalid("the rules can't be made of this", fields...)
	}
	if len(c.dns) == 0 {
		for _, path := range firewall.ResolvConfs() {
			if text, err := os.ReadFile(path); err == nil && len(set.Resolvers) == 0 {
				set.Resolvers = firewall.Resolvers(string(text))
			}
		}
	}
	return set, nil
}
