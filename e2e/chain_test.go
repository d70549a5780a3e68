package e2e

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/dev/stack"
)

// The workbench's page names its script; nothing else that may answer does.
const workbenchMark = "vs/code/browser/workbench/workbench"

// What the template fixes.
const (
	nginxPort      = 8080
	codeServerPort = 8081
)

// chain: the three workspaces of the demo class are reached through the
// router, as the template's contract has it, and in no other way.
func chain(t *testing.T, d *dev) {
	demo := d.classReady(t, demoClass)
	if len(demo) != 3 {
		t.Fatalf("the demo class has %d workspaces; 3 are promised", len(demo))
	}
	slug := demo[0].Slug

	t.Run("every student's URL shows code-server", func(t *testing.T) {
		for _, w := range demo {
			if want := "http://" + d.labsHost() + "/" + w.Slug + "/"; w.URL != want {
				t.Errorf("the URL is %s, not %s", w.URL, want)
			}
			p := d.answers(t, d.labsHost(), "/"+w.Slug+"/", workbenchMark)
			if other := otherSlug(p.body, w.Slug, demo[0].Slug, demo[1].Slug, demo[2].Slug); other != "" {
				t.Errorf("the page of %s speaks of %s", w.Slug, other)
			}
		}
	})
	t.Run("Bothy and its servers are healthy", func(t *testing.T) {
		for _, path := range []string{"/healthz", "/readyz"} {
			if status := d.status(t, d.env["BOTHY_ADDR"]+path); status != http.StatusOK {
				t.Errorf("%s: status %d", path, status)
			}
		}
		status, err := d.api.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, dependency := range status.Dependencies {
			if !dependency.Ok {
				t.Errorf("%s: %s", dependency.Name, dependency.Detail)
			}
		}
	})
	t.Run("Consul knows each as healthy", func(t *testing.T) {
		for _, w := range demo {
			healthy, _, err := d.consul.Health().Service(w.Slug, "bothy", true, nil)
			if err != nil || len(healthy) != 1 {
				t.Errorf("%s: %d healthy instances in Consul (%v)", w.Slug, len(healthy), err)
			}
		}
	})
	t.Run("a path without its slash is redirected", func(t *testing.T) { d.redirected(t, slug) })
	t.Run("a workspace has a host of its own", func(t *testing.T) {
		d.answers(t, slug+"."+d.labsHost(), "/", workbenchMark)
	})
	t.Run("an unknown path is nobody's", func(t *testing.T) {
		for _, path := range []string{"/", "/nobody/", "/" + slug + "x/", "/" + slug[:len(slug)-1] + "/"} {
			p, err := d.get(t.Context(), d.labsHost(), path)
			if err != nil {
				t.Fatal(err)
			}
			// What could be a workspace looks like one of somebody else's.
			want := http.StatusUnauthorized
			if path == "/" {
				want = http.StatusNotFound
			}
			if p.status != want {
				t.Errorf("%s: status %d, not %d", path, p.status, want)
			}
		}
	})
	t.Run("on its own host a workspace is alone", func(t *testing.T) { d.aloneOnItsHost(t, slug, demo[1].Slug) })
	t.Run("another host is not a workspace's", func(t *testing.T) { d.otherHosts(t, slug) })
	t.Run("WebSockets are carried", func(t *testing.T) { d.webSocket(t, slug) })
	t.Run("uploads of more than 100 MB pass", func(t *testing.T) { d.largeUpload(t, slug) })
	t.Run("NGINX is the only way in", func(t *testing.T) { d.onlyThroughNGINX(t, slug, demo[1].Slug) })
}

// redirected asks NGINX itself where the router is Fabio, which has no routes for
// exact paths, so that there the path without its slash is nobody's.
func (d *dev) redirected(t *testing.T, slug string) {
	t.Helper()
	address := "127.0.0.1:" + strconv.Itoa(d.labsPort())
	if d.router == stack.Fabio {
		alloc, err := d.alloc(t.Context(), slug)
		if err != nil {
			t.Fatal(err)
		}
		address = mapped(t, alloc)
	}
	p, err := d.direct(t.Context(), address, d.labsHost(), "/"+slug+"?a=b")
	if err != nil {
		t.Fatal(err)
	}
	if want := "/" + slug + "/?a=b"; p.status != http.StatusTemporaryRedirect || p.header.Get("Location") != want {
		t.Errorf("status %d, to %q; wanted is a redirect to %s", p.status, p.header.Get("Location"), want)
	}
}

// aloneOnItsHost asks a workspace's own host for another one's path: the host
// counts, and what answers is the first one's, which has no such page.
func (d *dev) aloneOnItsHost(t *testing.T, slug, neighbour string) {
	t.Helper()
	p, err := d.open(t.Context(), slug+"."+d.labsHost(), "/"+neighbour+"/")
	if err != nil {
		t.Fatal(err)
	}
	if p.status != http.StatusNotFound || strings.Contains(p.body, neighbour) {
		t.Errorf("status %d and %q; wanted is that it has no such page", p.status, p.body)
	}
}

