//go:build e2e

package nomad_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

// These tests need a real Nomad with ACLs, the namespace "bothy" and the driver
// mock_driver, at NOMAD_ADDR, and in NOMAD_TOKEN a token with Bothy's policy.

func TestRegisterIsCheckAndSet(t *testing.T) {
	c := start(t)
	job := newJob(t)

	index, err := c.Register(t.Context(), job.id, job.mark, job.source(), 0)
	if err != nil || index == 0 {
		t.Fatalf("register a new job: index %d, %v", index, err)
	}
	if _, err := c.Register(t.Context(), job.id, job.mark, job.source(), 0); lab.CodeOf(err) != lab.CodeConflict {
		t.Errorf("register an existing job as new: %v, want a conflict", err)
	}
	again, err := c.Register(t.Context(), job.id, job.mark, job.source(), index)
	if err != nil || again != index {
		t.Errorf("register the same again: index %d, %v; want %d as before", again, err, index)
	}
	job.cpu = 21
	next, err := c.Register(t.Context(), job.id, job.mark, job.source(), index)
	if err != nil || next == index {
		t.Errorf("register a change: index %d, %v; want another index", next, err)
	}
	if seen := c.Snapshot().Jobs[job.id]; seen.JobModifyIndex != next || seen.Mark != job.mark {
		t.Errorf("the next snapshot shows index %d and %v, want our own write: %d and %v", seen.JobModifyIndex, seen.Mark, next, job.mark)
	}
	sum := sha256.Sum256(job.source())
	sha, submitted, err := c.Submitted(t.Context(), job.id)
	if err != nil || sha != hex.EncodeToString(sum[:]) || submitted != next {
		t.Errorf("submitted source is %s at %d, %v; want what was registered", sha, submitted, err)
	}
}

func TestRegisterRefusesAJobThatIsNotTheWorkspaces(t *testing.T) {
	c := start(t)
	job, other := newJob(t), newJob(t)
	if _, err := c.Register(t.Context(), other.id, other.mark, job.source(), 0); lab.CodeOf(err) != lab.CodeRefused {
		t.Errorf("register a file of another job: %v, want it refused", err)
	}
}

func TestStopAndStart(t *testing.T) {
	c := start(t)
	job := newJob(t)
	index := register(t, c, job, 0)
	await(t, c, "it runs", func(s lab.Snapshot) bool { return running(s.Jobs[job.id]) != "" })

	if err := c.Stop(t.Context(), job.id, job.mark); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if !c.Snapshot().Jobs[job.id].Stopped {
		t.Error("the next snapshot does not show that it is stopped")
	}
	if err := c.Stop(t.Context(), job.id, job.mark); err != nil {
		t.Errorf("stop a stopped job: %v", err)
	}
	await(t, c, "nothing runs", func(s lab.Snapshot) bool { return running(s.Jobs[job.id]) == "" })

	stopped := c.Snapshot().Jobs[job.id].JobModifyIndex
	if stopped == index {
		t.Error("stopping left the modify index as it was")
	}
	register(t, c, job, stopped)
	await(t, c, "it runs again", func(s lab.Snapshot) bool { return running(s.Jobs[job.id]) != "" })
}

func TestStopLeavesAForeignJobAlone(t *testing.T) {
	c := start(t)
	job := newJob(t)
	register(t, c, job, 0)
	stranger := lab.Mark{InstallationID: "another", WorkspaceID: job.mark.WorkspaceID}
	if err := c.Stop(t.Context(), job.id, stranger); lab.CodeOf(err) != lab.CodeConflict {
		t.Errorf("stop a foreign job: %v, want a conflict", err)
	}
	if c.Snapshot().Jobs[job.id].Stopped {
		t.Error("the foreign job was stopped")
	}
	if err := c.Stop(t.Context(), "bothy-no-such-job", job.mark); err != nil {
		t.Errorf("stop a job that is gone: %v", err)
	}
}

