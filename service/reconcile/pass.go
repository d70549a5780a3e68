package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/tracing"
)

// passTimeout bounds what one pass asks of the database.
const passTimeout = 30 * time.Second

// pass compares everything once: it records what is seen and replaces the queue
// with what is to be done. It asks nothing of Nomad.
func (r *round) pass(ctx context.Context) (err error) {
	start := r.cfg.Now()
	unreadable := ""
	defer func() {
		result := "ok"
		if err != nil {
			result = "failed"
		}
		r.metrics.passes.WithLabelValues(result).Inc()
		r.passed = r.cfg.Now()
		r.metrics.passTime.Observe(r.passed.Sub(start).Seconds())
		r.cfg.Passed(Pass{At: r.passed, Unreadable: unreadable, Err: err})
	}()
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	ctx, span := tracing.Tracer(r.cfg.Traces).Start(ctx, "reconcile pass", trace.WithNewRoot())
	defer func() { tracing.End(span, err) }()

	rows, err := r.cfg.Store.ReconcileList(ctx)
	if err != nil {
		return fmt.Errorf("list workspaces: %w", err)
	}
	items, err := r.items(ctx, rows)
	if err != nil {
		return fmt.Errorf("read templates: %w", err)
	}
	homes, err := r.dueHomes(ctx, start)
	if err != nil {
		return err
	}
	snap := r.observe(items)
	unreadable = snap.Unreadable
	actions := append(Plan(r.cfg.Installation, items, snap, start), PlanHomes(r.cfg.Installation, homes, snap)...)

	byJob := make(map[string]Item, len(items)+len(homes))
	for _, home := range homes {
		byJob[home.Slug.JobID()] = keptItem(home)
	}
	for _, item := range items {
		byJob[item.Slug.JobID()] = item
	}
	r.faults.retain(byJob)
	r.evictAt = nextEviction(items, start)
	changed := r.statuses(items, snap, start)
	if err := r.record(ctx, changed); err != nil {
		return err
	}
	r.report(ctx, actions)
	r.enqueue(actions, byJob, start, span.SpanContext())
	return nil
}

// nextEviction gives when the next of the evictions that are wanted may be done; zero
// when none waits for its time.
func nextEviction(items []Item, now time.Time) time.Time {
	var next time.Time
	for _, item := range items {
		if evicting(item) && item.EvictAfter.After(now) && (next.IsZero() || item.EvictAfter.Before(next)) {
			next = item.EvictAfter
		}
	}
	return next
}

// items adds to each workspace what a start would submit now. Not being able to
// read a template is an error; one that can't be rendered is not.
func (r *round) items(ctx context.Context, rows []lab.WorkItem) ([]Item, error) {
	known := map[string]string{}
	failed := map[string]string{}
	items := make([]Item, len(rows))
	for i, row := range rows {
		fingerprint, ok := known[row.ClassID]
		if !ok {
			var err error
			fingerprint, err = r.cfg.Jobs.Fingerprint(ctx, row)
			switch {
			case err != nil && (lab.CodeOf(err) == lab.CodeUnavailable || ctx.Err() != nil):
				return nil, err
			case err != nil:
				failed[row.CohortKey+"/"+row.CourseKey] = err.Error()
				fingerprint = ""
			}
			known[row.ClassID] = fingerprint
		}
		items[i] = Item{WorkItem: row, Fingerprint: fingerprint}
	}
	for key, problem := range failed {
		if r.fingerprintErrors[key] != problem {
			r.cfg.Logger.WarnContext(ctx, "a class can't be rendered", "class", key, "error", problem)
		}
	}
	r.fingerprintErrors = failed
	return items, nil
}

// observe gives Nomad's snapshot with the health of the workspaces' services in it.
func (r *round) observe(items []Item) lab.Snapshot {
	snap := r.cfg.Nomad.Snapshot()
	services, unread := r.cfg.Health.Services()
	r.metrics.setReadable("nomad", snap.Unreadable == "")
	r.metrics.setReadable("consul", unread == "")
	for _, item := range items {
		id := item.Slug.JobID()
		job, ok := snap.Jobs[id]
		if !ok {
			continue
		}
		health, found := services[item.Slug.String()]
		switch {
		case found:
			job.Health = health
		case unread != "":
			job.Health = lab.HealthUnread
		default:
			job.Health = lab.HealthAbsent
		}
		snap.Jobs[id] = job
	}
	return snap
}

