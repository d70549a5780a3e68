package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

// hostilePage is a student's own web server: a page, a service worker that would
// like to have all of its origin, and a mirror of what reaches it.
const hostilePage = `
require('http').createServer((request, response) => {
  if (request.url.endsWith('/headers')) { response.end(JSON.stringify(request.headers)); return; }
  if (request.url.endsWith('/worker.js')) {
    response.writeHead(200, {'Content-Type': 'text/javascript', 'Service-Worker-Allowed': '/'});
    response.end('self.addEventListener("fetch", () => {});');
    return;
  }
  response.writeHead(200, {'Content-Type': 'text/html'});
  response.end('<!doctype html><title>Hostile</title><h1>Look at my homework</h1>');
}).listen(38765, '127.0.0.1');
setTimeout(() => process.exit(), 300000);
`

const hostilePort = 38765

// robbery is what the page reports.
type robbery struct {
	Cookies, Sent, Read, Blind, Post, Frame, Socket, Worker, API string
	Answers                                                      []struct {
		URL, Method string
		Status      int
	}
}

// hostile: a page served from one student's workspace, in that student's browser
// and in that of somebody who also looks in on another's, gets nothing of either.
func hostile(t *testing.T, d *dev, root string) {
	b := newBrowser(t, root)
	demo := d.classReady(t, demoClass)
	ada, bob := demo[0].Slug, demo[1].Slug
	node := nodeOf(t, d.job(t, jobID(ada)))
	if _, err := d.exec(t.Context(), ada, "/bin/sh", "-c", `setsid "$0" -e "$1" </dev/null >/dev/null 2>&1 &`, node, hostilePage); err != nil {
		t.Fatal(err)
	}
	proxied := "/proxy/" + strconv.Itoa(hostilePort) + "/"
	d.answers(t, d.labsHost(), "/"+ada+proxied, "homework")
	console := "http://bothy.localhost:" + strconv.Itoa(8080+d.offset)
	shared, own := "http://"+d.labsHost(), func(slug string) string { return "http://" + slug + "." + d.labsHost() }

	// Chromium's socket lies below a folder of the test's name: short ones.
	t.Run("student", func(t *testing.T) {
		got := b.rob(t, "hostile-student", d.link(t, shared+"/"+ada+"/"), nil,
			shared+"/"+ada+proxied, step{Do: "attack", Name: shared + "/" + bob + "/", Path: "/" + ada + proxied, Text: console})
		got.nothing(t)
		if got.Worker != "refused: SecurityError" {
			t.Errorf("a service worker for all of the shared host: %s", got.Worker)
		}
		for _, a := range got.Answers {
			if a.Status != http.StatusUnauthorized {
				t.Errorf("%s %s: %d", a.Method, a.URL, a.Status)
			}
		}
	})
	t.Run("link", func(t *testing.T) { d.hostileLink(t, b, demo[0], demo[1], proxied) })
	t.Run("teacher", func(t *testing.T) {
		var links []string
		for _, slug := range []string{bob, ada} {
			link, err := d.api.LinkWorkspace(t.Context(), slug, "looker_in")
			if err != nil {
				t.Fatal(err)
			}
			links = append(links, link.URL)
		}
		got := b.rob(t, "hostile-teacher", links[0], links[1:],
			own(ada)+proxied, step{Do: "attack", Name: own(bob) + "/", Path: proxied, Text: console})
		got.nothing(t)
		for _, a := range got.Answers {
			if a.Status != http.StatusForbidden {
				t.Errorf("%s %s: %d", a.Method, a.URL, a.Status)
			}
		}
		if len(got.Answers) < 3 {
			t.Errorf("the other workspace was asked %d times: nothing is shown", len(got.Answers))
		}
	})
}

