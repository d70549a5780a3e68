package e2e

import (
	"encoding/json"
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
	Cookies, Sent, Read, Blind, Post, Frame, Socket, Worker, API, Peek, Write, SignOut string
	// Answers are what the other workspace said, Console what the console did.
	Answers, Console []struct {
		URL, Method string
		Status      int
	}
}

// A street is two students' workspaces, of which the first serves a hostile page, and
// the origins by which browsers know them and the console.
type street struct {
	ada, bob      string
	console, labs string
	// link gives what opens a workspace on the shared host or as one who looks in.
	link func(t *testing.T, slug string, as client.WorkspaceLinkInputAs) string
}

// own is a workspace's own origin.
func (s street) own(slug string) string {
	scheme, host, _ := strings.Cut(s.labs, "://")
	return scheme + "://" + slug + "." + host
}

// proxied is where the hostile page is below its workspace.
func proxied() string { return "/proxy/" + strconv.Itoa(hostilePort) + "/" }

// misbehave starts the hostile page in a workspace.
func (d *dev) misbehave(t *testing.T, slug string) {
	t.Helper()
	node := nodeOf(t, d.job(t, jobID(slug)))
	if _, err := d.exec(t.Context(), slug, "/bin/sh", "-c", `setsid "$0" -e "$1" </dev/null >/dev/null 2>&1 &`, node, hostilePage); err != nil {
		t.Fatal(err)
	}
}

// hostile: a page served from one student's workspace, in that student's browser
// and in that of somebody who also looks in on another's, gets nothing of either.
func hostile(t *testing.T, d *dev, root string) {
	demo := d.classReady(t, demoClass)
	ada := demo[0].Slug
	d.misbehave(t, ada)
	d.answers(t, d.labsHost(), "/"+ada+proxied(), "homework")
	s := street{ada: ada, bob: demo[1].Slug, console: d.folk().console, labs: "http://" + d.labsHost()}
	s.link = func(t *testing.T, slug string, as client.WorkspaceLinkInputAs) string {
		t.Helper()
		link, err := d.api.LinkWorkspace(t.Context(), slug, as)
		if err != nil {
			t.Fatal(err)
		}
		return link.URL
	}
	b := newBrowser(t, root)
	s.isRobbed(t, b.newStage(t))
	t.Run("link", func(t *testing.T) { d.hostileLink(t, b, demo[0], demo[1], proxied()) })
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

// isRobbed has the page try all that it can.
func (s street) isRobbed(t *testing.T, on *stage) {
	t.Run("in the student's browser", func(t *testing.T) {
		p := on.somebody("hostile-student")
		p.goes(s.link(t, s.ada, "student"))
		p.goes(s.labs + "/" + s.ada + proxied())
		got := p.attacks(t, s.labs+"/"+s.bob+"/", "/"+s.ada+proxied(), s.console)
		got.nothing(t)
		if got.Worker != "refused: SecurityError" {
			t.Errorf("a service worker for all of the shared host: %s", got.Worker)
		}
		got.wants(t, http.StatusUnauthorized)
	})
	t.Run("in a teacher's browser", func(t *testing.T) {
		p := on.somebody("hostile-teacher")
		for _, slug := range []string{s.bob, s.ada} {
			p.goes(s.link(t, slug, "looker_in"))
		}
		p.goes(s.own(s.ada) + proxied())
		got := p.attacks(t, s.own(s.bob)+"/", proxied(), s.console)
		got.nothing(t)
		got.wants(t, http.StatusForbidden)
		if status, _ := p.goes(s.own(s.bob) + "/"); status != "200" {
			t.Errorf("the teacher's own way to the other workspace: %s", status)
		}
	})
}

// attacks runs the attack in the page that a person has open.
func (p player) attacks(t *testing.T, other, own, console string) robbery {
	t.Helper()
	var got robbery
	if err := json.Unmarshal([]byte(p.does(step{Do: "attack", Name: other, Path: own, Text: console})), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// wants holds the answers of the other workspace to a status, and those of the console to a refusal.
func (r robbery) wants(t *testing.T, status int) {
	t.Helper()
	for _, a := range r.Answers {
		if a.Status != status {
			t.Errorf("%s %s: %d", a.Method, a.URL, a.Status)
		}
	}
	if len(r.Answers) < 3 {
		t.Errorf("the other workspace was asked %d times: nothing is shown", len(r.Answers))
	}
	// What its browser does not even show it has no status.
	for _, a := range r.Console {
		if a.Status != 0 && a.Status < http.StatusBadRequest {
			t.Errorf("the console: %s %s: %d", a.Method, a.URL, a.Status)
		}
	}
	if len(r.Console) < 3 {
		t.Errorf("the console was asked %d times: nothing is shown", len(r.Console))
	}
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
	for what, said := range map[string]string{"read": r.Read, "frame": r.Frame, "API": r.API} {
		if strings.HasPrefix(said, "2") || strings.Contains(said, "homework") || strings.Contains(strings.ToLower(said), "code-server") {
			t.Errorf("%s: %s", what, said)
		}
	}
	if r.Socket != "refused" {
		t.Errorf("socket %s", r.Socket)
	}
	t.Logf("%+v", r)
}
