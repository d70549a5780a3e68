package command

import "testing"

func TestSetupFirewallPrintsTheRules(t *testing.T) {
	newWorld(t).run("setup", "firewall", "-dns", "10.0.0.2", "-allow", "10.0.5.3:443", "-door-port", "8090").ok().says(
		"table inet bothy_nomad", "ip daddr 172.26.64.1 tcp dport 8090", "ip daddr 10.0.0.2 meta l4proto { tcp, udp } th dport 53",
		"ip daddr 10.0.5.3 tcp dport 443", `oifname "nomad" counter drop comment "bothy-peers"`)
}

func TestSetupFirewallNamesWhatItCannotRead(t *testing.T) {
	newWorld(t).run("setup", "firewall", "-subnet", "x", "-dns", "y", "-allow", "z").fails(exitLocal, "-subnet: ", "-dns: ", "-allow: ")
}
