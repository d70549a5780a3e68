package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	consulapi "github.com/hashicorp/consul/api"
	nomadapi "github.com/hashicorp/nomad/api"
	vaultapi "github.com/hashicorp/vault/api"

	"github.com/bothylabs/bothy/service/client"
	bothydev "github.com/bothylabs/bothy/service/dev"
	"github.com/bothylabs/bothy/service/dev/stack"
)

// How long `bothy dev` may take. A first start builds the servers.
const (
	startLimit = 40 * time.Minute
	stopLimit  = 2 * time.Minute
)

// summaryEnd is printed when everything runs.
const summaryEnd = "Ctrl-C"

// A dev is one `bothy dev`, run as a user would in a folder of its own, on
// ports of its own.
type dev struct {
	root   string // the source tree
	bothy  string // the binary
	dir    string // its own folder
	offset int
	// router leads to the workspaces; a start may have another one than the last.
	router stack.Router
	// neighbours says that other stacks of these tests come and go meanwhile.
	neighbours bool

	cmd   *exec.Cmd
	out   *transcript
	ended chan struct{} // closed when the process has ended
	err   error         // what Wait gave; valid once ended is closed

	env    map[string]string // .dev/env
	api    *client.Client
	nomad  *nomadapi.Client
	consul *consulapi.Client
	vault  *vaultapi.Client
	seen   secrets
	passes *passes
	// mailbox is the folder of a server's mails, "" for those of `bothy dev` itself.
	mailbox string
}

// mails is the folder of the mails that people would get.
func (d *dev) mails() string {
	if d.mailbox != "" {
		return d.mailbox
	}
	return filepath.Join(d.state(), "mail")
}

// state is the folder that `bothy dev` keeps its state in.
func (d *dev) state() string { return filepath.Join(d.dir, ".dev") }

// stackConfig names the same stack to the stack package, which is asked what is left of it.
func (d *dev) stackConfig() stack.Config {
	return stack.Config{Dir: d.state(), Router: d.router}.Offset(d.offset)
}

func (d *dev) labsPort() int { return d.stackConfig().Ports.Labs }

// newDev prepares a folder, and finds ports and a network out of the way of
// whatever the developer runs.
func newDev(t *testing.T, root, bothy string) *dev {
	t.Helper()
	// Below /tmp and short: Nomad makes Unix sockets deep below it, whose paths have 108 characters in all.
	dir, err := os.MkdirTemp("", "bothy-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	offset, err := freeOffset(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { giveBack(offset) })
	d := &dev{root: root, bothy: bothy, dir: dir, offset: offset, router: stack.Fabio, passes: &passes{byDoor: map[string][]*http.Cookie{}}}
	t.Cleanup(func() { d.discard(t) })
	return d
}

// given are the places that freeOffset has given away: whoever has one may not have
// taken its ports yet.
var given struct {
	sync.Mutex
	offsets []int
}

// giveBack says that nothing is at an offset any more.
func giveBack(offset int) {
	given.Lock()
	defer given.Unlock()
	given.offsets = slices.DeleteFunc(given.offsets, func(o int) bool { return o == offset })
}

// freeOffset finds a neighbour's place (see stack.Config.Offset) that nobody has taken.
// Neighbours a thousand from each other share no port, also of those that one of them
// takes later. 5000 to 8000 are TestStack's; 2000 would have Bothy at 10080, to which
// browsers do not go (https://fetch.spec.whatwg.org/#port-blocking).
func freeOffset(ctx context.Context) (int, error) {
	offsets := []int{1000, 3000, 4000, 9000}
	given.Lock()
	defer given.Unlock()
	listening, err := readListeners(ctx)
	if err != nil {
		return 0, err
	}
	taken := map[int]bool{}
	for _, text := range listening {
		address, err := netip.ParseAddrPort(text)
		if err != nil {
			return 0, fmt.Errorf("listening sockets: %w", err)
		}
		taken[int(address.Port())] = true
	}
	links, err := readLinks(ctx)
	if err != nil {
		return 0, err
	}
	for _, offset := range offsets {
		config := stack.Config{}.Offset(offset)
		if slices.Contains(given.offsets, offset) || slices.Contains(links, config.BridgeName) {
			continue
		}
		if !slices.ContainsFunc(portsOf(config, offset), func(port int) bool { return taken[port] }) {
			given.offsets = append(given.offsets, offset)
			return offset, nil
		}
	}
	return 0, fmt.Errorf("no offset of %v has all of its ports free", offsets)
}

// portsOf lists the ports that `bothy dev` listens on, Bothy's own included.
func portsOf(config stack.Config, offset int) []int {
	ports := []int{bothydev.DefaultPort + offset, bothydev.DefaultSchoolPort + offset}
	all := reflect.ValueOf(config.Ports)
	for i := range all.NumField() {
		if name := all.Type().Field(i).Name; name != "DynamicMin" && name != "DynamicMax" {
			ports = append(ports, int(all.Field(i).Int()))
		}
	}
	return ports
}

// launch runs `bothy dev` and does not wait for anything.
func (d *dev) launch(t *testing.T) {
	t.Helper()
	d.out = newTranscript()
	d.ended = make(chan struct{})
	// Not CommandContext: it must not be killed when a test is over, but asked to end.
	d.cmd = exec.Command(d.bothy, "dev", "-router", string(d.router), "-offset", strconv.Itoa(d.offset), "-source", d.root)
	d.cmd.Dir = d.dir
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	// In a group of its own: Ctrl-C in the terminal of `go test` must not reach it behind the test's back.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("run bothy dev: %v", err)
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		d.err = cmd.Wait()
		close(ended)
	}(d.cmd, d.ended)
}

