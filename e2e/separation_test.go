package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	bothydev "github.com/bothylabs/bothy/service/dev"
	"github.com/bothylabs/bothy/service/firewall"
)

// metadataAddress is where clouds give out a machine's credentials.
const metadataAddress = "169.254.169.254"

// knocker tries TCP connections, all at once, and says of each how it went.
const knocker = `
const knock = (host, port) => new Promise((end) => {
  const s = require('net').connect(+port, host);
  const said = (w) => { s.destroy(); end(w); };
  s.on('connect', () => said('open')).on('error', (e) => said(e.code)).setTimeout(1500, () => said('silent'));
});
(async () => {
  const all = process.argv.filter((a) => a.includes('|'));
  const said = await Promise.all(all.map((at) => knock(...at.split('|'))));
  all.forEach((at, i) => console.log(at, said[i]));
  console.log('knocked at', all.length, 'and', said.filter((s) => s === 'open').length, 'open');
})();
`

// studentsOwn listens for whoever comes, as a student's own server does, and says
// which IPv6 address its machine has.
const studentsOwn = `
require('net').createServer((c) => c.end()).listen(38766, '::');
console.log(Object.values(require('os').networkInterfaces()).flat().find((a) => a.family === 'IPv6' && !a.internal)?.address ?? '');
setTimeout(() => process.exit(), 300000);
`

const studentsPort = 38766

// A forbidden address is one that a workspace must not reach, and the rule that sees
// to it. The zone of a link-local one is the host's.
type forbidden struct {
	what, host string
	port       int
	rule       string
}

// from is the address as a workspace writes it, whose one interface is eth0.
func (f forbidden) from() string {
	host, _, zoned := strings.Cut(f.host, "%")
	if zoned {
		host += "%eth0"
	}
	return fmt.Sprintf("%s|%d", host, f.port)
}

