package nomad

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/placement"
)

const (
	// surveyAge is how old what is known of nodes may be while homes are chosen one
	// after the other, and surveyRest how long nobody may have chosen: what this client
	// does meanwhile it counts itself, and what others do it does not see.
	surveyAge  = 5 * time.Second
	surveyRest = time.Second
	// expectAge is how long a workspace whose home was made may take to be registered.
	expectAge = 2 * time.Minute
)

// homes knows how many homes each node has, and which workspaces are on their way to
// one. A node's home is a workspace that can run nowhere else, so the homes are the
// load that the node can come to have; and a home takes seconds to be seen by the
// scheduler, so a whole class may be on its way before the first of it takes room.
type homes struct {
	// choosing is held by whoever chooses a node: one home after the other.
	choosing chan struct{}

	mu sync.Mutex
	// at is when it was looked around, used when a node was last chosen.
	at, used time.Time
	nodes    []*api.NodeListStub
	on       map[string]int
	// expected are by the home's name.
	expected map[string]expectation
	rooms    map[place]roomLeft
}

// expectation is a workspace that shall run on its home's node.
type expectation struct {
	node string
	// needs are zero where they are not known: it then counts as one of whatever is asked about.
	needs amounts
	since time.Time
}

// kind is what the scheduler looks at in a job: jobs of one kind find the same room.
type kind struct {
	key   string
	needs amounts
}

type place struct{ node, kind string }

// roomLeft is what the scheduler said of a node, less what was sent there since.
type roomLeft struct {
	unfit bool
	left  int
	// capped says that there may be more than was asked for.
	capped bool
}

func newHomes() *homes {
	return &homes{
		choosing: make(chan struct{}, 1), on: map[string]int{}, expected: map[string]expectation{}, rooms: map[place]roomLeft{},
	}
}

// turn waits for the turn to choose.
func (h *homes) turn(ctx context.Context) (release func(), err error) {
	select {
	case h.choosing <- struct{}{}:
		return func() { <-h.choosing }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the turn to choose a node: %w", ctx.Err())
	}
}

func (h *homes) old(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.nodes == nil || now.Sub(h.at) > surveyAge || now.Sub(h.used) > surveyRest
}

// renew takes what was just read. wants says whether Nomad knows a job, and whether it
// is to run and nothing of it does.
func (h *homes) renew(now time.Time, nodes []*api.NodeListStub, volumes []*api.HostVolumeStub, wants func(jobID string) (known, waits bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.used, h.nodes, h.on, h.rooms = now, now, nodes, map[string]int{}, map[place]roomLeft{}
	listed := make(map[string]bool, len(volumes))
	for _, v := range volumes {
		h.on[v.NodeID]++
		listed[v.Name] = true
		if _, waits := wants(jobOfHome(v.Name)); waits && h.expected[v.Name].node == "" {
			h.expected[v.Name] = expectation{node: v.NodeID, since: now}
		}
	}
	for name, e := range h.expected {
		known, waits := wants(jobOfHome(name))
		if known && !waits && listed[name] || !waits && now.Sub(e.since) > expectAge {
			delete(h.expected, name)
			continue
		}
		if !listed[name] {
			h.on[e.node]++ // it is being made
		}
	}
}

// loads gives the nodes that the job's home may be on.
func (h *homes) loads(job *api.Job, pool string) []placement.Load {
	h.mu.Lock()
	defer h.mu.Unlock()
	var loads []placement.Load
	for _, n := range inPool(eligible(h.nodes, job), pool) {
		loads = append(loads, placement.Load{Node: n.ID, Memory: has(n).memory, Homes: h.on[n.ID]})
	}
	return loads
}

// expect notes that a workspace is on its way to the node of a home that is made now.
func (h *homes) expect(name string, e expectation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.on[e.node]++
	h.used = e.since
	h.send(name, e)
}

// returns notes that a workspace starts again where its home is.
func (h *homes) returns(name, node string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.expected[name].node != node {
		h.send(name, expectation{node: node, since: now})
	}
}

// send takes the room of one from what is known of a node.
func (h *homes) send(name string, e expectation) {
	h.expected[name] = e
	for at, room := range h.rooms {
		if at.node == e.node {
			room.left--
			h.rooms[at] = room
		}
	}
}

// giveBack takes an expectation back whose home could not be made.
func (h *homes) giveBack(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.expected[name]
	if !ok {
		return
	}
	delete(h.expected, name)
	h.on[e.node] = max(h.on[e.node]-1, 0)
	maps.DeleteFunc(h.rooms, func(at place, _ roomLeft) bool { return at.node == e.node })
}

func (h *homes) expectedOn(nodes []string) map[string]expectation {
	h.mu.Lock()
	defer h.mu.Unlock()
	wanted := make(map[string]bool, len(nodes))
	for _, node := range nodes {
		wanted[node] = true
	}
	found := map[string]expectation{}
	for name, e := range h.expected {
		if wanted[e.node] {
			found[name] = e
		}
	}
	return found
}

// know takes what the scheduler said of a node, less those on their way to it.
func (h *homes) know(node string, k kind, r room, waiting map[string]expectation) {
	share := 0.0
	for _, e := range waiting {
		share += e.needs.shareOf(k.needs)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rooms[place{node, k.key}] = roomLeft{
		unfit: r.filtered != "", left: r.free - int(math.Ceil(share)), capped: r.filtered == "" && len(r.lacks) == 0,
	}
}

// room gives what is known of a node; not ok when it must be asked about.
func (h *homes) room(node string, k kind) (placement.Verdict, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch r, known := h.rooms[place{node, k.key}]; {
	case !known, r.capped && r.left <= 0:
		return placement.Unfit, false
	case r.unfit:
		return placement.Unfit, true
	case r.left <= 0:
		return placement.Full, true
	default:
		return placement.HasRoom, true
	}
}

// unknown gives the nodes that must be asked about.
func (h *homes) unknown(nodes []placement.Load, k kind) []string {
	var unknown []string
	for _, n := range nodes {
		if _, known := h.room(n.Node, k); !known {
			unknown = append(unknown, n.Node)
		}
	}
	return unknown
}

// shareOf says how many of another kind this one takes the room of: by the resource of
// which it takes the most. One that is not known counts as one.
func (a amounts) shareOf(of amounts) float64 {
	if a == (amounts{}) {
		return 1
	}
	share := 0.0
	for _, d := range dimensions() {
		if d.of(of) > 0 {
			share = max(share, float64(d.of(a))/float64(d.of(of)))
		}
	}
	return share
}

// kindOf gives a job's kind.
func kindOf(job *api.Job) kind {
	group := job.TaskGroups[0]
	seen := []any{job.Priority, job.NodePool, job.Datacenters, job.Constraints, group.Constraints, group.Networks, asks(group)}
	for _, task := range group.Tasks {
		seen = append(seen, task.Driver, task.Constraints, task.Resources)
	}
	key, err := json.Marshal(seen)
	if err != nil {
		key = fmt.Appendf(nil, "%v", seen) // what JSON came from always goes back
	}
	return kind{key: string(key), needs: asks(group)}
}

// jobOfHome gives the job that a home belongs to.
func jobOfHome(name string) string {
	return lab.Slug(strings.TrimPrefix(name, lab.Slug("").HomeVolume())).JobID()
}
