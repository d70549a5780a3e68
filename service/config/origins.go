package config

import (
	"net/netip"
	"net/url"
	"strings"
)

// PlantedFrom gives the domain for which a workspace's page can set cookies that
// browsers send to the console: the one that both hosts are below, where the console
// is reached by plain http. With https the cookies' names keep them apart. "" for none.
func (c Config) PlantedFrom() string {
	console, consoleErr := url.Parse(c.ConsoleURL)
	labs, labsErr := url.Parse(c.LabsURL)
	if consoleErr != nil || labsErr != nil || console.Scheme != "http" {
		return ""
	}
	if _, err := netip.ParseAddr(console.Hostname()); err == nil {
		return ""
	}
	ours, theirs := strings.Split(console.Hostname(), "."), strings.Split(labs.Hostname(), ".")
	shared := 0
	for shared < len(ours) && shared < len(theirs) && strings.EqualFold(ours[len(ours)-1-shared], theirs[len(theirs)-1-shared]) {
		shared++
	}
	if shared < 2 { // no browser takes a cookie for a whole top-level domain
		return ""
	}
	return strings.Join(ours[len(ours)-shared:], ".")
}
