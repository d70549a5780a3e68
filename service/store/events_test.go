package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

// workspacesOf makes running workspaces in a class for n new students, whose addresses no other class has.
func (f *fixture) workspacesOf(class lab.Class, cohort lab.Cohort, n int) []lab.Workspace {
	f.t.Helper()
	var all []lab.Workspace
	for i := range n {
		name := fmt.Sprintf("%s-%d", class.CourseKey, i)
		student := f.student(cohort, "Ada", name+"@example.org")
		all = append(all, f.workspace(class, student, lab.Slug(cohort.Key+"-"+name)))
	}
	return all
}

// told gives all events after an id.
func (f *fixture) told(after int64) []lab.Event {
	f.t.Helper()
	events, err := f.Events(f.t.Context(), after, 100_000)
	f.must(err)
	return events
}

func (f *fixture) lastEvent() int64 {
	f.t.Helper()
	_, last, err := f.EventRange(f.t.Context())
	f.must(err)
	return last
}

// types writes what events tell of as "workspace.changed of <id>".
func types(events []lab.Event) []string {
	all := []string{}
	for _, e := range events {
		all = append(all, string(e.Type)+" of "+e.SubjectID)
	}
	return all
}

func TestEveryChangeIsToldOnceAndNothingElse(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		step := func(what string, act func(), want ...string) {
			t.Helper()
			before := f.lastEvent()
			act()
			if got := types(f.told(before)); !slices.Equal(got, want) {
				t.Errorf("%s told %q, want %q", what, got, want)
			}
		}
		cohort, course := f.newCohort("fall-26"), f.newCourse("py101")
		newClass := f.newClass(cohort, course)
		class := newClass.Class
		ada := f.newStudent(cohort, "Ada", "ada@example.org")
		step("a cohort", func() { f.must(f.CreateCohort(ctx, lab.Intent{}, cohort, f.audit("x", "x"))) }, "cohort.created of "+cohort.ID)
		step("a cohort whose key is taken", func() {
			again := f.newCohort("fall-26")
			wantCode(t, f.CreateCohort(ctx, lab.Intent{}, again, f.audit("x", "x")), lab.CodeConflict)
		})
		step("a course", func() { f.must(f.CreateCourse(ctx, lab.Intent{}, course, f.audit("x", "x"))) }, "course.created of "+course.ID)
		rename := func(to string) func() {
			return func() {
				_, err := f.ChangeCourse(ctx, lab.Intent{}, course.ID, func(state lab.CourseState) (lab.Course, lab.Audit, error) {
					c := state.Course
					c.Name, c.UpdatedAt = to, c.UpdatedAt.Add(time.Second)
					return c, f.audit("x", "x"), nil
				})
				f.must(err)
			}
		}
		step("another name of a course", rename("New"), "course.changed of "+course.ID)
		step("a student", func() { f.must(f.enroll(cohort, ada)) }, "student.created of "+ada.ID, "cohort.changed of "+cohort.ID)
		step("nobody", func() { f.must(f.enroll(cohort)) })
		ada.Name = "Ada L."
		step("another name of a student", func() { f.must(f.enroll(cohort, ada)) }, "student.changed of "+ada.ID, "cohort.changed of "+cohort.ID)
		step("a class", func() { f.must(f.CreateClass(ctx, lab.Intent{}, newClass, nobody)) }, "class.created of "+class.ID)

		w := f.newWorkspace(class, ada, "fall-26-py101-ada")
		step("a launch", func() { f.must(f.change(class, lab.ClassChange{Add: []lab.Workspace{w}})) }, "workspace.created of "+w.ID, "class.changed of "+class.ID)
		step("a launch that changes nothing", func() { f.must(f.change(class, lab.ClassChange{})) })
		w.Desired = lab.DesiredStopped
		step("a stop", func() { f.must(f.change(class, lab.ClassChange{Update: []lab.Workspace{w}})) },
			"workspace.changed of "+w.ID, "class.changed of "+class.ID)
		step("a dry run", func() {
			_, err := f.ChangeWorkspace(ctx, lab.Intent{DryRun: true}, w.ID, func(w lab.Workspace) (lab.Workspace, lab.Audit, error) {
				w.Desired = lab.DesiredRunning
				return w, f.audit("x", "x"), nil
			})
			f.must(err)
		})

		epoch := f.epoch()
		seen := map[string]lab.Status{w.ID: {Phase: lab.PhaseStopping, Reason: "It ends.", Since: f.now}}
		step("a state", func() { f.must(f.RecordStatuses(ctx, epoch, seen)) }, "workspace.changed of "+w.ID)
		step("the same state", func() { f.must(f.RecordStatuses(ctx, epoch, seen)) })
		step("a submission", func() { f.must(f.RecordSubmission(ctx, epoch, w.ID, lab.Submission{Fingerprint: "x"})) })

		step("a withdrawal", func() { f.must(second(f.Withdraw(ctx, lab.Intent{}, ada.ID, f.now, f.audit("x", "x")))) },
			"student.changed of "+ada.ID, "workspace.changed of "+w.ID, "cohort.changed of "+cohort.ID)
		step("a withdrawal again", func() { f.must(second(f.Withdraw(ctx, lab.Intent{}, ada.ID, f.now, f.audit("x", "x")))) })
		step("a class that is to go", func() { f.must(f.change(class, lab.ClassChange{Delete: true})) }, "class.changed of "+class.ID)
		step("a class that is to go already", func() { f.must(f.change(class, lab.ClassChange{Delete: true})) })
		step("a release", func() { f.must(f.RecordDeleted(ctx, epoch, w.ID, f.now)) }, "workspace.deleted of "+w.ID, "class.deleted of "+class.ID)
		step("a release again", func() { f.must(f.RecordDeleted(ctx, epoch, w.ID, f.now)) })
		step("a state of what is gone", func() { f.must(f.RecordStatuses(ctx, epoch, seen)) })
		step("no course", func() { f.must(f.DeleteCourse(ctx, lab.Intent{}, course.ID, f.audit("x", "x"))) }, "course.deleted of "+course.ID)
		step("no cohort", func() { f.must(f.DeleteCohort(ctx, lab.Intent{}, cohort.ID, f.audit("x", "x"))) }, "cohort.deleted of "+cohort.ID)
	})
}