// hostileLink: in the browser in which Bo works, Ana's link to her own hostile page
// leads to a page that says whose browser it is. Whoever goes on is out of Bo's
// workspace before anything of Ana's runs.
func (d *dev) hostileLink(t *testing.T, b browser, ana, bo client.Workspace, proxied string) {
	people, err := d.demoPasswords()
	if err != nil {
		t.Fatal(err)
	}
	console, shared := d.console(), "http://"+d.labsHost()
	hers := d.signedIn(t, ana.Student.Email, people[ana.Student.Email])
	at, err := url.Parse(d.env["BOTHY_ADDR"])
	if err != nil {
		t.Fatal(err)
	}
	var cookies []string
	for _, c := range hers.Jar.Cookies(at) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	his := shared + "/" + bo.Slug + "/"
	seen, err := b.play(t, "hostile.mjs", "hostile-link", console+"/sign-in?to=/open/"+bo.Slug, []step{
		{Do: "signIn", Name: bo.Student.Email, Text: people[bo.Student.Email]},
		{Do: "link", Path: d.env["BOTHY_ADDR"] + "/v1/workspaces/" + ana.Slug + "/link", Name: strings.Join(cookies, "; "), Text: proxied},
		{Do: "follow"},
		{Do: "screenshot", Path: filepath.Join(b.artifacts, "hostile-link-asks.png")},
		{Do: "page", Path: his},
		{Do: "press"},
		{Do: "attack", Name: his, Path: "/" + ana.Slug + proxied, Text: console},
		{Do: "page", Path: his},
	})
	if err != nil {
		t.Fatalf("%s (screenshot in e2e/artifacts/hostile-link-failed.png): %v", seen.Problem, err)
	}
	if !strings.HasPrefix(seen.Results[0], his) || !strings.HasPrefix(seen.Results[4], his) {
		t.Fatalf("Bo is at %s, and after Ana's link at %s", seen.Results[0], seen.Results[4])
	}
	if asks := seen.Results[2]; !strings.Contains(asks, "This browser is "+bo.Student.Email+"'s") || !strings.Contains(asks, ana.Student.Email) {
		t.Errorf("her link leads to\n%s", asks)
	}
	if at := seen.Results[5]; at != shared+"/"+ana.Slug+proxied {
		t.Errorf("after the button the browser is at %s", at)
	}
	var got robbery
	if err := json.Unmarshal([]byte(seen.Results[6]), &got); err != nil {
		t.Fatal(err)
	}
	got.nothing(t)
	if len(got.Answers) == 0 {
		t.Error("the other workspace was not asked: nothing is shown")
	}
	for _, a := range got.Answers {
		if a.Status != http.StatusUnauthorized && a.Status != http.StatusSeeOther {
			t.Errorf("%s %s: %d", a.Method, a.URL, a.Status)
		}
	}
	if back := seen.Results[7]; !strings.Contains(back, "This browser is "+ana.Student.Email+"'s") {
		t.Errorf("whoever comes back sees\n%s", back)
	}
}

// rob opens links and then the hostile page, in one browser, and gives what it got.
func (b browser) rob(t *testing.T, name, first string, more []string, hostile string, attack step) robbery {
	t.Helper()
	var steps []step
	for _, link := range more {
		steps = append(steps, step{Do: "goto", Path: link})
	}
	steps = append(steps, step{Do: "goto", Path: hostile}, attack)
	seen, err := b.play(t, "hostile.mjs", name, first, steps)
	if err != nil {
		t.Fatalf("%s: %v", seen.Problem, err)
	}
	var got robbery
	if err := json.Unmarshal([]byte(seen.Results[len(steps)-1]), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func (r robbery) nothing(t *testing.T) {
	t.Helper()
	for what, text := range map[string]string{"the page's cookies": r.Cookies, "what its server is sent": r.Sent} {
		if strings.Contains(text, "bothy_") {
			t.Errorf("%s: %s", what, text)
		}
	}
	if r.Sent == "" || strings.HasPrefix(r.Sent, "refused") {
		t.Errorf("the page does not reach its own server: %q", r.Sent)
	}
	for what, said := range map[string]string{"read": r.Read, "frame": r.Frame, "socket": r.Socket, "API": r.API} {
		if said == "200" || said == "open" || strings.Contains(said, "homework") || strings.Contains(strings.ToLower(said), "code-server") {
			t.Errorf("%s: %s", what, said)
		}
	}
	if r.Socket != "refused" || r.API == fmt.Sprint(http.StatusOK) {
		t.Errorf("socket %s, API %s", r.Socket, r.API)
	}
	t.Logf("%+v", r)
}
