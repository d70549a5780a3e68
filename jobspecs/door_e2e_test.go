//go:build e2e

package jobspecs_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What browsers hold in these tests: two passes that are good, and one that is not,
// and what stands for the browser.
const (
	browser = "BROWSERBROWSERBROWSERBROWSER"
	good    = "GOODGOODGOODGOODGOODGOOD"
	other   = "OTHEROTHEROTHEROTHEROTHER"
	foreign = "FOREIGNFOREIGNFOREIGNFOREIGN"
)

// clears is what the door has a browser forget.
const clears = `"cache", "storage"`

// asked is a door that says what a test wants, and can be away.
type asked struct {
	t       *testing.T
	address string

	mu      sync.Mutex
	answers map[string]int // by pass
	seen    []*http.Request
	server  *http.Server
	ended   chan struct{}
	// hold keeps every answer back while it is not nil and open.
	hold chan struct{}
}

func newDoor(t *testing.T) *asked {
	t.Helper()
	d := &asked{t: t, address: "127.0.0.1:0", answers: map[string]int{good: 204, other: 204}}
	d.comeBack()
	t.Cleanup(d.goAway)
	return d
}

func (d *asked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.seen = append(d.seen, r)
	status, hold := 401, d.hold
	for pass := range strings.SplitSeq(r.Header.Get("X-Bothy-Pass"), ",") {
		if s, ok := d.answers[pass]; ok {
			status = s
		}
	}
	if r.Header.Get("X-Bothy-Browser") != browser { // a pass is good in one alone
		status = 401
	}
	d.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}
	if strings.HasPrefix(r.URL.Path, "/-/door/enter/") {
		http.SetCookie(w, &http.Cookie{Name: "bothy_pass", Value: good, Path: "/" + slug + "/"})
		w.Header().Set("Location", "/"+slug+"/in")
		w.Header().Set("Clear-Site-Data", clears)
		status = http.StatusSeeOther
	}
	w.WriteHeader(status)
}

func (d *asked) set(pass string, status int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers[pass] = status
}

func (d *asked) requests() []*http.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*http.Request{}, d.seen...)
}

// comeBack listens, after the first time where it was before.
func (d *asked) comeBack() {
	d.t.Helper()
	l, err := net.Listen("tcp", d.address)
	if err != nil {
		d.t.Fatal(err)
	}
	d.address = l.Addr().String()
	server, ended := &http.Server{Handler: d}, make(chan struct{})
	d.server, d.ended = server, ended
	go func() {
		defer close(ended)
		_ = server.Serve(l)
	}()
}

func (d *asked) goAway() {
	_ = d.server.Close()
	<-d.ended
}

// guardedNGINX runs a template's NGINX with a door.
func guardedNGINX(t *testing.T, name string, d *asked, workspace http.Handler) proxy {
	t.Helper()
	settings := deployment()
	settings.DoorURL = "http://" + d.address
	job, refusal := parse(t, renderFor(t, settings, templates(t)[name], nil))
	if refusal != "" {
		t.Fatal(refusal)
	}
	server := httptest.NewServer(workspace)
	t.Cleanup(server.Close)
	return startNGINX(t, job, server.Listener.Addr().String())
}

// Over HTTPS the browser's cookie is the one that no other host can set.
func TestTheDoorOverHTTPS(t *testing.T) {
	d := newDoor(t)
	settings := deployment()
	settings.LabsURL = "https://" + labsHost
	settings.DoorURL = "http://" + d.address
	job, refusal := parse(t, renderFor(t, settings, templates(t)["shell"], nil))
	if refusal != "" {
		t.Fatal(refusal)
	}
	server := httptest.NewServer(tellingWorkspace())
	t.Cleanup(server.Close)
	p := startNGINX(t, job, server.Listener.Addr().String())
	for cookies, want := range map[string]int{
		"bothy_pass=" + good + "; __Host-bothy_browser=" + browser:                                     200,
		"bothy_pass=" + good + "; bothy_browser=tossed; __Host-bothy_browser=" + browser:               200,
		"bothy_pass=" + good + "; bothy_browser=" + browser:                                            401,
		"bothy_pass=" + good + "; __Host-bothy_browser=ANOTHERANOTHERANOTHER":                          401,
		"__Host-bothy_browser=" + browser + "; bothy_pass=" + good + "; __Host-bothy_browser=" + other: 401,
	} {
		got := p.get(t, labsHost, "/"+slug+"/cookies", "Cookie: "+cookies)
		if got.status != want || strings.Contains(got.body, "bothy") {
			t.Errorf("%s: %d %q, want %d", cookies, got.status, got.body, want)
		}
	}
}

