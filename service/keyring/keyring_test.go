package keyring_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/keyring"
	"github.com/bothylabs/bothy/service/lab"
)

// world is a database and a Vault as the keyring sees them. The store's own tests
// say what is due when; service/vault's say what a real Vault makes of it.
type world struct {
	mu    sync.Mutex
	epoch int64
	// people are due; began says which were begun.
	people []lab.PersonToSettle
	began  []string
	prune  []lab.SecretsToPrune
	// versions are in force; of owners that are not here, all that Vault holds.
	versions map[lab.SecretOwner]map[string]string
	// before are done before as many readings of Vault, each once.
	before []func()
	due    map[string]lab.WorkspaceSecrets

	disabled map[string]bool
	owners   map[lab.SecretOwner]map[string]string
	paths    map[string]map[string]string
	// fails is what Vault answers everything with, where it is not nil; refused are
	// the people, owners and job ids that it refuses, by their ids.
	fails   error
	refused map[string]bool
	reads   int
}

func newWorld() *world {
	return &world{
		due: map[string]lab.WorkspaceSecrets{}, disabled: map[string]bool{},
		owners: map[lab.SecretOwner]map[string]string{}, paths: map[string]map[string]string{},
	}
}

// answer is Vault's, to what is asked about the one with this id.
func (w *world) answer(id string) error {
	if w.refused[id] {
		return lab.Errorf(lab.CodeRefused, "not %s", id)
	}
	return w.fails
}

func (w *world) ClaimKeys(context.Context) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch++
	return w.epoch, nil
}

func (w *world) held(epoch int64) error {
	if epoch != w.epoch {
		return lab.Errorf(lab.CodeConflict, "another instance")
	}
	return nil
}

func (w *world) PeopleToSettle(_ context.Context, after string, limit int) ([]lab.PersonToSettle, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var due []lab.PersonToSettle
	for _, p := range w.people {
		if p.ID > after && len(due) < limit {
			due = append(due, p)
		}
	}
	return due, nil
}

func (w *world) BeginPerson(_ context.Context, epoch int64, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began = append(w.began, id)
	return w.held(epoch)
}

func (w *world) SettledPerson(_ context.Context, epoch int64, person lab.PersonToSettle) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.people = slices.DeleteFunc(w.people, func(p lab.PersonToSettle) bool { return p == person })
	return w.held(epoch)
}

func (w *world) AbandonSecrets(_ context.Context, epoch int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held(epoch)
}

func (w *world) SecretVersions(_ context.Context, owner lab.SecretOwner) (map[string]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if versions, known := w.versions[owner]; known {
		return maps.Clone(versions), nil
	}
	versions := map[string]string{}
	for name := range w.owners[owner] {
		versions[name] = ""
	}
	return versions, nil
}

func (w *world) SecretKeys(ctx context.Context, owner lab.SecretOwner) ([]string, error) {
	versions, err := w.SecretVersions(ctx, owner)
	var keys []string
	for name, version := range versions {
		keys = append(keys, lab.SecretKey(name, version))
	}
	return keys, err
}

// place sorts owners.
func place(o lab.SecretOwner) string { return string(o.Kind) + "/" + o.ID }

func (w *world) SecretsToPrune(_ context.Context, after lab.SecretOwner, limit int) ([]lab.SecretsToPrune, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var due []lab.SecretsToPrune
	for _, p := range w.prune {
		if place(p.Owner) > place(after) && len(due) < limit {
			due = append(due, p)
		}
	}
	return due, nil
}

func (w *world) Pruned(_ context.Context, epoch int64, done lab.SecretsToPrune) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prune = slices.DeleteFunc(w.prune, func(p lab.SecretsToPrune) bool { return p.Owner == done.Owner })
	return w.held(epoch)
}

func (w *world) WorkspacesWithoutSecrets(_ context.Context, after string, limit int) ([]lab.WorkspaceSecrets, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var due []lab.WorkspaceSecrets
	for _, id := range slices.Sorted(maps.Keys(w.due)) {
		if one := w.due[id]; id > after && one.Done != one.Changes && len(due) < limit {
			due = append(due, one)
		}
	}
	return due, nil
}

