package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killGrace bounds how long the kernel may take to end a killed process.
const killGrace = 5 * time.Second

// lastLines is how many lines of a log are shown with an error.
const lastLines = 15

// command is a server to run.
type command struct {
	part string
	path string
	args []string
	env  []string // added to the minimal environment
}

// process is a running server of the stack, in a process group of its own, so
// that Ctrl-C in a terminal reaches only who started the stack.
type process struct {
	part    string
	logFile string
	id      identity
	asked   atomic.Bool   // whether somebody asked it to end
	done    chan struct{} // closed when it has ended; status is set then
	status  string
}

// startProcess runs c with a new log file. exited is told when it ends unasked.
func startProcess(l layout, c command, exited func(PartExit)) (*process, error) {
	p := &process{part: c.part, logFile: l.log(c.part), done: make(chan struct{})}
	log, err := newLog(p.logFile)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.path, c.args...) //nolint:noctx // it outlives the call; stop ends it
	cmd.Dir = string(l)
	cmd.Env = append(minimalEnv(l), c.env...)
	cmd.Stdout, cmd.Stderr = log, log
	// The kernel asks it to end when this program is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}

	started := make(chan error, 1)
	go func() {
		// Pdeathsig follows the thread that started the process, not this program:
		// the thread is held until the process has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer func() { _ = log.Close() }()
		err := cmd.Start()
		if err == nil {
			p.id, err = identify(cmd.Process.Pid)
		}
		started <- err
		if cmd.Process == nil {
			close(p.done)
			return
		}
		p.status = waitStatus(cmd.Wait())
		close(p.done)
		if !p.asked.Load() {
			exited(PartExit{Part: p.part, Status: p.status, LogFile: p.logFile, Last: tail(p.logFile)})
		}
	}()
	if err := <-started; err != nil {
		p.asked.Store(true)
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
		<-p.done
		return nil, fmt.Errorf("start %s: %w", c.part, err)
	}
	return p, nil
}

// minimalEnv keeps the caller's environment, which may hold credentials, from
// servers and tasks.
func minimalEnv(l layout) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
		markerEnv + "=" + l.id(),
	}
	// Plugins listen on Unix sockets in the temporary folder; a socket's path has
	// to be short.
	const longest = 70
	if len(l.tmp()) <= longest {
		env = append(env, "TMPDIR="+l.tmp())
	}
	return env
}

func waitStatus(err error) string {
	if err == nil {
		return "exit status 0"
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.String()
	}
	return err.Error()
}

// ended tells whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop asks the process to end, and kills it when it has not ended after grace or
// when ctx ends. It returns once it has ended.
func (p *process) stop(ctx context.Context, grace time.Duration) error {
	p.asked.Store(true)
	if err := p.id.signal(unix.SIGTERM); err != nil {
		return fmt.Errorf("end %s: %w", p.part, err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	if !p.ended() {
		if err := p.id.signal(unix.SIGKILL); err != nil {
			return fmt.Errorf("kill %s: %w", p.part, err)
		}
		select {
		case <-p.done:
		case <-time.After(killGrace):
			return fmt.Errorf("%s (pid %d) does not end, not even killed", p.part, p.id.PID)
		}
	}
	return nil
}

// newLog opens an empty log file and keeps the last run's beside it.
func newLog(path string) (*os.File, error) {
	if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("keep the last log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return f, nil
}

// tail gives the last lines of a log.
func tail(path string) []string {
	const window = 16 << 10
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > window {
		if _, err := f.Seek(-window, io.SeekEnd); err != nil {
			return nil
		}
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return lines[max(0, len(lines)-lastLines):]
}
