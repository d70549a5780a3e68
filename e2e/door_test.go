package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

// evictionLimit is how long an open connection may outlive its pass.
const evictionLimit = 30 * time.Second

// doors: who gets into a workspace, how that ends, and what is seen while it does not run.
func doors(t *testing.T, d *dev) {
	class, list := d.launchShells(t, "Doors", "Ada Lovelace", "Bob Kahn")
	defer d.deleteClass(t, class.Key)
	ada, bob := list[0].Slug, list[1].Slug
	for _, slug := range []string{ada, bob} {
		d.answers(t, d.labsHost(), "/"+slug+"/", shellMark)
		d.answers(t, slug+"."+d.labsHost(), "/", shellMark)
	}
	t.Run("only who has a pass comes in", func(t *testing.T) { d.onlyWithAPass(t, ada, bob) })
	t.Run("a link is good once", func(t *testing.T) { d.linkIsGoodOnce(t, ada) })
	t.Run("looking in is written down", func(t *testing.T) { d.lookInIsRecorded(t, ada) })
	t.Run("an ended pass ends what is open", func(t *testing.T) {
		demo := d.classReady(t, demoClass)
		d.evicted(t, demo[0].Slug, demo[1].Slug)
	})
	t.Run("a visit starts a stopped workspace", func(t *testing.T) { d.wokenByAVisit(t, bob) })
	t.Run("Bothy is killed, and who was in stays in", func(t *testing.T) { bothyIsKilled(t, d) })
}

// stranger asks without any pass but those given.
func (d *dev) stranger(ctx context.Context, host, path string, header http.Header, cookies ...*http.Cookie) (page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		return page{}, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Cookie", "none=0")
	for name, values := range header {
		request.Header[name] = values
	}
	for _, c := range cookies {
		request.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return d.do(request)
}

func asPage() http.Header {
	return http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Site": {"none"}}
}

func (d *dev) passOf(t *testing.T, host, path string) []*http.Cookie {
	t.Helper()
	cookies, err := d.pass(t.Context(), host, path)
	if err != nil || cookies == nil {
		t.Fatalf("no pass for %s%s: %v", host, path, err)
	}
	return cookies
}

// beside gives one browser's cookies with another's pass.
func beside(browser, pass []*http.Cookie) []*http.Cookie { return []*http.Cookie{browser[0], pass[1]} }

func (d *dev) onlyWithAPass(t *testing.T, ada, bob string) {
	console := "http://bothy.localhost:" + strconv.Itoa(8080+d.offset)
	own, lookerIn := d.passOf(t, d.labsHost(), "/"+ada+"/"), d.passOf(t, ada+"."+d.labsHost(), "/")
	for name, tc := range map[string]struct {
		host, path string
		header     http.Header
		cookies    []*http.Cookie
		status     int
		location   string
	}{
		"nobody, a page":                          {d.labsHost(), "/" + ada + "/x?y=z", asPage(), nil, 303, console + "/open/" + ada + "?to=/x?y=z"},
		"nobody, on the own host":                 {ada + "." + d.labsHost(), "/x?y=z", asPage(), nil, 303, console + "/open/" + ada + "?to=/x?y=z"},
		"nobody, what there is not":               {d.labsHost(), "/doors-doors-shell-nobody/x", asPage(), nil, 303, console + "/open/doors-doors-shell-nobody?to=/x"},
		"nobody, not a page":                      {d.labsHost(), "/" + ada + "/", nil, nil, 401, ""},
		"the student":                             {d.labsHost(), "/" + ada + "/", nil, own, 200, ""},
		"the student's pass, in another browser":  {d.labsHost(), "/" + ada + "/", nil, beside(d.passOf(t, d.labsHost(), "/"+bob+"/"), own), 401, ""},
		"the student's pass, in no browser":       {d.labsHost(), "/" + ada + "/", asPage(), own[1:], 303, console + "/open/" + ada + "?to=/"},
		"the student, at another's":               {d.labsHost(), "/" + bob + "/", nil, own, 401, ""},
		"the student, on the own host":            {ada + "." + d.labsHost(), "/", nil, own, 401, ""},
		"the looker-in":                           {ada + "." + d.labsHost(), "/", nil, lookerIn, 200, ""},
		"the looker-in, on the shared host":       {d.labsHost(), "/" + ada + "/", nil, lookerIn, 401, ""},
		"the looker-in, at another's":             {bob + "." + d.labsHost(), "/", nil, lookerIn, 401, ""},
		"the looker-in's browser, from elsewhere": {ada + "." + d.labsHost(), "/", http.Header{"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Mode": {"no-cors"}}, lookerIn, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := d.stranger(t.Context(), tc.host, tc.path, tc.header, tc.cookies...)
			if err != nil || p.status != tc.status || p.header.Get("Location") != tc.location {
				t.Errorf("%d to %q, %v; want %d to %q", p.status, p.header.Get("Location"), err, tc.status, tc.location)
			}
		})
	}
}