func TestTheDoor(t *testing.T) {
	for name := range templates(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			d.set(foreign, 403)
			p := guardedNGINX(t, name, d, tellingWorkspace())
			t.Run("asks", func(t *testing.T) { doorAsks(t, p, d) })
			t.Run("keeps passes", func(t *testing.T) { doorKeepsPasses(t, p) })
			t.Run("keeps other pages out", func(t *testing.T) { doorKeepsPagesOut(t, p) })
			t.Run("carries what has come in", func(t *testing.T) { doorCarries(t, p) })
			t.Run("is away", func(t *testing.T) { doorIsAway(t, p, d) })
		})
	}
}

func pass(values ...string) string {
	return "Cookie: theme=dark; bothy_browser=" + browser + "; bothy_pass=" + strings.Join(values, "; bothy_pass=")
}

const (
	isPage   = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Site: none"
	isSocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-Fetch-Mode: websocket\r\nSec-Fetch-Dest: websocket\r\nSec-Fetch-Site: same-origin"
)

func doorAsks(t *testing.T, p proxy, d *asked) {
	inside := "/" + slug + "/a%2Fb?c=d&to=/x"
	for name, tc := range map[string]struct {
		host, target string
		header       []string
		status       int
		location     string
	}{
		"a pass":                         {labsHost, inside, []string{pass(good)}, 200, ""},
		"a pass on the own host":         {ownHost, "/x", []string{"Cookie: __Host-bothy_pass=" + good + "; bothy_browser=" + browser}, 200, ""},
		"five planted before one's own":  {ownHost, "/x", []string{pass("TOSSEDTOSSEDTOSSEDTOSSED", "TOSSEDTOSSEDTOSSEDTOSSED2", "TOSSEDTOSSEDTOSSEDTOSSED3", "T4", "T5") + "; __Host-bothy_pass=" + good + "; a=b"}, 200, ""},
		"the prefix on the shared host":  {labsHost, inside, []string{"Cookie: __Host-bothy_pass=" + good + "; bothy_browser=" + browser}, 200, ""},
		"a pass in another browser":      {labsHost, inside, []string{"Cookie: bothy_pass=" + good + "; bothy_browser=ANOTHERANOTHERANOTHER"}, 401, ""},
		"a pass in no browser":           {labsHost, inside, []string{"Cookie: bothy_pass=" + good, isPage}, 303, "http://bothy.localhost:8080/open/" + slug + "?to=/a%2Fb?c=d&to=/x"},
		"a pass and two browsers":        {labsHost, inside, []string{pass(good) + "; bothy_browser=ANOTHERANOTHERANOTHER"}, 401, ""},
		"a pass, twice the same browser": {labsHost, inside, []string{pass(good) + ";bothy_browser=" + browser + "; a=b"}, 401, ""},
		"a browser of HTTPS":             {labsHost, inside, []string{"Cookie: bothy_pass=" + good + "; __Host-bothy_browser=" + browser}, 401, ""},
		"what looks like a browser":      {labsHost, inside, []string{"Cookie: bothy_pass=" + good + "; xbothy_browser=" + browser}, 401, ""},
		"a browser past the visitor":     {labsHost, inside, []string{"Cookie: bothy_pass=" + good, "X-Bothy-Browser: " + browser}, 401, ""},

		"a tossed pass before it":         {labsHost, inside, []string{pass("TOSSEDTOSSEDTOSSEDTOSSED", good)}, 200, ""},
		"any number of longer paths":      {labsHost, inside, []string{pass("TOSSEDTOSSEDTOSSEDTOSSED", "TOSSEDTOSSEDTOSSEDTOSSED2", "TOSSEDTOSSEDTOSSEDTOSSED3", "TOSSEDTOSSEDTOSSEDTOSSED4", good) + "; a=b"}, 200, ""},
		"two tossed passes around it":     {labsHost, inside, []string{pass("TOSSEDTOSSEDTOSSEDTOSSED", good, "AGAINAGAINAGAINAGAIN")}, 200, ""},
		"an empty one before it":          {labsHost, inside, []string{pass("", good)}, 200, ""},
		"no pass, a page":                 {labsHost, inside, []string{isPage}, 303, "http://bothy.localhost:8080/open/" + slug + "?to=/a%2Fb?c=d&to=/x"},
		"no pass, a page on the own host": {ownHost, "/x?y", []string{isPage}, 303, "http://bothy.localhost:8080/open/" + slug + "?to=/x?y"},
		"no pass, an older browser":       {labsHost, inside, []string{"Accept: text/html,*/*"}, 303, "http://bothy.localhost:8080/open/" + slug + "?to=/a%2Fb?c=d&to=/x"},
		"no pass, a program":              {labsHost, inside, nil, 401, ""},
		"no pass, a WebSocket":            {labsHost, inside, []string{isSocket, "Accept: text/html"}, 401, ""},
		"another pass":                    {labsHost, inside, []string{pass("UNKNOWNUNKNOWNUNKNOWN"), isPage}, 303, "http://bothy.localhost:8080/open/" + slug + "?to=/a%2Fb?c=d&to=/x"},
		"what is no pass":                 {labsHost, inside, []string{pass("short")}, 401, ""},
		"not any more":                    {labsHost, inside, []string{pass(foreign), isPage}, 403, ""},
		"the question itself":             {labsHost, "/-/door", []string{pass(good)}, 404, ""},
		"the question on the own host":    {ownHost, "/-/door", []string{pass(good)}, 404, ""},
		"the health check":                {p.address, "/-/health", nil, 200, ""},
		"the way in":                      {labsHost, "/" + slug + "/-/enter?ticket=T&to=/in", []string{isPage, "Cookie: bothy_browser=" + browser}, 303, "/" + slug + "/in"},
	} {
		t.Run(name, func(t *testing.T) {
			got := p.get(t, tc.host, tc.target, tc.header...)
			if got.status != tc.status || got.header.Get("Location") != tc.location {
				t.Errorf("%d to %q, want %d to %q\n%s", got.status, got.header.Get("Location"), tc.status, tc.location, got.body)
			}
		})
	}
	for _, r := range d.requests() {
		enters := strings.HasPrefix(r.URL.Path, "/-/door/enter/")
		if (r.Header.Get("Cookie") != "") != enters || r.Header.Get("Authorization") != "" || r.Method != http.MethodGet {
			t.Errorf("the door is told more than it needs: %s %v", r.Method, r.Header)
		}
		if !strings.HasSuffix(r.URL.Path, "/"+slug) {
			t.Errorf("the door is asked about %s", r.URL.Path)
		}
	}
	if got := p.get(t, labsHost, "/"+slug+"/-/enter?ticket=T&to=/in", isPage); !strings.Contains(got.header.Get("Set-Cookie"), "Path=/"+slug+"/") {
		t.Errorf("the cookie of the way in is %q", got.header.Get("Set-Cookie"))
	}
	before := len(d.requests())
	for range 5 {
		p.get(t, labsHost, inside, pass(good))
	}
	if asked := len(d.requests()) - before; asked > 1 {
		t.Errorf("the door is asked %d times within its five seconds", asked)
	}
	p.get(t, labsHost, inside)
	if len(d.requests())-before > 1 {
		t.Error("the door is asked about nobody")
	}
}