func TestRestartKeepsTheAllocation(t *testing.T) {
	c := start(t)
	job := newJob(t)
	register(t, c, job, 0)
	await(t, c, "it runs", func(s lab.Snapshot) bool { return running(s.Jobs[job.id]) != "" })
	alloc := running(c.Snapshot().Jobs[job.id])
	if err := c.RestartAlloc(t.Context(), alloc); err != nil {
		t.Fatalf("restart: %v", err)
	}
	await(t, c, "it runs again", func(s lab.Snapshot) bool { return running(s.Jobs[job.id]) == alloc })
}

func TestAFailingTaskSaysWhy(t *testing.T) {
	c := start(t)
	job := newJob(t)
	job.config = "run_for = \"100ms\"\nexit_code = 7"
	register(t, c, job, 0)
	await(t, c, "it failed and says why", func(s lab.Snapshot) bool {
		allocs := s.Jobs[job.id].Allocs
		return len(allocs) > 0 && allocs[0].Failing && strings.Contains(allocs[0].Problem, "Exit Code: 7")
	})
	if err := c.Reschedule(t.Context(), job.id); err != nil {
		t.Errorf("reschedule: %v", err)
	}
}

func TestABlockedPlacementSaysWhy(t *testing.T) {
	c := start(t)
	job := newJob(t)
	job.memory = 10_000_000
	register(t, c, job, 0)
	await(t, c, "it waits for memory", func(s lab.Snapshot) bool {
		return strings.Contains(s.Jobs[job.id].Blocked, "memory exhausted on 1 node")
	})
	if err := c.Stop(t.Context(), job.id, job.mark); err != nil {
		t.Fatalf("stop: %v", err)
	}
	await(t, c, "it waits no more", func(s lab.Snapshot) bool { return s.Jobs[job.id].Blocked == "" })
}

func TestTheListingAgreesWithTheStream(t *testing.T) {
	c := start(t)
	ran, blocked, failed := newJob(t), newJob(t), newJob(t)
	blocked.memory = 10_000_000
	failed.config = "run_for = \"100ms\"\nexit_code = 7"
	for _, job := range []*testJob{ran, blocked, failed} {
		register(t, c, job, 0)
	}
	await(t, c, "all are where they will stay", func(s lab.Snapshot) bool {
		allocs := s.Jobs[failed.id].Allocs
		return running(s.Jobs[ran.id]) != "" && s.Jobs[blocked.id].Blocked != "" && len(allocs) > 0 && allocs[0].Failing
	})
	late := start(t)
	for _, job := range []*testJob{ran, blocked, failed} {
		streamed, listed := c.Snapshot().Jobs[job.id], late.Snapshot().Jobs[job.id]
		if streamed.Mark != listed.Mark || streamed.JobModifyIndex != listed.JobModifyIndex || streamed.Dead != listed.Dead ||
			streamed.Blocked != listed.Blocked || len(streamed.Allocs) != len(listed.Allocs) {
			t.Errorf("job %s\nby the stream:  %+v\nby the listing: %+v", job.id, streamed, listed)
		}
		for i := range listed.Allocs {
			if streamed.Allocs[i] != listed.Allocs[i] {
				t.Errorf("allocation of %s\nby the stream:  %+v\nby the listing: %+v", job.id, streamed.Allocs[i], listed.Allocs[i])
			}
		}
	}
}

func TestAPictureIsUnreadableWhileNomadIsAway(t *testing.T) {
	wire := newWire(t)
	near, far := startAt(t, wire.address()), start(t)
	job := newJob(t)
	register(t, near, job, 0)
	await(t, near, "it runs", func(s lab.Snapshot) bool { return running(s.Jobs[job.id]) != "" })

	wire.cut()
	awaitUnreadable(t, near, "does not answer")
	if err := near.Stop(t.Context(), job.id, job.mark); lab.CodeOf(err) != lab.CodeUnavailable {
		t.Errorf("stop while Nomad is away: %v, want unavailable", err)
	}
	// What happens meanwhile is in no event that near will ever get.
	if err := far.Stop(t.Context(), job.id, job.mark); err != nil {
		t.Fatalf("stop by another way: %v", err)
	}
	wire.mend()
	await(t, near, "it is seen as stopped", func(s lab.Snapshot) bool {
		return s.Unreadable == "" && s.Jobs[job.id].Stopped
	})
}

