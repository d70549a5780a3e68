package store_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bothylabs/bothy/service/lab"
)

// walkable is a list that changes while its pages are walked.
type walkable struct {
	// sorts are the sort keys that a caller may name, as the items have them.
	sorts map[string]func(item) []any
	add   func(t *rapid.T)
	// change and remove do that to an item; change may move it in the order.
	change, remove func(t *rapid.T, id string)
	read           func(lab.Page) (lab.List[item], error)
}

// item is what a walk looks at of whatever is listed.
type item struct {
	id, key, name, email, phase string
	created, updated, since     time.Time
}

func moments(of func(item) time.Time) func(item) []any {
	return func(i item) []any { return []any{of(i).UnixMicro()} }
}

func texts(of ...func(item) string) func(item) []any {
	return func(i item) []any {
		var all []any
		for _, one := range of {
			all = append(all, one(i))
		}
		return all
	}
}

func compareKeys(a, b []any) int {
	for i := range a {
		var c int
		switch x := a[i].(type) {
		case string:
			c = strings.Compare(x, b[i].(string))
		case int64:
			c = cmp.Compare(x, b[i].(int64))
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// anyName draws names that languages sort otherwise than bytes do, many of them equal.
func anyName(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"a", "A", "ab", "a b", "a-b", "a_b", "Ä", "ä", "z", "Z", "Ω", "李", "😀", "'", `"`, "%", `\`, "1", "10", "2", "ﬀ", "b", "B", "é", "é",
	}).Draw(t, "name")
}

// walk reads a list to its end in pages of any size while it changes, and holds
// what it saw against what was there all the time.
func walk(t *rapid.T, w walkable) {
	for range rapid.IntRange(0, 12).Draw(t, "items") {
		w.add(t)
	}
	sort := rapid.SampledFrom(sortedNames(w.sorts)).Draw(t, "sort")
	keys := w.sorts[sort]
	direction := 1
	if rapid.Bool().Draw(t, "backwards") {
		sort, direction = "-"+sort, -1
	}
	everything := func() map[string]item {
		all := map[string]item{}
		list, err := w.read(lab.Page{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range list.Items {
			all[i.id] = i
		}
		return all
	}
	constant := everything()

	var seen []item
	for page := (lab.Page{Sort: sort}); ; {
		page.Limit = rapid.IntRange(1, 4).Draw(t, "limit")
		list, err := w.read(page)
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Items) > page.Limit {
			t.Fatalf("a page of at most %d has %d items", page.Limit, len(list.Items))
		}
		seen = append(seen, list.Items...)
		if page.Cursor = list.Next; page.Cursor == "" {
			break
		}
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			now := everything()
			ids := slices.Sorted(func(yield func(string) bool) {
				for id := range now {
					if !yield(id) {
						return
					}
				}
			})
			act := rapid.SampledFrom([]string{"add", "change", "remove"}).Draw(t, "act")
			switch {
			case act == "add" || len(ids) == 0:
				w.add(t)
			case act == "change":
				id := rapid.SampledFrom(ids).Draw(t, "changed")
				w.change(t, id)
				delete(constant, id)
			default:
				id := rapid.SampledFrom(ids).Draw(t, "removed")
				w.remove(t, id)
				delete(constant, id)
			}
		}
	}

	var want, got []string
	for id := range constant {
		want = append(want, id)
	}
	slices.SortFunc(want, func(a, b string) int {
		return direction * cmp.Or(compareKeys(keys(constant[a]), keys(constant[b])), strings.Compare(a, b))
	})
	for _, i := range seen {
		if _, ok := constant[i.id]; ok {
			got = append(got, i.id)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("by %s: saw %v of what was there all the time, want %v", sort, got, want)
	}
}

func sortedNames(sorts map[string]func(item) []any) []string {
	var all []string
	for name := range sorts {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func asItems[T any](list lab.List[T], err error, one func(T) item) (lab.List[item], error) {
	out := lab.List[item]{Next: list.Next}
	for _, t := range list.Items {
		out.Items = append(out.Items, one(t))
	}
	return out, err
}

// Each walk has a corner of the database to itself.
func TestPagesGiveWhatIsThereThroughoutExactlyOnceAndInOrder(t *testing.T) {
	t.Parallel()
	key := func(i item) string { return i.key }
	name := func(i item) string { return i.name }
	created := moments(func(i item) time.Time { return i.created })
	updated := moments(func(i item) time.Time { return i.updated })
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		epoch := f.epoch()
		tick := func(t *rapid.T) {
			f.now = f.now.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "later")) * time.Microsecond)
		}
		must := func(t *rapid.T, err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		kinds := map[string]func(corner int) walkable{
			"cohorts": func(corner int) walkable {
				tag := fmt.Sprintf("corner%dx", corner)
				return walkable{
					sorts: map[string]func(item) []any{"key": texts(key), "name": texts(name), "created_at": created, "updated_at": updated},
					add: func(t *rapid.T) {
						tick(t)
						c := f.newCohort(fmt.Sprintf("%s%d", tag, f.ids.Add(1)))
						c.Name = anyName(t)
						must(t, f.CreateCohort(ctx, somebody(), c, f.audit("a", c.ID)))
					},
					change: func(*rapid.T, string) {},
					remove: func(t *rapid.T, id string) { must(t, f.DeleteCohort(ctx, somebody(), id, f.audit("a", id))) },
					read: func(p lab.Page) (lab.List[item], error) {
						list, err := f.Store.Cohorts(ctx, lab.CohortFilter{Search: strings.ToUpper(tag)}, p)
						return asItems(list, err, func(c lab.Cohort) item {
							return item{id: c.ID, key: c.Key, name: c.Name, created: c.CreatedAt, updated: c.UpdatedAt}
						})
					},
				}
			},
			"students": func(corner int) walkable {
				cohort := f.cohort(fmt.Sprintf("students%d", corner))
				no := false
				return walkable{
					sorts: map[string]func(item) []any{
						"name": texts(name), "email": texts(func(i item) string { return i.email }), "created_at": created, "updated_at": updated,
					},
					add: func(t *rapid.T) {
						tick(t)
						must(t, f.enroll(cohort, f.newStudent(cohort, anyName(t), fmt.Sprintf("%d@example.org", f.ids.Add(1)%7*1000+f.ids.Add(1)))))
					},
					change: func(t *rapid.T, id string) {
						tick(t)
						s, err := f.Student(ctx, id)
						must(t, err)
						s.Name, s.UpdatedAt = anyName(t), f.now
						must(t, f.enroll(cohort, s))
					},
					remove: func(t *rapid.T, id string) {
						_, err := f.Withdraw(ctx, somebody(), id, f.now, f.audit("a", id))
						must(t, err)
					},
					read: func(p lab.Page) (lab.List[item], error) {
						list, err := f.Store.Students(ctx, cohort.ID, lab.StudentFilter{Withdrawn: &no}, p)
						return asItems(list, err, func(s lab.Student) item {
							return item{id: s.ID, name: s.Name, email: s.Email, created: s.CreatedAt, updated: s.UpdatedAt}
						})
					},
				}
			},
			"workspaces": func(corner int) walkable {
				cohort := f.cohort(fmt.Sprintf("workspaces%d", corner))
				class := f.class(cohort, f.course(fmt.Sprintf("course%d", corner)))
				return walkable{
					sorts: map[string]func(item) []any{
						"slug": texts(key), "student": texts(name, key), "phase": texts(func(i item) string { return i.phase }, key),
						"since": moments(func(i item) time.Time {
							if i.since.IsZero() {
								return time.UnixMicro(0)
							}
							return i.since
						}),
						"created_at": created, "updated_at": updated,
					},
					add: func(t *rapid.T) {
						tick(t)
						n := f.ids.Add(1)
						s := f.newStudent(cohort, anyName(t), fmt.Sprintf("%d@example.org", n))
						must(t, f.enroll(cohort, s))
						w := f.newWorkspace(class, s, lab.Slug(fmt.Sprintf("s%d-%d", n%5, n)))
						must(t, f.change(class, lab.ClassChange{Add: []lab.Workspace{w}}))
					},
					change: func(t *rapid.T, id string) {
						tick(t)
						phase := rapid.SampledFrom([]lab.Phase{lab.PhaseReady, lab.PhaseFailed, lab.PhaseQueued}).Draw(t, "phase")
						must(t, f.RecordStatuses(ctx, epoch, map[string]lab.Status{id: {Phase: phase, Since: f.now}}))
					},
					remove: func(t *rapid.T, id string) {
						_, err := f.ChangeWorkspace(ctx, somebody(), id, func(w lab.Workspace) (lab.Workspace, lab.Audit, error) {
							w.Desired = lab.DesiredDeleted
							return w, f.audit("workspace.delete", w.ID), nil
						})
						must(t, err)
						must(t, f.RecordDeleted(ctx, epoch, id, f.now))
					},
					read: func(p lab.Page) (lab.List[item], error) {
						list, err := f.Store.Workspaces(ctx, lab.WorkspaceFilter{ClassID: class.ID}, p)
						return asItems(list, err, func(w lab.WorkspaceDetail) item {
							return item{
								id: w.ID, key: string(w.Slug), name: w.StudentName, phase: string(w.Status.Phase),
								created: w.CreatedAt, updated: w.UpdatedAt, since: w.Status.Since,
							}
						})
					},
				}
			},
		}
		corner := 0
		rapid.Check(t, func(t *rapid.T) {
			corner++
			walk(t, kinds[rapid.SampledFrom([]string{"cohorts", "students", "workspaces"}).Draw(t, "kind")](corner))
		})
	})
}
