package reconcile

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

func TestAHomeWhoseTimeIsOverGoesOnlyWhenNothingCanUseIt(t *testing.T) {
	home := lab.KeptHome{Slug: "f26-py-ada", WorkspaceID: "w1", Since: noon.Add(-time.Hour)}
	for name, c := range map[string]struct {
		job        *lab.Observation
		unreadable string
		released   bool
	}{
		"its job is gone":                        {nil, "", true},
		"its job is stopped":                     {job(stopped, noAllocs), "", true},
		"Nomad can't be read":                    {nil, "Nomad does not answer", false},
		"its job is being stopped":               {job(stopped), "", false},
		"it was stopped, and its node is silent": {job(stopped, alloc(lab.AllocUnknown)), "", false},
		"its job runs":                           {job(), "", false},
		"Nomad gave its job up":                  {job(dead, alloc(lab.AllocFailed)), "", false},
		"a foreign job has its id":               {job(unmarked, stopped, noAllocs), "", false},
		"another installation's job has its id":  {job(elsewhere, stopped, noAllocs), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			snap := snapshot(c.job)
			snap.Unreadable = c.unreadable
			actions := PlanHomes(here, []lab.KeptHome{home}, snap)
			if released := len(actions) == 1 && actions[0].Kind == KindReleaseHome; released != c.released || len(actions) > 1 {
				t.Errorf("actions %+v", actions)
			}
		})
	}
}

func TestAKeptHomeIsDeletedWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.kept = []lab.KeptHome{
			{Slug: "fall-py-ada", WorkspaceID: "gone-1", Since: time.Now()},
			{Slug: "fall-py-bo", WorkspaceID: "gone-2", Since: time.Now().Add(48 * time.Hour)},
		}
		w.homes = map[string]int{"home-fall-py-ada": 1, "home-fall-py-bo": 1}
		l := live(t, w, func(c *Config) {
			c.HomeRetention, c.NewID = 72*time.Hour, func() string { return "audit-1" }
		})
		l.pass(70 * time.Hour)
		if len(w.kept) != 2 {
			t.Errorf("after 70 h, %v are kept", w.kept)
		}
		l.pass(4 * time.Hour)
		l.stop(t)
		if len(w.kept) != 1 || w.homes["home-fall-py-ada"] != 0 || w.homes["home-fall-py-bo"] != 1 {
			t.Errorf("kept %v, homes %v", w.kept, w.homes)
		}
		if len(w.released) != 1 || w.released[0].Action != "home.release" || w.released[0].Target != "gone-1" || w.released[0].Actor.Name != "bothy" {
			t.Errorf("recorded %+v", w.released)
		}
	})
}

func TestHomesAreKeptForEverWithoutARetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.kept = []lab.KeptHome{{Slug: "fall-py-ada", WorkspaceID: "gone-1", Since: time.Now()}}
		l := live(t, w)
		l.pass(1000 * time.Hour)
		l.stop(t)
		if len(w.kept) != 1 {
			t.Error("it was not kept")
		}
	})
}