func (w *world) SecretsOfWorkspace(_ context.Context, slug lab.Slug) (lab.WorkspaceSecrets, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.due {
		if one.Slug == slug {
			return one, nil
		}
	}
	return lab.WorkspaceSecrets{}, lab.NotFound("workspace", string(slug))
}

func (w *world) BeginWorkspaceSecrets(_ context.Context, epoch int64, id string, names []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.due[id]
	one.Names = slices.Sorted(slices.Values(names))
	w.due[id] = one
	return w.held(epoch)
}

func (w *world) WroteWorkspaceSecrets(_ context.Context, epoch int64, id string, names []string, changes int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.due[id]
	one.Names, one.Done = slices.Sorted(slices.Values(names)), changes
	w.due[id] = one
	return w.held(epoch)
}

func (w *world) DisablePerson(_ context.Context, id string) error { return w.person(id, true) }
func (w *world) EnablePerson(_ context.Context, id string) error  { return w.person(id, false) }

func (w *world) person(id string, disabled bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.answer(id)
	if err == nil {
		w.disabled[id] = disabled
	}
	return err
}

func (w *world) Secrets(_ context.Context, owner lab.SecretOwner) (map[string]string, error) {
	w.mu.Lock()
	before := w.before
	w.before = before[min(1, len(before)):]
	w.mu.Unlock()
	if len(before) > 0 {
		before[0]()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	return maps.Clone(w.owners[owner]), w.answer(owner.ID)
}

func (w *world) PruneSecrets(ctx context.Context, owner lab.SecretOwner, keep func(context.Context) ([]string, error)) error {
	keys, err := keep(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err = errors.Join(w.answer(owner.ID), err); err == nil {
		maps.DeleteFunc(w.owners[owner], func(key, _ string) bool { return !slices.Contains(keys, key) })
	}
	return err
}

func (w *world) DeleteSecrets(_ context.Context, owner lab.SecretOwner) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.answer(owner.ID)
	if err == nil {
		delete(w.owners, owner)
	}
	return err
}

func (w *world) HasWorkspaceSecret(_ context.Context, jobID string) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.paths[jobID] != nil, w.answer(jobID)
}

func (w *world) MakeWorkspaceSecret(_ context.Context, jobID string, values map[string]string) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.answer(jobID); err != nil || w.paths[jobID] != nil {
		return false, err
	}
	w.paths[jobID] = map[string]string{"WORKSPACE_SECRET": "its own"}
	maps.Copy(w.paths[jobID], values)
	return true, nil
}

func (w *world) SetWorkspaceSecrets(_ context.Context, jobID string, values map[string]string, remove []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.answer(jobID)
	if err == nil {
		maps.Copy(w.paths[jobID], values)
		maps.DeleteFunc(w.paths[jobID], func(name, _ string) bool { return slices.Contains(remove, name) })
	}
	return err
}

func (w *world) DeleteWorkspaceSecret(_ context.Context, jobID string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.paths, jobID)
	return w.answer(jobID)
}

func course(id string) lab.SecretOwner  { return lab.SecretOwner{Kind: lab.SecretOfCourse, ID: id} }
func class(id string) lab.SecretOwner   { return lab.SecretOwner{Kind: lab.SecretOfClass, ID: id} }
func student(id string) lab.SecretOwner { return lab.SecretOwner{Kind: lab.SecretOfStudent, ID: id} }

// workspace is one that lacks n changes.
func (w *world) workspace(id string, n int64, names ...string) {
	w.due[id] = lab.WorkspaceSecrets{
		WorkspaceID: id, Slug: lab.Slug("f26-py-" + id), Changes: n, Names: names,
		Owners: [3]lab.SecretOwner{course("py"), class("f26"), student(id)},
	}
}

