package consul

import (
	"regexp"
	"strings"
	"testing"
)

func TestTheCatchAllTakesTheLabsHostsAlone(t *testing.T) {
	tags := CatchAll("labs.example.org")
	if tags[0] != "urlprefix-/" {
		t.Errorf("for Fabio: %q", tags[0])
	}
	_, pattern, _ := strings.Cut(tags[2], "HostRegexp(`")
	pattern, _, _ = strings.Cut(pattern, "`")
	for host, want := range map[string]bool{
		"fall-py-ada.labs.example.org": true, "labs.example.org": false, "a.b.labs.example.org": false, "xlabsxexample.org": false, "a.labsxexample.org": false,
	} {
		if got := regexp.MustCompile(pattern).MatchString(host); got != want {
			t.Errorf("for Traefik, %s: %v", host, got)
		}
	}
}