// doorKeepsPasses: whatever the cookies are, the workspace sees no pass.
func doorKeepsPasses(t *testing.T, p proxy) {
	for _, tc := range []struct{ sent, want string }{
		{"theme=dark; bothy_pass=" + good, "theme=dark;"},
		{"bothy_pass=" + good + "; theme=dark", "theme=dark"},
		{"a=1; bothy_pass=" + good + "; b=2", "a=1; b=2"},
		{"a=1; bothy_pass=" + good + "; b=2; bothy_pass=" + other + "; c=3", "a=1; b=2; c=3"},
		{"bothy_pass=x; bothy_pass=" + good + "; __Host-bothy_pass=" + other + "; c=3", "c=3"},
		{"bothy_pass=" + good + ";c=3", "c=3"},
		{"c=bothy; xbothy=1; bothy_pass=" + good, "c=bothy; xbothy=1;"},
		{"bothy_pass=" + good + "; a=1; bothy_pass=a; bothy_pass=b; bothy_pass=" + other, ""},
		{"bothy_pass=" + good + "; Bothy_Pass=x; a=1", ""},
		{"bothy_pass=" + good, ""},
		{"__Host-bothy_browser=x; a=1; bothy_pass=" + good, ""},
		{"Bothy_Browser=x; a=1; bothy_pass=" + good, ""},
	} {
		for _, target := range []struct{ host, path string }{{labsHost, "/" + slug + "/cookies"}, {ownHost, "/cookies"}} {
			got := p.get(t, target.host, target.path, "Cookie: bothy_browser="+browser+"; "+tc.sent)
			if want := "cookies=" + strings.TrimSpace(tc.want); got.status != 200 || strings.TrimSpace(got.body) != want {
				t.Errorf("of %q the workspace sees %d %q, want %q", tc.sent, got.status, got.body, want)
			}
		}
	}
	for _, sent := range []string{"a=1; bothy_browser=" + browser + "; b=2; bothy_pass=" + good, "bothy_pass=" + good + ";bothy_browser=" + browser + "; a=1;b=2"} {
		got := p.get(t, labsHost, "/"+slug+"/cookies", "Cookie: "+sent)
		if got.status != 200 || strings.Contains(got.body, "bothy") || !strings.Contains(got.body, "a=1;") || !strings.Contains(got.body, "b=2") {
			t.Errorf("of %q the workspace sees %d %q", sent, got.status, got.body)
		}
	}
	// Two headers are one list of cookies.
	got := p.get(t, labsHost, "/"+slug+"/cookies", "Cookie: a=1", pass(good))
	if strings.Contains(got.body, good) || got.status != 200 {
		t.Errorf("%d %q", got.status, got.body)
	}
}

