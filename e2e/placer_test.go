package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	nomadapi "github.com/hashicorp/nomad/api"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/nomad"
	"github.com/bothylabs/bothy/service/reconcile"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/roster"
	"github.com/bothylabs/bothy/service/store"
)

// placer is Bothy without its API: registrar, database, reconciler and Nomad are real.
// Vault and Consul are left out; placing asks neither.
type placer struct {
	registrar *registrar.Registrar
	store     *store.Store
	nomad     *nomad.Client
	operator  *nomadapi.Client
	// class is "<pool>/placing": all pools share the namespace.
	class    string
	cohort   string
	enrolled int
}

// placerJobs renders for the reconciler as the server does.
type placerJobs struct {
	template *jobspec.Template
	settings jobspec.Settings
}

func (j placerJobs) Fingerprint(_ context.Context, item lab.WorkItem) (string, error) {
	return jobspec.Fingerprint(j.template, j.settings, item.Parameters), nil
}

func (j placerJobs) Render(ctx context.Context, item lab.WorkItem) (reconcile.Rendered, error) {
	subject := jobspec.Subject{Slug: item.Slug, WorkspaceID: item.ID, CohortKey: item.CohortKey, CourseKey: item.CourseKey}
	rendered, err := jobspec.Render(j.template, j.settings, subject, item.Parameters)
	if err != nil {
		return reconcile.Rendered{}, err
	}
	fingerprint, err := j.Fingerprint(ctx, item)
	return reconcile.Rendered{Job: rendered.Job, Volume: rendered.Volume, Fingerprint: fingerprint}, err
}

type noSecretsKept struct{}

func (noSecretsKept) EnsureWorkspaceSecret(context.Context, string) error { return nil }
func (noSecretsKept) DeleteWorkspaceSecret(context.Context, string) error { return nil }

type noChecks struct{ never chan struct{} }

func (noChecks) Services() (map[string]lab.Health, string) { return nil, "there is no Consul here" }
func (n noChecks) Changed() <-chan struct{}                { return n.never }