func TestARosterTellsOfEachWhoIsNewOrChangedOrWithdrawn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		ada, bob, cy := f.student(cohort, "Ada", "ada@example.org"), f.student(cohort, "Bob", "bob@example.org"), f.newStudent(cohort, "Cy", "cy@example.org")
		w := f.workspace(class, bob, "fall-26-py101-bob")
		before := f.lastEvent()
		_, err := f.ImportRoster(t.Context(), lab.Intent{}, cohort.ID, func([]lab.Student) (lab.RosterChange, error) {
			ada.Name = "Ada L."
			return lab.RosterChange{Students: []lab.Student{ada, cy}, Withdraw: []string{bob.ID}, At: f.now, Audit: f.audit("x", "x")}, nil
		})
		f.must(err)
		wantEqual(t, types(f.told(before)), []string{
			"student.changed of " + bob.ID, "workspace.changed of " + w.ID, "student.created of " + cy.ID,
			"student.changed of " + ada.ID, "cohort.changed of " + cohort.ID,
		})
	})
}

func TestAnEventTellsWhatTheChangeMadeAndWhoItBelongsTo(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		cohort, course := f.cohort("fall-26"), f.course("py101")
		class := f.class(cohort, course)
		ada := f.student(cohort, "Ada", "ada@example.org")
		w := f.workspace(class, ada, "fall-26-py101-ada")
		before := f.lastEvent()
		f.must(f.RecordStatuses(t.Context(), f.epoch(), map[string]lab.Status{w.ID: {
			Phase: lab.PhaseReady, Reason: "It runs.", Drifted: true, Outdated: true, AllocID: "alloc", NodeName: "lab-1", Since: f.now,
		}}))
		got := f.told(before)
		if len(got) != 1 {
			t.Fatalf("told %v", types(got))
		}
		var data map[string]any
		f.must(json.Unmarshal(got[0].Data, &data))
		wantEqual(t, data, map[string]any{
			"id": w.ID, "slug": "fall-26-py101-ada", "class_id": class.ID, "class": "fall-26/py101", "student_id": ada.ID,
			"desired": "running", "phase": "ready", "reason": "It runs.", "since": f.now.Format(time.RFC3339Nano),
			"drifted": true, "outdated": true, "node": "lab-1", "revision": 2.0,
		})
		got[0].Data = nil
		wantEqual(t, got[0], lab.Event{
			ID: before + 1, At: f.now, Type: lab.EventWorkspaceChanged, SubjectID: w.ID,
			ClassID: class.ID, CohortID: cohort.ID, CourseID: course.ID, StudentID: ada.ID,
		})
	})
}

