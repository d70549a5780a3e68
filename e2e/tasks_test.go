package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

// tasks reads logs and runs commands in the demo class, with Bothy's own token
// and the ACLs on.
func tasks(t *testing.T, d *dev) {
	workspace := d.classReady(t, demoClass)[0]
	slug := workspace.Slug
	t.Run("a command's output, input and exit code", func(t *testing.T) { d.commands(t, slug) })
	t.Run("a terminal has the caller's size, and its changes", func(t *testing.T) { d.terminal(t, slug) })
	t.Run("Ctrl-C at a terminal", func(t *testing.T) { d.interrupts(t, slug) })
	t.Run("a student's command has no more privileges than the editor", func(t *testing.T) { d.unprivileged(t, workspace) })
	t.Run("a shell and a log end with what they were opened with", func(t *testing.T) { d.shellsEnd(t, workspace) })
	t.Run("the end of a log", func(t *testing.T) { d.logEnd(t, slug) })
	t.Run("a followed log sees what is written later, and the workspace's end", func(t *testing.T) { d.followed(t, slug) })
	t.Run("what does not run has no commands", func(t *testing.T) { d.notRunning(t, slug) })
}

// commands runs commands with `bothy exec`.
func (d *dev) commands(t *testing.T, slug string) {
	t.Helper()
	owner := d.must(t, "exec", "-i=false", slug, "id", "-u")
	if want, err := d.exec(t.Context(), slug, "/usr/bin/id", "-u"); err != nil || owner != want {
		t.Errorf("id -u says %q, and %q by Nomad itself (%v)", owner, want, err)
	}
	out, errs, exit := d.run(t.Context(), "from outside", "exec", slug, "--", "sh", "-c", "cat; echo trouble >&2; exit 7")
	if exit != 7 || out != "from outside" || errs != "trouble\n" {
		t.Errorf("exit %d, %q, %q", exit, out, errs)
	}
	// A program that is not there must not take the task's later commands with it.
	if _, errs, exit := d.run(t.Context(), "", "exec", slug, "no-such-program"); exit != 127 || !strings.Contains(errs, "not found") {
		t.Errorf("a program that is not there: exit %d, %q", exit, errs)
	}
	for _, task := range []string{"nginx", "nothing"} {
		if _, errs, exit := d.run(t.Context(), "", "exec", "-task", task, slug, "id"); exit != 2 || !strings.Contains(errs, `"code-server"`) {
			t.Errorf("in the task %s: exit %d, %q", task, exit, errs)
		}
	}
	if got := d.must(t, "exec", "-i=false", "-task", "code-server", slug, "id", "-un"); got != "coder\n" {
		t.Errorf("in the editor's task by its name: %q", got)
	}
}

// token makes an API token of a workspace's student, good for everything that they may.
func (d *dev) token(t *testing.T, of client.Workspace, name string) client.CreatedToken {
	t.Helper()
	scope := client.TokenScope("write")
	made, err := d.api.CreateToken(t.Context(), client.TokenInput{Name: name, Scope: &scope, User: &of.Student.Email})
	if err != nil {
		t.Fatal(err)
	}
	d.seen.add("an API token", made.Token)
	return made
}

// bothyAs is a bothy command with a token of somebody's.
func (d *dev) bothyAs(ctx context.Context, token string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.bothy, args...)
	cmd.Env = []string{"BOTHY_ADDR=" + d.env["BOTHY_ADDR"], "BOTHY_TOKEN=" + token}
	return cmd
}

