//go:build e2e

package jobspecs_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// These tests run the NGINX of each template as Nomad would, on other ports,
// in front of a workspace that tells what reaches it.

const (
	labsHost = "labs.localhost:9999"
	slug     = "fall-26-py101-ada-lovelace-who-has-the-longest-slug-that-may-be" // as long as they get
	ownHost  = slug + "." + labsHost
)

// proxy is a running NGINX.
type proxy struct {
	address string
	log     *syncBuffer
	process *os.Process
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// startNGINX runs the configuration of a template, as Nomad's parser and template engine give it.
func startNGINX(t *testing.T, job parsedJob, workspace string) proxy {
	t.Helper()
	config := ""
	for _, task := range job.TaskGroups[0].Tasks {
		if task.Name == "nginx" {
			config = task.Templates[0].EmbeddedTmpl
		}
	}
	dir := t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	config = strings.NewReplacer(
		`{{ env "NOMAD_TASK_DIR" }}`, dir, "listen 8080", "listen "+address, "127.0.0.1:8081", workspace,
		// Under Nomad all of it runs as nobody, which owns the task's folder.
		"daemon off;", "daemon off; user root;",
	).Replace(config)
	if strings.Contains(config, "{{") {
		t.Fatalf("the configuration has more to fill in:\n%s", config)
	}
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &syncBuffer{}
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
	}
	command := exec.CommandContext(t.Context(), program, "-e", "stderr", "-c", path)
	command.Stdout, command.Stderr = log, log
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Wait()
		if t.Failed() {
			t.Logf("NGINX wrote:\n%s", log)
		}
	})
	p := proxy{address: address, log: log, process: command.Process}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			connection.Close()
			return p
		}
		select {
		case <-ctx.Done():
			t.Fatalf("NGINX does not listen: %s", log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// dial opens a connection that ends with the test, or when NGINX is silent.
func (p proxy) dial(t *testing.T) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return connection
}

// get sends a request whose target is written as it is.
func (p proxy) get(t *testing.T, host, target string, header ...string) answer {
	t.Helper()
	connection := p.dial(t)
	fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", target, host, strings.Join(append(header, ""), "\r\n"))
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// tellingWorkspace answers with what reached it.
func tellingWorkspace() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/upgrade":
			echo(w, r)
			return
		case "/upload":
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprintln(w, n, err)
			return
		case "/stream":
			fmt.Fprintln(w, "first")
			w.(http.Flusher).Flush()
			_, _ = bufio.NewReader(r.Body).ReadString('\n')
			fmt.Fprintln(w, "second")
			return
		case "/cookies":
			fmt.Fprintf(w, "cookies=%s", strings.Join(r.Header.Values("Cookie"), ","))
			return
		case "/status":
			status, _ := strconv.Atoi(r.URL.Query().Get("is"))
			w.WriteHeader(status)
			fmt.Fprint(w, "the workspace's own")
			return
		case "/moved":
			w.Header().Set("Location", r.URL.Query().Get("to"))
			w.WriteHeader(http.StatusFound)
			return
		}
		w.Header().Set("Service-Worker-Allowed", "/")
		w.Header().Set("Clear-Site-Data", `"cookies"`)
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b", Path: "/"})
		fmt.Fprintf(w, "%s host=%s prefix=%s xhost=%s forwarded=%q connection=%q\n", r.RequestURI, r.Host,
			r.Header.Get("X-Forwarded-Prefix"), r.Header.Get("X-Forwarded-Host"), r.Header.Get("Forwarded"), r.Header.Get("Connection"))
	})
}

