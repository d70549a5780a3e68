package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
)

const (
	netnsDir = "/run/netns"
	// ipamDir is where the host-local plugin keeps the addresses it gave away;
	// Nomad's network is always called "nomad".
	ipamDir    = "/run/cni/nomad"
	cniResults = "/var/lib/cni/results"
	cgroupRoot = "/sys/fs/cgroup"
)

var allocID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// inventory is everything of a stack that exists outside of its directory.
type inventory struct {
	servers    []proc // the four servers
	helpers    []proc // Nomad's executors and log collectors
	tasks      []proc // what runs in workspaces
	containers []container
	mounts     []string // innermost first
	netns      []string
	links      []string // network interfaces, the bridge last
	rules      []removal
	tables     []string // of the rules that separate workspaces
	cni        []string // files of the CNI plugins
	cgroups    []string // innermost first
}

func (inv inventory) empty() bool { return len(inv.list()) == 0 }

// list describes every item in a line.
func (inv inventory) list() []string {
	var out []string
	add := func(kind string, names []string) {
		for _, name := range names {
			out = append(out, kind+": "+name)
		}
	}
	for _, p := range slices.Concat(inv.servers, inv.helpers, inv.tasks) {
		out = append(out, "process: "+p.String())
	}
	for _, c := range inv.containers {
		out = append(out, "container: "+c.ID)
	}
	add("mount", inv.mounts)
	add("network namespace", inv.netns)
	add("network interface", inv.links)
	for _, r := range inv.rules {
		out = append(out, r.list()...)
	}
	add("firewall table", inv.tables)
	add("CNI state", inv.cni)
	add("cgroup", inv.cgroups)
	return out
}

// take looks at the machine for everything that belongs to the stack in l, whose
// bridge is the one in r.
func take(ctx context.Context, cfg Config, l layout, r record) (inventory, error) {
	var inv inventory
	subnet, err := parseSubnet(r.BridgeSubnet)
	if err != nil {
		return inv, fmt.Errorf("bridge subnet %q: %w", r.BridgeSubnet, err)
	}
	own := owner{Bridge: r.BridgeName, Subnet: subnet, Allocs: map[string]bool{}}

	tables, err := readTables(ctx)
	if err != nil {
		return inv, err
	}
	procs, err := listProcs()
	if err != nil {
		return inv, err
	}
	addresses, err := leasedAddresses(own)
	if err != nil {
		return inv, err
	}
	own.learn(l, tables, procs, addresses)
	own.Alone = !foreignNomad(l, procs)

	inv.sortProcs(l, own, procs)
	// A directory that was moved or half removed has taken its mounts along.
	if inv.mounts, err = mounts(func(point string) bool {
		return strings.HasPrefix(point, string(l)+"/") || own.Allocs[allocID.FindString(point)]
	}); err != nil {
		return inv, err
	}
	if inv.containers, err = dockerEngine(cfg.DockerSocket).list(ctx, own.Allocs); err != nil {
		return inv, err
	}
	if inv.netns, err = named(netnsDir, func(name string) bool { return own.Allocs[name] }); err != nil {
		return inv, err
	}
	if inv.links, err = ownLinks(r.BridgeName, l.id()); err != nil {
		return inv, err
	}
	if inv.tables, err = ownTables(ctx, r.BridgeName, l.id()); err != nil {
		return inv, err
	}
	for _, rs := range tables {
		if plan := own.plan(rs); !plan.empty() {
			inv.rules = append(inv.rules, plan)
		}
	}
	results, err := named(cniResults, func(name string) bool { return own.Allocs[allocID.FindString(name)] })
	if err != nil {
		return inv, err
	}
	inv.cni = append(slices.Sorted(maps.Keys(addresses)), results...)
	inv.cgroups, err = ownCgroups(own)
	return inv, err
}

// learn collects the ids of the stack's allocations from every trace that an
// allocation leaves; none of them alone is there in all cases.
func (o owner) learn(l layout, tables []ruleset, procs []proc, addresses map[string]string) {
	dirs, err := named(l.allocs(), allocID.MatchString)
	if err == nil {
		for _, dir := range dirs {
			o.Allocs[filepath.Base(dir)] = true
		}
	}
	for _, rs := range tables {
		for _, id := range o.allocsIn(rs) {
			o.Allocs[id] = true
		}
	}
	for _, id := range addresses {
		o.Allocs[id] = true
	}
	for _, p := range procs {
		if p.Marker != l.id() {
			continue
		}
		for _, arg := range p.Args {
			if _, rest, ok := strings.Cut(arg, l.allocs()+"/"); ok {
				o.Allocs[allocID.FindString(rest)] = true
			}
		}
	}
	delete(o.Allocs, "")
}