// Whoever asks again and again for what comes after the newest that they have
// seen misses nothing and sees nothing twice, however the writers meet: the ids of
// events rise in the order in which their transactions commit.
func TestAReaderThatOnlyAsksForMoreMissesNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		stores := f.instances()
		cohort := f.cohort("fall-26")
		const writers, acts = 6, 15
		var classes [writers]lab.Class // one each: acts on the same class wait for each other anyway
		var workspaces [writers][]lab.Workspace
		for i := range writers {
			classes[i] = f.class(cohort, f.course(fmt.Sprintf("c%d", i)))
			workspaces[i] = f.workspacesOf(classes[i], cohort, 5)
		}
		start := f.lastEvent()
		wrote := make([]int, writers)
		done := make(chan struct{})
		var writing, reading sync.WaitGroup
		for i := range writers {
			writing.Go(func() {
				for n := range acts {
					act := plannedAct{of: 1 + (3*i+n)%5, fails: (i+n)%5 == 0}
					wrote[i] += act.do(f.t, stores[i%2], classes[i], workspaces[i], fmt.Sprintf("%d-%d", i, n))
				}
			})
		}
		readers := make([][]int64, 2)
		for i := range readers {
			reading.Go(func() { readers[i] = follow(f.t, stores[i], start, done) })
		}
		writing.Wait()
		close(done)
		reading.Wait()
		total := 0
		for _, n := range wrote {
			total += n
		}
		for _, ids := range readers {
			if len(ids) != total {
				t.Fatalf("read %d events of %d", len(ids), total)
			}
			for i, id := range ids {
				if id != start+int64(i)+1 {
					t.Fatalf("the event %d came as number %d after %d", id, i+1, start)
				}
			}
		}
	})
}

type plannedAct struct {
	of    int
	fails bool
}

// do makes the act through a store and gives how many events are to come of it.
func (a plannedAct) do(t testing.TB, s *store.Store, class lab.Class, workspaces []lab.Workspace, name string) int {
	told := 0
	_, err := s.ChangeClass(context.WithoutCancel(t.Context()), lab.Intent{}, class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
		told = a.of + 1 // and the class
		var change lab.ClassChange
		for _, w := range state.Workspaces[:a.of] {
			w.RestartsWanted++
			change.Update = append(change.Update, w)
		}
		change.Audit = lab.Audit{ID: "act-" + name + "-" + fmt.Sprint(state.Workspaces[0].RestartsWanted), At: time.Unix(1, 0)}
		if a.fails {
			change.Add = workspaces[:1] // its slug is given already
		}
		return change, nil
	})
	if (err != nil) != a.fails {
		t.Errorf("act %s: %v", name, err)
	}
	if a.fails {
		return 0
	}
	return told
}

// follow reads as a follower does until the writers are done, and then all that is left.
func follow(t testing.TB, s *store.Store, last int64, done <-chan struct{}) []int64 {
	var ids []int64
	for {
		ended := false
		select {
		case <-done:
			ended = true
		default:
		}
		events, err := s.Events(context.WithoutCancel(t.Context()), last, 3)
		if err != nil {
			t.Errorf("read events: %v", err)
			return nil
		}
		for _, e := range events {
			ids, last = append(ids, e.ID), e.ID
		}
		if ended && len(events) == 0 {
			return ids
		}
	}
}

// A sequence's numbers would be given in another order than that of the commits: a
// reader that has seen the second would never ask for the first.
func TestANumberIsNeverSeenBeforeASmallerOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases()[1])
	ctx, other := t.Context(), f.reopen()
	raw := openRaw(t, f.db, f.where)
	// The transaction of a new cohort waits, all written and numbered, right before its commit.
	_, err := raw.ExecContext(ctx, `CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW WHEN (NEW.type = 'cohort.created') EXECUTE FUNCTION slow_commit()`)
	f.must(err)
	held, err := raw.Connx(ctx)
	f.must(err)
	_, err = held.ExecContext(ctx, `SELECT pg_advisory_lock(42)`)
	f.must(err)
	waiting := func(n int, done <-chan error) {
		t.Helper()
		for {
			var waiting int
			f.must(raw.GetContext(ctx, &waiting, `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`))
			if waiting >= n || len(done) > 0 {
				return
			}
		}
	}
	first, next := make(chan error, 1), make(chan error, 1)
	cohort, course := f.newCohort("fall-26"), f.newCourse("py101")
	audits := []lab.Audit{f.audit("x", "x"), f.audit("x", "x")}
	go func() { first <- f.CreateCohort(ctx, lab.Intent{}, cohort, audits[0]) }()
	waiting(1, first)
	go func() { next <- other.CreateCourse(ctx, lab.Intent{}, course, audits[1]) }()
	waiting(2, next)
	seen := f.told(0)
	_, err = held.ExecContext(ctx, `SELECT pg_advisory_unlock(42)`)
	f.must(err)
	f.must(held.Close())
	f.must(<-first)
	f.must(<-next)
	last := int64(0)
	if len(seen) > 0 {
		last = seen[len(seen)-1].ID
	}
	wantEqual(t, types(append(seen, f.told(last)...)), []string{"cohort.created of " + cohort.ID, "course.created of " + course.ID})
}

