package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/firewall"
)

// A server is a `bothy server` of its own beside that of `bothy dev`: another
// installation in the same namespace, with the same grants, which a test can
// kill, and take Nomad away from.
type server struct {
	d      *dev
	config string
	// base and token are the API's address and token.
	base, token string
	nomad       *valve
	api         *client.Client
	out         *transcript
	cmd         *exec.Cmd
	ended       chan struct{}
}

// newServer writes the configuration of a server, with what more holds in HCL
// before its blocks, and starts it. The name is that of its folder.
func newServer(t *testing.T, d *dev, name, more string) *server {
	t.Helper()
	return newServerWith(t, d, name, more, filepath.Join(d.state(), "secrets", "nomad-bothy.token"))
}

// newServerWith is newServer with a file of its own for the Nomad token.
func newServerWith(t *testing.T, d *dev, name, more, nomadToken string) *server {
	t.Helper()
	port, err := freePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return newServerAt(t, d, name, more, nomadToken, origins{port, fmt.Sprintf("http://bothy.localhost:%d", port), "http://" + d.labsHost()})
}

// origins are where a server of its own listens on loopback, and what its two
// origins are called.
type origins struct {
	port          int
	console, labs string
}

// newServerAt is newServerWith with origins of its own.
func newServerAt(t *testing.T, d *dev, name, more, nomadToken string, at origins) *server {
	t.Helper()
	dir := filepath.Join(d.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	token := rand.Text()
	d.seen.add("the token of "+name, token)
	if err := os.WriteFile(filepath.Join(dir, "api.token"), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	nomad, err := url.Parse(d.env["NOMAD_ADDR"])
	if err != nil {
		t.Fatal(err)
	}
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(at.port))
	s := &server{d: d, config: filepath.Join(dir, "bothy.hcl"), base: "http://" + listen, token: token, nomad: newValve(t, nomad.Host)}
	if !strings.Contains(more, "door {") {
		// Visitors are those of the stack's own Bothy.
		more += fmt.Sprintf("\ndoor {\n  listen   = \"127.0.0.1:0\"\n  url      = %q\n  register = false\n}\n", d.doorURL(t))
	}
	var config bytes.Buffer
	fmt.Fprintf(&config, `
listen      = %q
console_url = %q
labs_url    = %q
data_dir    = %q
%s
api {
  token_file = %q
}
`, listen, at.console, at.labs, filepath.Join(dir, "data"), more, filepath.Join(dir, "api.token"))
	secrets := filepath.Join(d.state(), "secrets")
	for _, part := range []struct{ name, address, token string }{
		{"nomad", "http://" + s.nomad.address, nomadToken},
		{"consul", d.env["CONSUL_HTTP_ADDR"], filepath.Join(secrets, "consul-bothy.token")},
		{"vault", d.env["VAULT_ADDR"], filepath.Join(secrets, "vault-bothy.token")},
	} {
		fmt.Fprintf(&config, "\n%s {\n  address    = %q\n  token_file = %q\n}\n", part.name, part.address, part.token)
	}
	if err := os.WriteFile(s.config, config.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if s.api, err = client.New(s.base, token); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	t.Cleanup(func() {
		s.kill(t)
		if t.Failed() {
			t.Logf("%s: %s; its last lines are\n%s", name, d.keepLog(name, s.out.String()), d.seen.redact(lastLines(s.out.String(), 5)))
		}
	})
	return s
}

// ownDoor gives a server's settings for a door of its own.
func (d *dev) ownDoor(t *testing.T) string {
	t.Helper()
	port, err := freePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gateway := d.gateway(t).String()
	// The stack's firewall knows the door of `bothy dev` alone. The rule goes with its table.
	rule := fmt.Sprintf("ip daddr %s tcp dport %d accept", gateway, port)
	if out, err := exec.CommandContext(t.Context(), "nft", "insert", "rule", "inet", firewall.Table(d.stackConfig().BridgeName), "input", rule).CombinedOutput(); err != nil {
		t.Fatalf("let workspaces reach %s:%d: %v: %s", gateway, port, err, out)
	}
	listen := net.JoinHostPort(gateway, strconv.Itoa(port))
	return fmt.Sprintf("\nlabs {\n  own_hosts = true\n}\n\ndoor {\n  listen   = %q\n  url      = %q\n  register = false\n}\n", listen, "http://"+listen)
}

// start runs the server until it answers.
func (s *server) start(t *testing.T) {
	t.Helper()
	s.out, s.ended = newTranscript(), make(chan struct{})
	s.cmd = exec.Command(s.d.bothy, "server", "-config", s.config)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // nothing of the caller's environment
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("run bothy server: %v", err)
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(s.cmd, s.ended)
	eventually(t, 30*time.Second, "bothy server answers", func(ctx context.Context) error {
		if _, err := s.api.Status(ctx); err != nil {
			return fmt.Errorf("status: %w", err)
		}
		return nil
	})
}

// signal sends the server's process a signal.
func (s *server) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// kill ends the server without a chance to clean up.
func (s *server) kill(t *testing.T) {
	t.Helper()
	_ = s.cmd.Process.Kill() // it may have ended already
	<-s.ended
}
