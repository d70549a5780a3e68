// Package firewall is the rule set that separates workspaces: from each other,
// from the HashiCorp APIs, from the host they run on, from private networks and
// from the metadata address of clouds. It is written once, here, and used by the
// development stack and by production clients alike (`bothy setup firewall`).
//
// The rules are a table of nftables of their own. What one base chain drops is
// dropped, whatever CNI, Nomad or Docker accept in theirs, before or after: the
// order in which those write their rules does not matter. IPv4 and IPv6 are in one
// table, which is replaced in one transaction and removed with one command.
//
// Frames between two workspaces on one bridge do not pass the IP layer by
// themselves. That the rules see them needs the kernel's br_netfilter, with
// net.bridge.bridge-nf-call-iptables and bridge-nf-call-ip6tables set to 1, as
// Nomad asks for on every client that has bridge networks.
package firewall

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// Set says what to separate and what to let through.
type Set struct {
	// Bridge is the network interface that workspaces are attached to.
	Bridge string
	// Subnet is the workspaces' IPv4 network; Gateway the host's address in it.
	Subnet  netip.Prefix
	Gateway netip.Addr
	// Subnet6 is their IPv6 network; the zero value where they have none, and then
	// nothing leaves a workspace over IPv6.
	Subnet6 netip.Prefix
	// Ports of the gateway are open to workspaces: the door's. TCP.
	Ports []uint16
	// Resolvers answer the workspaces' DNS queries, wherever they are.
	Resolvers []netip.Addr
	// Allowed are addresses and ports in private networks that workspaces may
	// reach over TCP, such as a course's package mirror.
	Allowed []netip.AddrPort
}

// The names of the rules, as their comments have them.
const (
	RuleAnswers  = "bothy-answers"
	RuleDoor     = "bothy-door"
	RuleDNS      = "bothy-dns"
	RuleAllowed  = "bothy-allowed"
	RuleHost     = "bothy-host"
	RuleMetadata = "bothy-metadata"
	RulePeers    = "bothy-peers"
	RuleSource   = "bothy-source"
	RulePrivate  = "bothy-private"
	RuleOutside  = "bothy-outside"
	RuleIPv6     = "bothy-ipv6"
)