func TestWithoutTheRightToReadNothingIsBelieved(t *testing.T) {
	c := open(t, env(t, "NOMAD_ADDR"), "bothy", "00000000-0000-0000-0000-000000000000")
	go func() { _ = c.Run(t.Context()) }()
	awaitUnreadable(t, c, "Nomad refused")
	if err := c.Ready(t.Context()); lab.CodeOf(err) != lab.CodeRefused {
		t.Errorf("ready: %v, want refused", err)
	}
}

func TestCheck(t *testing.T) {
	c := start(t)
	tests := []struct {
		name   string
		change func(*testJob)
		code   lab.Code
		says   string
	}{
		{"a job that fits", func(*testJob) {}, "", ""},
		{"more memory than any node has", func(j *testJob) { j.memory = 10_000_000 }, lab.CodeUnplaceable, "10000000 MB, the largest eligible node has"},
		{"more cpu than any node has", func(j *testJob) { j.cpu = 9_000_000 }, lab.CodeUnplaceable, "9000000 MHz, the largest eligible node has"},
		{"a driver that no node has", func(j *testJob) { j.driver = "qemu" }, lab.CodeUnplaceable, `"qemu"`},
		{"another datacenter", func(j *testJob) { j.datacenter = "mars" }, lab.CodeUnplaceable, "mars"},
		{"a node pool that does not exist", func(j *testJob) { j.pool = "nope" }, lab.CodeRefused, `nonexistent node pool "nope"`},
		{"another namespace", func(j *testJob) { j.namespace = "default" }, lab.CodeRefused, `namespace "default"`},
		{"a constraint that no node meets", func(j *testJob) {
			j.extra = "constraint {\n attribute = \"${attr.kernel.name}\"\n value = \"plan9\"\n}"
		}, lab.CodeUnplaceable, "${attr.kernel.name} = plan9"},
		{"a broken file", func(j *testJob) { j.extra = "\nbroken" }, lab.CodeInvalid, "job.nomad.hcl:"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			job := newJob(t)
			test.change(job)
			err := c.Check(t.Context(), job.source())
			if lab.CodeOf(err) != test.code {
				t.Fatalf("check: %v, want code %q", err, test.code)
			}
			if err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("check: %v, want it to say %q", err, test.says)
			}
			if _, ok := c.Snapshot().Jobs[job.id]; ok {
				t.Error("the check registered the job")
			}
		})
	}
}

func TestAHomeIsMadeOnceAndDeleted(t *testing.T) {
	c := start(t)
	job := newJob(t)
	name := "home-" + job.slug
	volume := fmt.Appendf(nil, `
type      = "host"
name      = %q
namespace = "bothy"
node_pool = "default"
plugin_id = "mkdir"
capability {
  access_mode     = "single-node-single-writer"
  attachment_mode = "file-system"
}
parameters {
  mode = "0700"
}
`, name)
	job.volume = name
	t.Cleanup(func() {
		eventually(t, "the home is deleted", func(ctx context.Context) bool { return c.DeleteHome(ctx, name) == nil })
	})
	for range 2 {
		if err := c.EnsureHome(t.Context(), volume, job.source()); err != nil {
			t.Fatalf("ensure home: %v", err)
		}
	}
	if n := len(volumes(t, name)); n != 1 {
		t.Fatalf("there are %d homes, want 1", n)
	}
	register(t, c, job, 0)
	await(t, c, "it runs with its home", func(s lab.Snapshot) bool { return running(s.Jobs[job.id]) != "" })
	if err := c.DeleteHome(t.Context(), name); lab.CodeOf(err) != lab.CodeUnavailable {
		t.Errorf("delete a home in use: %v, want unavailable", err)
	}
	if err := c.Stop(t.Context(), job.id, job.mark); err != nil {
		t.Fatalf("stop: %v", err)
	}
	eventually(t, "the home is deleted", func(ctx context.Context) bool { return c.DeleteHome(ctx, name) == nil })
	if n := len(volumes(t, name)); n != 0 {
		t.Errorf("there are %d homes after deletion", n)
	}
}