// doorKeepsPagesOut: a page of another origin, another workspace's among them, can
// lead a browser here and nothing else.
func doorKeepsPagesOut(t *testing.T, p proxy) {
	const fetch = "Sec-Fetch-Mode: %s\r\nSec-Fetch-Dest: %s\r\nSec-Fetch-Site: %s"
	for name, tc := range map[string]struct {
		header string
		status int
	}{
		"a link":                    {fmt.Sprintf(fetch, "navigate", "document", "cross-site"), 200},
		"its own script":            {fmt.Sprintf(fetch, "no-cors", "script", "same-origin"), 200},
		"its own frame":             {fmt.Sprintf(fetch, "navigate", "iframe", "same-origin"), 200},
		"its own fetch":             {fmt.Sprintf(fetch, "cors", "empty", "same-origin") + "\r\nOrigin: http://" + ownHost, 200},
		"another's frame":           {fmt.Sprintf(fetch, "navigate", "iframe", "same-site"), 403},
		"another's image":           {fmt.Sprintf(fetch, "no-cors", "image", "same-site"), 403},
		"another's fetch":           {fmt.Sprintf(fetch, "no-cors", "empty", "cross-site"), 403},
		"another's fetch, told of":  {"Origin: http://bob." + labsHost, 403},
		"a form of nobody's":        {fmt.Sprintf(fetch, "navigate", "document", "cross-site") + "\r\nOrigin: null", 403},
		"another's socket":          {isSocket + "\r\nOrigin: http://bob." + labsHost, 403},
		"the console's own request": {"Origin: http://bothy.localhost:8080", 403},
	} {
		t.Run(name, func(t *testing.T) {
			if got := p.get(t, ownHost, "/x", "Cookie: bothy_browser="+browser+"; __Host-bothy_pass="+good, tc.header); got.status != tc.status {
				t.Errorf("%d, want %d", got.status, tc.status)
			}
		})
	}
}

// doorCarries: what comes in works as without a door.
func doorCarries(t *testing.T, p proxy) {
	got := p.get(t, labsHost, "/"+slug+"/", pass(good))
	if scope := got.header.Get("Service-Worker-Allowed"); scope != "/"+slug+"/" {
		t.Errorf("service workers are allowed %q", scope)
	}
	for host, path := range map[string]string{labsHost: "/" + slug + "/", ownHost: "/"} {
		if got := p.get(t, host, path, pass(good)); got.status != 200 || got.header.Get("Clear-Site-Data") != "" {
			t.Errorf("%d: a workspace has the browser forget %s", got.status, got.header.Get("Clear-Site-Data"))
		}
		if got := p.get(t, host, path+"-/enter?ticket=T").header.Get("Clear-Site-Data"); got != clears {
			t.Errorf("the door has the browser forget %q", got)
		}
	}
	if got := p.get(t, labsHost, "/"+slug+"/moved?to=%2Flogin", pass(good)).header.Get("Location"); got != "/"+slug+"/login" {
		t.Errorf("sent to %q", got)
	}
	for _, status := range []int{401, 403, 500} {
		got := p.get(t, labsHost, fmt.Sprintf("/%s/status?is=%d", slug, status), pass(good), isPage)
		if got.status != status || !strings.HasPrefix(got.body, "the workspace's own") {
			t.Errorf("the workspace's own %d arrives as %d %q", status, got.status, got.body)
		}
	}
	upload := strings.Repeat("x", 1<<20)
	connection := p.dial(t)
	fmt.Fprintf(connection, "POST /%s/upload HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\nContent-Length: %d\r\n\r\n%s", slug, labsHost, pass(good), len(upload), upload)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("an upload: %v, %v", response, err)
	}
	response.Body.Close()
}