// separated: what a student with a shell in a workspace reaches, and what not, with
// the rule that stops each. Everything forbidden listens, and is open once the
// rules are taken away: nothing but the rules keeps students out.
func separated(t *testing.T, d *dev) {
	demo := d.classReady(t, demoClass)
	student, neighbour := demo[0].Slug, demo[1].Slug
	node := nodeOf(t, d.job(t, jobID(student)))
	other, err := d.alloc(t.Context(), neighbour)
	if err != nil {
		t.Fatal(err)
	}
	_, mappedPort, err := net.SplitHostPort(mapped(t, other))
	if err != nil {
		t.Fatal(err)
	}
	gateway, ports := d.gateway(t), d.stackConfig().Ports
	d.lend(t, metadataAddress)
	list := []forbidden{
		{"another workspace, directly", other.NetworkStatus.Address, nginxPort, firewall.RulePeers},
		{"another workspace's mapped port", gateway.String(), number(t, mappedPort), firewall.RuleHost},
		{"another student's own server", other.NetworkStatus.Address, studentsPort, firewall.RulePeers},
		{"Nomad", gateway.String(), ports.NomadHTTP, firewall.RuleHost},
		{"Nomad's servers among themselves", gateway.String(), ports.NomadRPC, firewall.RuleHost},
		{"Nomad's client", gateway.String(), ports.NomadClientHTTP, firewall.RuleHost},
		{"Consul", gateway.String(), ports.ConsulHTTP, firewall.RuleHost},
		{"Consul's servers among themselves", gateway.String(), ports.ConsulRPC, firewall.RuleHost},
		{"Vault", gateway.String(), ports.VaultHTTP, firewall.RuleHost},
		{"PostgreSQL", gateway.String(), 5432, firewall.RuleHost},
		{"the router", gateway.String(), ports.Labs, firewall.RuleHost},
		{"Bothy", gateway.String(), bothydev.DefaultPort + d.offset, firewall.RuleHost},
		{"the metadata address", metadataAddress, 80, firewall.RuleMetadata},
	}
	for _, address := range otherAddresses(t) {
		list = append(list,
			forbidden{"Bothy at another address of the host", address, bothydev.DefaultPort + d.offset, firewall.RuleHost},
			forbidden{"the door at another address of the host", address, bothydev.DefaultDoorPort + d.offset, firewall.RuleHost})
	}
	others6 := d.serves(t, neighbour, node)
	if host6 := linkLocal(t, d.stackConfig().BridgeName); host6 != "" && others6 != "" {
		list = append(list,
			forbidden{"Nomad over IPv6", host6, ports.NomadHTTP, firewall.RuleHost},
			forbidden{"the door over IPv6", host6, bothydev.DefaultDoorPort + d.offset, firewall.RuleHost},
			forbidden{"another student's own server over IPv6", others6 + "%" + d.stackConfig().BridgeName, studentsPort, firewall.RulePeers})
	} else {
		t.Logf("no IPv6 here: the bridge has %q, a workspace has %q", host6, others6)
	}
	for _, f := range list {
		if f.port != studentsPort && f.port != nginxPort {
			listens(t, f.host, f.port) // in production these listen on more than loopback
		}
	}
	knock := func(f forbidden) string {
		t.Helper()
		said := d.must(t, "exec", "-i=false", student, node, "-e", knocker, f.from())
		said, _, _ = strings.Cut(strings.TrimPrefix(said, f.from()), "\n")
		return strings.TrimSpace(said)
	}

	for _, f := range list {
		t.Run(f.what+" is closed", func(t *testing.T) {
			before := d.counters(t)
			if said := knock(f); said == "open" {
				t.Errorf("%s:%d is open to a workspace", f.host, f.port)
			}
			if after := d.counters(t); after[f.rule] == before[f.rule] {
				t.Errorf("the rule %s stopped nothing", f.rule)
			} else {
				t.Logf("%s (%s:%d): stopped by %s", f.what, f.host, f.port, f.rule)
			}
		})
	}
	t.Run("from a terminal of the editor all of it is closed", func(t *testing.T) {
		d.putHome(t, student, "knock.js", knocker)
		command := node + " knock.js"
		for _, f := range list {
			command += " '" + f.from() + "'"
		}
		d.putHome(t, student, "knock.sh", command)
		b := newBrowser(t, d.root)
		b.link = d.link
		b.visit(t, "knocking", demo[0].URL, step{Do: "terminal", Command: "sh knock.sh | tail -1", Shows: fmt.Sprintf("knocked at %d and 0 open", len(list))})
	})
	t.Run("what a task has of Nomad itself asks for a token", func(t *testing.T) {
		const ask = `const q = (path) => new Promise((end) => require('http').get({ socketPath: process.env.NOMAD_SECRETS_DIR + '/api.sock', path }, (r) => { r.resume(); end(r.statusCode); }).on('error', (e) => end(e.code)));` +
			`(async () => { for (const p of ['/v1/jobs', '/v1/agent/self', '/v1/vars', '/v1/nodes']) console.log(await q(p)); })()`
		for said := range strings.FieldsSeq(d.must(t, "exec", "-i=false", student, node, "-e", ask)) {
			if said != "401" && said != "403" {
				t.Errorf("without a token Nomad's socket in the task answers %s", said)
			}
		}
	})
	t.Run("the door's port is open", func(t *testing.T) {
		door := forbidden{"the door", gateway.String(), bothydev.DefaultDoorPort + d.offset, firewall.RuleDoor}
		listens(t, door.host, door.port)
		before := d.counters(t)
		if said := knock(door); said != "open" || d.counters(t)[door.rule] == before[door.rule] {
			t.Errorf("the door says %q", said)
		}
	})
	t.Run("name servers and the world outside are let through", func(t *testing.T) {
		for rule, address := range map[string]string{firewall.RuleDNS: resolver(t, d), firewall.RuleOutside: "198.51.100.1"} {
			if address == "" || !routed(t, address) {
				t.Logf("%s: this machine has no way there to try", rule)
				continue
			}
			before := d.counters(t)
			knock(forbidden{host: address, port: 53})
			if d.counters(t)[rule] == before[rule] {
				t.Errorf("%s is not let through by %s", address, rule)
			}
		}
	})
	t.Run("the router's way and Consul's checks are open", func(t *testing.T) {
		for _, w := range demo {
			d.answers(t, d.labsHost(), "/"+w.Slug+"/", workbenchMark)
		}
		d.classReady(t, demoClass) // ready is: the check through NGINX passes
	})
	t.Run("without the rules all of it is open", func(t *testing.T) {
		table := firewall.Table(d.stackConfig().BridgeName)
		rules := nft(t, "", "list", "table", "inet", table)
		nft(t, "", "delete", "table", "inet", table)
		defer nft(t, rules, "-f", "-")
		for _, f := range list {
			if f.what == "another workspace's mapped port" {
				continue // it is mapped on loopback, and something else listens here
			}
			if said := knock(f); said != "open" {
				t.Errorf("%s (%s:%d) says %q without any rule: the test proves nothing", f.what, f.host, f.port, said)
			}
		}
	})
}