// otherHosts asks the router for a workspace's path on hosts that are not the
// labs origin: Fabio's path routes have no host, so NGINX answers with 421;
// Traefik's have one, so nobody does.
func (d *dev) otherHosts(t *testing.T, slug string) {
	t.Helper()
	want := http.StatusMisdirectedRequest
	if d.router == stack.Traefik {
		want = http.StatusNotFound
	}
	for _, host := range []string{"bothy.localhost:8080", "127.0.0.1", "labs.localhost.example.org", "x" + d.labsHost()} {
		p, err := d.get(t.Context(), host, "/"+slug+"/")
		if err != nil {
			t.Fatal(err)
		}
		if p.status != want {
			t.Errorf("%s: status %d, not %d", host, p.status, want)
		}
	}
}

func otherSlug(body, own string, all ...string) string {
	for _, slug := range all {
		if slug != own && strings.Contains(body, slug) {
			return slug
		}
	}
	return ""
}

// status gives the HTTP status of a URL.
func (d *dev) status(t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// webSocket shakes hands with code-server as VS Code's workbench does (RFC 6455).
func (d *dev) webSocket(t *testing.T, slug string) {
	t.Helper()
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455, 1.3
	nonce := make([]byte, 16)
	rand.Read(nonce)
	key := base64.StdEncoding.EncodeToString(nonce)
	sum := sha1.Sum([]byte(key + guid))

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"http://"+d.labsHost()+"/"+slug+"/?reconnectionToken=5d1a4b6e-33b4-4d5e-9a39-5ad0e3a3a6b5&reconnection=false&skipWebSocketFrames=false", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key,
		"Origin": "http://" + d.labsHost(),
	} {
		request.Header.Set(name, value)
	}
	answer, err := d.visitor().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %s, not 101", answer.Status)
	}
	if accept := answer.Header.Get("Sec-Websocket-Accept"); accept != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Errorf("Sec-WebSocket-Accept is %q, which does not answer the key", accept)
	}
}

// upload is more than what 100 MB could mean.
const upload = 110 << 20

// receiver is a student's own web server: it answers an upload with the number
// and the hash of the bytes that arrived, and ends.
const receiver = `
const hash = require('crypto').createHash('sha256'); let n = 0;
require('http').createServer(function (request, response) {
  request.on('data', (chunk) => { n += chunk.length; hash.update(chunk); });
  request.on('end', () => { response.end(n + ' ' + hash.digest('hex')); this.close(); this.closeIdleConnections(); });
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
setTimeout(() => process.exit(1), 120000).unref();
`

