package placement

import "time"

// Amounts are resources as Nomad counts them: MHz, whole cores, MB, MB, and dynamic ports.
type Amounts struct {
	CPU, Cores, Memory, Disk, Ports int64
}

// Plus adds.
func (a Amounts) Plus(b Amounts) Amounts {
	return Amounts{a.CPU + b.CPU, a.Cores + b.Cores, a.Memory + b.Memory, a.Disk + b.Disk, a.Ports + b.Ports}
}

// Minus subtracts; what comes out may be below zero.
func (a Amounts) Minus(b Amounts) Amounts {
	return Amounts{a.CPU - b.CPU, a.Cores - b.Cores, a.Memory - b.Memory, a.Disk - b.Disk, a.Ports - b.Ports}
}

// Growth is what a needs beyond b, nothing of which is below zero.
func (a Amounts) Growth(b Amounts) Amounts {
	d := a.Minus(b)
	return Amounts{max(d.CPU, 0), max(d.Cores, 0), max(d.Memory, 0), max(d.Disk, 0), max(d.Ports, 0)}
}

// Times gives how often a fits in b, at most most.
func (a Amounts) Times(b Amounts, most int) int {
	for _, d := range [][2]int64{{a.CPU, b.CPU}, {a.Cores, b.Cores}, {a.Memory, b.Memory}, {a.Disk, b.Disk}, {a.Ports, b.Ports}} {
		if d[0] > 0 {
			most = min(most, int(max(d[1], 0)/d[0]))
		}
	}
	return most
}

// Exceeds names the first resource of which a has more than b, as Nomad names it; ""
// when a fits in b.
func (a Amounts) Exceeds(b Amounts) string {
	switch {
	case a.Memory > b.Memory:
		return "memory"
	case a.CPU > b.CPU:
		return "cpu"
	case a.Cores > b.Cores:
		return "cores"
	case a.Disk > b.Disk:
		return "disk"
	case a.Ports > b.Ports:
		return "ports"
	}
	return ""
}

// Question is what a class asks about the cluster. Its workspaces are of one kind.
type Question struct {
	// Job and Volume are the files of any one of them.
	Job, Volume []byte
	// Count is the most that may have to be placed.
	Count int
	// JobIDs are the jobs of the class that may exist.
	JobIDs []string
}

// Cluster is what one look at Nomad shows to those who want to place a class. Written
// by the Nomad adapter, never stored.
type Cluster struct {
	SampledAt time.Time
	// Needs is what one workspace reserves.
	Needs Amounts
	// Nodes are all nodes of the cluster.
	Nodes []Node
	// Pinned says that a home made now stays on the node that it is made on.
	Pinned bool
	// Homes gives the node id of each home that there is, by the home's name.
	Homes map[string]string
	// Jobs are the jobs asked for that Nomad has, by id.
	Jobs map[string]Job
	// Anywhere is how many more Nomad would place if homes pinned nothing, at most as
	// many as were asked for.
	Anywhere int
	// Preempts says that Nomad would stop allocations of lower priority for them.
	Preempts bool
	// Warnings are what makes the rest less certain.
	Warnings []string
}

// Job is what a look at one job shows.
type Job struct {
	// Live says that it is registered and not stopped.
	Live           bool
	JobModifyIndex uint64
	// Node is the id of the node that its allocation runs or starts on, "" without one.
	Node string
	// Away says that the allocation's node does not answer.
	Away bool
}

// Node is one node of the cluster.
type Node struct {
	ID, Name string
	// Unusable says why nothing is placed there: "is down", "is draining", "is in node
	// pool gpu"; "" for a node that the scheduler looks at.
	Unusable string
	// Filtered says, in Nomad's words, why the workspaces could never run there:
	// "${attr.kernel.name} = plan9", "missing drivers".
	Filtered string
	// Total is what the node has for allocations; Free what is left of it by the
	// allocations that Bothy may see.
	Total, Free Amounts
	// Homes are the homes there, of whichever class.
	Homes int
	// Waiting are the workspaces that are not asked about and wait there for room.
	Waiting int
	// Room is how many more of the workspaces Nomad's scheduler would place there now,
	// at most as many as were asked for.
	Room int
	// Lacks are Nomad's words for why there is no room for yet another: "memory exhausted".
	Lacks []string
}