// lend gives the bridge an address for the length of the test.
func (d *dev) lend(t *testing.T, address string) {
	t.Helper()
	bridge := d.stackConfig().BridgeName
	ip := func(args ...string) {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	ip("address", "add", address+"/32", "dev", bridge)
	t.Cleanup(func() { ip("address", "del", address+"/32", "dev", bridge) })
}

// otherAddresses gives an IPv4 address of the host's on each of its other networks,
// without those of stacks: the own one is looked at by itself, a neighbour may end at any time.
func otherAddresses(t *testing.T) []string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, i := range all {
		if strings.HasPrefix(i.Name, "bothy") || i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is4() {
				list = append(list, prefix.Addr().String())
				break
			}
		}
	}
	return list
}

// linkLocal gives the host's IPv6 address on the bridge, with its zone; "" without one.
func linkLocal(t *testing.T, bridge string) string {
	t.Helper()
	i, err := net.InterfaceByName(bridge)
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := i.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is6() && prefix.Addr().IsLinkLocalUnicast() {
			return prefix.Addr().String() + "%" + bridge
		}
	}
	return ""
}

// serves starts a student's own server in a workspace, and gives its IPv6 address.
func (d *dev) serves(t *testing.T, slug, node string) string {
	t.Helper()
	said, err := d.exec(t.Context(), slug, "/bin/sh", "-c", `setsid "$0" -e "$1" </dev/null >/tmp/served 2>&1 & for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.5; [ -s /tmp/served ] && break; done; cat /tmp/served`, node, studentsOwn)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(said)
}

// listens sees to it that something accepts connections on an address until the test ends.
func listens(t *testing.T, host string, port int) {
	t.Helper()
	if conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(port)), time.Second); err == nil {
		conn.Close()
		return
	}
	listen(t, host, port)
}

// listen accepts connections on an address until the test ends.
func listen(t *testing.T, host string, port int) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
}

var counted = regexp.MustCompile(`counter packets (\d+) .*comment "([a-z0-9-]+)"`)

// counters gives how many packets met each rule of the workspaces' bridge.
func (d *dev) counters(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, m := range counted.FindAllStringSubmatch(nft(t, "", "list", "table", "inet", firewall.Table(d.stackConfig().BridgeName)), -1) {
		out[m[2]] += number(t, m[1])
	}
	return out
}

func nft(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "nft", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("nft %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// resolver gives a name server that the rules let through and that is not the
// host's own; "" when there is none.
func resolver(t *testing.T, d *dev) string {
	t.Helper()
	rule := regexp.MustCompile(`ip daddr (\S+) .*dport 53 .*` + firewall.RuleDNS)
	for _, m := range rule.FindAllStringSubmatch(nft(t, "", "list", "table", "inet", firewall.Table(d.stackConfig().BridgeName)), -1) {
		if a, err := netip.ParseAddr(m[1]); err == nil && a != d.gateway(t) {
			return a.String()
		}
	}
	return ""
}

// routed says whether the machine sends packets for an address anywhere.
func routed(t *testing.T, address string) bool {
	t.Helper()
	out, err := exec.Command("ip", "route", "get", address).CombinedOutput()
	return err == nil && !strings.Contains(string(out), "local") && !strings.HasPrefix(string(out), fmt.Sprintf("unreachable %s", address))
}