func (w *world) keyring(t *testing.T) *keyring.Keyring {
	t.Helper()
	k, err := keyring.New(keyring.Config{Store: w, Vault: w, Logger: slog.New(slog.DiscardHandler), Tick: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// change changes what a workspace's owners have, and what else a test knows of.
func (w *world) change(id string, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
	one := w.due[id]
	one.Changes++
	w.due[id] = one
}

// running runs a keyring until the test is over, and gives it after its first pass.
func (w *world) running(t *testing.T) *keyring.Keyring {
	t.Helper()
	k := w.keyring(t)
	if err := k.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	synctest.Wait()
	return k
}

func TestTheStrongestOwnersValueReachesAWorkspace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.owners[course("py")] = map[string]string{"A": "course", "B": "course", "C": "course"}
		w.owners[class("f26")] = map[string]string{"B": "class", "C": "class"}
		w.owners[student("ana")] = map[string]string{"C": "student"}
		for _, id := range []string{"ana", "ben", "eve"} {
			w.workspace(id, 3)
		}
		w.due["ana"] = lab.WorkspaceSecrets{
			WorkspaceID: "ana", Slug: "f26-py-ana", Changes: 3, Names: []string{"GONE", "A"}, Owners: w.due["ana"].Owners,
		}
		w.paths["bothy-f26-py-ana"] = map[string]string{"WORKSPACE_SECRET": "its own", "GONE": "old", "A": "old"}
		w.running(t)
		want := map[string]map[string]string{
			"bothy-f26-py-ana": {"WORKSPACE_SECRET": "its own", "A": "course", "B": "class", "C": "student"},
			"bothy-f26-py-ben": {"WORKSPACE_SECRET": "its own", "A": "course", "B": "class", "C": "class"},
			"bothy-f26-py-eve": {"WORKSPACE_SECRET": "its own", "A": "course", "B": "class", "C": "class"},
		}
		if diff := cmp.Diff(want, w.paths); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"A", "B", "C"}, w.due["ana"].Names); diff != "" || w.due["ana"].Done != 3 {
			t.Errorf("recorded: %+v", w.due["ana"])
		}
		if w.reads != 3 {
			t.Errorf("Vault was read %d times; what a class shares is read once, what nobody set not at all", w.reads)
		}
	})
}

func TestWhatVaultCanNotTakeWhileItIsAwayIsDoneAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.people = []lab.PersonToSettle{{ID: "ana", Disabled: true}, {ID: "ben"}}
		w.disabled["ben"] = true
		w.owners[course("py")] = map[string]string{"A": "1", "B": "2"}
		w.versions = map[lab.SecretOwner]map[string]string{course("py"): {"A": ""}}
		w.prune = []lab.SecretsToPrune{{Owner: course("py"), Changes: 1}}
		w.workspace("ana", 1, "A", "B")
		w.fails = lab.Errorf(lab.CodeUnavailable, "Vault is sealed")
		w.running(t)
		time.Sleep(10 * time.Minute) // of the bubble's clock
		synctest.Wait()
		if len(w.people) != 2 || len(w.prune) != 1 || w.due["ana"].Done != 0 {
			t.Fatalf("something counts as done: %+v", w)
		}
		w.mu.Lock()
		w.fails = nil
		w.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(w.people) != 0 || !w.disabled["ana"] || w.disabled["ben"] {
			t.Errorf("people: %v left, disabled %v", w.people, w.disabled)
		}
		if diff := cmp.Diff(map[string]string{"WORKSPACE_SECRET": "its own", "A": "1"}, w.paths["bothy-f26-py-ana"]); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOneThatVaultRefusesKeepsNobodyElseWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.people = []lab.PersonToSettle{{ID: "ana", Disabled: true}, {ID: "ben", Disabled: true}}
		w.prune = []lab.SecretsToPrune{{Owner: course("gone"), Gone: true}, {Owner: course("left"), Gone: true}}
		for _, id := range []string{"eve", "fay", "kim", "lea", "zoe"} {
			w.owners[student(id)] = map[string]string{"A": id}
			w.workspace(id, 1)
		}
		w.owners[class("s27")] = map[string]string{"B": "class"}
		lea := w.due["lea"]
		lea.Owners[1] = class("s27")
		w.due["lea"] = lea
		// One person, one owner who is gone, a student, a class and a workspace's path.
		w.refused = map[string]bool{"ana": true, "gone": true, "fay": true, "s27": true, "bothy-f26-py-kim": true}
		k := w.running(t)
		waiting := func() (ids []string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, p := range w.people {
				ids = append(ids, p.ID)
			}
			for _, p := range w.prune {
				ids = append(ids, p.Owner.ID)
			}
			for _, id := range slices.Sorted(maps.Keys(w.due)) {
				if w.due[id].Done == 0 {
					ids = append(ids, id)
				}
			}
			return ids
		}
		if diff := cmp.Diff([]string{"ana", "gone", "fay", "kim", "lea"}, waiting()); diff != "" {
			t.Errorf("waiting: %s", diff)
		}
		w.mu.Lock()
		w.refused = nil
		w.mu.Unlock()
		k.Wake()
		synctest.Wait()
		if left := waiting(); left != nil {
			t.Errorf("after all %v wait", left)
		}
	})
}

