package stack

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// identity tells a process from a later one that has been given the same pid.
type identity struct {
	PID   int
	Start uint64 // clock ticks since boot, from /proc/<pid>/stat
}

// identify reads the identity of a living process.
func identify(pid int) (identity, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return identity{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	_, start, err := parseStat(stat)
	if err != nil {
		return identity{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	return identity{PID: pid, Start: start}, nil
}

// parseStat reads state and start time out of /proc/<pid>/stat. The second field
// is the program's name in brackets and may itself hold blanks and brackets.
func parseStat(stat []byte) (state byte, start uint64, err error) {
	const (
		fieldState = 0 // counted after the name
		fieldStart = 19
	)
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if end < 0 || len(fields) <= fieldStart {
		return 0, 0, errors.New("unexpected format of /proc/<pid>/stat")
	}
	start, err = strconv.ParseUint(fields[fieldStart], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("start time in /proc/<pid>/stat: %w", err)
	}
	return fields[fieldState][0], start, nil
}

// alive tells whether this very process still runs. A zombie does not.
func (id identity) alive() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id.PID))
	if err != nil {
		return false
	}
	state, start, err := parseStat(stat)
	return err == nil && start == id.Start && state != 'Z' && state != 'X'
}

// signal sends sig to this very process; one that has ended is no error.
func (id identity) signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", id.PID, err)
	}
	defer func() { _ = unix.Close(fd) }()
	// The descriptor holds on to the process: from here on the pid cannot come to
	// mean another one.
	if !id.alive() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", id.PID, err)
	}
	return nil
}

// proc is what recognition needs to know of a process.
type proc struct {
	identity
	Comm    string
	Args    []string
	Marker  string // the value of markerEnv in its environment
	Cgroups []string
}

// String names the process without its arguments, which belong to others.
func (p proc) String() string { return fmt.Sprintf("%s (pid %d)", p.Comm, p.PID) }

// listProcs reads all processes of the machine. Those that end while it looks are
// left out, and kernel threads are.
func listProcs() ([]proc, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var procs []proc
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if p, ok := readProc(pid); ok {
			procs = append(procs, p)
		}
	}
	return procs, nil
}

func readProc(pid int) (proc, bool) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	args, err := os.ReadFile(dir + "cmdline")
	if err != nil || len(args) == 0 {
		return proc{}, false
	}
	id, err := identify(pid)
	if err != nil || !id.alive() {
		return proc{}, false
	}
	p := proc{identity: id, Args: splitNul(args)}
	if comm, err := os.ReadFile(dir + "comm"); err == nil {
		p.Comm = strings.TrimSpace(string(comm))
	}
	if env, err := os.ReadFile(dir + "environ"); err == nil {
		for _, v := range splitNul(env) {
			if value, ok := strings.CutPrefix(v, markerEnv+"="); ok {
				p.Marker = value
			}
		}
	}
	if cgroups, err := os.ReadFile(dir + "cgroup"); err == nil {
		for line := range strings.Lines(string(cgroups)) {
			if _, path, ok := cutCgroup(strings.TrimSpace(line)); ok && path != "/" {
				p.Cgroups = append(p.Cgroups, path)
			}
		}
	}
	return p, true
}

// cutCgroup splits a line of /proc/<pid>/cgroup: "4:memory:/nomad/x".
func cutCgroup(line string) (controllers, path string, ok bool) {
	_, rest, ok := strings.Cut(line, ":")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ":")
}

func splitNul(b []byte) []string {
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == 0 })
}
