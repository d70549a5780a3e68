package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/policies"
	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// smallCluster is a Nomad whose nodes have what a test says they have: a server, and a
// client agent for each node, all on this machine. Its ACLs are on, and Bothy's token
// has Bothy's own policy.
type smallCluster struct {
	t        *testing.T
	program  string
	dir      string
	http     int
	rpc      int
	operator *nomadapi.Client
	// bothyToken is what Bothy works with.
	bothyToken string
}

// smallNode is a node as its agent is told to take itself.
type smallNode struct {
	Name string
	// CPU in MHz; Memory and Disk in MB.
	CPU, Memory, Disk int
	// Ports is how many dynamic ports there are.
	Ports int
	// Lab is the node's meta lab.
	Lab string
}

const agentConfig = `
name                 = {{printf "%q" .Name}}
data_dir             = {{printf "%q" .Dir}}
bind_addr            = "127.0.0.1"
disable_update_check = true
leave_on_interrupt   = false
leave_on_terminate   = false
log_level            = "info"
ports {
  http = {{.HTTP}}
  rpc  = {{.RPC}}
  serf = {{.Serf}}
}
advertise {
  http = "127.0.0.1"
  rpc  = "127.0.0.1"
  serf = "127.0.0.1"
}
acl {
  enabled = true
}
limits {
  http_max_conns_per_client = 2000
  rpc_max_conns_per_client  = 2000
}
consul {
  auto_advertise   = false
  server_auto_join = false
  client_auto_join = false
}
{{- if .Node}}
client {
  enabled           = true
  servers           = ["127.0.0.1:{{.Server}}"]
  node_pool         = {{printf "%q" .Pool}}
  alloc_mounts_dir  = {{printf "%q" .Mounts}}
  host_volumes_dir  = {{printf "%q" .Volumes}}
  network_interface = "lo"
  cpu_total_compute = {{.Node.CPU}}
  memory_total_mb   = {{.Node.Memory}}
  disk_total_mb     = {{.Node.Disk}}
  min_dynamic_port  = 20000
  max_dynamic_port  = {{.LastPort}}
  # One address, and so each port once.
  host_network "loopback" {
    interface = "lo"
    cidr      = "127.0.0.1/32"
  }
  meta {
    lab = {{printf "%q" .Node.Lab}}
  }
  reserved {
    cpu            = 50
    memory         = 50
    disk           = 50
    reserved_ports = "20000"
  }
  options {
    "driver.allowlist"     = "mock_driver"
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean,bridge,cni"
  }
}
{{- else}}
server {
  enabled          = true
  bootstrap_expect = 1
  raft_multiplier  = 1
}
{{- end}}
`

type agent struct {
	Name, Dir       string
	HTTP, RPC, Serf int
	Server          int
	Pool            string
	Mounts, Volumes string
	Node            *smallNode
	LastPort        int
}

// newSmallCluster starts the server.
func newSmallCluster(t *testing.T) *smallCluster {
	t.Helper()
	if testing.Short() {
		t.Skip("NOT RUN with -short: this test starts several Nomad agents")
	}
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root: Nomad's clients do")
	}
	paths, err := toolchain.Ensure(t.Context(), toolchain.Config{SourceDir: sourceRoot(t), Report: toolchain.TextReporter(os.Stderr)}, toolchain.Nomad)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "bothy-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// An agent that ends leaves its allocations, for its next start.
		points, err := mountPoints("/proc/self/mountinfo")
		for _, point := range points {
			if strings.HasPrefix(point, dir+"/") {
				err = errors.Join(err, syscall.Unmount(point, 0))
			}
		}
		if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
			t.Errorf("remove what the agents kept: %v", err)
		}
	})
	ports := freePorts(t, 3)
	c := &smallCluster{t: t, program: paths.Nomad, dir: dir, http: ports[0], rpc: ports[1]}
	c.start(t, agent{Name: "server", HTTP: ports[0], RPC: ports[1], Serf: ports[2]})
	c.bootstrap(t)
	return c
}