// unprivileged: the exec driver itself would leave a command in group 0 and with
// capabilities that amount to root's.
func (d *dev) unprivileged(t *testing.T, own client.Workspace) {
	t.Helper()
	token := d.token(t, own, "privileges").Token
	before := d.terminalLookIns(t, own.Slug)
	said, err := d.bothyAs(t.Context(), token, "exec", "-i=false", own.Slug, "sh", "-c", "id -u; id -g; id -G; cat /proc/self/status").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	lines := strings.Split(string(said), "\n")
	if ids := lines[:3]; ids[0] == "0" || ids[1] == "0" || ids[2] != ids[1] {
		t.Errorf("the user, the group and all groups are %q", ids)
	}
	status := map[string]string{}
	for _, line := range lines[3:] {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.TrimSpace(value)
	}
	for name, want := range map[string]string{
		"CapInh": noCapabilities, "CapPrm": noCapabilities, "CapEff": noCapabilities, "CapBnd": noCapabilities, "CapAmb": noCapabilities, "NoNewPrivs": "1",
	} {
		if status[name] != want {
			t.Errorf("%s is %q, want %s", name, status[name], want)
		}
	}
	t.Logf("uid %s, gid %s, groups %s, CapEff %s, CapBnd %s, NoNewPrivs %s",
		lines[0], lines[1], lines[2], status["CapEff"], status["CapBnd"], status["NoNewPrivs"])
	if n := d.terminalLookIns(t, own.Slug); n != before {
		t.Errorf("a student's own command is %d look-ins", n-before)
	}
	d.must(t, "exec", "-i=false", own.Slug, "true")
	if n := d.terminalLookIns(t, own.Slug); n != before+1 {
		t.Errorf("somebody else's command is %d look-ins", n-before)
	}
	// The door itself, and whatever else stands beside the editor, is not theirs.
	said, err = d.bothyAs(t.Context(), token, "exec", "-i=false", "-task", "nginx", own.Slug, "kill", "-QUIT", "1").CombinedOutput()
	if err == nil || !strings.Contains(string(said), `"code-server"`) {
		t.Errorf("a student's command in nginx: %v, %s", err, said)
	}
}

// terminalLookIns counts the times that others ran commands in a workspace.
func (d *dev) terminalLookIns(t *testing.T, slug string) (n int) {
	t.Helper()
	if err := d.store(t).QueryRowContext(t.Context(), `SELECT COUNT(*) FROM look_ins l JOIN workspaces w ON w.id = l.workspace_id
		WHERE w.slug = ? AND l.how = 'terminal'`, slug).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// noCapabilities is an empty set, as /proc shows it.
const noCapabilities = "0000000000000000"

// shellsEnd: what was opened with a token ends once that is revoked, and says so.
func (d *dev) shellsEnd(t *testing.T, own client.Workspace) {
	t.Helper()
	token := d.token(t, own, "ends")
	type end struct{ what, said string }
	ends := make(chan end, 2)
	commands := map[string][]string{
		"a shell": {"exec", own.Slug, "sh", "-c", "echo begun; cat"},
		"a log":   {"logs", "-f", "-n", "1", own.Slug},
	}
	for what, args := range commands {
		cmd := d.bothyAs(t.Context(), token.Token, args...)
		if _, err := cmd.StdinPipe(); err != nil { // stays open: the command waits for more
			t.Fatal(err)
		}
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout, cmd.Stderr = in, in
		err = errors.Join(cmd.Start(), in.Close())
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		first, err := lines.ReadString('\n')
		if err != nil || strings.Contains(first, "Error") {
			t.Fatalf("%s begins with %q, %v", what, first, err)
		}
		go func() {
			rest, _ := io.ReadAll(lines) // ends with the command
			_ = cmd.Wait()
			_ = out.Close()
			ends <- end{what, string(rest)}
		}()
	}
	began := time.Now()
	if err := d.api.RevokeToken(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	limit := time.After(evictionLimit)
	for range commands {
		select {
		case e := <-ends:
			if !strings.Contains(e.said, "not good any more") {
				t.Errorf("%s does not say why it ended: %s", e.what, e.said)
			}
			t.Logf("%s ended after %s", e.what, time.Since(began).Round(100*time.Millisecond))
		case <-limit:
			t.Fatalf("what a revoked token had opened is open after %s", evictionLimit)
		}
	}
}

// interrupts: Ctrl-C reaches the command, and what it makes of it comes back.
func (d *dev) interrupts(t *testing.T, slug string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	in, typed := io.Pipe()
	shown, out := io.Pipe()
	code := make(chan int, 1)
	go func() {
		c, err := d.api.Exec(ctx, slug, client.ExecOptions{
			Command: []string{"sh", "-c", `trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 1; done`},
			TTY:     true, Stdin: in, Stdout: out, Stderr: out,
		})
		_ = out.CloseWithError(errors.Join(err, io.EOF))
		code <- c
	}()
	lines := bufio.NewScanner(shown)
	for lines.Scan() && !strings.Contains(lines.Text(), "ready") {
	}
	fmt.Fprint(typed, "\x03")
	var said strings.Builder
	for lines.Scan() {
		said.WriteString(lines.Text())
	}
	if got := <-code; got != 5 || !strings.Contains(said.String(), "interrupted") {
		t.Errorf("exit code %d, %q", got, said.String())
	}
}

func (d *dev) terminal(t *testing.T, slug string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sizes := make(chan client.TerminalSize, 1)
	sizes <- client.TerminalSize{Columns: 101, Rows: 33}
	in, typed := io.Pipe()
	shown, out := io.Pipe()
	code := make(chan int, 1)
	go func() {
		c, err := d.api.Exec(ctx, slug, client.ExecOptions{
			Command: []string{"sh", "-c", `trap 'stty size' WINCH; stty size; while read -r line; do [ "$line" = end ] && exit 3; stty size; done`},
			TTY:     true, Sizes: sizes, Stdin: in, Stdout: out, Stderr: out,
		})
		_ = out.CloseWithError(errors.Join(err, io.EOF))
		code <- c
	}()
	lines := bufio.NewScanner(shown)
	until := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
			fmt.Fprintln(typed, "size") // the first size may come after the command has begun
		}
		t.Fatalf("the terminal ended without %q: %v", want, lines.Err())
	}
	until("33 101")
	sizes <- client.TerminalSize{Columns: 120, Rows: 40}
	fmt.Fprintln(typed, "size")
	until("40 120")
	go func() { _, _ = io.Copy(io.Discard, shown) }()
	fmt.Fprintln(typed, "end")
	if got := <-code; got != 3 {
		t.Errorf("exit code %d", got)
	}
}