// echo takes a connection over and sends back one line.
func echo(w http.ResponseWriter, r *http.Request) {
	connection, buffer, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	fmt.Fprintf(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
	line, _ := buffer.ReadString('\n')
	fmt.Fprintf(connection, "echo %s", line)
}

func TestNGINX(t *testing.T) {
	for name, template := range templates(t) {
		t.Run(name, func(t *testing.T) {
			job, refusal := parse(t, render(t, template, nil))
			if refusal != "" {
				t.Fatal(refusal)
			}
			workspace := httptest.NewServer(tellingWorkspace())
			defer workspace.Close()
			p := startNGINX(t, job, workspace.Listener.Addr().String())
			t.Run("routes", func(t *testing.T) { routes(t, p) })
			t.Run("corrects answers", func(t *testing.T) { correctsAnswers(t, p) })
			t.Run("streams", func(t *testing.T) { streams(t, p) })
			t.Run("logs no query", func(t *testing.T) { logsNoQuery(t, p, workspace) })
		})
	}
}

func routes(t *testing.T, p proxy) {
	for name, tc := range map[string]struct {
		host, target string
		status       int
		body         string
	}{
		"by path":                      {labsHost, "/" + slug + "/a/b?c=d", 200, "/a/b?c=d host=" + labsHost + " prefix=/" + slug + " xhost=" + labsHost},
		"by path, the top":             {labsHost, "/" + slug + "/", 200, "/ host="},
		"by path, on any port":         {"labs.localhost", "/" + slug + "/", 200, "/ host=labs.localhost "},
		"by path, whatever the case":   {"LABS.localhost:9999", "/" + slug + "/", 200, "/ host=LABS.localhost:9999 "},
		"what is encoded stays":        {labsHost, "/" + slug + "/a%2Fb%20c//d?e=%2F", 200, "/a%2Fb%20c//d?e=%2F host="},
		"a prefix within":              {labsHost, "/" + slug + "/x/" + slug + "/y", 200, "/x/" + slug + "/y host="},
		"by host":                      {ownHost, "/a%2Fb?c=d", 200, "/a%2Fb?c=d host=" + ownHost + " prefix= xhost=" + ownHost},
		"by host, below the name":      {ownHost, "/" + slug + "/", 200, "/" + slug + "/ host="},
		"no slash at the end":          {labsHost, "/" + slug, 307, ""},
		"another's path":               {labsHost, "/fall-26-py101-bob/", 404, ""},
		"a path that begins alike":     {labsHost, "/" + slug + "-2/", 404, ""},
		"the labs host's top":          {labsHost, "/", 404, ""},
		"climbing out":                 {labsHost, "/" + slug + "/../x", 404, ""},
		"climbing out, encoded":        {labsHost, "/" + slug + "/%2e%2e/x", 404, ""},
		"climbing in":                  {labsHost, "/x/../" + slug + "/y", 400, ""},
		"a doubled slash":              {labsHost, "//" + slug + "/y", 400, ""},
		"the console's host":           {"bothy.localhost:8080", "/" + slug + "/", 421, "This workspace is at http://labs.localhost:9999/" + slug + "/\n"},
		"another's host":               {"fall-26-py101-bob." + labsHost, "/", 421, ""},
		"an address":                   {p.address, "/" + slug + "/", 421, ""},
		"the check, by address":        {p.address, "/-/health", 200, ""},
		"no check on the labs host":    {labsHost, "/-/health", 404, ""},
		"the workspace's own /-/ path": {labsHost, "/" + slug + "/-/health", 200, "/-/health host="},
	} {
		t.Run(name, func(t *testing.T) {
			got := p.get(t, tc.host, tc.target, `Forwarded: host=evil.example`, `X-Forwarded-Host: evil.example`)
			if got.status != tc.status || !strings.HasPrefix(got.body, tc.body) && tc.body != "" {
				t.Errorf("%d %q, want %d %q", got.status, got.body, tc.status, tc.body)
			}
			if strings.Contains(got.body, "evil") || strings.Contains(got.body, "forwarded=\"h") {
				t.Errorf("the visitor's own forwarding headers arrive: %q", got.body)
			}
		})
	}
	got := p.get(t, labsHost, "/"+slug+"?a=b")
	if want := "/" + slug + "/?a=b"; got.header.Get("Location") != want {
		t.Errorf("sent to %q, want %q", got.header.Get("Location"), want)
	}
}

func correctsAnswers(t *testing.T, p proxy) {
	for _, tc := range []struct{ host, to, want string }{
		{labsHost, "./x?y=/z", "/" + slug + "/x?y=/z"},
		{ownHost, "./x?y=/z", "./x?y=/z"},
		{labsHost, "/login?to=/x", "/" + slug + "/login?to=/x"},
		{labsHost, "/" + slug + "/login", "/" + slug + "/login"},
		{labsHost, "https://example.org/x", "https://example.org/x"},
		{ownHost, "/login", "/login"},
	} {
		target := "/moved?to=" + strings.NewReplacer("/", "%2F", "?", "%3F", "=", "%3D").Replace(tc.to)
		if tc.host == labsHost {
			target = "/" + slug + target
		}
		if got := p.get(t, tc.host, target).header.Get("Location"); got != tc.want {
			t.Errorf("on %s, %q became %q, want %q", tc.host, tc.to, got, tc.want)
		}
	}
	for host, want := range map[string]struct{ target, path string }{
		labsHost: {"/" + slug + "/", "/" + slug + "/"},
		ownHost:  {"/", "/"},
	} {
		got := p.get(t, host, want.target)
		if cookie := got.header.Get("Set-Cookie"); cookie != "a=b; Path="+want.path {
			t.Errorf("on %s, the cookie is %q, want the path %s", host, cookie, want.path)
		}
		if scope := got.header.Get("Service-Worker-Allowed"); scope != want.path {
			t.Errorf("on %s, service workers are allowed %q, want %q", host, scope, want.path)
		}
	}
}

func streams(t *testing.T, p proxy) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	t.Run("WebSocket", func(t *testing.T) {
		connection := p.dial(t)
		fmt.Fprintf(connection, "GET /%s/upgrade HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\nhello\n", slug, labsHost)
		reader := bufio.NewReader(connection)
		response, err := http.ReadResponse(reader, nil)
		if err != nil || response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Upgrade") != "websocket" {
			t.Fatalf("%v, %v: want a switch to websocket", response, err)
		}
		defer response.Body.Close()
		if line, err := reader.ReadString('\n'); line != "echo hello\n" {
			t.Errorf("%q, %v", line, err)
		}
	})
	t.Run("a large upload", func(t *testing.T) {
		const size = 300 << 20
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.address+"/"+slug+"/upload", io.LimitReader(zeroes{}, size))
		if err != nil {
			t.Fatal(err)
		}
		request.Host = labsHost
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if body, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK || string(body) != fmt.Sprintln(size, nil) {
			t.Errorf("%s: %s", response.Status, body)
		}
	})
	t.Run("an answer before the request's end", func(t *testing.T) {
		// The workspace waits for a line that is only sent after its first answer: neither side is buffered.
		body, send := io.Pipe()
		defer send.Close()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.address+"/stream", body)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = ownHost
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		reader := bufio.NewReader(response.Body)
		if line, err := reader.ReadString('\n'); line != "first\n" {
			t.Fatalf("%q, %v", line, err)
		}
		fmt.Fprintln(send, "go on")
		send.Close()
		if line, err := reader.ReadString('\n'); line != "second\n" {
			t.Errorf("%q, %v", line, err)
		}
	})
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func logsNoQuery(t *testing.T, p proxy, workspace *httptest.Server) {
	const secret = "s3cret-ticket"
	for _, target := range []string{"/" + slug + "/page?ticket=" + secret, "/" + slug + "?ticket=" + secret, "/other?ticket=" + secret, "//" + slug + "/?" + secret} {
		p.get(t, labsHost, target, "Referer: http://"+labsHost+"/"+slug+"/?ticket="+secret)
	}
	p.get(t, "bothy.localhost", "/?"+secret)
	workspace.Close()
	if got := p.get(t, labsHost, "/"+slug+"/gone?ticket="+secret); got.status != http.StatusBadGateway {
		t.Errorf("a workspace that is away gives %d, want 502", got.status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !strings.Contains(p.log.String(), "/"+slug+"/gone ") { // NGINX writes the line after the answer
		select {
		case <-ctx.Done():
			t.Fatalf("the last request is not in the log:\n%s", p.log)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if strings.Contains(p.log.String(), secret) {
		t.Errorf("the log has the ticket:\n%s", p.log)
	}
	if got := p.get(t, p.address, "/-/health"); got.status != http.StatusBadGateway {
		t.Errorf("the check of a workspace that is away gives %d, want 502", got.status)
	}
}
