package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

// faults: a Nomad that does not answer, and a Bothy that is killed.
func faults(t *testing.T, d *dev) {
	s := newServer(t, d, "server", "")
	// The helpers speak to this server from here on.
	second := *d
	second.api = s.api

	class := second.createClass(t, "Faults", "fault", "shell", nil, student("Ida Rhodes", 1), student("Jean Bartik", 2))
	defer second.deleteClass(t, class.Key)

	t.Run("killed in the middle of a launch, it goes on where it was", func(t *testing.T) { second.killedInLaunch(t, s, class) })
	t.Run("while Nomad does not answer nothing is changed", func(t *testing.T) { second.nomadAway(t, s, class) })
	t.Run("two installations in one namespace leave each other alone", func(t *testing.T) { second.twoInstallations(t, d) })
}

// killedInLaunch kills the server as soon as Nomad has the first job, and starts
// it again: every workspace comes up, once.
func (d *dev) killedInLaunch(t *testing.T, s *server, class client.Class) {
	t.Helper()
	operation, err := s.api.LaunchClass(t.Context(), class.Key)
	if err != nil {
		t.Fatal(err)
	}
	items, err := s.api.OperationItems(t.Context(), operation.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, readyLimit, "the first job at Nomad", func(context.Context) error {
		for _, w := range items {
			if _, _, err := d.nomad.Jobs().Info(jobID(w.Slug), nil); err == nil {
				return nil
			}
		}
		return errors.New("no job yet")
	})
	s.kill(t)
	s.start(t)
	d.operationDone(t, operation)
	for _, w := range d.classReady(t, class.Key) {
		if homes := d.homes(t, w.Slug); len(homes) != 1 {
			t.Errorf("%s has %d homes", w.Slug, len(homes))
		}
		if version := *d.job(t, jobID(w.Slug)).Version; version != 0 {
			t.Errorf("%s was submitted again: version %d", w.Slug, version)
		}
		if w.Drifted || w.Outdated {
			t.Errorf("%s is drifted: %v, outdated: %v", w.Slug, w.Drifted, w.Outdated)
		}
	}
}

// nomadAway takes Nomad away from the server, asks it for things, and gives
// Nomad back.
func (d *dev) nomadAway(t *testing.T, s *server, class client.Class) {
	t.Helper()
	list := d.classReady(t, class.Key)
	indexes := map[string]uint64{}
	for _, w := range list {
		indexes[jobID(w.Slug)] = *d.job(t, jobID(w.Slug)).JobModifyIndex
	}
	s.nomad.shut()
	eventually(t, readyLimit, "Bothy says that Nomad does not answer", func(ctx context.Context) error {
		status, err := s.api.Status(ctx)
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		for _, dependency := range status.Dependencies {
			if dependency.Name == "nomad" && !dependency.Ok && dependency.Detail != "" && status.Reconciler.Detail != "" {
				return nil
			}
		}
		return fmt.Errorf("it says %+v", status)
	})
	// A wish is taken; nothing is done about it, and nothing about the others.
	if _, err := s.api.StopWorkspace(t.Context(), list[0].Slug); err != nil {
		t.Errorf("a wish is not taken while Nomad does not answer: %v", err)
	}
	throughout(t, watchSpan, "a job was changed while Nomad could not be read", func(ctx context.Context) error {
		for id, index := range indexes {
			if err := d.untouched(id, index)(ctx); err != nil {
				return err
			}
		}
		for _, w := range list {
			now, err := s.api.Workspace(ctx, w.Slug)
			if err != nil {
				return fmt.Errorf("show %s: %w", w.Slug, err)
			}
			if now.Phase == client.PhaseStopped || now.Phase == client.PhaseQueued || now.Phase == client.PhaseFailed {
				return fmt.Errorf("%s is said to be %s (%s), which nobody can know", w.Slug, now.Phase, now.Reason)
			}
		}
		return nil
	})
	s.nomad.open(t)
	d.workspaceIs(t, list[0].Slug, "stopped once Nomad is back", inPhase(client.PhaseStopped))
	d.workspaceIs(t, list[1].Slug, "ready as before", inPhase(client.PhaseReady))
	if err := d.untouched(jobID(list[1].Slug), indexes[jobID(list[1].Slug)])(t.Context()); err != nil {
		t.Error(err)
	}
}

// twoInstallations looks at the other server's workspaces, which run in the same namespace.
func (d *dev) twoInstallations(t *testing.T, other *dev) {
	t.Helper()
	theirs, err := other.api.Workspaces(t.Context(), client.WorkspaceFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(theirs) == 0 {
		t.Fatal("the other installation has no workspaces")
	}
	for _, w := range theirs {
		if w.Drifted || w.Phase != client.PhaseReady {
			t.Errorf("%s of the other installation is %s (drifted: %v): %s", w.Slug, w.Phase, w.Drifted, w.Reason)
		}
	}
}
