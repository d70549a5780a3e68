package placement

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// MaxNamed is how many workspaces a reason names.
const MaxNamed = 20

// Does is what an act makes of a workspace.
type Does string

// What there is.
const (
	// Place: an allocation is to be placed; nothing of the workspace runs.
	Place Does = "place"
	// UpdateInPlace: the job changes and its tasks run on.
	UpdateInPlace Does = "update in place"
	// Replace: the job changes so that its allocation is replaced.
	Replace Does = "replace"
	// Restart: the tasks start again where they are.
	Restart Does = "restart"
	// Stop: the allocation ends.
	Stop Does = "stop"
	// Nothing: all is as it shall be.
	Nothing Does = "nothing"
)

// Workspace is one workspace of the class and what the act makes of it.
type Workspace struct {
	Slug string
	Does Does
	// Home is the node id of its home; "" while there is none, or where homes move.
	Home string
	// Returns says that it was started before: it goes ahead of those that are new.
	Returns bool
	// Node is the id of the node it runs on, for Replace.
	Node string
	// Grows is what its next allocation needs beyond the one that runs, for Replace.
	Grows Amounts
}

// Plan is what an act on a class comes to.
type Plan struct {
	// Create are allocations that find a place; Unplaceable those that do not, and the
	// replacements that do not.
	Create, UpdateInPlace, Replace, Restart, Unchanged, Stop, Unplaceable int
	Reasons                                                               []Reason
	Nodes                                                                 []NodePlan
	Needs                                                                 Amounts
	Warnings                                                              []string
	SampledAt                                                             time.Time
}

// Reason is why some workspaces find no place.
type Reason struct {
	// Text has Nomad's words: "memory exhausted on 3 nodes".
	Text  string
	Count int
	// Workspaces are the slugs of the first MaxNamed of them.
	Workspaces []string
}

// NodePlan is what a node has before the act and what comes to it.
type NodePlan struct {
	Node
	// Places is how many of the workspaces are placed there; Waits how many are bound
	// to it and find no room.
	Places, Waits int
}

// Changes says whether the act would change anything.
func (p Plan) Changes() bool {
	return p.Create+p.UpdateInPlace+p.Replace+p.Restart+p.Stop+p.Unplaceable > 0
}

// Summary is the plan in one line: "37 create, 2 update, 1 unplaceable: memory
// exhausted on 3 nodes".
func (p Plan) Summary() string {
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{p.Create, "create"},
		{p.UpdateInPlace + p.Replace, "update"},
		{p.Restart, "restart"},
		{p.Stop, "stop"},
		{p.Unplaceable, "unplaceable"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("nothing to do, %d unchanged", p.Unchanged)
	}
	line := strings.Join(parts, ", ")
	if len(p.Reasons) == 0 {
		return line
	}
	texts := make([]string, len(p.Reasons))
	for i, r := range p.Reasons {
		texts[i] = r.Text
		if len(p.Reasons) > 1 {
			texts[i] = fmt.Sprintf("%d × %s", r.Count, r.Text)
		}
	}
	return line + ": " + strings.Join(texts, "; ")
}

// Foretell says what an act on these workspaces comes to in this cluster: those with
// a home take the room of its node, then each new home is chosen as it will be, one
// after the other, with the room that is used up.
func Foretell(cluster Cluster, workspaces []Workspace) Plan {
	f := newForecast(cluster)
	ordered := slices.Clone(workspaces)
	slices.SortFunc(ordered, func(a, b Workspace) int {
		return cmp.Or(cmp.Compare(b.rank(), a.rank()), cmp.Compare(a.Slug, b.Slug))
	})
	for _, w := range ordered {
		f.take(w)
	}
	return f.finish()
}

func (w Workspace) rank() int {
	if w.Returns || w.Home != "" || w.Does != Place {
		return 1
	}
	return 0
}

// forecast is a cluster while workspaces are put into it.
type forecast struct {
	cluster Cluster
	plan    Plan
	nodes   []NodePlan
	index   map[string]int
	// homes and room change with each workspace; room may go below zero, by those who wait.
	homes, room []int
	free        []Amounts
	anywhere    int
	reasons     map[string]*Reason
	hidden      bool
	guessed     bool
}