func TestOldEventsGoByAgeAndByNumber(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		wantRange := func(first, last int64) {
			t.Helper()
			gotFirst, gotLast, err := f.EventRange(ctx)
			f.must(err)
			wantEqual(t, []int64{gotFirst, gotLast}, []int64{first, last})
		}
		wantRange(1, 0)
		cohort := f.cohort("fall-26")
		f.workspaces(f.class(cohort, f.course("py101")), cohort, 597) // five, and two for each: 1,199
		f.now = f.now.Add(time.Hour)
		f.cohort("spring-27")
		wantRange(1, 1200)
		removed, err := f.CleanEvents(ctx, f.now.Add(-2*time.Hour), 10_000)
		f.must(err)
		wantEqual(t, removed, int64(0))
		removed, err = f.CleanEvents(ctx, f.now.Add(-2*time.Hour), 1150)
		f.must(err)
		wantEqual(t, removed, int64(50))
		wantRange(51, 1200)
		removed, err = f.CleanEvents(ctx, f.now, 10_000)
		f.must(err)
		wantEqual(t, removed, int64(1149))
		wantRange(1200, 1200)
		removed, err = f.CleanEvents(ctx, f.now.Add(time.Second), 10_000)
		f.must(err)
		wantEqual(t, removed, int64(1))
		wantRange(1201, 1200) // numbers are never given again
		f.cohort("fall-27")
		wantRange(1201, 1201)
	})
}

func TestACommitWakesWhoListensOnEachInstance(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		stores := slices.Compact(f.instances())
		ctx, cancel := context.WithCancel(t.Context())
		woken := make([]chan struct{}, len(stores))
		var listening sync.WaitGroup
		for i, s := range stores {
			woken[i] = make(chan struct{}, 1)
			listening.Go(func() {
				err := s.Listen(ctx, func() {
					select {
					case woken[i] <- struct{}{}:
					default:
					}
				})
				if err != nil {
					t.Errorf("listen: %v", err)
				}
			})
			if f.db.driver == store.Postgres {
				<-woken[i] // it listens now
			}
		}
		f.cohort("fall-26")
		for _, w := range woken {
			<-w
		}
		cancel()
		listening.Wait()
	})
}

func TestAListenerWhoseConnectionEndsSaysSo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases()[1])
	woken := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() { ended <- f.Listen(t.Context(), func() { woken <- struct{}{} }) }()
	<-woken
	raw := openRaw(t, f.db, f.where)
	_, err := raw.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'bothy events'`)
	f.must(err)
	wantCode(t, <-ended, lab.CodeUnavailable)
}

// What it costs that whoever tells waits for the counter: the same acts from
// many at once, with and without something to tell.
func BenchmarkTelling(b *testing.B) {
	for _, d := range databases() {
		for _, tells := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/tells=%v", d.driver, tells), func(b *testing.B) {
				f := newFixture(b, d)
				cohort := f.cohort("fall-26")
				class := f.class(cohort, f.course("py101"))
				workspaces := f.workspaces(class, cohort, 64)
				var mu sync.Mutex
				b.SetParallelism(16)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					mu.Lock()
					w := workspaces[0]
					workspaces = append(workspaces[1:], w)
					mu.Unlock()
					for pb.Next() {
						_, err := f.ChangeWorkspace(b.Context(), lab.Intent{}, w.ID, func(w lab.Workspace) (lab.Workspace, lab.Audit, error) {
							if tells {
								w.RestartsWanted++
							}
							return w, f.audit("x", "x"), nil
						})
						if err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}
