package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/nomad"
)

// The real adapter is what the API needs.
var _ api.Tasks = (*nomad.Client)(nil)

// fakeTasks has a log, and commands that a test plays.
type fakeTasks struct {
	logs func(ctx context.Context, r lab.LogRequest) (io.ReadCloser, error)
	exec func(ctx context.Context, r lab.ExecRequest) (int, error)
	err  error

	mu   sync.Mutex
	asks []lab.LogRequest
}

func (f *fakeTasks) Logs(ctx context.Context, r lab.LogRequest) (io.ReadCloser, error) {
	f.mu.Lock()
	f.asks = append(f.asks, r)
	f.mu.Unlock()
	switch {
	case f.err != nil:
		return nil, f.err
	case f.logs != nil:
		return f.logs(ctx, r)
	}
	return io.NopCloser(strings.NewReader("a line\n")), nil
}

func (f *fakeTasks) RunningTask(_ context.Context, jobID string, _ lab.Mark, task string) (lab.TaskRef, error) {
	return lab.TaskRef{AllocID: "alloc of " + jobID, Task: task}, f.err
}

func (f *fakeTasks) Exec(ctx context.Context, r lab.ExecRequest) (int, error) { return f.exec(ctx, r) }

const wsPath = "/v1/workspaces/fall-26-py101-ada-lovelace"

func TestLogsAreAskedForAsTheQuerySays(t *testing.T) {
	b := newBench(t)
	for _, query := range []string{"", "?task=nginx&stream=stderr&tail=0&follow=true"} {
		if got := b.do(request(http.MethodGet, wsPath+"/logs"+query, "")); got.StatusCode != http.StatusOK || got.Body != "a line\n" {
			t.Errorf("%s: %d: %s", query, got.StatusCode, got.Body)
		}
	}
	mark := lab.Mark{InstallationID: "id-installation", WorkspaceID: "id-workspace"}
	want := []lab.LogRequest{
		{JobID: "bothy-fall-26-py101-ada-lovelace", Mark: mark, Task: lab.MainTask, Tail: 100},
		{JobID: "bothy-fall-26-py101-ada-lovelace", Mark: mark, Task: "nginx", Stderr: true, Tail: 0, Follow: true},
	}
	if diff := cmp.Diff(want, b.tasks.asks); diff != "" {
		t.Error(diff)
	}
	for _, query := range []string{"?tail=-1", "?tail=10001", "?stream=both", "?task=a%2Fb", "?lines=3", "?follow=perhaps"} {
		problem(t, b.do(request(http.MethodGet, wsPath+"/logs"+query, "")), http.StatusBadRequest)
	}
	b.tasks.err = lab.Errorf(lab.CodeConflict, "it never ran")
	problem(t, b.do(request(http.MethodGet, wsPath+"/logs", "")), http.StatusConflict)
}

// limit is the server's for reading a request and for writing an answer.
const limit = 150 * time.Millisecond

// serve runs an API with short limits, as a server has them.
func serve(t *testing.T, b *bench) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(b)
	server.Config.ReadTimeout, server.Config.WriteTimeout = limit, limit
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// limitsPass waits until the server's limits would have ended a request that began before.
func limitsPass(t *testing.T, server *httptest.Server) {
	t.Helper()
	silent, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := io.ReadAll(silent); err != nil { // ends when the server has waited for a request as long as it may
		t.Fatal(err)
	}
}

func get(t *testing.T, ctx context.Context, target string) io.Reader { //nolint:revive // t comes first in helpers
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer.Body
}

// pipedLogs is a log that the test writes; it ends with its context, which is told.
func (b *bench) pipedLogs() (*io.PipeWriter, <-chan error) {
	out, in := io.Pipe()
	gone := make(chan error, 1)
	b.tasks.logs = func(ctx context.Context, _ lab.LogRequest) (io.ReadCloser, error) {
		context.AfterFunc(ctx, func() {
			gone <- context.Cause(ctx)
			_ = in.CloseWithError(context.Cause(ctx))
		})
		return out, nil
	}
	return in, gone
}

func TestAFollowedLogOutlivesTheServersTimeLimits(t *testing.T) {
	b := newBench(t)
	in, gone := b.pipedLogs()
	ctx, leave := context.WithCancel(t.Context())
	server := serve(t, b)
	answer := get(t, ctx, server.URL+wsPath+"/logs?follow=true")
	lines := bufio.NewReader(answer)
	for _, line := range []string{"first\n", "much later\n"} {
		if _, err := io.WriteString(in, line); err != nil {
			t.Fatal(err)
		}
		got, err := lines.ReadString('\n')
		if err != nil || got != line {
			t.Fatalf("got %q, %v", got, err)
		}
		limitsPass(t, server)
	}
	leave()
	<-gone // the caller's leaving ends the reading
}