func newPlacer(t *testing.T, cluster *smallCluster, pool string, needs map[string]any) *placer {
	t.Helper()
	source, err := os.ReadFile("testdata/placing-mock.nomad.hcl")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jobspec.Parse("placing-mock.nomad.hcl", source)
	if err != nil {
		t.Fatal(err)
	}
	database, err := store.Open(t.Context(), store.Config{Driver: store.SQLite, Path: filepath.Join(t.TempDir(), "bothy.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := database.Close(); err != nil {
			t.Error(err)
		}
	})
	settings := jobspec.Settings{
		InstallationID: pool, Namespace: "bothy", NodePool: pool, Datacenters: []string{"*"},
		HomeType: jobspec.HomeHost, HomeUID: 1000, HomeGID: 1000, LabsURL: "http://labs.localhost:9999",
	}
	p := &placer{store: database, cohort: pool, class: pool + "/placing", operator: cluster.operator, nomad: cluster.bothysNomad(t)}
	loop, err := reconcile.New(reconcile.Config{
		Store: database, Nomad: p.nomad, Health: noChecks{}, Secrets: noSecretsKept{}, Jobs: placerJobs{parsed, settings},
		Installation: pool, Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Tick: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, loop.Run)
	var ids atomic.Int64
	library, err := registrar.NewLibrary(database)
	if err != nil {
		t.Fatal(err)
	}
	// Not by a push: this template is not held to the contract.
	version := lab.TemplateVersion{
		ID: pool + "-version", Name: parsed.Name, Version: 1, Digest: parsed.Digest(), Source: parsed.Source(),
		Origin: lab.TemplateOrigin{Kind: lab.OriginUpload}, CreatedAt: time.Now(),
	}
	if err := database.RegisterTemplate(t.Context(), lab.Intent{}, version.Name, version.Digest,
		func(lab.TemplateState) (*lab.TemplateVersion, lab.Audit, error) {
			return &version, lab.Audit{ID: pool + "-registered", At: time.Now(), Action: "template.push", Target: version.ID}, nil
		}); err != nil {
		t.Fatal(err)
	}
	p.registrar = registrar.New(registrar.Config{
		Store: database, Library: library, Parser: p.nomad, Preflight: p.nomad, Cluster: p.nomad, Settings: settings,
		NewID: func() string { return fmt.Sprintf("%s-%06d", pool, ids.Add(1)) },
		Now:   time.Now, Notify: loop.Wake,
	})
	_, err = p.registrar.CreateCourse(t.Context(), lab.Intent{}, registrar.CourseInput{Name: "Placing", Key: "placing", Template: "placing-mock", Parameters: needs})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.registrar.CreateClass(t.Context(), lab.Intent{}, registrar.ClassInput{Cohort: p.cohort, Course: "placing"}); err != nil {
		t.Fatal(err)
	}
	return p
}

// bothysNomad gives a client with Bothy's rights that follows Nomad.
func (c *smallCluster) bothysNomad(t *testing.T) *nomad.Client {
	t.Helper()
	client, err := nomad.New(nomad.Config{
		Address: c.address(), Namespace: "bothy", Logger: slog.New(slog.DiscardHandler),
		Token: func() (string, error) { return c.bothyToken, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, client.Run)
	return client
}

// inBackground runs something until the test ends.
func inBackground(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// enroll fills the class up to so many students.
func (p *placer) enroll(t *testing.T, upTo int) {
	t.Helper()
	var rows []roster.Row
	for ; p.enrolled < upTo; p.enrolled++ {
		rows = append(rows, roster.Row{Name: fmt.Sprintf("Student %02d", p.enrolled), Email: fmt.Sprintf("s%d@example.edu", p.enrolled)})
	}
	in := registrar.RosterInput{Roster: roster.Roster{Rows: rows}}
	if _, err := p.registrar.ImportRoster(t.Context(), lab.Intent{}, p.cohort, in); err != nil {
		t.Fatal(err)
	}
}

func (p *placer) launch(t *testing.T) {
	t.Helper()
	if _, err := p.registrar.ActOnClass(t.Context(), lab.Intent{}, p.class, registrar.ActLaunch); err != nil {
		t.Fatal(err)
	}
}

// stopSome stops the workspaces on a node, or the first one.
func (p *placer) stopSome(t *testing.T, now outcome, pool, node string) {
	t.Helper()
	stopped := 0
	for _, slug := range slices.Sorted(maps.Keys(now.where)) {
		if node != "" && now.where[slug] != pool+"-"+node || node == "" && stopped > 0 {
			continue
		}
		stopped++
		if _, err := p.registrar.ActOnWorkspace(t.Context(), lab.Intent{}, slug, registrar.ActStop); err != nil {
			t.Fatal(err)
		}
	}
	if stopped == 0 {
		t.Fatalf("nothing runs on node %s: %v", node, now.where)
	}
	p.await(t, "what was stopped has ended, and gave its room back", func(snap lab.Snapshot) error {
		holding := 0
		for slug := range now.where {
			for _, a := range snap.Jobs[lab.Slug(slug).JobID()].Allocs {
				if a.Client == lab.AllocRunning || a.Client == lab.AllocPending {
					holding++
				}
			}
		}
		if holding > len(now.where)-stopped {
			return fmt.Errorf("%d hold their room", holding)
		}
		return nil
	})
}

// outcome is where the workspaces are that shall run.
type outcome struct {
	// where gives the node's name of each that runs; waits why each other one does not.
	where, waits map[string]string
	on           map[string]int
}

func (o outcome) running() int { return len(o.where) }

// settled waits until Nomad has decided about every workspace that shall run: it runs,
// or its evaluation is blocked and the scheduler, asked again, has no place for it. What
// a blocked evaluation itself says may be from before its home was known.
func (p *placer) settled(t *testing.T) outcome {
	t.Helper()
	var o outcome
	p.await(t, "Nomad has settled", func(snap lab.Snapshot) error {
		all, err := p.registrar.Workspaces(t.Context(), registrar.WorkspaceFilter{Class: p.class}, lab.Page{Limit: 1000})
		if err != nil {
			return err
		}
		o = outcome{where: map[string]string{}, waits: map[string]string{}, on: map[string]int{}}
		for _, w := range all.Items {
			if w.Desired != lab.DesiredRunning {
				continue
			}
			job := snap.Jobs[w.Slug.JobID()]
			if node := runsOn(job); node != "" {
				o.where[w.Slug.String()] = node
				o.on[node]++
				continue
			}
			if job.Blocked == "" {
				return fmt.Errorf("%s is being placed: %+v", w.Slug, w.Status)
			}
			if o.waits[w.Slug.String()], err = p.refused(w.Slug); err != nil {
				return err
			}
		}
		return nil
	})
	return o
}

// refused gives why the scheduler has no place for a job that is registered; an error
// while it has one, or while its home is not made.
func (p *placer) refused(slug lab.Slug) (string, error) {
	bothys := &nomadapi.QueryOptions{Namespace: "bothy"}
	volumes, _, err := p.operator.HostVolumes().List(nil, &nomadapi.QueryOptions{Namespace: "bothy", Prefix: slug.HomeVolume()})
	if err != nil {
		return "", err
	}
	if len(volumes) != 1 || volumes[0].State != nomadapi.HostVolumeStateReady {
		return "", fmt.Errorf("the home of %s is not ready", slug)
	}
	job, _, err := p.operator.Jobs().Info(slug.JobID(), bothys)
	if err != nil {
		return "", err
	}
	plan, _, err := p.operator.Jobs().Plan(job, false, &nomadapi.WriteOptions{Namespace: "bothy"})
	if err != nil {
		return "", err
	}
	for _, m := range plan.FailedTGAllocs {
		return fmt.Sprintf("exhausted %v, filtered %v", m.DimensionExhausted, m.ConstraintFiltered), nil
	}
	return "", fmt.Errorf("there is a place for %s", slug)
}

// await looks until check gives nil. Not all that it looks at is in the event stream.
func (p *placer) await(t *testing.T, what string, check func(lab.Snapshot) error) {
	t.Helper()
	eventually(t, 90*time.Second, what, func(context.Context) error {
		snap := p.nomad.Snapshot()
		if snap.Unreadable != "" {
			return errors.New(snap.Unreadable)
		}
		return check(snap)
	})
}

// runsOn gives the name of the node that a job runs on.
func runsOn(job lab.Observation) string {
	for _, a := range job.Allocs {
		if a.WantedRunning && a.Client == lab.AllocRunning {
			return a.NodeName
		}
	}
	return ""
}
