package firewall_test

import (
	"flag"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/firewall"
	"github.com/bothylabs/bothy/service/lab"
)

var update = flag.Bool("update", false, "write the golden file")

func usual() firewall.Set {
	return firewall.Set{
		Bridge: "nomad", Subnet: netip.MustParsePrefix("172.26.64.0/20"), Gateway: netip.MustParseAddr("172.26.64.1"),
		Ports: []uint16{8082}, Resolvers: []netip.Addr{netip.MustParseAddr("10.0.0.2")},
		Allowed: []netip.AddrPort{netip.MustParseAddrPort("10.0.5.3:443")},
	}
}

func TestTheScriptIsTheOneThatIsDocumented(t *testing.T) {
	got, err := usual().Script()
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/nomad.nft"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// order gives the names of a hook's rules.
func order(t *testing.T, s firewall.Set, hook string) []string {
	t.Helper()
	chains, err := s.Chains()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range chains {
		for _, r := range c.Rules {
			if c.Hook == hook && !slices.Contains(names, r.Name) {
				names = append(names, r.Name)
			}
		}
	}
	return names
}

func TestPeersAreRefusedBeforeAnythingIsLetThrough(t *testing.T) {
	names := order(t, usual(), "forward")
	peers := slices.Index(names, firewall.RulePeers)
	for _, open := range []string{firewall.RuleDNS, firewall.RuleAllowed, firewall.RuleOutside} {
		if at := slices.Index(names, open); at < peers {
			t.Errorf("%s comes before %s", open, firewall.RulePeers)
		}
	}
	if last := names[len(names)-1]; last != firewall.RuleOutside {
		t.Errorf("what is in no other rule meets %s", last)
	}
}

func TestOfTheHostOnlyTheDoorAndItsResolverAreOpen(t *testing.T) {
	s := usual()
	s.Resolvers = []netip.Addr{s.Gateway}
	want := []string{firewall.RuleAnswers, firewall.RuleDoor, firewall.RuleDNS, firewall.RuleMetadata, firewall.RuleHost}
	if diff := cmp.Diff(want, order(t, s, "input")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOfAzuresWireServerWorkspacesReachTheResolverAlone(t *testing.T) {
	s := usual()
	s.Resolvers = []netip.Addr{netip.MustParseAddr("168.63.129.16")}
	script, err := s.Script()
	if err != nil {
		t.Fatal(err)
	}
	_, forward, _ := strings.Cut(script, "chain forward")
	names := strings.Index(forward, "ip daddr 168.63.129.16 meta l4proto { tcp, udp } th dport 53 counter accept")
	rest := strings.Index(forward, `ip daddr 168.63.129.16 counter drop comment "bothy-metadata"`)
	if names < 0 || rest < names {
		t.Errorf("in the rules:\n%s", forward)
	}
	for _, address := range []string{"168.63.129.16:80", "[::ffff:168.63.129.16]:32526", "169.254.169.254:80"} {
		s.Allowed = []netip.AddrPort{netip.MustParseAddrPort(address)}
		if _, err := s.Script(); lab.CodeOf(err) != lab.CodeInvalid {
			t.Errorf("%s may be allowed: %v", address, err)
		}
	}
}

func TestWithoutANetworkNothingLeavesOverIPv6(t *testing.T) {
	if names := order(t, usual(), "forward"); !slices.Contains(names, firewall.RuleIPv6) {
		t.Errorf("rules %v", names)
	}
	with := usual()
	with.Subnet6 = netip.MustParsePrefix("fd26:64::/64")
	script, err := with.Script()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"ip6 saddr != fd26:64::/64", "nd-neighbor-solicit", "fd00:ec2::254", "fc00::/7"} {
		if !strings.Contains(script, part) {
			t.Errorf("the rules lack %s", part)
		}
	}
}

func TestWhatWouldOpenTooMuchIsRefused(t *testing.T) {
	for name, change := range map[string]func(*firewall.Set){
		"bridge":  func(s *firewall.Set) { s.Bridge = `x" accept #` },
		"subnet":  func(s *firewall.Set) { s.Subnet = netip.Prefix{} },
		"gateway": func(s *firewall.Set) { s.Gateway = netip.MustParseAddr("10.0.0.1") },
		"subnet6": func(s *firewall.Set) { s.Subnet6 = netip.MustParsePrefix("10.0.0.0/8") },
		"ports":   func(s *firewall.Set) { s.Ports = []uint16{0} },
		"dns":     func(s *firewall.Set) { s.Resolvers = []netip.Addr{netip.MustParseAddr("169.254.169.254")} },
		"allow":   func(s *firewall.Set) { s.Allowed = []netip.AddrPort{netip.MustParseAddrPort("172.26.65.9:80")} },
	} {
		s := usual()
		change(&s)
		if _, err := s.Script(); lab.CodeOf(err) != lab.CodeInvalid || !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNameServersAreReadFromResolvConf(t *testing.T) {
	got := firewall.Resolvers("# made by hand\nsearch example.org\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\nnameserver 169.254.169.254\n")
	want := []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fe80::1")}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