func (c *smallCluster) address() string { return fmt.Sprintf("http://127.0.0.1:%d", c.http) }

// bootstrap makes the tokens and Bothy's namespace.
func (c *smallCluster) bootstrap(t *testing.T) {
	t.Helper()
	client, err := nomadapi.NewClient(&nomadapi.Config{Address: c.address()})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, startLimit, "Nomad has a leader and gives its first token", func(ctx context.Context) error {
		token, _, err := client.ACLTokens().Bootstrap((&nomadapi.WriteOptions{}).WithContext(ctx))
		if err == nil {
			client.SetSecretID(token.SecretID)
		}
		return err
	})
	c.operator = client
	rules, err := policies.Read("bothy.nomad.hcl")
	if err != nil {
		t.Fatal(err)
	}
	_, namespaceErr := client.Namespaces().Register(&nomadapi.Namespace{Name: "bothy"}, nil)
	_, policyErr := client.ACLPolicies().Upsert(&nomadapi.ACLPolicy{Name: "bothy", Rules: rules}, nil)
	token, _, tokenErr := client.ACLTokens().Create(&nomadapi.ACLToken{Name: "bothy", Type: "client", Policies: []string{"bothy"}}, nil)
	if err := errors.Join(namespaceErr, policyErr, tokenErr); err != nil {
		t.Fatal(err)
	}
	c.bothyToken = token.SecretID
}

// join starts the nodes of a pool and waits until all are ready. It gives their ids by name.
func (c *smallCluster) join(t *testing.T, pool string, nodes []smallNode) map[string]string {
	t.Helper()
	ports := freePorts(t, 3*len(nodes))
	for i, node := range nodes {
		name := pool + "-" + node.Name
		c.start(t, agent{
			Name: name, HTTP: ports[3*i], RPC: ports[3*i+1], Serf: ports[3*i+2], Server: c.rpc, Pool: pool,
			Mounts: filepath.Join(c.dir, "m", name), Volumes: filepath.Join(c.dir, "v", name), Node: &node, LastPort: 20000 + node.Ports,
		})
	}
	ids := map[string]string{}
	eventually(t, time.Minute, "the nodes are ready", func(ctx context.Context) error {
		found, _, err := c.operator.Nodes().List((&nomadapi.QueryOptions{}).WithContext(ctx))
		if err != nil {
			return err
		}
		for _, n := range found {
			if name, ours := strings.CutPrefix(n.Name, pool+"-"); ours && n.Status == nomadapi.NodeStatusReady {
				ids[name] = n.ID
			}
		}
		if len(ids) < len(nodes) {
			return fmt.Errorf("%d of %d are", len(ids), len(nodes))
		}
		return nil
	})
	return ids
}

// start starts an agent, which ends with the test.
func (c *smallCluster) start(t *testing.T, a agent) {
	t.Helper()
	a.Dir = filepath.Join(c.dir, "d", a.Name)
	for _, dir := range []string{a.Dir, a.Mounts, a.Volumes} {
		if dir != "" {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	var config bytes.Buffer
	if err := template.Must(template.New("agent").Parse(agentConfig)).Execute(&config, a); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.dir, a.Name+".hcl")
	if err := os.WriteFile(file, config.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(c.dir, a.Name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(c.program, "agent", "-config", file)
	cmd.Stdout, cmd.Stderr = log, log
	// A test that is killed takes its agents with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last words of %s:\n%s", a.Name, tail(log.Name(), 15))
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Errorf("end %s: %v", a.Name, err)
		}
		waited := make(chan error, 1)
		go func() { waited <- cmd.Wait() }()
		select {
		case <-waited:
		case <-time.After(15 * time.Second):
			t.Errorf("%s does not end", a.Name)
			_ = cmd.Process.Kill()
			<-waited
		}
		_ = log.Close()
	})
}

func tail(file string, n int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// freePorts finds ports that nobody listens on.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
