package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

func keyedBy(key, fingerprint string) lab.Intent {
	intent := somebody()
	intent.Key, intent.Operation, intent.Fingerprint = key, "operation", fingerprint
	return intent
}

func TestUnderOneKeyAnActHappensOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		stores := f.instances()
		for name := range newSite(f).acts() {
			t.Run(name, func(t *testing.T) {
				act := newSite(f).acts()[name]
				audits := func() int {
					all, err := f.Audits(t.Context(), 1000)
					f.must(err)
					return len(all)
				}
				before := audits()
				intent := keyedBy("for "+name, "f")
				acted := 0
				for _, err := range together(8, func(i int) error { return act.do(t.Context(), stores[i%2], intent) }) {
					if err == nil {
						acted++
					} else if !errors.Is(err, lab.ErrDone) {
						t.Errorf("got %v", err)
					}
				}
				wantEqual(t, []int{acted, audits()}, []int{1, before + 1})

				newest, err := f.Audits(t.Context(), 1)
				f.must(err)
				receipt, err := f.Receipt(t.Context(), intent)
				f.must(err)
				target := newest[0].Target
				if name == "change a class" { // it answers with its operation
					target = f.newestOperation()
				}
				wantEqual(t, receipt, lab.Receipt{Operation: "operation", Fingerprint: "f", Target: target, At: f.now})
			})
		}
	})
}

func (f *fixture) newestOperation() (id string) {
	f.t.Helper()
	raw, err := f.db.open(f.where)
	f.must(err)
	defer func() { _ = raw.Close() }()
	f.must(raw.GetContext(f.t.Context(), &id, "SELECT MAX(id) FROM operations"))
	return id
}

func TestAnActThatFailsLeavesItsKeyFree(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, s := t.Context(), newSite(f)
		intent := keyedBy("monday", "f")
		wantCode(t, f.DeleteCohort(ctx, intent, s.cohort.ID, f.audit("x", "x")), lab.CodeConflict)
		_, err := f.Receipt(ctx, intent)
		wantCode(t, err, lab.CodeNotFound)
		f.must(s.acts()["create a cohort"].do(ctx, f.Store, intent))
	})
}

func TestAnActorHasKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		for i, name := range []string{"token:ada", "token:bob"} {
			intent := keyedBy("monday", "f")
			intent.Actor.Name = name
			c := f.newCohort(fmt.Sprintf("c%d", i))
			f.must(f.CreateCohort(ctx, intent, c, f.audit("cohort.create", c.ID)))
			receipt, err := f.Receipt(ctx, intent)
			f.must(err)
			wantEqual(t, receipt.Target, c.ID)
		}
	})
}

func TestTheFirstAnswerIsKept(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, s := t.Context(), newSite(f)
		intent := keyedBy("monday", "f")
		f.must(s.acts()["create a cohort"].do(ctx, f.Store, intent))
		first := lab.Answer{Status: 201, Header: map[string]string{"ETag": `"1"`}, Body: []byte(`{"name":"李"}`)}
		f.must(f.KeepAnswer(ctx, keyedBy("monday", "another request"), lab.Answer{Status: 200}))
		f.must(f.KeepAnswer(ctx, intent, first))
		f.must(f.KeepAnswer(ctx, intent, lab.Answer{Status: 200}))
		receipt, err := f.Receipt(ctx, intent)
		f.must(err)
		wantEqual(t, receipt.Answer, &first)
	})
}

func TestKeysAreForgottenAfterADay(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		const many = 130 // more than one act clears away
		for i := range many {
			c := f.newCohort(fmt.Sprintf("c%d", i))
			f.must(f.CreateCohort(ctx, keyedBy(fmt.Sprint(i), "f"), c, f.audit("cohort.create", c.ID)))
		}
		f.now = f.now.Add(lab.KeyRetention)
		_, err := f.Receipt(ctx, keyedBy("7", "f"))
		f.must(err)
		f.now = f.now.Add(time.Microsecond)
		_, err = f.Receipt(ctx, keyedBy("7", "f"))
		wantCode(t, err, lab.CodeNotFound)

		create := func(key, cohort string) {
			t.Helper()
			c := f.newCohort(cohort)
			f.must(f.CreateCohort(ctx, keyedBy(key, "f"), c, f.audit("cohort.create", c.ID)))
		}
		create("129", "again") // its own key among the last ones goes as well
		kept := func() int { return len(f.dump()["idempotency_keys"]) }
		wantEqual(t, kept(), many-101+1)
		create("new", "new")
		wantEqual(t, kept(), 2)
	})
}