func TestOfAnOwnerWhoIsGoneNoValueIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.owners[course("py")] = map[string]string{"A.1": "old", "A.2": "in force"}
		w.versions = map[lab.SecretOwner]map[string]string{course("py"): {"A": "2"}, course("gone"): {"A": "1"}}
		w.owners[course("gone")] = map[string]string{"A.1": "in force before"}
		w.prune = []lab.SecretsToPrune{{Owner: course("gone"), Gone: true}, {Owner: course("py"), Changes: 2}}
		w.running(t)
		want := map[lab.SecretOwner]map[string]string{course("py"): {"A.2": "in force"}}
		if diff := cmp.Diff(want, w.owners); diff != "" || len(w.prune) != 0 {
			t.Errorf("left to prune %v, in Vault: %s", w.prune, diff)
		}
	})
}

func TestAWorkspaceThatStartsHasItsSecrets(t *testing.T) {
	w := newWorld()
	w.owners[class("f26")] = map[string]string{"A": "class"}
	w.workspace("ana", 1)
	k := w.keyring(t)
	if err := k.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := k.EnsureWorkspaceSecret(t.Context(), "bothy-f26-py-ana"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"WORKSPACE_SECRET": "its own", "A": "class"}, w.paths["bothy-f26-py-ana"]); diff != "" {
		t.Error(diff)
	}
	reads := w.reads
	if err := k.EnsureWorkspaceSecret(t.Context(), "bothy-f26-py-ana"); err != nil || w.reads != reads {
		t.Errorf("what is there is read again: %v", err)
	}
	w.fails = errors.New("away")
	if err := k.EnsureWorkspaceSecret(t.Context(), "bothy-f26-py-ana"); err == nil {
		t.Error("a workspace starts without its secret")
	}
}

func TestAWorkspaceWhosePathIsGoneHasAllOfItsSecretsOnceItStarts(t *testing.T) {
	w := newWorld()
	w.owners[class("f26")] = map[string]string{"A": "class"}
	w.workspace("ana", 1)
	k := w.keyring(t)
	if err := k.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := k.EnsureWorkspaceSecret(t.Context(), "bothy-f26-py-ana"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"WORKSPACE_SECRET": "its own", "A": "class"}, w.paths["bothy-f26-py-ana"]); diff != "" {
			t.Error(diff)
		}
		if one := w.due["ana"]; one.Done != 1 || !slices.Equal(one.Names, []string{"A"}) {
			t.Errorf("recorded: %+v", one)
		}
		delete(w.paths, "bothy-f26-py-ana") // by another hand
	}
}

func TestAnInstanceThatWasReplacedRecordsNothing(t *testing.T) {
	w := newWorld()
	w.workspace("ana", 1)
	k := w.keyring(t)
	if err := k.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.epoch++
	if err := k.EnsureWorkspaceSecret(t.Context(), "bothy-f26-py-ana"); lab.CodeOf(err) != lab.CodeConflict {
		t.Errorf("got %v", err)
	}
	if len(w.paths) != 0 {
		t.Errorf("it wrote: %v", w.paths)
	}
}