// start runs `bothy dev` until its summary.
func (d *dev) start(t *testing.T) {
	t.Helper()
	began := time.Now()
	d.launch(t)
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	if err := d.out.await(ctx, d.ended, summaryEnd); err != nil {
		t.Fatalf("bothy dev: %v\n%s", err, d.logs())
	}
	if err := d.connect(); err != nil {
		t.Fatalf("bothy dev: %v\n%s", err, d.logs())
	}
	t.Logf("bothy dev was up after %s", time.Since(began).Round(time.Second))
}

// connect reads .dev/env, as a shell would that sources it, and makes the clients.
func (d *dev) connect() error {
	var err error
	if d.env, err = sourced(filepath.Join(d.state(), "env")); err != nil {
		return err
	}
	if err := d.collectFiles(); err != nil {
		return err
	}
	if d.api, err = client.New(d.env["BOTHY_ADDR"], d.env["BOTHY_TOKEN"]); err != nil {
		return fmt.Errorf("use Bothy: %w", err)
	}
	d.nomad, err = nomadapi.NewClient(&nomadapi.Config{
		Address: d.env["NOMAD_ADDR"], SecretID: d.env["NOMAD_TOKEN"], Namespace: stack.Namespace,
	})
	if err != nil {
		return fmt.Errorf("use Nomad: %w", err)
	}
	d.consul, err = consulapi.NewClient(&consulapi.Config{Address: d.env["CONSUL_HTTP_ADDR"], Token: d.env["CONSUL_HTTP_TOKEN"]})
	if err != nil {
		return fmt.Errorf("use Consul: %w", err)
	}
	vaultConfig := vaultapi.DefaultConfig()
	vaultConfig.Address = d.env["VAULT_ADDR"]
	if d.vault, err = vaultapi.NewClient(vaultConfig); err != nil {
		return fmt.Errorf("use Vault: %w", err)
	}
	d.vault.SetToken(d.env["VAULT_TOKEN"])
	return nil
}

// interrupt ends `bothy dev` as Ctrl-C does and waits for it.
func (d *dev) interrupt(t *testing.T) {
	t.Helper()
	began := time.Now()
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatalf("interrupt bothy dev: %v", err)
	}
	select {
	case <-d.ended:
	case <-time.After(stopLimit):
		t.Fatalf("bothy dev did not end within %s of an interrupt\n%s", stopLimit, d.logs())
	}
	if d.err != nil {
		t.Errorf("bothy dev did not end well after an interrupt: %v\n%s", d.err, d.logs())
	}
	t.Logf("bothy dev ended after %s", time.Since(began).Round(time.Second))
}

// kill ends `bothy dev` without a chance to clean up.
func (d *dev) kill(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatalf("kill bothy dev: %v", err)
	}
	<-d.ended
}