func (d *dev) logEnd(t *testing.T, slug string) {
	t.Helper()
	all := d.must(t, "logs", "-n", "10000", slug)
	if !strings.Contains(all, "HTTP server listening") {
		t.Errorf("the editor's log is:\n%s", all)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(all, "\n"), "\n")
	if got, want := d.must(t, "logs", "-n", "2", slug), strings.Join(lines[len(lines)-2:], "")+"\n"; got != want {
		t.Errorf("the last two lines are %q, not %q", got, want)
	}
	if got := d.must(t, "logs", "-n", "0", slug); got != "" {
		t.Errorf("no line is %q", got)
	}
}

// followed follows NGINX's log from its end, makes a request, and stops the workspace.
func (d *dev) followed(t *testing.T, slug string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), readyLimit)
	defer cancel()
	visit := func(path string) {
		t.Helper()
		if _, err := d.get(ctx, d.labsHost(), "/"+slug+path); err != nil {
			t.Fatal(err)
		}
	}
	visit("/before")
	eventually(t, 10*time.Second, "the visit is in NGINX's log", func(ctx context.Context) error {
		if out, _, _ := d.run(ctx, "", "logs", "-task", "nginx", slug); !strings.Contains(out, "/before") {
			return fmt.Errorf("it is %q", out)
		}
		return nil
	})
	cmd := exec.CommandContext(ctx, d.bothy, "logs", "-f", "-n", "1", "-task", "nginx", slug)
	cmd.Env = []string{"BOTHY_ADDR=" + d.env["BOTHY_ADDR"], "BOTHY_TOKEN=" + d.env["BOTHY_TOKEN"]}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() { // it follows now
		t.Fatalf("no line: %v", lines.Err())
	}
	visit("/later")
	until := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the log ended without %q: %v", want, lines.Err())
	}
	until("/later")
	d.must(t, "stop", slug)
	until("has ended: complete <==")
	if err := cmd.Wait(); err != nil {
		t.Errorf("bothy logs -f ended with %v", err)
	}
}

func (d *dev) notRunning(t *testing.T, slug string) {
	t.Helper()
	defer d.must(t, "start", slug) // the parts after this one use it
	if _, errs, exit := d.run(t.Context(), "", "exec", "-i=false", slug, "id"); exit != 2 || !strings.Contains(errs, "Error:") || !strings.Contains(errs, "Hint:") {
		t.Errorf("exit %d: %s", exit, errs)
	}
	if log := d.must(t, "logs", slug); !strings.Contains(log, "HTTP server listening") {
		t.Errorf("the log of a stopped workspace is:\n%s", log)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.env["BOTHY_ADDR"]+"/v1/workspaces/"+slug+"/exec?command=%5B%22id%22%5D", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+d.env["BOTHY_TOKEN"])
	request.Header.Set("Origin", "http://"+d.labsHost())
	if p, err := ask(http.DefaultTransport, request); err != nil || p.status != http.StatusForbidden {
		t.Errorf("from the labs origin: %d, %v", p.status, err)
	}
}