func newForecast(c Cluster) *forecast {
	f := &forecast{cluster: c, index: map[string]int{}, reasons: map[string]*Reason{}, anywhere: c.Anywhere}
	for i, n := range c.Nodes {
		f.nodes = append(f.nodes, NodePlan{Node: n})
		f.index[n.ID] = i
		f.homes = append(f.homes, n.Homes)
		f.room = append(f.room, n.Room-n.Waiting)
		f.free = append(f.free, n.Free)
		f.anywhere -= n.Waiting
		f.hidden = f.hidden || n.hides(c.Needs)
	}
	f.plan = Plan{Needs: c.Needs, SampledAt: c.SampledAt}
	return f
}

// hides says that Nomad would not place what there is room for by what can be seen: it
// is taken by what can't be. Ports are left out, of which a node has as many for each
// of its addresses.
func (n Node) hides(needs Amounts) bool {
	if n.Unusable != "" || n.Filtered != "" || len(n.Lacks) == 0 {
		return false
	}
	needs.Ports = 0
	return !slices.ContainsFunc(n.Lacks, func(lack string) bool { return strings.Contains(lack, "network") }) &&
		needs.Times(n.Free, n.Room+1) > n.Room
}

func (f *forecast) take(w Workspace) {
	switch w.Does {
	case UpdateInPlace:
		f.plan.UpdateInPlace++
	case Replace:
		f.replace(w)
	case Restart:
		f.plan.Restart++
	case Stop:
		f.plan.Stop++
	case Nothing:
		f.plan.Unchanged++
	case Place:
		f.place(w)
	}
}

func (f *forecast) place(w Workspace) {
	switch {
	case w.Home != "":
		f.placeAtHome(w)
	case f.cluster.Pinned:
		f.placeNew(w)
	default:
		f.placeAnywhere(w)
	}
}

// placeAtHome places a workspace where its home is, and nowhere else.
func (f *forecast) placeAtHome(w Workspace) {
	i, known := f.index[w.Home]
	if !known {
		f.unplaceable(w, fmt.Sprintf("home is on node %s, which is gone", short(w.Home)))
		return
	}
	n := f.nodes[i]
	switch {
	case n.Unusable != "":
		f.unplaceable(w, fmt.Sprintf("home is on node %s, which %s", n.Name, n.Unusable))
	case n.Filtered != "":
		f.unplaceable(w, fmt.Sprintf("home is on node %s, which %s does not admit", n.Name, constraint(n.Filtered)))
	case f.room[i] <= 0:
		f.wait(i)
		f.unplaceable(w, fmt.Sprintf("home is on node %s, which is full: %s", n.Name, lacks(n.Lacks)))
	default:
		f.put(i)
	}
}

// placeNew chooses the node of a new home.
func (f *forecast) placeNew(w Workspace) {
	loads := make([]Load, 0, len(f.nodes))
	for i, n := range f.nodes {
		if n.Unusable == "" {
			loads = append(loads, Load{Node: n.ID, Memory: n.Total.Memory, Homes: f.homes[i]})
		}
	}
	node, verdict, _ := Pick(loads, func(node string) (Verdict, error) {
		switch i := f.index[node]; {
		case f.nodes[i].Filtered != "":
			return Unfit, nil
		case f.room[i] <= 0:
			return Full, nil
		default:
			return HasRoom, nil
		}
	})
	i := f.index[node]
	switch verdict {
	case HasRoom:
		f.homes[i]++
		f.put(i)
	case Full:
		f.homes[i]++
		f.wait(i)
		f.unplaceable(w, f.nowhere())
	case Unfit:
		f.unplaceable(w, f.nowhere())
	}
}

// placeAnywhere places a workspace whose home goes with it. On which node is Nomad's to choose.
func (f *forecast) placeAnywhere(w Workspace) {
	if f.anywhere <= 0 {
		f.unplaceable(w, f.nowhere())
		return
	}
	f.anywhere--
	f.plan.Create++
}

