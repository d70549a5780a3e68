package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// stage is one Chromium in which several people, each with a profile of their own,
// do what a test tells them step by step (browser/live.mjs).
type stage struct {
	t         *testing.T
	artifacts string

	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
}

// A player is one person on a stage, at one of their tabs.
type player struct {
	stage    *stage
	who, tab string
}

// pageSocket is a WebSocket that a page has opened.
type pageSocket struct {
	URL            string `json:"url"`
	Sent, Received int
	Open           bool
	Problem        string
	// Opened and Closed are when, in milliseconds since 1970; Closed is 0 while it is open.
	Opened, Closed int64
}

// newStage starts it; it ends with the test.
func (b browser) newStage(t *testing.T, args ...string) *stage {
	t.Helper()
	s := &stage{t: t, artifacts: b.artifacts}
	// Chromium's socket lies below this, and its path must be short.
	temp, err := os.MkdirTemp("", "bothy-live-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "live.mjs")
	cmd.Dir = b.scripts
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if s.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewReader(out)
	if err := b.network.start(cmd); err != nil {
		t.Fatalf("run Chromium: %v", err)
	}
	t.Cleanup(func() {
		// It ends at the end of its input; whatever the browser says then comes after all answers.
		_ = s.in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("Chromium: %v", err)
		}
		_ = os.RemoveAll(temp)
	})
	s.send(map[string]any{"chromium": b.chromium, "args": append([]string{}, args...), "stepTimeoutMs": stepLimit.Milliseconds()})
	return s
}

func (s *stage) send(line any) {
	s.t.Helper()
	text, err := json.Marshal(line)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.in.Write(append(text, '\n')); err != nil {
		s.t.Fatalf("tell Chromium: %v", err)
	}
}

// somebody gives a person at their first tab.
func (s *stage) somebody(who string) player { return player{s, who, "first"} }

// at gives the same person at another tab.
func (p player) at(tab string) player { return player{p.stage, p.who, tab} }

// try has a person take a step, and gives what it found out, and when it was done.
func (p player) try(does step) (result string, at time.Time, err error) {
	s := p.stage
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	type line struct {
		Who string `json:"who"`
		Tab string `json:"tab"`
		step
	}
	s.send(line{p.who, p.tab, does})
	text, err := s.out.ReadBytes('\n')
	if err != nil {
		s.t.Fatalf("%s: %s: Chromium is gone: %v", p.who, does.Do, err)
	}
	var answer struct {
		Result, Problem string
		At              int64
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		s.t.Fatalf("%s: %s: %v", p.who, does.Do, err)
	}
	if answer.Problem != "" {
		err = errors.New(answer.Problem)
	}
	return answer.Result, time.UnixMilli(answer.At), err
}

// does has a person take a step that must succeed.
func (p player) does(step step) string {
	p.stage.t.Helper()
	result, _, err := p.try(step)
	if err != nil {
		shot := filepath.Join(p.stage.artifacts, fmt.Sprintf("live-%s-failed.png", p.who))
		_, _, _ = p.try(stepOf("screenshot", shot))
		p.stage.t.Fatalf("%s: %s %s%s: %v (screenshot in e2e/artifacts/%s)", p.who, step.Do, step.Name, step.Path, err, filepath.Base(shot))
	}
	return result
}

func stepOf(do, path string) step { return step{Do: do, Path: path} }

// goes opens an address and gives the status that it came with and where it has led.
func (p player) goes(to string) (status, at string) {
	p.stage.t.Helper()
	status, at, _ = strings.Cut(p.does(stepOf("go", to)), " ")
	return status, at
}

// works opens a workspace and waits for its editor.
func (p player) works(at string) {
	p.stage.t.Helper()
	p.goes(at)
	p.does(step{Do: "workbench"})
}

// sockets gives the WebSockets that the tab has opened so far, in that order.
func (p player) sockets() []pageSocket {
	p.stage.t.Helper()
	var list []pageSocket
	if err := json.Unmarshal([]byte(p.does(step{Do: "sockets"})), &list); err != nil {
		p.stage.t.Fatal(err)
	}
	return list
}

// open gives those of the tab's WebSockets that are open.
func (p player) open() []pageSocket {
	p.stage.t.Helper()
	return slices.DeleteFunc(p.sockets(), func(s pageSocket) bool { return !s.Open })
}

// signsIn signs a person in on Bothy's pages.
func (p player) signsIn(console, login, password string) {
	p.stage.t.Helper()
	p.goes(console + "/sign-in")
	p.does(step{Do: "fill", Name: "login", Text: login})
	p.does(step{Do: "fill", Name: "password", Text: password})
	p.does(step{Do: "press", Name: "Sign in"})
}

// signsInFirst signs a person in for the first time, and chooses their password.
func (p player) signsInFirst(console, login, temporary, chosen string) {
	p.stage.t.Helper()
	p.signsIn(console, login, temporary)
	p.does(step{Do: "fill", Name: "password", Text: chosen})
	p.does(step{Do: "fill", Name: "again", Text: chosen})
	p.does(step{Do: "press", Name: "Choose this password"})
	p.does(step{Do: "shows", Text: "Your password is changed"})
}
