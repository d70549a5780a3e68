package stack

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// ruleset is one table of the packet filter, as iptables-save prints it.
type ruleset struct {
	Table  string
	Chains []string // user-defined ones only
	Rules  []rule
}

// rule is one "-A CHAIN ..." line.
type rule struct {
	Chain string
	Line  string // without "-A CHAIN "
}

// target is the chain that a rule jumps to, or "ACCEPT" and the like.
func (r rule) target() string { return r.after("-j") }

// after gives the word behind an option, "" when the rule has no such option.
func (r rule) after(option string) string {
	words := strings.Fields(r.Line)
	if i := slices.Index(words, option); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

// comment tells whether the rule carries exactly this comment.
func (r rule) comment(text string) bool {
	return strings.Contains(r.Line, `--comment "`+text+`"`)
}

// The chains that the CNI plugins and Nomad share between all their users on a
// machine, and the comment of the rule that leads from one to another.
const (
	chainAdmin   = "NOMAD-ADMIN"
	chainForward = "CNI-FORWARD"
	chainDNAT    = "CNI-HOSTPORT-DNAT"
	chainMasq    = "CNI-HOSTPORT-MASQ"
	chainSetMark = "CNI-HOSTPORT-SETMARK"
	commentAdmin = "CNI firewall plugin admin overrides"
)

// ownChain names the chains that belong to one network attachment.
var ownChain = regexp.MustCompile(`^CNI-(DN-)?[0-9a-f]{16,}$`)

// commentID finds the allocation in the comment of a CNI rule.
var commentID = regexp.MustCompile(`name: \\"nomad\\" id: \\"([0-9a-f-]{36})\\"`)

// parseRules reads the output of iptables-save for one table.
func parseRules(saved string) ruleset {
	var rs ruleset
	for line := range strings.Lines(saved) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "*"):
			rs.Table = line[1:]
		case strings.HasPrefix(line, ":"):
			name, policy, _ := strings.Cut(line[1:], " ")
			if strings.HasPrefix(policy, "-") {
				rs.Chains = append(rs.Chains, name)
			}
		case strings.HasPrefix(line, "-A "):
			chain, rest, _ := strings.Cut(line[len("-A "):], " ")
			rs.Rules = append(rs.Rules, rule{Chain: chain, Line: rest})
		}
	}
	return rs
}

// owner is what identifies a stack in the packet filter.
type owner struct {
	Bridge string
	Subnet netip.Prefix
	Allocs map[string]bool
	// Alone says that no other Nomad runs on the machine. What all Nomads share
	// goes only then, and only when nothing of anybody is left in it.
	Alone bool
}

// removal is what to take out of a table.
type removal struct {
	Table  string
	Rules  []rule
	Chains []string
}

func (r removal) empty() bool { return len(r.Rules) == 0 && len(r.Chains) == 0 }

// script is the removal as input of iptables-restore --noflush, which does all of
// it or nothing.
func (r removal) script() string {
	var b strings.Builder
	b.WriteString("*" + r.Table + "\n")
	for _, rule := range r.Rules {
		b.WriteString("-D " + rule.Chain + " " + rule.Line + "\n")
	}
	for _, chain := range r.Chains {
		b.WriteString("-F " + chain + "\n")
	}
	for _, chain := range r.Chains {
		b.WriteString("-X " + chain + "\n")
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// list names what is to be removed.
func (r removal) list() []string {
	var out []string
	for _, rule := range r.Rules {
		out = append(out, "firewall rule: -t "+r.Table+" -A "+rule.Chain+" "+rule.Line)
	}
	for _, chain := range r.Chains {
		out = append(out, "firewall chain: "+r.Table+" "+chain)
	}
	return out
}

// allocs finds the allocations that the stack's addresses in a table belong to.
func (o owner) allocsIn(rs ruleset) []string {
	var ids []string
	for _, r := range rs.Rules {
		if m := commentID.FindStringSubmatch(r.Line); m != nil && o.address(r.after("-s")) {
			ids = append(ids, m[1])
		}
	}
	return ids
}

// address tells whether an address, with or without mask or port, is in the
// stack's subnet.
func (o owner) address(s string) bool {
	s, _, _ = strings.Cut(s, "/")
	s, _, _ = strings.Cut(s, ":")
	a, err := netip.ParseAddr(s)
	return err == nil && o.Subnet.Contains(a)
}

// owns tells whether a rule by itself is the stack's: it names the bridge, an
// address of the subnet, or one of the allocations.
func (o owner) owns(r rule) bool {
	if slices.Contains([]string{r.after("-o"), r.after("-i")}, o.Bridge) {
		return true
	}
	for _, option := range []string{"-s", "-d", "--to-destination"} {
		if o.address(r.after(option)) {
			return true
		}
	}
	m := commentID.FindStringSubmatch(r.Line)
	return m != nil && o.Allocs[m[1]]
}

// plan decides what to remove from a table. The chains that all CNI users share
// go only when nobody is there to use them and nothing of anybody is left in them;
// whoever needs them next makes them anew.
func (o owner) plan(rs ruleset) removal {
	out := removal{Table: rs.Table}
	gone := map[string]bool{}
	for _, chain := range rs.Chains {
		if ownChain.MatchString(chain) && slices.ContainsFunc(rs.Rules, func(r rule) bool {
			return o.owns(r) && (r.Chain == chain || r.target() == chain)
		}) {
			gone[chain] = true
		}
	}
	shared := map[string]func(rule) bool{ // what a shared chain holds for everybody
		chainAdmin:   func(rule) bool { return false },
		chainForward: func(r rule) bool { return r.comment(commentAdmin) },
		chainDNAT:    func(rule) bool { return false },
		chainMasq:    func(rule) bool { return true },
		chainSetMark: func(r rule) bool { return strings.HasPrefix(r.target(), "MARK") },
	}
	ours := func(r rule) bool { return gone[r.Chain] || gone[r.target()] || cniChain(r.Chain) && o.owns(r) }
	idle := func(chains []string) bool {
		return !slices.ContainsFunc(rs.Rules, func(r rule) bool {
			return slices.Contains(chains, r.Chain) && !shared[r.Chain](r) && !ours(r)
		})
	}
	for _, group := range [][]string{{chainAdmin, chainForward}, {chainDNAT, chainMasq, chainSetMark}} {
		if o.Alone && idle(group) {
			for _, chain := range group {
				gone[chain] = slices.Contains(rs.Chains, chain)
			}
		}
	}
	for _, r := range rs.Rules {
		// A chain that goes is emptied as a whole.
		if !gone[r.Chain] && ours(r) {
			out.Rules = append(out.Rules, r)
		}
	}
	for _, chain := range rs.Chains {
		if gone[chain] {
			out.Chains = append(out.Chains, chain)
		}
	}
	return out
}

// cniChain tells whether rules for one address may be in a chain because CNI or
// Nomad put them there.
func cniChain(chain string) bool {
	return chain == chainAdmin || chain == chainForward || chain == "POSTROUTING" || ownChain.MatchString(chain) ||
		strings.HasPrefix(chain, "CNI-HOSTPORT-")
}
