package door_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/door"
	"github.com/bothylabs/bothy/service/lab"
)

// page is what a browser sends where a person goes to an address.
var page = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none"}

func another() lab.Caller {
	c := student()
	c.Name, c.UserID, c.SessionID = "user:bob", "u-bob", "s-bob"
	return c
}

func (b *bench) link(caller lab.Caller, as lab.EntryAs) string {
	b.Helper()
	link, err := b.Link(b.Context(), caller, "192.0.2.9", slug, as, "/in")
	if err != nil {
		b.Fatal(err)
	}
	return link.URL
}

// What somebody else asked for themselves, and sends to the browser of another.
func TestATicketIsForOneBrowser(t *testing.T) {
	b := newBench(t)
	theirs := b.ticket()
	b.anotherBrowser()
	b.shows(b.browse(http.MethodGet, theirs), 401, "keeps no cookies")
	b.come("/")
	b.shows(b.browse(http.MethodGet, theirs), 401, "for another browser")
	b.shows(b.browse(http.MethodPost, theirs+"&key=x"), 401, "for another browser")
}

func TestAPassIsForOneBrowser(t *testing.T) {
	b := newBench(t)
	cookie, _ := b.come("/")
	browser := b.cookie(labs, browserCookie)
	if got := b.check("shared", cookie); got != 204 {
		t.Fatalf("in its browser: %d", got)
	}
	for what, header := range map[string][]string{
		"no browser":      {"X-Bothy-Pass", cookie.Value},
		"another browser": {"X-Bothy-Pass", cookie.Value, "X-Bothy-Browser", "ANOTHERANOTHERANOTHERANOTHER"},
		"no cookie":       {"X-Bothy-Pass", cookie.Value, "X-Bothy-Browser", browser + ","},
	} {
		if got := b.request(b.Labs(), "http://10.0.0.1/-/door/check/shared/"+slug, header...).status; got != 401 {
			t.Errorf("%s: %d", what, got)
		}
	}
	// Past NGINX likewise; of two cookies neither counts.
	at := labs + "/" + slug + "/x"
	for cookies, want := range map[string]int{
		"bothy_pass=" + cookie.Value + "; " + browserCookie + "=" + browser:                                                       503,
		"bothy_pass=" + cookie.Value:                                                                                              401,
		"bothy_pass=" + cookie.Value + "; bothy_browser=" + browser:                                                               401,
		"bothy_pass=" + cookie.Value + "; " + browserCookie + "=" + browser + "; " + browserCookie + "=OTHEROTHEROTHEROTHEROTHER": 401,
	} {
		if got := b.request(b.Labs(), at, "Cookie", cookies).status; got != want {
			t.Errorf("%s: %d, want %d", cookies, got, want)
		}
	}
}

// A link is nobody's browser's: it does nothing before a person has said so.
func TestALinkAsksBeforeItIsTaken(t *testing.T) {
	b := newBench(t)
	asked := b.browse(http.MethodGet, b.link(student(), lab.AsAllowed), page...)
	b.shows(asked, 200, "You open it as user:ada.", slug)
	if b.cookie(labs, browserCookie) == "" || b.cookie(labs+"/"+slug+"/", "bothy_pass") != "" || len(b.shelf.passes) > 0 {
		t.Fatal("it is taken before")
	}
	if policy := asked.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' ") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("the page's policy: %s", policy)
	}
	if asked.header.Get("Referrer-Policy") != "same-origin" {
		t.Error("a form without a referrer has the origin null, in older browsers")
	}
	b.want(b.press(asked), 303, "/"+slug+"/in")
	if b.cookie(labs+"/"+slug+"/", "bothy_pass") == "" {
		t.Error("there is no pass")
	}
	b.shows(b.press(b.browse(http.MethodGet, b.link(teacher(), lab.AsAllowed), page...)), 303, "")
	b.want(b.browse(http.MethodGet, own+"/-/enter?to=/"), 503, "")
}

