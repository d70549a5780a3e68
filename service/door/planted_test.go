package door_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/door"
)

func TestWhatIsPlantedIsForgottenAtTheEntrance(t *testing.T) {
	b := newBench(t)
	at := b.ticket()
	known := browserCookie + "=" + b.cookie(at, browserCookie)
	r := b.request(b.Labs(), at, "Cookie", "bothy_pass=one; bothy_pass=two; bothy_browser=three; "+known)
	b.want(r, 303, "/"+slug+"/")
	removed := forgotten(t, r.cookies[:len(r.cookies)-1])
	for _, want := range []string{
		"bothy_pass example.org/", "bothy_pass /", "bothy_pass labs.example.org/" + slug + "/", "bothy_pass labs.example.org/" + slug + "/-/enter",
		"partitioned bothy_pass example.org/", "partitioned bothy_pass /", "partitioned bothy_pass /" + slug + "/",
	} {
		if !removed[want] {
			t.Errorf("not forgotten: %s", want)
		}
	}
	if removed["bothy_pass /"+slug+"/"] {
		t.Error("the door's own is forgotten")
	}
	if pass := r.cookies[len(r.cookies)-1]; pass.Name != "bothy_pass" || pass.Value == "" {
		t.Errorf("the pass: %v", pass)
	}
}

// Over HTTPS a page of the same host can set another beside each of the door's own: one
// that is Partitioned. A browser that has two names has none, and gets one.
func TestAPartitionedTwinIsForgotten(t *testing.T) {
	b := newBench(t)
	const one, two = "__Host-bothy_browser=AAAAAAAAAAAAAAAAAAAAAAAA", "__Host-bothy_browser=BBBBBBBBBBBBBBBBBBBBBBBB"
	for at, passes := range map[string]string{labs + "/" + slug: "", own: "; __Host-bothy_pass=one; __Host-bothy_pass=two"} {
		r := b.request(b.Labs(), at+"/-/enter?open=1&to=/", "Cookie", one+"; "+two+passes)
		named := r.cookies[len(r.cookies)-1]
		if r.status != http.StatusSeeOther || named.Name != browserCookie || named.Value == "" || named.Partitioned {
			t.Fatalf("%d, %v", r.status, named)
		}
		removed := forgotten(t, r.cookies[:len(r.cookies)-1])
		if !removed["partitioned __Host-bothy_browser /"] || removed["partitioned __Host-bothy_pass /"] != (passes != "") {
			t.Errorf("at %s is forgotten %v", at, removed)
		}
	}
}

// NGINX gives a visitor nothing of an answer with more headers than the templates'
// proxy_buffer_size.
func TestWhatIsForgottenIsNoMoreThanNGINXReads(t *testing.T) {
	const most = 32 << 10
	b := newBench(t, func(c *door.Config) { c.LabsURL = "https://labs.informatics.university.example.org" })
	longest := strings.Repeat("a", 63)
	for _, at := range []string{"https://labs.informatics.university.example.org/" + longest, "https://" + longest + ".labs.informatics.university.example.org"} {
		r := b.request(b.Labs(), at+"/-/enter?open=1&to=/", "Cookie", "bothy_pass=one; bothy_pass=two; __Host-bothy_pass=one; __Host-bothy_pass=two")
		var sent strings.Builder
		if err := r.header.Write(&sent); err != nil || r.status != http.StatusSeeOther || len(r.cookies) < 40 || sent.Len() > most {
			t.Errorf("at %s: status %d, %d cookies, %d bytes, %v", at, r.status, len(r.cookies), sent.Len(), err)
		}
		t.Logf("%d cookies, %d bytes", len(r.cookies), sent.Len())
	}
}

// Over plain HTTP a browser that has two names has none; it gets one, and loses those
// that were set for more than its host.
func TestAPlantedBrowserIsForgottenToo(t *testing.T) {
	b := newBench(t, func(c *door.Config) { c.LabsURL = "http://labs.example.org" })
	const one, two = "bothy_browser=AAAAAAAAAAAAAAAAAAAAAAAA", "bothy_browser=BBBBBBBBBBBBBBBBBBBBBBBB"
	r := b.request(b.Labs(), "http://"+slug+".labs.example.org/-/enter?open=1&to=/", "Cookie", one+"; "+two)
	named := r.cookies[len(r.cookies)-1]
	if r.status != http.StatusSeeOther || named.Name != "bothy_browser" || named.Path != "/" || named.Domain != "" || named.Value == "" {
		t.Fatalf("%d, %v", r.status, named)
	}
	removed := forgotten(t, r.cookies[:len(r.cookies)-1])
	for _, want := range []string{"bothy_browser labs.example.org/", "bothy_browser example.org/", "bothy_browser " + slug + ".labs.example.org/-/enter"} {
		if !removed[want] {
			t.Errorf("not forgotten: %s", want)
		}
	}
	if removed["bothy_browser /"] {
		t.Error("the door's own is forgotten")
	}
	if r := b.request(b.Labs(), "http://labs.example.org/"+slug+"/-/enter?open=1&to=/", "Cookie", one); len(r.cookies) > 0 {
		t.Errorf("of one name there is nothing to forget: %v", r.cookies)
	}
}

// For longer paths than the entrance's there may be any number, which browsers send first.
func TestPassesOfLongerPathsKeepNobodyOut(t *testing.T) {
	b := newBench(t)
	pass, _ := b.come("/")
	planted := strings.Repeat("bothy_pass=planted; ", 20)
	known := browserCookie + "=" + b.cookie(labs, browserCookie)
	at := labs + "/" + slug + "/stable-1/editor.js"
	if r := b.request(b.Labs(), at, "Cookie", planted+"bothy_pass="+pass.Value+"; "+known); r.status != http.StatusServiceUnavailable {
		t.Errorf("%d: the door's own pass is not found", r.status)
	}
}

func forgotten(t *testing.T, cookies []*http.Cookie) map[string]bool {
	t.Helper()
	removed := map[string]bool{}
	for _, c := range cookies {
		if c.MaxAge >= 0 || c.Value != "" || strings.HasPrefix(c.Name, "__Host-") && !c.Partitioned {
			t.Errorf("set: %v", c)
		}
		kind := ""
		if c.Partitioned {
			kind = "partitioned "
		}
		removed[kind+c.Name+" "+c.Domain+c.Path] = true
	}
	return removed
}