// largeUpload sends a large body through the router, NGINX and code-server to a
// server inside the workspace, and compares what arrived.
func (d *dev) largeUpload(t *testing.T, slug string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	alloc, err := d.alloc(ctx, slug)
	if err != nil {
		t.Fatal(err)
	}
	node := nodeOf(t, d.job(t, jobID(slug)))
	stdout, printed := io.Pipe()
	var complaints strings.Builder
	served := make(chan error, 1)
	go func() {
		code, err := d.nomad.Allocations().Exec(ctx, alloc, mainTask(alloc), false,
			[]string{node, "-e", receiver}, strings.NewReader(""), printed, &complaints, nil, nil)
		if err == nil && code != 0 {
			err = fmt.Errorf("the receiver ended with %d: %s", code, complaints.String())
		}
		served <- errors.Join(err, printed.CloseWithError(err))
	}()
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("start a receiver in the workspace: %v", err)
	}
	sum := sha256.New()
	body := io.TeeReader(io.LimitReader(rand.Reader, upload), sum)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"http://"+d.labsHost()+"/"+slug+"/proxy/"+strings.TrimSpace(port)+"/upload", body)
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = upload
	p, err := d.do(request)
	if err != nil {
		t.Fatal(err)
	}
	if want := strconv.Itoa(upload) + " " + hex.EncodeToString(sum.Sum(nil)); p.status != http.StatusOK || p.body != want {
		t.Errorf("status %d, the receiver says %q; sent was %q", p.status, p.body, want)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// nodeOf gives the Node.js that code-server brings along, as a path in the task.
func nodeOf(t *testing.T, job *nomadapi.Job) string {
	t.Helper()
	for _, group := range job.TaskGroups {
		for _, task := range group.Tasks {
			words := []any{task.Config["command"]}
			if args, ok := task.Config["args"].([]any); ok {
				words = append(words, args...)
			}
			for _, word := range words {
				if folder, ok := strings.CutSuffix(fmt.Sprint(word), "/bin/code-server"); ok {
					return folder + "/lib/node"
				}
			}
		}
	}
	t.Fatalf("no task of %s runs code-server", *job.ID)
	return ""
}

// mapped gives the address on the host that leads to a workspace's NGINX.
func mapped(t *testing.T, alloc *nomadapi.Allocation) string {
	t.Helper()
	ports := alloc.AllocatedResources.Shared.Ports
	if len(ports) != 1 {
		t.Fatalf("allocation %s has %d mapped ports, not 1", alloc.ID, len(ports))
	}
	return net.JoinHostPort(ports[0].HostIP, strconv.Itoa(ports[0].Value))
}

// onlyThroughNGINX looks at every socket that listens for a workspace, and
// knocks where only code-server could answer.
func (d *dev) onlyThroughNGINX(t *testing.T, slug, neighbour string) {
	t.Helper()
	alloc, err := d.alloc(t.Context(), slug)
	if err != nil {
		t.Fatal(err)
	}
	inside, err := listenersOf(alloc.ID)
	if err != nil {
		t.Fatal(err)
	}
	var reachable []netip.AddrPort
	for _, text := range inside {
		address := netip.MustParseAddrPort(text)
		if !address.Addr().Unmap().IsLoopback() {
			reachable = append(reachable, address)
		}
	}
	if len(reachable) != 1 || reachable[0].Port() != nginxPort {
		t.Errorf("reachable from outside the workspace are %v; only NGINX's %d may be", reachable, nginxPort)
	}
	if !slices.ContainsFunc(inside, func(a string) bool { return netip.MustParseAddrPort(a).Port() == codeServerPort }) {
		t.Errorf("code-server does not listen on %d at all: %v", codeServerPort, inside)
	}
	own := alloc.NetworkStatus.Address
	gateway := d.gateway(t)
	for _, host := range []string{own, gateway.String(), "127.0.0.1"} {
		if err := knock(t.Context(), net.JoinHostPort(host, strconv.Itoa(codeServerPort))); err == nil {
			t.Errorf("code-server's port is open on %s", host)
		}
	}
	onHost, err := readListeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range onHost {
		if address := netip.MustParseAddrPort(text); address.Port() == codeServerPort && address.Addr() == gateway {
			t.Errorf("%s listens on the host", address)
		}
	}
	// The mapped port leads to NGINX, which is no door for other names.
	address := mapped(t, alloc)
	for _, host := range []string{address, "bothy.localhost:8080", "other." + d.labsHost()} {
		for _, path := range []string{"/", "/" + slug + "/"} {
			p, err := d.direct(t.Context(), address, host, path)
			if err != nil {
				t.Fatal(err)
			}
			if p.status != http.StatusMisdirectedRequest {
				t.Errorf("%s%s on the mapped port: status %d, not 421", host, path, p.status)
			}
		}
	}
	// Neither does another student get at code-server.
	node := nodeOf(t, d.job(t, jobID(neighbour)))
	const knocker = `require('net').connect(+process.argv[2], process.argv[1]).on('connect', () => { console.log('open'); process.exit(); })` +
		`.on('error', (e) => { console.log(e.code); process.exit(); }).setTimeout(3000, () => { console.log('silent'); process.exit(); })`
	for _, host := range []string{own, gateway.String()} {
		said, err := d.exec(t.Context(), neighbour, node, "-e", knocker, host, strconv.Itoa(codeServerPort))
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(said) == "open" {
			t.Errorf("from another workspace, code-server's port is open on %s", host)
		}
	}
}

// gateway is the host's address on the workspaces' network.
func (d *dev) gateway(t *testing.T) netip.Addr {
	t.Helper()
	subnet, err := netip.ParsePrefix(d.stackConfig().BridgeSubnet)
	if err != nil {
		t.Fatal(err)
	}
	return subnet.Addr().Next()
}

func knock(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return conn.Close() //nolint:wrapcheck // it says what and where
}

// direct asks an address for a page of a host, at an address that need not be the host's.
func (d *dev) direct(ctx context.Context, address, host, path string) (page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return page{}, fmt.Errorf("make request: %w", err)
	}
	request.Host = host
	return ask(bearer{d, http.DefaultTransport}, request)
}

// listenersOf gives the listening sockets in the network namespace of an allocation's tasks.
func listenersOf(allocID string) ([]string, error) {
	processes, err := processesOfAlloc(allocID)
	if err != nil {
		return nil, err
	}
	return listeners(filepath.Join(processes[0], "net"))
}

// processesOfAlloc gives the folders below /proc of what runs in an allocation, at least one.
func processesOfAlloc(allocID string) ([]string, error) {
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []string
	for _, file := range groups {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), allocID) {
			found = append(found, filepath.Dir(file))
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no process of allocation %s", allocID)
	}
	return found, nil
}
