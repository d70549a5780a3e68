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

	bothydev "github.com/bothylabs/bothy/service/dev"
	"github.com/bothylabs/bothy/service/firewall"
)

// metadataAddress is where clouds give out a machine's credentials.
const metadataAddress = "169.254.169.254"

// knocker tries one TCP connection and says how it went.
const knocker = `const s = require('net').connect(+process.argv[2], process.argv[1]);` +
	`const end = (w) => { console.log(w); process.exit(); };` +
	`s.on('connect', () => end('open')).on('error', (e) => end(e.code)).setTimeout(1500, () => end('silent'))`

// A forbidden address is one that a workspace must not reach, and the rule that sees to it.
type forbidden struct {
	what, host string
	port       int
	rule       string
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
		{"Nomad", gateway.String(), ports.NomadHTTP, firewall.RuleHost},
		{"Nomad's client", gateway.String(), ports.NomadClientHTTP, firewall.RuleHost},
		{"Consul", gateway.String(), ports.ConsulHTTP, firewall.RuleHost},
		{"Vault", gateway.String(), ports.VaultHTTP, firewall.RuleHost},
		{"Bothy", gateway.String(), bothydev.DefaultPort + d.offset, firewall.RuleHost},
		{"the metadata address", metadataAddress, 80, firewall.RuleMetadata},
	}
	for _, f := range list {
		if f.host != other.NetworkStatus.Address {
			// In production these listen on more than loopback.
			listen(t, f.host, f.port)
		}
	}
	knock := func(f forbidden) string {
		t.Helper()
		said, err := d.exec(t.Context(), student, node, "-e", knocker, f.host, strconv.Itoa(f.port))
		if err != nil {
			t.Fatal(err)
		}
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
	t.Run("the door's port is open", func(t *testing.T) {
		door := forbidden{"the door", gateway.String(), bothydev.DefaultDoorPort + d.offset, firewall.RuleDoor}
		if conn, err := net.Dial("tcp", net.JoinHostPort(door.host, strconv.Itoa(door.port))); err == nil {
			conn.Close() // the door itself listens
		} else {
			listen(t, door.host, door.port)
		}
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