// sortProcs picks the stack's processes out of all.
func (inv *inventory) sortProcs(l layout, own owner, procs []proc) {
	self := os.Getpid()
	for _, p := range procs {
		switch {
		case p.PID == self:
		case p.Marker == l.id() && nomadHelper(p.Args):
			inv.helpers = append(inv.helpers, p)
		case p.Marker == l.id():
			inv.servers = append(inv.servers, p)
		case slices.ContainsFunc(p.Cgroups, func(path string) bool { return own.Allocs[allocID.FindString(path)] }):
			inv.tasks = append(inv.tasks, p)
		}
	}
}

// nomadHelper tells whether a command line is one of the programs that Nomad's
// agent runs beside itself; they outlive it.
func nomadHelper(args []string) bool {
	return len(args) > 1 && filepath.Base(args[0]) == "nomad" &&
		slices.Contains([]string{"executor", "logmon", "docker_logger", "libcontainer-shim"}, args[1])
}

// foreignNomad tells whether a Nomad agent runs that is not this stack's.
func foreignNomad(l layout, procs []proc) bool {
	return slices.ContainsFunc(procs, func(p proc) bool {
		return p.Marker != l.id() && len(p.Args) > 1 && filepath.Base(p.Args[0]) == "nomad" && p.Args[1] == "agent"
	})
}

// named lists the entries of a folder whose names match; a missing folder has
// none.
func named(dir string, match func(string) bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for leftovers: %w", err)
	}
	var out []string
	for _, e := range entries {
		if match(e.Name()) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

// mounts lists the mount points that match, innermost first. Network namespaces
// are not among them.
func mounts(match func(point string) bool) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	return slices.DeleteFunc(parseMounts(string(text)), func(point string) bool {
		return !match(point) || strings.HasPrefix(point, netnsDir+"/")
	}), nil
}

// parseMounts gives the mount points in /proc/self/mountinfo. Later mounts lie
// over earlier ones, so the order is turned round.
func parseMounts(mountinfo string) []string {
	const fieldPoint = 4
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var out []string
	for line := range strings.Lines(mountinfo) {
		if fields := strings.Fields(line); len(fields) > fieldPoint {
			out = append(out, unescape.Replace(fields[fieldPoint]))
		}
	}
	slices.Reverse(out)
	return out
}

// leasedAddresses maps the files of addresses in the stack's subnet to the
// allocations that hold them.
func leasedAddresses(own owner) (map[string]string, error) {
	files, err := named(ipamDir, own.address)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read CNI state: %w", err)
		}
		out[file] = allocID.FindString(string(text))
	}
	return out, nil
}

// findLink looks for a network interface; nil when there is none.
func findLink(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the bridge %s: %w", name, err)
	}
	return link, nil
}

// foreignLink tells whether there is a bridge of that name that is not the stack's.
func foreignLink(bridge, id string) (bool, error) {
	link, err := findLink(bridge)
	return link != nil && link.Attrs().Alias != id, err
}

// listTries is how often a list is asked for that changes while the kernel gives it.
const listTries = 50

// complete asks the kernel for a list until nobody has changed it in between: an
// interrupted one may lack what was there all the time.
func complete[T any](ask func() ([]T, error)) (list []T, err error) {
	for range listTries {
		if list, err = ask(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return list, err
}

// ownLinks lists the bridge, if it is the stack's, and what is attached to it.
func ownLinks(bridge, id string) ([]string, error) {
	link, err := findLink(bridge)
	if err != nil || link == nil || link.Attrs().Alias != id {
		return nil, err
	}
	all, err := complete(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var out []string
	for _, l := range all {
		if l.Attrs().MasterIndex == link.Attrs().Index {
			out = append(out, l.Attrs().Name)
		}
	}
	return append(out, bridge), nil
}

// ownCgroups lists the cgroups of the stack's allocations, innermost first. Those
// that all Nomads of a machine share are listed as well when no other runs.
func ownCgroups(own owner) ([]string, error) {
	var out []string
	parents, err := filepath.Glob(cgroupRoot + "/*/nomad")
	if err != nil {
		return nil, fmt.Errorf("list cgroups: %w", err)
	}
	for _, parent := range append(parents, cgroupRoot+"/nomad.slice") {
		others := !own.Alone
		var found, shared []string
		err := filepath.WalkDir(parent, func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist) || err == nil && !d.IsDir():
				return nil
			case err != nil:
				return err
			}
			rel := strings.TrimPrefix(path, parent)
			switch id := allocID.FindString(rel); {
			case own.Allocs[id]:
				found = append(found, path)
			case rel == "" || rel == "/share" || rel == "/reserve":
				shared = append(shared, path)
			default:
				others = true
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list cgroups: %w", err)
		}
		if !others {
			found = append(found, shared...)
		}
		out = append(out, found...)
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	return out, nil
}