func (d *dev) linkIsGoodOnce(t *testing.T, slug string) {
	link, err := d.api.LinkWorkspace(t.Context(), slug, "student")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.enter(t.Context(), link.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := d.enter(t.Context(), link.URL); err == nil {
		t.Error("a link works twice")
	}
}

// store opens the database of `bothy dev`.
func (d *dev) store(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(d.state(), "bothy", "bothy.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (d *dev) lookInIsRecorded(t *testing.T, slug string) {
	d.passOf(t, slug+"."+d.labsHost(), "/")
	var actor, role string
	err := d.store(t).QueryRowContext(t.Context(), `SELECT l.actor, l.role FROM look_ins l JOIN workspaces w ON w.id = l.workspace_id
		JOIN passes p ON p.id = l.id WHERE w.slug = ? AND p.host = 'own'`, slug).Scan(&actor, &role)
	if err != nil || actor != "token:operator" || role != "admin" {
		t.Errorf("%q as %q, %v", actor, role, err)
	}
}

// evicted: a WebSocket that is open ends within the limit once its pass has, and
// another workspace's goes on.
func (d *dev) evicted(t *testing.T, ada, bob string) {
	ended, goesOn := d.openSocket(t, ada), d.openSocket(t, bob)
	began := time.Now()
	if _, err := d.store(t).ExecContext(t.Context(), `UPDATE passes SET expires_at = 1
		WHERE ended_at IS NULL AND workspace_id = (SELECT id FROM workspaces WHERE slug = ?)`, ada); err != nil {
		t.Fatal(err)
	}
	if !endsWithin(t, ended, evictionLimit) {
		t.Fatalf("the connection is open after %s", evictionLimit)
	}
	t.Logf("ended after %s", time.Since(began).Round(100*time.Millisecond))
	if endsWithin(t, goesOn, time.Second) {
		t.Error("another workspace's connection has ended too")
	}
	p, err := d.stranger(t.Context(), d.labsHost(), "/"+ada+"/", nil, d.passOf(t, d.labsHost(), "/"+ada+"/")...)
	if err != nil || p.status != http.StatusUnauthorized {
		t.Errorf("the ended pass gets %d, %v", p.status, err)
	}
	d.forget(ada)
	d.answers(t, d.labsHost(), "/"+ada+"/", workbenchMark)
}

// endsWithin reads until the other side ends the connection, or the time is over.
func endsWithin(t *testing.T, connection net.Conn, limit time.Duration) bool {
	t.Helper()
	if err := connection.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, connection)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// forget gives up the passes for a workspace.
func (d *dev) forget(slug string) {
	d.passes.mu.Lock()
	defer d.passes.mu.Unlock()
	for door := range d.passes.byDoor {
		if strings.HasSuffix(door, " "+slug) {
			delete(d.passes.byDoor, door)
		}
	}
}

// openSocket opens a WebSocket to code-server, as its student's browser does. Fabio
// gives a handshake a second; on a loaded machine it takes another try.
func (d *dev) openSocket(t *testing.T, slug string) net.Conn {
	t.Helper()
	cookies := d.passOf(t, d.labsHost(), "/"+slug+"/")
	var connection net.Conn
	eventually(t, time.Minute, "a WebSocket to "+slug, func(ctx context.Context) error {
		var err error
		if connection, err = (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.labsPort()))); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		fmt.Fprintf(connection, "GET /%s/?reconnectionToken=5d1a4b6e-33b4-4d5e-9a39-5ad0e3a3a6b5&reconnection=false&skipWebSocketFrames=false HTTP/1.1\r\n"+
			"Host: %s\r\nOrigin: http://%s\r\nCookie: %s=%s; %s=%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", slug, d.labsHost(), d.labsHost(),
			cookies[0].Name, cookies[0].Value, cookies[1].Name, cookies[1].Value)
		answer := make([]byte, len("HTTP/1.1 101"))
		if _, err := io.ReadFull(connection, answer); err != nil || string(answer) != "HTTP/1.1 101" {
			_ = connection.Close()
			return fmt.Errorf("answered %q: %v", answer, err) //nolint:errorlint // there may be none
		}
		return nil
	})
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

func (d *dev) wokenByAVisit(t *testing.T, slug string) {
	pass := d.passOf(t, d.labsHost(), "/"+slug+"/")
	d.must(t, "workspace", "stop", slug)
	d.workspaceIs(t, slug, "stopped", inPhase(client.PhaseStopped))
	get := func(path string, header http.Header) page {
		t.Helper()
		p, err := d.stranger(t.Context(), d.labsHost(), path, header, pass...)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	eventually(t, time.Minute, "the route goes", func(context.Context) error {
		if p := get("/"+slug+"/", nil); !strings.Contains(p.body, "does not run") {
			return fmt.Errorf("status %d", p.status)
		}
		return nil
	})
	if w, err := d.api.Workspace(t.Context(), slug); err != nil || w.Desired != "stopped" {
		t.Fatalf("what is no page starts it: %v, %v", w.Desired, err)
	}
	p := get("/"+slug+"/?a=b", asPage())
	if p.status != http.StatusServiceUnavailable || !strings.Contains(p.body, "being started") || !strings.Contains(p.body, "url=/"+slug+"/-/enter?to=/?a=b") {
		t.Fatalf("%d %s", p.status, p.body)
	}
	eventually(t, readyLimit, "the waiting page moves on", func(context.Context) error {
		p := get("/"+slug+"/-/enter?to=/?a=b", asPage())
		if p.status != http.StatusSeeOther || p.header.Get("Location") != "/"+slug+"/?a=b" {
			return fmt.Errorf("status %d, to %q", p.status, p.header.Get("Location"))
		}
		return nil
	})
	if p := get("/"+slug+"/?a=b", asPage()); p.status != http.StatusOK || !strings.Contains(p.body, shellMark) {
		t.Errorf("it moves on to %d", p.status)
	}
}

// away is how long Bothy is away.
const away = 65 * time.Second

// bothyIsKilled: a server of its own is killed while somebody is in a workspace of
// its; for as long as it is away they reload, and nobody new comes in.
func bothyIsKilled(t *testing.T, d *dev) {
	s := newServer(t, d, "killed", d.ownDoor(t))
	second := *d
	second.api, second.passes = s.api, &passes{byDoor: map[string][]*http.Cookie{}}
	class, list := second.launchShells(t, "Killed", "Ada Lovelace")
	slug := list[0].Slug
	second.answers(t, d.labsHost(), "/"+slug+"/", shellMark)
	pass := second.passOf(t, d.labsHost(), "/"+slug+"/")

	s.kill(t)
	reload := func() error {
		p, err := d.stranger(t.Context(), d.labsHost(), "/"+slug+"/", asPage(), pass...)
		if err == nil && (p.status != http.StatusOK || !strings.Contains(p.body, shellMark)) {
			err = fmt.Errorf("a reload gives %d", p.status)
		}
		return err
	}
	reloads := 0
	for end := time.After(away); ; reloads++ {
		if err := reload(); err != nil {
			t.Fatalf("after %d reloads: %v", reloads, err)
		}
		select {
		case <-end:
		case <-time.After(500 * time.Millisecond):
			continue
		}
		break
	}
	t.Logf("%d reloads while Bothy was away for %s", reloads, away)
	if p, err := d.stranger(t.Context(), d.labsHost(), "/"+slug+"/", asPage(), pass[0], &http.Cookie{Name: pass[1].Name, Value: "NEVERSEENNEVERSEENNEVERSEEN"}); err != nil || p.status != http.StatusServiceUnavailable {
		t.Errorf("who was not in gets %d, %v", p.status, err)
	}
	s.start(t)
	if err := reload(); err != nil {
		t.Error(err)
	}
	second.deleteClass(t, class.Key)
}