// bridgePattern is what Linux and nftables both take as a name.
var bridgePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,14}$`)

// tablePrefix is how the names of all tables begin that hold these rules.
const tablePrefix = "bothy_"

// Table is the name of the table that holds a bridge's rules.
func Table(bridge string) string { return tablePrefix + bridge }

// priority puts the rules before CNI's, so that their counters see everything.
const priority = -10

// Rule is one line: its name, which is its comment as well, and what it matches and does.
type Rule struct {
	Name  string
	Match string
	// Verdict is "accept" or "drop".
	Verdict string
}

// Chain is the rules for packets from workspaces that take one way.
type Chain struct {
	// Hook is "input" for packets to the host, "forward" for all others.
	Hook  string
	Rules []Rule
}

// private are the IPv4 networks that are nobody's on the internet, link-local ones
// left out: those are the metadata rule's.
const private = "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 172.16.0.0/12, 192.0.0.0/24, 192.168.0.0/16, 198.18.0.0/15, 224.0.0.0/3"

// wireServer is where Azure gives out the machine's certificates and settings, on an
// address that is public by its looks. Azure's resolver has it too, so that its port
// 53 may be open.
const wireServer = "168.63.129.16"

// Chains gives the rules, the first that matches decides; CodeInvalid says what of
// the set can't be. It is a pure function: no file and no network is asked.
func (s Set) Chains() ([]Chain, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	input := Chain{Hook: "input", Rules: []Rule{
		{RuleAnswers, "ct state established,related", "accept"},
	}}
	forward := Chain{Hook: "forward", Rules: []Rule{
		{RuleAnswers, "ct state established,related", "accept"},
		{RulePeers, "oifname " + quote(s.Bridge), "drop"},
		{RuleSource, "meta nfproto ipv4 ip saddr != " + s.Subnet.String(), "drop"},
	}}
	if s.Subnet6.IsValid() {
		// Neighbours are found over link-local addresses, the router's among them.
		input.Rules = append(input.Rules, Rule{RuleIPv6, "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }", "accept"})
		forward.Rules = append(forward.Rules, Rule{RuleSource, "meta nfproto ipv6 ip6 saddr != " + s.Subnet6.String(), "drop"})
	} else {
		forward.Rules = append(forward.Rules, Rule{RuleIPv6, "meta nfproto ipv6", "drop"})
	}
	for _, port := range s.Ports {
		input.Rules = append(input.Rules, Rule{RuleDoor, fmt.Sprintf("ip daddr %s tcp dport %d", s.Gateway, port), "accept"})
	}
	for _, resolver := range s.Resolvers {
		rule := Rule{RuleDNS, destination(resolver) + " meta l4proto { tcp, udp } th dport 53", "accept"}
		input.Rules, forward.Rules = append(input.Rules, rule), append(forward.Rules, rule)
	}
	for _, a := range s.Allowed {
		rule := Rule{RuleAllowed, fmt.Sprintf("%s tcp dport %d", destination(a.Addr()), a.Port()), "accept"}
		forward.Rules = append(forward.Rules, rule)
	}
	input.Rules = append(input.Rules,
		// An address of the host's that clouds use as theirs would be input.
		Rule{RuleMetadata, "ip daddr 169.254.0.0/16", "drop"},
		Rule{RuleHost, "", "drop"})
	forward.Rules = append(forward.Rules,
		Rule{RuleMetadata, "ip daddr 169.254.0.0/16", "drop"},
		Rule{RuleMetadata, "ip daddr " + wireServer, "drop"},
		Rule{RuleMetadata, "ip6 daddr fd00:ec2::254", "drop"},
		Rule{RulePrivate, "ip daddr { " + private + " }", "drop"},
		Rule{RulePrivate, "ip6 daddr { ::/8, 64:ff9b::/96, fc00::/7, fe80::/9, ff00::/8 }", "drop"},
		Rule{RuleOutside, "", "accept"})
	return []Chain{input, forward}, nil
}

// Script gives the rules as a file for `nft -f`, which replaces what an earlier one
// of the same bridge set, all or nothing.
func (s Set) Script() (string, error) {
	chains, err := s.Chains()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	table := "table inet " + Table(s.Bridge)
	fmt.Fprintf(&b, "# Separates the workspaces on the bridge %s. Apply with: nft -f FILE\n", s.Bridge)
	b.WriteString("# The rules see frames between workspaces only with net.bridge.bridge-nf-call-iptables = 1\n")
	b.WriteString("# and net.bridge.bridge-nf-call-ip6tables = 1 (kernel module br_netfilter).\n")
	fmt.Fprintf(&b, "%s\ndelete %s\n%s {\n", table, table, table)
	for _, chain := range chains {
		fmt.Fprintf(&b, "\tchain %s {\n\t\ttype filter hook %s priority %d; policy accept;\n", chain.Hook, chain.Hook, priority)
		fmt.Fprintf(&b, "\t\tiifname != %s accept\n", quote(s.Bridge))
		for _, r := range chain.Rules {
			match := r.Match
			if match != "" {
				match += " "
			}
			fmt.Fprintf(&b, "\t\t%scounter %s comment %s\n", match, r.Verdict, quote(r.Name))
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String(), nil
}

// check refuses what would open more than it says, or nothing at all.
func (s Set) check() error {
	var fields []lab.Field
	wrong := func(name, problem, remedy string) {
		fields = append(fields, lab.Field{Name: name, Problem: problem, Remedy: remedy})
	}
	if !bridgePattern.MatchString(s.Bridge) {
		wrong("bridge", fmt.Sprintf("%q is not a name for a network interface", s.Bridge), "use at most 15 lower-case letters, digits and hyphens, a letter first")
	}
	if !s.Subnet.IsValid() || !s.Subnet.Addr().Is4() || s.Subnet != s.Subnet.Masked() {
		wrong("subnet", fmt.Sprintf("%q is not an IPv4 network", s.Subnet), "write it as 172.26.64.0/20")
	} else if !s.Subnet.Contains(s.Gateway) {
		wrong("gateway", fmt.Sprintf("%s is not in %s", s.Gateway, s.Subnet), "name the host's address on the bridge")
	}
	if s.Subnet6.IsValid() && (!s.Subnet6.Addr().Is6() || s.Subnet6 != s.Subnet6.Masked()) {
		wrong("subnet6", fmt.Sprintf("%q is not an IPv6 network", s.Subnet6), "write it as fd26:64::/64")
	}
	if slices.Contains(s.Ports, 0) {
		wrong("ports", "0 is not a port", "name the door's port")
	}
	for _, a := range s.Resolvers {
		if metadata(a) {
			wrong("dns", fmt.Sprintf("%s also gives out the machine's credentials", a), "let workspaces ask another resolver")
		}
	}
	for _, a := range s.Allowed {
		switch {
		case !a.IsValid() || a.Port() == 0:
			wrong("allow", fmt.Sprintf("%q is not an address with a port", a), "write it as 10.0.5.3:443")
		case metadata(a.Addr()) || a.Addr().Unmap() == netip.MustParseAddr(wireServer):
			wrong("allow", fmt.Sprintf("%s gives out the machine's credentials", a.Addr()), "leave it out")
		case s.Subnet.Contains(a.Addr()):
			wrong("allow", fmt.Sprintf("%s is in the workspaces' own network", a.Addr()), "leave it out: workspaces are separated from each other")
		}
	}
	if len(fields) > 0 {
		return lab.Invalid("no firewall can be made of this", fields...)
	}
	return nil
}

// metadata says whether a cloud answers at an address with what only the machine may know.
func metadata(a netip.Addr) bool {
	return a.Unmap() == netip.AddrFrom4([4]byte{169, 254, 169, 254}) || a == netip.MustParseAddr("fd00:ec2::254")
}

func destination(a netip.Addr) string {
	if a.Is4() || a.Is4In6() {
		return "ip daddr " + a.Unmap().String()
	}
	return "ip6 daddr " + a.WithZone("").String()
}

// quote is nftables' own: names that are checked need no more.
func quote(s string) string { return `"` + s + `"` }

// Resolvers reads the name servers out of a resolv.conf, those on loopback left
// out: no workspace can reach them.
func Resolvers(conf string) []netip.Addr {
	var out []netip.Addr
	for line := range strings.Lines(conf) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(words[1]); err == nil && !a.IsLoopback() && !metadata(a) {
			out = append(out, a.Unmap().WithZone(""))
		}
	}
	return out
}

// ResolvConfs are where a machine says who resolves names, the first that names
// others than the machine itself counts: systemd-resolved has those that it asks in
// a file of its own. Nomad hands the same ones on to tasks.
func ResolvConfs() []string {
	return []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}
}