func TestNoPagePressesTheButton(t *testing.T) {
	b := newBench(t)
	at := b.link(student(), lab.AsAllowed)
	asked := b.browse(http.MethodGet, at)
	_, action, _ := strings.Cut(asked.body, `action="`)
	action, _, _ = strings.Cut(action, `"`)
	_, key, _ := strings.Cut(action, "key=")
	key, _, _ = strings.Cut(key, "&")
	with := strings.Replace(at, "&to=", "&key="+key+"&to=", 1)
	for what, header := range map[string][]string{
		"another site":      {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
		"another workspace": {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
		"an older browser":  {"Origin", "https://evil.labs.example.org"},
		"a frame":           {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
		"a fetch":           {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
	} {
		if got := b.browse(http.MethodPost, with, header...); got.status != 403 {
			t.Errorf("%s: %d", what, got.status)
		}
	}
	b.want(b.browse(http.MethodPost, at), 403, "") // without the key
	old := b.jar
	b.anotherBrowser()
	b.shows(b.browse(http.MethodPost, with), 401, "keeps no cookies")
	b.browse(http.MethodGet, at)
	b.want(b.browse(http.MethodPost, with), 403, "") // with another browser's
	b.jar = old
	b.want(b.browse(http.MethodPost, with), 303, "/"+slug+"/in")
}

// Ada's link in the browser in which Bob works, and the other way round on a shared
// computer: never both at once, and never without a word.
func TestABrowserIsOnePersons(t *testing.T) {
	for name, come := range map[string]func(b *bench) answer{
		"a link": func(b *bench) answer {
			return b.browse(http.MethodGet, b.link(another(), lab.AsAllowed), page...)
		},
		"from the console": func(b *bench) answer {
			b.caller = another()
			return b.follow(http.MethodGet, console+"/open/"+slug+"?to=/in", page...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			cookie, _ := b.come("/")
			before := b.cookie(labs, browserCookie)
			asked := come(b)
			b.shows(asked, 200, "This browser is u-ada&#39;s", "go on as user:bob")
			if got := b.check("shared", cookie); got != 204 || b.cookie(labs, browserCookie) != before {
				t.Fatalf("before anybody has said so: %d", got)
			}
			in := b.press(asked)
			b.want(in, 303, "/"+slug+"/in")
			if in.header.Get("Clear-Site-Data") != `"cache", "storage"` {
				t.Errorf("what is cleared: %q", in.header.Get("Clear-Site-Data"))
			}
			if b.cookie(labs, browserCookie) == before || b.check("shared", cookie) != 401 {
				t.Error("the pass of before counts")
			}
			if got := b.request(b.Labs(), "http://10.0.0.1/-/door/check/shared/"+slug, "X-Bothy-Pass", b.cookie(labs+"/"+slug+"/", "bothy_pass"),
				"X-Bothy-Browser", b.cookie(labs, browserCookie)).status; got != 204 {
				t.Errorf("the new pass: %d", got)
			}
			// The one who comes back is asked likewise.
			b.caller = student()
			b.shows(b.follow(http.MethodGet, console+"/open/"+slug, page...), 200, "This browser is u-bob&#39;s")
		})
	}
}

func TestWithoutCookiesThereIsAPageAndNoLoop(t *testing.T) {
	b := newBench(t)
	at := console + "/open/" + slug
	for range 3 {
		at = b.request(b.handler(at), at).location
	}
	r := b.request(b.Labs(), at)
	b.shows(r, 401, "keeps no cookies")
	r = b.request(b.Labs(), b.link(student(), lab.AsAllowed))
	_, action, _ := strings.Cut(r.body, `action="`)
	action, _, _ = strings.Cut(action, `"`)
	b.shows(b.send(b.Labs(), http.MethodPost, labs+strings.ReplaceAll(action, "&amp;", "&")), 401, "keeps no cookies")
}

func TestOverPlainHTTPTheCookieHasAnotherName(t *testing.T) {
	b := newBench(t, func(c *door.Config) { c.LabsURL = "http://labs.example.org" })
	b.come("/")
	if b.cookie("http://labs.example.org/", "bothy_browser") == "" {
		t.Error("there is none")
	}
}

// A look-in is written down and shown: no page of another origin has a person do it.
func TestAForeignPageDoesNotLookIn(t *testing.T) {
	for _, site := range []string{"cross-site", "same-site"} {
		from := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", site}
		b := newBench(t)
		b.caller = teacher()
		b.come("/")
		looks := len(b.shelf.audits)
		at := console + "/open/" + slug + "?to=/x?y=z"
		asked := b.follow(http.MethodGet, at, from...)
		b.shows(asked, 200, "Look in on this workspace?")
		// It may not say where the visit began.
		browser := strings.Repeat("a", 64)
		for _, forged := range []string{"browser=" + browser, "browser=" + browser + "&state=", "browser=" + browser + "&state=" + browser} {
			b.shows(b.follow(http.MethodGet, console+"/open/"+slug+"?"+forged+"&to=/", from...), 200, "Look in on this workspace?")
		}
		b.want(b.browse(http.MethodPost, at, from...), 403, "")
		if len(b.shelf.audits) != looks {
			t.Error("it is written down")
		}
		b.want(b.press(asked), 303, "/x?y=z")
		if len(b.shelf.audits) != looks+1 {
			t.Error("it is not written down")
		}
		// Their own console leads there at once, and students from anywhere to their own.
		b.want(b.follow(http.MethodGet, at, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin"), 303, "/x?y=z")
		b.caller = student()
		b.want(b.follow(http.MethodGet, at, from...), 303, "/"+slug+"/x?y=z")
	}
}

func TestWhereAVisitBeganIsForgotten(t *testing.T) {
	b := newBench(t)
	b.caller = teacher()
	named := b.browse(http.MethodGet, b.browse(http.MethodGet, console+"/open/"+slug, page...).to).to
	from := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site"}
	b.now = b.now.Add(2 * time.Minute)
	b.want(b.follow(http.MethodGet, named, from...), 303, "/")
	b.now = b.now.Add(2 * time.Minute)
	b.shows(b.follow(http.MethodGet, named, from...), 200, "Look in on this workspace?")
}

// Whoever looks in for longer than an hour is written down again.
func TestALookInLastsAnHour(t *testing.T) {
	b := newBench(t)
	b.caller = teacher()
	cookie, _ := b.come("/")
	b.now = b.now.Add(time.Hour - time.Second)
	if got := b.check("own", cookie); got != 204 || len(b.shelf.audits) != 1 {
		t.Errorf("within the hour: %d, written down %d times", got, len(b.shelf.audits))
	}
	b.now = b.now.Add(time.Second)
	if got := b.check("own", cookie); got != 401 {
		t.Errorf("after an hour: %d", got)
	}
	b.come("/")
	if len(b.shelf.audits) != 2 {
		t.Errorf("written down %d times", len(b.shelf.audits))
	}
	b = newBench(t)
	cookie, _ = b.come("/")
	b.now = b.now.Add(2 * time.Hour)
	if got := b.check("shared", cookie); got != 204 {
		t.Errorf("the student after two hours: %d", got)
	}
}