func (f *forecast) put(i int) {
	f.plan.Create++
	f.nodes[i].Places++
	f.room[i]--
	f.free[i] = f.free[i].Minus(f.cluster.Needs)
}

func (f *forecast) wait(i int) {
	f.nodes[i].Waits++
	f.room[i]--
}

// replace puts a new allocation in the place of one that runs, on the same node. Where
// that needs more than there is, Nomad lets the old one run on.
func (f *forecast) replace(w Workspace) {
	if w.Grows == (Amounts{}) {
		f.plan.Replace++
		return
	}
	i, known := f.index[w.Node]
	if !known || !f.cluster.Pinned {
		f.plan.Replace++
		f.guessed = true
		return
	}
	if short := w.Grows.Exceeds(f.free[i]); short != "" {
		f.unplaceable(w, fmt.Sprintf("home is on node %s, which is full: %s exhausted; the old version runs on", f.nodes[i].Name, short))
		return
	}
	f.plan.Replace++
	f.free[i] = f.free[i].Minus(w.Grows)
	f.room[i] = min(f.room[i], f.cluster.Needs.Times(f.free[i], max(f.room[i], 0)))
	f.guessed = f.guessed || f.hidden
}

func (f *forecast) unplaceable(w Workspace, text string) {
	f.plan.Unplaceable++
	r := f.reasons[text]
	if r == nil {
		r = &Reason{Text: text}
		f.reasons[text] = r
	}
	r.Count++
	if len(r.Workspaces) < MaxNamed {
		r.Workspaces = append(r.Workspaces, w.Slug)
	}
}

// nowhere says why no node takes a workspace that is bound to none: "memory exhausted
// on 2 nodes, constraint ${node.class} = lab filtered 1 node".
func (f *forecast) nowhere() string {
	exhausted, filtered := map[string]int{}, map[string]int{}
	for i, n := range f.nodes {
		switch {
		case n.Unusable != "":
		case n.Filtered != "":
			filtered[constraint(n.Filtered)+" filtered"]++
		case len(n.Lacks) == 0 && f.room[i] <= 0:
			exhausted[lacks(nil)+" on"]++
		default:
			for _, lack := range n.Lacks {
				exhausted[lack+" on"]++
			}
		}
	}
	parts := slices.Concat(counted(exhausted), counted(filtered))
	if len(parts) == 0 {
		return "no node of its node pool and datacenters is ready"
	}
	return strings.Join(parts, ", ")
}

// counted puts texts with the numbers of their nodes, the most first.
func counted(texts map[string]int) []string {
	order := slices.SortedFunc(maps.Keys(texts), func(a, b string) int {
		return cmp.Or(cmp.Compare(texts[b], texts[a]), cmp.Compare(a, b))
	})
	for i, text := range order {
		order[i] = text + " " + nodes(texts[text])
	}
	return order
}

// constraint names what filters a node: only what looks like one is called a constraint.
func constraint(reason string) string {
	if strings.HasPrefix(reason, "${") {
		return "constraint " + reason
	}
	return reason
}

func lacks(words []string) string {
	if len(words) == 0 {
		return "those who wait take the room"
	}
	return strings.Join(words, ", ")
}

func nodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

// short is an id as Nomad's commands show it.
func short(id string) string { return id[:min(len(id), 8)] }

func (f *forecast) finish() Plan {
	p := f.plan
	for _, r := range f.reasons {
		p.Reasons = append(p.Reasons, *r)
	}
	slices.SortFunc(p.Reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text))
	})
	p.Nodes = f.nodes
	slices.SortFunc(p.Nodes, func(a, b NodePlan) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	p.Warnings = slices.Clone(f.cluster.Warnings)
	if f.hidden {
		p.Warnings = append(p.Warnings, "nodes have less room than their visible allocations leave: jobs in namespaces that Bothy may not read use them too, and may come and go")
	}
	if f.guessed {
		p.Warnings = append(p.Warnings, "some updates need more than what runs now; whether all of them find room is not certain")
	}
	if f.cluster.Preempts {
		p.Warnings = append(p.Warnings, "Nomad would stop allocations of lower priority to place some of these")
	}
	return p
}