// doorIsAway: who has been in stays in, also by a reload and a new WebSocket, and in
// less than the second that Fabio gives; nobody new comes in.
func doorIsAway(t *testing.T, p proxy, d *asked) {
	open := func(who string) int { return p.get(t, labsHost, "/"+slug+"/", pass(who)).status }
	if open(good) != 200 {
		t.Fatal("the visitor is not in")
	}
	d.goAway()
	waitFor(t, "the yes is stale", 6*time.Second)
	for range 3 {
		if got := open(good); got != 200 {
			t.Errorf("who has been in gets %d", got)
		}
	}
	if got := p.get(t, labsHost, "/"+slug+"/", pass("NEVERNEVERNEVERNEVERSEEN"), isPage); got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "refresh") {
		t.Errorf("who was never in gets %d %q", got.status, got.body)
	}
	if got := p.get(t, labsHost, "/"+slug+"/-/enter?ticket=T", isPage); got.status != 503 {
		t.Errorf("the way in gives %d", got.status)
	}
	connection := p.dial(t)
	fmt.Fprintf(connection, "GET /%s/upgrade HTTP/1.1\r\nHost: %s\r\n%s\r\n%s\r\n\r\nhello\n", slug, labsHost, pass(good), isSocket)
	if line, err := bufio.NewReader(connection).ReadString('\n'); !strings.Contains(line, " 101 ") {
		t.Errorf("a WebSocket: %q, %v", line, err)
	}

	// It is back and silent: NGINX does not wait longer than Fabio does.
	d.mu.Lock()
	d.hold = make(chan struct{})
	d.mu.Unlock()
	d.comeBack()
	began := time.Now()
	if got, took := open(good), time.Since(began); got != 200 || took > time.Second {
		t.Errorf("while the door is silent: %d after %s", got, took)
	}
	d.mu.Lock()
	close(d.hold)
	d.hold = nil
	d.mu.Unlock()

	// A no takes the place of the yes, also when the door goes away again.
	d.set(good, 401)
	eventually(t, "the no arrives", func() bool { return open(good) == 401 })
	d.goAway()
	for range 3 {
		if got := open(good); got != 401 {
			t.Errorf("a withdrawn pass gets %d while the door is away", got)
		}
	}
	waitFor(t, "the no is stale", 1500*time.Millisecond)
	if got := open(good); got != 401 {
		t.Errorf("an old yes has come back: %d", got)
	}
	d.comeBack()
	d.set(good, 204)
	eventually(t, "the yes arrives", func() bool { return open(good) == 200 })
}

// An eviction: the signal ends what is open within seconds, and NGINX goes on.
func TestASignalEndsOpenConnections(t *testing.T) {
	d := newDoor(t)
	p := guardedNGINX(t, "shell", d, holdingWorkspace())
	connection := p.dial(t)
	fmt.Fprintf(connection, "GET /%s/socket HTTP/1.1\r\nHost: %s\r\n%s\r\n%s\r\n\r\n", slug, labsHost, pass(good), isSocket)
	reader := bufio.NewReader(connection)
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = reader.ReadString('\n'); err != nil || strings.HasPrefix(line, "HTTP/") && !strings.Contains(line, " 101 ") {
			t.Fatalf("%q, %v", line, err)
		}
	}
	d.set(good, 401)
	if err := p.process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := connection.SetReadDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.ReadByte(); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Fatalf("the connection is open: %v", err)
	}
	// No yes is left that would do while Bothy is away.
	d.goAway()
	if got := p.get(t, labsHost, "/"+slug+"/", pass(good), isPage); got.status != 503 {
		t.Errorf("who was thrown out gets %d while the door is away", got.status)
	}
	d.comeBack()
	eventually(t, "the pass is refused", func() bool { return p.get(t, labsHost, "/"+slug+"/", pass(good)).status == 401 })
	if got := p.get(t, labsHost, "/"+slug+"/", pass(other)); got.status != 200 {
		t.Errorf("NGINX gives %d afterwards", got.status)
	}
}

// holdingWorkspace switches protocols and then says nothing.
func holdingWorkspace() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/socket" {
			return
		}
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer connection.Close()
		fmt.Fprint(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = connection.Read(make([]byte, 1))
	})
}

// waitFor lets time pass that NGINX measures by its own clock.
func waitFor(t *testing.T, _ string, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("it does not come about that %s", what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