func TestALogThatBreaksOffIsNoWholeAnswer(t *testing.T) {
	b := newBench(t)
	in, _ := b.pipedLogs()
	answer := get(t, t.Context(), serve(t, b).URL+wsPath+"/logs?follow=true")
	go func() {
		_, _ = io.WriteString(in, "a part\n")
		_ = in.CloseWithError(errors.New("nomad went away"))
	}()
	text, err := io.ReadAll(answer)
	if !errors.Is(err, io.ErrUnexpectedEOF) || string(text) != "a part\n" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestTheServersEndEndsStreamsAndLetsNoneBegin(t *testing.T) {
	b := newBench(t)
	_, gone := b.pipedLogs()
	server := serve(t, b)
	answer := get(t, t.Context(), server.URL+wsPath+"/logs?follow=true")
	b.streams.End(t.Context())
	if err := <-gone; lab.CodeOf(err) != lab.CodeUnavailable {
		t.Errorf("the log was ended for %v", err)
	}
	if _, err := io.ReadAll(answer); err == nil {
		t.Error("the answer looks whole")
	}
	problem(t, b.do(request(http.MethodGet, wsPath+"/logs", "")), http.StatusServiceUnavailable)
}

func TestStreamsAreBounded(t *testing.T) {
	b := newBench(t)
	release := make(chan struct{})
	var began, ended sync.WaitGroup
	began.Add(api.MaxStreams)
	b.tasks.logs = func(context.Context, lab.LogRequest) (io.ReadCloser, error) {
		began.Done()
		<-release
		return io.NopCloser(strings.NewReader("")), nil
	}
	for range api.MaxStreams {
		ended.Go(func() { b.do(request(http.MethodGet, wsPath+"/logs", "")) })
	}
	began.Wait()
	problem(t, b.do(request(http.MethodGet, wsPath+"/logs", "")), http.StatusServiceUnavailable)
	close(release)
	ended.Wait()
}

// socket opens an exec session.
func socket(t *testing.T, server *httptest.Server, command string, header http.Header) (conn *websocket.Conn, status int, err error) {
	t.Helper()
	if header == nil {
		header = http.Header{}
	}
	if header.Get("Authorization") == "" {
		header.Set("Authorization", "Bearer "+token)
	}
	target := server.URL + wsPath + "/exec?tty=true&command=" + url.QueryEscape(command)
	conn, answer, err := websocket.Dial(t.Context(), target, &websocket.DialOptions{HTTPHeader: header}) //nolint:bodyclose // the library does
	if conn != nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	if answer != nil {
		status = answer.StatusCode
	}
	return conn, status, err
}

// told reads messages until the last one, and gives the data of each channel.
func told(t *testing.T, conn *websocket.Conn) (data map[byte]string, last map[string]any) {
	t.Helper()
	data = map[byte]string{}
	for {
		kind, message, err := conn.Read(t.Context())
		if err != nil {
			t.Fatalf("after %v: %v", data, err)
		}
		if kind == websocket.MessageBinary {
			data[message[0]] += string(message[1:])
			continue
		}
		if err := json.Unmarshal(message, &last); err != nil {
			t.Fatal(err)
		}
		return data, last
	}
}

func write(t *testing.T, conn *websocket.Conn, kind websocket.MessageType, message string) {
	t.Helper()
	if err := conn.Write(t.Context(), kind, []byte(message)); err != nil {
		t.Fatal(err)
	}
}

func TestExecCarriesInputOutputSizeAndExitCode(t *testing.T) {
	b := newBench(t)
	long := strings.Repeat("x", 70_000) // more than one message
	b.tasks.exec = func(_ context.Context, r lab.ExecRequest) (int, error) {
		size := <-r.Sizes
		input, err := io.ReadAll(r.Stdin)
		fmt.Fprintf(r.Stdout, "%v %v %q %v", r.TaskRef, r.Command, input, size)
		fmt.Fprint(r.Stderr, long)
		return 7, err
	}
	server := serve(t, b)
	conn, status, err := socket(t, server, `["sh","-c","secret words"]`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status != http.StatusSwitchingProtocols {
		t.Error(status)
	}
	limitsPass(t, server)
	write(t, conn, websocket.MessageText, `{"resize":{"columns":120,"rows":40}}`)
	write(t, conn, websocket.MessageBinary, "\x00hello")
	write(t, conn, websocket.MessageText, `{"stdin_closed":true}`)
	conn.SetReadLimit(64 << 10)
	data, last := told(t, conn)
	want := `{alloc of bothy-fall-26-py101-ada-lovelace workspace} [sh -c secret words] "hello" {120 40}`
	if data[1] != want || data[2] != long || last["exit_code"] != 7.0 {
		t.Errorf("%q, %d bytes, %v", data[1], len(data[2]), last)
	}
	calls := b.registrar.called()
	noted := call{"RecordExec", lab.Intent{Actor: lab.Actor{Name: "token:test", Role: lab.RoleAdmin, Remote: "127.0.0.1"}, Operation: "execInWorkspace"}, []any{"id-workspace", "workspace", "sh"}}
	if diff := cmp.Diff(noted, calls[len(calls)-1]); diff != "" {
		t.Error(diff)
	}
}

func TestExecTellsWhyACommandDidNotEnd(t *testing.T) {
	b := newBench(t)
	b.tasks.exec = func(context.Context, lab.ExecRequest) (int, error) {
		return 0, lab.Wrap(lab.CodeInvalid, errors.New("at 10.0.0.7"), "there is no such program").WithHint("try another")
	}
	conn, _, err := socket(t, serve(t, b), `["nothing"]`, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, last := told(t, conn)
	want := map[string]any{"error": map[string]any{"code": "invalid", "detail": "there is no such program", "hint": "try another"}}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Error(diff)
	}
}

func TestExecEndsWithTheCallerAndWithTheServer(t *testing.T) {
	b := newBench(t)
	started, ended := make(chan struct{}), make(chan error, 1)
	b.tasks.exec = func(ctx context.Context, _ lab.ExecRequest) (int, error) {
		started <- struct{}{}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return 0, fmt.Errorf("run: %w", context.Cause(ctx))
	}
	server := serve(t, b)
	conn, _, err := socket(t, server, `["sleep"]`, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-started
	_ = conn.CloseNow()
	<-ended

	if conn, _, err = socket(t, server, `["sleep"]`, nil); err != nil {
		t.Fatal(err)
	}
	<-started
	go b.streams.End(t.Context())
	_, last := told(t, conn)
	if e, _ := last["error"].(map[string]any); e["code"] != "unavailable" {
		t.Errorf("%v", last)
	}
	if err := <-ended; lab.CodeOf(err) != lab.CodeUnavailable {
		t.Error(err)
	}
}

// watched is a bench whose caller has the workspace, and what ticks when it is asked
// whether they still have.
func watched(t *testing.T) (b *bench, who *one, ask chan<- time.Time) {
	t.Helper()
	ticks := make(chan time.Time)
	b = newBench(t, asInstructor, func(c *api.Config) {
		who, _ = c.Authenticator.(*one)
		things, _ := c.Belongings.(fakeBelongings)
		things["workspace fall-26-py101-ada-lovelace"] = things["workspace a-b-ada"]
		c.Ticks = func(every time.Duration) (<-chan time.Time, func()) {
			if every > 20*time.Second {
				t.Errorf("it is asked every %s", every)
			}
			return ticks, func() {}
		}
	})
	return b, who, ticks
}

// lastly has it asked once more, unless the stream has ended by what was asked before.
func lastly(t *testing.T, ask chan<- time.Time) {
	select {
	case ask <- noon:
	case <-t.Context().Done():
	}
}

// losses are what takes a stream from an instructor, and what they are told.
func losses(caller lab.Caller) map[string]struct {
	caller lab.Caller
	err    error
	told   string
} {
	dismissed, narrowed := caller, caller
	dismissed.Scope = lab.Scope{}
	narrowed.Role = lab.RoleAssistant
	narrowed.Scope = lab.Scope{Classes: []string{"another"}}
	return map[string]struct {
		caller lab.Caller
		err    error
		told   string
	}{
		"signed out or revoked": {lab.Caller{}, lab.Errorf(lab.CodeUnauthenticated, "nobody is signed in any more"), "is not good any more"},
		"dismissed":             {dismissed, nil, "no right to this any more"},
		"another role":          {narrowed, nil, "no right to this any more"},
	}
}

func TestAShellEndsOnceItsCallerHasNoRightToIt(t *testing.T) {
	_, who, _ := watched(t)
	for name, loss := range losses(who.caller) {
		t.Run(name, func(t *testing.T) {
			b, who, ask := watched(t)
			b.tasks.exec = func(ctx context.Context, _ lab.ExecRequest) (int, error) {
				<-ctx.Done()
				return 0, fmt.Errorf("run: %w", context.Cause(ctx))
			}
			conn, _, err := socket(t, serve(t, b), `["sh"]`, nil)
			if err != nil {
				t.Fatal(err)
			}
			ask <- noon
			who.becomes(lab.Caller{}, errors.New("the directory is away")) // and so nothing is known to have changed
			ask <- noon
			ask <- noon // what came of the one before did not end it
			who.becomes(loss.caller, loss.err)
			go lastly(t, ask)
			_, last := told(t, conn)
			if e, _ := last["error"].(map[string]any); !strings.Contains(fmt.Sprint(e["detail"]), loss.told) {
				t.Errorf("told %v", last)
			}
		})
	}
}

func TestAFollowedLogEndsOnceItsCallerHasNoRightToIt(t *testing.T) {
	_, who, _ := watched(t)
	for name, loss := range losses(who.caller) {
		t.Run(name, func(t *testing.T) {
			b, who, ask := watched(t)
			_, gone := b.pipedLogs()
			answer := get(t, t.Context(), serve(t, b).URL+wsPath+"/logs?follow=true")
			ask <- noon
			who.becomes(loss.caller, loss.err)
			go lastly(t, ask)
			text, err := io.ReadAll(answer)
			if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(string(text), "==> it ends here: ") || !strings.Contains(string(text), loss.told) {
				t.Errorf("got %q, %v", text, err)
			}
			if cause := <-gone; lab.CodeOf(cause) != lab.CodeForbidden && lab.CodeOf(cause) != lab.CodeUnauthenticated {
				t.Errorf("the reading ended with %v", cause)
			}
		})
	}
}

func TestExecRefusesWhatBreaksTheRules(t *testing.T) {
	for name, message := range map[string]func(*testing.T, *websocket.Conn){
		"another channel":    func(t *testing.T, c *websocket.Conn) { write(t, c, websocket.MessageBinary, "\x01out") },
		"an empty message":   func(t *testing.T, c *websocket.Conn) { write(t, c, websocket.MessageBinary, "") },
		"an unknown message": func(t *testing.T, c *websocket.Conn) { write(t, c, websocket.MessageText, `{"signal":9}`) },
		"no JSON":            func(t *testing.T, c *websocket.Conn) { write(t, c, websocket.MessageText, "hello") },
		"a size of nothing": func(t *testing.T, c *websocket.Conn) {
			write(t, c, websocket.MessageText, `{"resize":{"columns":0,"rows":1}}`)
		},
		"more than a message": func(t *testing.T, c *websocket.Conn) {
			write(t, c, websocket.MessageBinary, strings.Repeat("\x00", 40_000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.tasks.exec = func(ctx context.Context, _ lab.ExecRequest) (int, error) {
				<-ctx.Done()
				return 0, fmt.Errorf("run: %w", ctx.Err())
			}
			conn, _, err := socket(t, serve(t, b), `["cat"]`, nil)
			if err != nil {
				t.Fatal(err)
			}
			message(t, conn)
			_, _, err = conn.Read(t.Context())
			if status := websocket.CloseStatus(err); status != websocket.StatusPolicyViolation && status != websocket.StatusMessageTooBig {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestExecIsRefusedWithAProblemBeforeItBegins(t *testing.T) {
	b := newBench(t, func(c *api.Config) { c.TrustedOrigins = []string{"https://bothy.example.edu"} })
	b.tasks.exec = func(context.Context, lab.ExecRequest) (int, error) { return 0, nil }
	server := serve(t, b)
	for name, test := range map[string]struct {
		header  http.Header
		command string
		err     error
		status  int
	}{
		"another origin":     {http.Header{"Origin": {"http://labs.localhost:9999"}}, `["id"]`, nil, http.StatusForbidden},
		"another site":       {http.Header{"Sec-Fetch-Site": {"cross-site"}}, `["id"]`, nil, http.StatusForbidden},
		"no token":           {http.Header{"Authorization": {"Bearer wrong-wrong-wrong"}}, `["id"]`, nil, http.StatusUnauthorized},
		"no list":            {nil, `id -u`, nil, http.StatusBadRequest},
		"an empty list":      {nil, `[]`, nil, http.StatusBadRequest},
		"a NUL":              {nil, `["id","\u0000"]`, nil, http.StatusBadRequest},
		"nothing that runs":  {nil, `["id"]`, lab.Errorf(lab.CodeConflict, "it does not run"), http.StatusConflict},
		"the trusted origin": {http.Header{"Origin": {"https://bothy.example.edu"}}, `["id"]`, nil, http.StatusSwitchingProtocols},
		"the same origin":    {http.Header{"Origin": {server.URL}}, `["id"]`, nil, http.StatusSwitchingProtocols},
	} {
		t.Run(name, func(t *testing.T) {
			b.tasks.err = test.err
			b.registrar.answers(nil)
			_, status, _ := socket(t, server, test.command, test.header)
			if status != test.status {
				t.Fatalf("got %d", status)
			}
			for _, made := range b.registrar.called() {
				if test.status != http.StatusSwitchingProtocols && made.Method == "RecordExec" {
					t.Error("recorded what was refused")
				}
			}
		})
	}
	problem(t, b.do(request(http.MethodGet, wsPath+`/exec?command=%5B%22id%22%5D`, "")), http.StatusBadRequest)
}
