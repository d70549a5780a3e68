package door_test

import (
	"net/http"
	"testing"

	"github.com/bothylabs/bothy/service/door"
)

func TestPlantedCookiesAreForgottenAtTheEntrance(t *testing.T) {
	plain := func(c *door.Config) { c.LabsURL = "http://labs.example.org" }
	b := newBench(t, plain)
	r := b.request(b.Labs(), "http://labs.example.org/"+slug+"/-/enter?open=&to=/", "Cookie", "bothy_browser=PLANTEDPLANTEDPLANTED1; bothy_browser=PLANTEDPLANTEDPLANTED2")
	forgets(t, r.cookies, "bothy_browser", "labs.example.org", "example.org")

	b = newBench(t, plain)
	b.come("/")
	r = b.follow(http.MethodGet, console+"/open/"+slug, "Cookie", "bothy_pass=PLANTEDPLANTEDPLANTED1", "Cookie", "bothy_pass=PLANTEDPLANTEDPLANTED2")
	forgets(t, r.cookies, "bothy_pass", "labs.example.org", "example.org")
}

// forgets wants the cookies of a name ended for each domain and the path of all of it,
// and the host's own left alone.
func forgets(t *testing.T, cookies []*http.Cookie, name string, domains ...string) {
	t.Helper()
	ended := map[string]bool{}
	for _, c := range cookies {
		if c.MaxAge < 0 && c.Domain == "" {
			t.Errorf("the host's own is ended: %v", c)
		}
		if c.Name == name && c.MaxAge < 0 && c.Path == "/" {
			ended[c.Domain] = true
		}
	}
	for _, domain := range domains {
		if !ended[domain] {
			t.Errorf("%s is not ended for %s: %v", name, domain, cookies)
		}
	}
	if ended["org"] {
		t.Error("there are no cookies for org")
	}
}