func (d *dev) running() bool {
	if d.ended == nil {
		return false
	}
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

// discard ends what a failed test has left, and removes the folder. Something
// that is left after that fails the test.
func (d *dev) discard(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if d.running() {
		d.interrupt(t)
	}
	if _, err := stack.Clean(ctx, d.stackConfig()); err != nil {
		t.Errorf("clean up after bothy dev: %v", err)
	}
	if err := os.RemoveAll(d.dir); err != nil {
		t.Errorf("remove the folder of bothy dev: %v", err)
	}
}

// run runs one bothy command with .dev/env sourced and gives what it printed.
func (d *dev) run(ctx context.Context, stdin string, args ...string) (stdout, stderr string, exit int) {
	return d.program(ctx, d.bothy, stdin, args...)
}

// program runs a program with .dev/env sourced, in the folder of `bothy dev`.
func (d *dev) program(ctx context.Context, path, stdin string, args ...string) (stdout, stderr string, exit int) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = d.dir
	cmd.Env = os.Environ()
	for name, value := range d.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out, errs strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		exit = -1
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			exit = ended.ExitCode()
		} else {
			errs.WriteString(err.Error())
		}
	}
	return out.String(), errs.String(), exit
}

// must runs one bothy command that has to succeed and gives its standard output.
func (d *dev) must(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, exit := d.run(t.Context(), "", args...)
	if exit != 0 {
		t.Fatalf("bothy %s: exit %d\n%s%s", strings.Join(args, " "), exit, d.seen.redact(stdout), d.seen.redact(stderr))
	}
	return stdout
}

// logs keeps the ends of everything that was printed and logged, without secrets, and
// says where; a failure that is followed by all of it is not seen.
func (d *dev) logs() string {
	const lines = 500
	var all strings.Builder
	section := func(name, text string) {
		fmt.Fprintf(&all, "---- %s, last lines\n%s\n", name, lastLines(text, lines))
	}
	printed := ""
	if d.out != nil {
		printed = d.out.String()
		section("bothy dev", printed)
	}
	files, _ := filepath.Glob(filepath.Join(d.state(), "logs", "*.log"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			text = []byte(err.Error())
		}
		section(file, string(text))
	}
	return d.keepLog("dev", all.String()) + "; its last lines are\n" + d.seen.redact(lastLines(printed, 5))
}

// keepLog keeps what something has logged, without secrets, among the artifacts, and says where.
func (d *dev) keepLog(name, text string) string {
	return keepText(d.root, name, d.seen.redact(text))
}

// keepText keeps a text among the artifacts and says where.
func keepText(root, name, text string) string {
	dir := filepath.Join("e2e", "artifacts", "logs")
	if err := os.MkdirAll(filepath.Join(root, dir), 0o750); err != nil {
		return err.Error()
	}
	file, err := os.CreateTemp(filepath.Join(root, dir), name+"-*.log")
	if err != nil {
		return err.Error()
	}
	if _, err := file.WriteString(text); err != nil {
		return err.Error()
	}
	if err := file.Close(); err != nil {
		return err.Error()
	}
	return "the logs are in " + filepath.Join(dir, filepath.Base(file.Name()))
}

// sourced gives the variables that a shell has after sourcing a file, of those
// that the file sets.
func sourced(file string) (map[string]string, error) {
	names := []string{
		"BOTHY_ADDR", "BOTHY_TOKEN", "NOMAD_ADDR", "NOMAD_TOKEN",
		"CONSUL_HTTP_ADDR", "CONSUL_HTTP_TOKEN", "VAULT_ADDR", "VAULT_TOKEN",
		"BOTHY_CONFIG", "BOTHY_NOMAD_TOKEN_FILE", "BOTHY_CONSUL_TOKEN_FILE",
	}
	cmd := exec.Command("/bin/sh", "-c", `. "$0" && env -0`, file)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", file, err)
	}
	all := map[string]string{}
	for entry := range strings.SplitSeq(string(out), "\x00") {
		if name, value, ok := strings.Cut(entry, "="); ok {
			all[name] = value
		}
	}
	env := map[string]string{}
	for _, name := range names {
		if all[name] == "" {
			return nil, fmt.Errorf("%s does not set %s", file, name)
		}
		env[name] = all[name]
	}
	return env, nil
}
