package toolchain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// host is the edge to the machine: what is on it, and running programs.
type host interface {
	// LookPath finds a program on PATH or in the system's folders for
	// administrators; "" when there is none.
	LookPath(program string) string
	// Exists tells whether a file or folder is there.
	Exists(path string) bool
	// ReadFile reads a file of the machine, such as /etc/passwd.
	ReadFile(path string) ([]byte, error)
	// Root tells whether this process may install packages.
	Root() bool
	// Run runs a program to its end. A failure says the last lines that it printed.
	Run(ctx context.Context, c command) error
}

// command is one run of a program.
type command struct {
	Path string
	Args []string
	Dir  string
	// Env is added to this process's environment.
	Env []string
	// Line, where set, is given each line that the program prints, one at a time.
	Line func(string)
}

func (c command) String() string {
	return strings.Join(append([]string{filepath.Base(c.Path)}, c.Args...), " ")
}

// runError is a program that failed.
type runError struct {
	command string
	cause   error
	tail    []string
}

func (e *runError) Error() string {
	if len(e.tail) == 0 {
		return fmt.Sprintf("%s: %v", e.command, e.cause)
	}
	return fmt.Sprintf("%s: %v:\n  %s", e.command, e.cause, strings.Join(e.tail, "\n  "))
}

func (e *runError) Unwrap() error { return e.cause }

const (
	// tailLines of a failed program's output are kept for its error.
	tailLines = 20
	// endTime is how long a program that was told to end has before it is killed.
	endTime = 5 * time.Second
)

type machine struct{}

func (machine) LookPath(program string) string {
	if path, err := exec.LookPath(program); err == nil {
		if path, err = filepath.Abs(path); err == nil {
			return path
		}
	}
	// An ordinary user's PATH often lacks these.
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

func (machine) Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (machine) ReadFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return text, nil
}

func (machine) Root() bool { return os.Geteuid() == 0 }

func (machine) Run(ctx context.Context, c command) error {
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(environ(), c.Env...)
	// A group of its own, so that ending it ends the compilers that it started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = endTime

	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	tail := make(chan []string, 1)
	go func() { tail <- readLines(r, c.Line) }()

	err := cmd.Run()
	_ = w.Close() // of a pipe in memory: cannot fail
	lines := <-tail
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		// The leader has ended or was killed; nothing of its group may stay.
		if cmd.Process != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		return fmt.Errorf("%s: %w", c, context.Cause(ctx))
	}
	return &runError{command: c.String(), cause: err, tail: lines}
}

// readLines hands lines on until the end and gives the last of them.
func readLines(r io.Reader, line func(string)) []string {
	var tail []string
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		text := strings.TrimRight(scanner.Text(), " \r")
		if text == "" {
			continue
		}
		if line != nil {
			line(text)
		}
		if tail = append(tail, text); len(tail) > tailLines {
			tail = tail[1:]
		}
	}
	// A line beyond the limit ends the scanner; the program must not block on it.
	_, _ = io.Copy(io.Discard, r)
	return tail
}

// environ is this process's environment, with a HOME: Go and npm keep their
// caches there, and a service manager may have set none.
func environ() []string {
	env := os.Environ()
	if os.Getenv("HOME") == "" {
		if home, err := homeDir(); err == nil {
			env = append(env, "HOME="+home)
		}
	}
	return env
}

func homeDir() (string, error) {
	if home := os.Getenv("HOME"); home != "" {
		return home, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("find the home directory: %w", err)
	}
	if u.HomeDir == "" {
		return "", errors.New("the user has no home directory")
	}
	return u.HomeDir, nil
}

// output runs a program and gives what it printed.
func output(ctx context.Context, h host, c command) (string, error) {
	var b strings.Builder
	c.Line = func(line string) { b.WriteString(line + "\n") }
	if err := h.Run(ctx, c); err != nil {
		return b.String(), fmt.Errorf("run: %w", err)
	}
	return b.String(), nil
}

// isNotExist tells whether a file was missing.
func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
