package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A machine is everything that a stack could leave behind outside its own
// folder, as it is at one moment: one line of text for each thing.
type machine struct {
	mounts, namespaces, links, rules, ports, cgroups []string
}

// listeningPort is what a machine's ports are called in the lists of what is left.
const listeningPort = "listening port"

// readMachine looks at the whole machine, not only at what a stack says of itself.
func readMachine(ctx context.Context) (machine, error) {
	var m machine
	for _, read := range []struct {
		into *[]string
		from func(ctx context.Context) ([]string, error)
	}{
		{&m.mounts, readMounts},
		{&m.namespaces, readNetworkNamespaces},
		{&m.links, readLinks},
		{&m.rules, readFirewall},
		{&m.ports, readListeners},
		{&m.cgroups, readCgroups},
	} {
		lines, err := read.from(ctx)
		if err != nil {
			return machine{}, err
		}
		slices.Sort(lines)
		*read.into = lines
	}
	return m, nil
}

// since lists what is there now and was not before, each with its kind.
func (m machine) since(before machine) []string {
	var added []string
	for _, kind := range []struct {
		name     string
		now, was []string
	}{
		{"mount", m.mounts, before.mounts},
		{"network namespace", m.namespaces, before.namespaces},
		{"network link", m.links, before.links},
		{"firewall rule", m.rules, before.rules},
		{listeningPort, m.ports, before.ports},
		{"cgroup", m.cgroups, before.cgroups},
	} {
		for _, line := range kind.now {
			if _, known := slices.BinarySearch(kind.was, line); !known {
				added = append(added, kind.name+" "+line)
			}
		}
	}
	return added
}

func readMounts(context.Context) ([]string, error) {
	return mountPoints("/proc/self/mountinfo")
}

// mountPoints gives the mount point of each line of a mountinfo file (proc_pid_mountinfo(5)).
func mountPoints(mountinfo string) ([]string, error) {
	text, err := os.ReadFile(mountinfo)
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	var points []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points = append(points, fields[4])
		}
	}
	return points, nil
}

func readNetworkNamespaces(context.Context) ([]string, error) {
	return names("/run/netns")
}

func readLinks(context.Context) ([]string, error) {
	return names("/sys/class/net")
}

func names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	list := make([]string, len(entries))
	for i, entry := range entries {
		list[i] = entry.Name()
	}
	return list, nil
}

// readFirewall gives every chain and rule of iptables. A chain's counters and
// the comments that iptables-save writes between the tables change by
// themselves and are left out, and so are the empty built-in chains, which
// appear as soon as someone looks at a table.
func readFirewall(ctx context.Context) ([]string, error) {
	var rules []string
	for _, program := range []string{"iptables-save", "ip6tables-save"} {
		if _, err := exec.LookPath(program); err != nil {
			continue // `bothy dev` installs it; before that there are no rules of its making
		}
		out, err := exec.CommandContext(ctx, program).Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", program, err)
		}
		table := ""
		lines := bufio.NewScanner(bytes.NewReader(out))
		for lines.Scan() {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, "*"):
				table = line[1:]
			case strings.HasPrefix(line, ":"):
				chain, policy, _ := strings.Cut(line[1:], " ")
				if strings.HasPrefix(policy, "-") {
					rules = append(rules, program+" "+table+" chain "+chain)
				}
			case strings.HasPrefix(line, "-"):
				rules = append(rules, program+" "+table+" "+line)
			}
		}
	}
	return rules, nil
}

// readListeners gives the local addresses of all listening TCP sockets of the host's network.
func readListeners(context.Context) ([]string, error) {
	return listeners("/proc/self/net")
}

// readCgroups gives the cgroups that Nomad made for its tasks (Nomad's parent is nomad.slice unless set otherwise).
func readCgroups(context.Context) ([]string, error) {
	var list []string
	for _, parent := range []string{"/sys/fs/cgroup/*nomad*/*/*", "/sys/fs/cgroup/*/*nomad*/*"} {
		found, err := filepath.Glob(parent)
		if err != nil {
			return nil, fmt.Errorf("read cgroups: %w", err)
		}
		for _, path := range found {
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				list = append(list, path)
			}
		}
	}
	return list, nil
}

// processesOf gives the processes that belong to a stack in dir, wherever they
// are in the tree of processes: those with the folder in their command line,
// environment, working directory or root.
func processesOf(dir string) ([]string, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []string
	for _, entry := range entries {
		pid := entry.Name()
		if pid[0] < '0' || pid[0] > '9' || pid == fmt.Sprint(os.Getpid()) {
			continue
		}
		if why := belongs("/proc/"+pid, dir); why != "" {
			command, _ := os.ReadFile("/proc/" + pid + "/comm")
			found = append(found, fmt.Sprintf("process %s %s (by its %s)", pid, strings.TrimSpace(string(command)), why))
		}
	}
	return found, nil
}

// belongs says by what a process belongs to the stack in dir, or "". A process
// that ends meanwhile belongs to nobody.
func belongs(proc, dir string) string {
	for _, file := range []string{"cmdline", "environ"} {
		if text, err := os.ReadFile(filepath.Join(proc, file)); err == nil && bytes.Contains(text, []byte(dir)) {
			return file
		}
	}
	if cwd, err := os.Readlink(filepath.Join(proc, "cwd")); err == nil && strings.HasPrefix(cwd+"/", dir+"/") {
		return "working directory"
	}
	if text, err := os.ReadFile(filepath.Join(proc, "mountinfo")); err == nil {
		for line := range strings.Lines(string(text)) {
			// The fourth field is what of its file system is mounted at the fifth: a task's root is a folder below dir.
			if fields := strings.Fields(line); len(fields) > 4 && fields[4] == "/" && strings.Contains(fields[3], dir+"/") {
				return "root"
			}
		}
	}
	return ""
}

// nomadAgents gives the Nomad agents of the machine by their process ids.
func nomadAgents() ([]string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		args := strings.Split(string(text), "\x00")
		if len(args) > 1 && filepath.Base(args[0]) == "nomad" && args[1] == "agent" {
			found = append(found, filepath.Base(filepath.Dir(file)))
		}
	}
	return found, nil
}
