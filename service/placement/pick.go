// Package placement decides where homes go and what of a class finds a place. Both
// are functions of values: what a plan foretells is chosen by the same function that
// chooses when the class is launched.
package placement

import (
	"cmp"
	"slices"
)

// Load is a node as a new home is chosen from it.
type Load struct {
	// Node is the node's id.
	Node string
	// Memory is what the node has for allocations, in MB.
	Memory int64
	// Homes are the homes that the node has. Whatever runs with one can run nowhere else.
	Homes int
}

// after is how many homes the node would have for each MB of its memory, with one more.
func (l Load) after() float64 { return float64(l.Homes+1) / float64(max(l.Memory, 1)) }

// Verdict says whether a node takes one more workspace.
type Verdict int

// The verdicts.
const (
	// Unfit: the node could not run the workspace if it were empty.
	Unfit Verdict = iota
	// Full: it could, and has no room now.
	Full
	// HasRoom: it takes one more now.
	HasRoom
)

// Pick chooses the node of a new home: of those with room the one with the fewest
// homes for its memory. Where none has room, it is the best of those that are full,
// and the workspace waits there; "" when none is fit. ask is asked about each node at
// most once, the best first, and no further than needed.
func Pick(nodes []Load, ask func(node string) (Verdict, error)) (string, Verdict, error) {
	ordered := slices.Clone(nodes)
	slices.SortFunc(ordered, func(a, b Load) int {
		return cmp.Or(cmp.Compare(a.after(), b.after()), cmp.Compare(a.Node, b.Node))
	})
	full := ""
	for _, n := range ordered {
		verdict, err := ask(n.Node)
		switch {
		case err != nil:
			return "", Unfit, err
		case verdict == HasRoom:
			return n.Node, HasRoom, nil
		case verdict == Full && full == "":
			full = n.Node
		}
	}
	if full != "" {
		return full, Full, nil
	}
	return "", Unfit, nil
}
