package command

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/bothylabs/bothy/service/client"
)

func TestLogsAreAskedForAndPrinted(t *testing.T) {
	w := newWorld(t)
	var query string
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		query = r.URL.Path + "?" + r.URL.RawQuery
		out.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(out, "one\n\x1b[31mred\x1b[0m \x1b[2Jtwo\x07\x1b]0;title\x07\n")
	}))
	defer server.Close()
	w.vars["BOTHY_ADDR"], w.vars["BOTHY_TOKEN"] = server.URL, "a-token-of-the-tests"

	raw := w.run("logs", "-f", "-n", "5", "-stderr", "-task", "nginx", "fall-26-py101-ana").ok()
	if want := "/v1/workspaces/fall-26-py101-ana/logs?follow=true&stream=stderr&tail=5&task=nginx"; query != want {
		t.Errorf("asked for %s", query)
	}
	if !strings.Contains(raw.out, "\x1b[2J") {
		t.Error("a log that goes into a file is changed")
	}
	w.OutTerminal = true
	if got := w.run("logs", "fall-26-py101-ana").ok(); strings.Contains(got.out, "\x1b[2J") || strings.Contains(got.out, "\x07") || !strings.Contains(got.out, "\x1b[31mred\x1b[0m") {
		t.Errorf("at a terminal: %q", got.out)
	}
	w.run("logs", "-n", "20000", "x").fails(exitLocal, "-n: 20000")
	w.run("logs").fails(exitLocal, "<workspace> is missing")
}

// execServer answers an exec session: it tells what it got, and ends with a last message.
func execServer(t *testing.T, w *world, last string) *http.Request {
	t.Helper()
	var asked http.Request
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		asked = *r
		conn, err := websocket.Accept(out, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		var said bytes.Buffer
		for !strings.Contains(said.String(), "stdin_closed") {
			_, message, err := conn.Read(r.Context())
			if err != nil {
				t.Error(err)
				return
			}
			said.Write(message)
		}
		ctx := context.WithoutCancel(r.Context())
		for _, err := range []error{
			conn.Write(ctx, websocket.MessageBinary, append([]byte{1}, said.Bytes()...)),
			conn.Write(ctx, websocket.MessageBinary, []byte("\x02trouble\n")),
			conn.Write(ctx, websocket.MessageText, []byte(last)),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	}))
	t.Cleanup(server.Close)
	w.vars["BOTHY_ADDR"], w.vars["BOTHY_TOKEN"] = server.URL, "a-token-of-the-tests"
	return &asked
}

func TestExecHandsInputAndOutputOnAndEndsWithTheExitCode(t *testing.T) {
	w := newWorld(t)
	w.Stdin = strings.NewReader("input")
	asked := execServer(t, w, `{"exit_code":7}`)
	w.run("exec", "-task", "editor", "ws", "df", "-h", "--", "-t").fails(7, "trouble").says("\x00input")
	var command []string
	if err := json.Unmarshal([]byte(asked.URL.Query().Get("command")), &command); err != nil || strings.Join(command, " ") != "df -h -- -t" {
		t.Errorf("the command is %v (%v)", command, err)
	}
	if asked.URL.Query().Get("tty") != "" || asked.Header.Get("Authorization") != "Bearer a-token-of-the-tests" {
		t.Errorf("asked %s with %s", asked.URL, asked.Header)
	}
	execServer(t, w, `{"error":{"code":"unavailable","detail":"it went away","hint":"try again"}}`)
	w.run("exec", "-i=false", "ws", "--", "ls").fails(exitRemote, "Error: it went away", "Hint: Try again.")
}

func TestExecAtATerminalIsRawAndOfItsSize(t *testing.T) {
	w := newWorld(t)
	w.InTerminal, w.OutTerminal = true, true
	raw := 0
	w.Raw = func() (func(), error) { raw++; return func() { raw += 10 }, nil }
	sizes := make(chan os.Signal)
	w.Resized = func() (<-chan os.Signal, func()) { return sizes, func() {} }
	in, typed := io.Pipe()
	w.Stdin = in
	w.Size = func() (int, int) {
		go typed.Close() // only once the size is on its way
		return 120, 40
	}
	asked := execServer(t, w, `{"exit_code":0}`)
	w.run("exec", "ws", "sh").ok()
	if raw != 11 || asked.URL.Query().Get("tty") != "true" {
		t.Errorf("raw %d times ten plus one, tty %q", raw, asked.URL.Query().Get("tty"))
	}
}

func TestExecTellsWhyThereIsNothingToRunIn(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).problem("GET /v1/workspaces/ws/exec", client.Problem{Status: 409, Code: "conflict", Detail: "it does not run", Hint: "start it"})
	w.run("exec", "ws", "ls").fails(exitRemote, "Error: it does not run", "Hint: Start it.")
	w.run("exec", "ws").fails(exitLocal, "<command> is missing")
}