func TestOnlyValuesInForceReachAWorkspace(t *testing.T) {
	w := newWorld()
	w.owners[student("ana")] = map[string]string{"A.1": "old", "A.2": "refused", "B.1": "never kept", "C": "of earlier"}
	w.versions = map[lab.SecretOwner]map[string]string{student("ana"): {"A": "1", "C": "", "LOST": "9"}}
	w.workspace("ana", 1)
	k := w.keyring(t)
	if err := k.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Another value comes into force, and the one before is pruned, while it is read.
	w.before = []func(){func() {
		w.owners[student("ana")] = map[string]string{"A.3": "new", "C": "of earlier"}
		w.versions[student("ana")]["A"] = "3"
	}}
	if err := k.EnsureWorkspaceSecret(t.Context(), "bothy-f26-py-ana"); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"WORKSPACE_SECRET": "its own", "A": "new", "C": "of earlier"}
	if diff := cmp.Diff(want, w.paths["bothy-f26-py-ana"]); diff != "" {
		t.Error(diff)
	}
}

func TestNothingIsWrittenForAWorkspaceThatIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Deleted when a pass knows of it, and reads what it shares or what is its own.
		for name, owner := range map[string]lab.SecretOwner{"shared": class("f26"), "own": student("ana")} {
			w := newWorld()
			w.owners[owner] = map[string]string{"A": "1"}
			w.workspace("ana", 1)
			reading := make(chan struct{})
			w.before = []func(){func() { <-reading }}
			k := w.running(t)
			w.mu.Lock()
			delete(w.due, "ana")
			w.mu.Unlock()
			deleted := make(chan error, 1)
			go func() { deleted <- k.DeleteWorkspaceSecret(t.Context(), "bothy-f26-py-ana") }()
			synctest.Wait()
			close(reading)
			synctest.Wait()
			if err := <-deleted; err != nil || len(w.paths) != 0 {
				t.Errorf("%s: left %v, %v", name, w.paths, err)
			}
		}
	})
}

func TestASecretThatIsDeletedWhileItsWorkspaceStartsDoesNotStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.owners[class("f26")] = map[string]string{"X": "deleted"}
		w.owners[student("ana")] = map[string]string{"A": "1"}
		w.workspace("ana", 1)
		// The pass has read the class's when it is held, the start what is left of them.
		pass, start := make(chan struct{}), make(chan struct{})
		w.before = []func(){func() {}, func() { <-pass }, func() { <-start }}
		k := w.running(t)
		w.change("ana", func() { delete(w.owners, class("f26")) })
		started := make(chan error, 1)
		go func() { started <- k.EnsureWorkspaceSecret(t.Context(), "bothy-f26-py-ana") }()
		synctest.Wait()
		close(pass)
		synctest.Wait()
		close(start)
		if err := <-started; err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"WORKSPACE_SECRET": "its own", "A": "1"}, w.paths["bothy-f26-py-ana"]); diff != "" {
			t.Error(diff)
		}
		if one := w.due["ana"]; one.Done != 2 || !slices.Equal(one.Names, []string{"A"}) {
			t.Errorf("recorded: %+v", one)
		}
	})
}

func TestAChangeWhileAPassReadsWhatIsSharedReachesAWorkspace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.owners[course("py")] = map[string]string{"A": "old"}
		w.owners[class("f26")] = map[string]string{"B": "1"}
		w.workspace("ana", 1)
		// The course's were read when the second reading begins.
		w.before = []func(){func() {}, func() {
			w.change("ana", func() { w.owners[course("py")] = map[string]string{"A": "new"} })
		}}
		w.running(t)
		time.Sleep(time.Minute) // of the bubble's clock
		synctest.Wait()
		if got := w.paths["bothy-f26-py-ana"]["A"]; got != "new" {
			t.Errorf("it has the %s value, and counts as %+v", got, w.due["ana"])
		}
	})
}