// statuses gives what differs from what is stored, or may be what an operation
// awaits, by workspace id.
func (r *round) statuses(items []Item, snap lab.Snapshot, now time.Time) map[string]lab.Status {
	changed := map[string]lab.Status{}
	byPhase := map[lab.Phase]int{}
	drifted := 0
	for _, item := range items {
		id := item.Slug.JobID()
		status := item.Status
		if _, busy := r.busy[id]; !busy {
			status = r.statusOf(item, snap, now)
			if status != item.Status || awaited(item, snap, status) {
				changed[item.ID] = status
			}
		}
		byPhase[status.Phase]++
		if status.Drifted {
			drifted++
		}
	}
	r.metrics.count(byPhase)
	r.metrics.reported.WithLabelValues("drifted").Set(float64(drifted))
	return changed
}

// awaited says that an operation may end with what is seen now, though it was seen
// before the act. While Nomad can't be read, nothing is; and what runs until Nomad
// has replaced it is not what was asked for.
func awaited(item Item, snap lab.Snapshot, status lab.Status) bool {
	if !item.Awaited || snap.Unreadable != "" || !status.Phase.Ends() {
		return false
	}
	if status.Phase != lab.PhaseReady {
		return true
	}
	job := lookup(snap, item.Slug.JobID())
	return job == nil || newest(job) == nil || !newest(job).Behind
}

// unreplaced says that a job was submitted anew and that what is ready is still the
// allocation of before. Where there is no room for another, it stays and is ready.
func unreplaced(item Item, job *lab.Observation, status lab.Status) bool {
	return item.Status.Phase == lab.PhasePlacing && status.Phase == lab.PhaseReady &&
		newest(job).Behind && job.Blocked == ""
}

func (r *round) statusOf(item Item, snap lab.Snapshot, now time.Time) lab.Status {
	if snap.Unreadable != "" {
		return waiting(item, snap.Unreadable, now)
	}
	job := lookup(snap, item.Slug.JobID())
	status := Classify(r.cfg.Installation, item, job, now)
	if job != nil && unreplaced(item, job, status) {
		status.Phase, status.Reason = item.Status.Phase, item.Status.Reason
	}
	return since(item.Status, withFault(status, r.faults.of(item)), now)
}

func (r *round) record(ctx context.Context, changed map[string]lab.Status) error {
	if len(changed) == 0 {
		return nil
	}
	if err := r.cfg.Store.RecordStatuses(ctx, r.epoch, changed); err != nil {
		return fmt.Errorf("record statuses: %w", fenced(err))
	}
	return nil
}

// fenced names the one conflict that the database has for a holder of the role.
func fenced(err error) error {
	if lab.CodeOf(err) == lab.CodeConflict {
		return errors.Join(ErrFenced, err)
	}
	return err
}

// report logs each job that is left alone once, and counts them.
func (r *round) report(ctx context.Context, actions []Action) {
	reported := map[string]string{}
	counts := map[string]int{whyForeign: 0, whyOrphan: 0}
	for _, a := range actions {
		if a.Kind != KindReport {
			continue
		}
		reported[a.JobID] = a.Why
		counts[a.Why]++
		if r.reported[a.JobID] != a.Why {
			r.cfg.Logger.WarnContext(ctx, "a job is left alone", "job", a.JobID, "why", a.Why)
		}
	}
	r.reported = reported
	r.metrics.reported.WithLabelValues("foreign").Set(float64(counts[whyForeign]))
	r.metrics.reported.WithLabelValues("orphaned").Set(float64(counts[whyOrphan]))
}

// enqueue replaces the queue by what can be begun now.
func (r *round) enqueue(actions []Action, byJob map[string]Item, now time.Time, decided trace.SpanContext) {
	r.queue = r.queue[:0:0]
	for _, a := range actions {
		item, ok := byJob[a.JobID]
		if _, busy := r.busy[a.JobID]; a.Kind == KindReport || busy || !ok {
			continue
		}
		if f := r.faults.of(item); f != nil && f.until.After(now) {
			continue
		}
		r.queue = append(r.queue, task{action: a, item: item, decided: decided})
	}
}
