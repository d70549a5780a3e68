// Package keyring makes Vault like the database: whoever is disabled here can't use
// anything there, and the secrets of courses, classes and students reach the
// workspaces that they are for. What is to be done is read from the database each
// time, so that it is safe to end at any line; nothing in it is a secret.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	defaultTick    = 15 * time.Second
	defaultWorkers = 4
	// batch is how many things are read from the database at a time.
	batch = 200
	// After a pass that failed, the next one comes after these.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Store is what the keyring needs of the database. What is written under an epoch
// is refused with CodeConflict once another has been claimed.
type Store interface {
	ClaimKeys(ctx context.Context) (epoch int64, err error)
	PeopleToSettle(ctx context.Context, after string, limit int) ([]lab.PersonToSettle, error)
	BeginPerson(ctx context.Context, epoch int64, id string) error
	SettledPerson(ctx context.Context, epoch int64, person lab.PersonToSettle) error
	AbandonSecrets(ctx context.Context, epoch int64) error
	SecretVersions(ctx context.Context, owner lab.SecretOwner) (map[string]string, error)
	SecretKeys(ctx context.Context, owner lab.SecretOwner) ([]string, error)
	SecretsToPrune(ctx context.Context, after lab.SecretOwner, limit int) ([]lab.SecretsToPrune, error)
	Pruned(ctx context.Context, epoch int64, done lab.SecretsToPrune) error
	WorkspacesWithoutSecrets(ctx context.Context, after string, limit int) ([]lab.WorkspaceSecrets, error)
	SecretsOfWorkspace(ctx context.Context, slug lab.Slug) (lab.WorkspaceSecrets, error)
	BeginWorkspaceSecrets(ctx context.Context, epoch int64, id string, names []string) error
	WroteWorkspaceSecrets(ctx context.Context, epoch int64, id string, names []string, changes int64) error
}

// Vault is what the keyring needs of Vault. All of it may be called again at any time.
type Vault interface {
	DisablePerson(ctx context.Context, userID string) error
	EnablePerson(ctx context.Context, userID string) error
	Secrets(ctx context.Context, owner lab.SecretOwner) (map[string]string, error)
	PruneSecrets(ctx context.Context, owner lab.SecretOwner, keep func(context.Context) ([]string, error)) error
	DeleteSecrets(ctx context.Context, owner lab.SecretOwner) error
	HasWorkspaceSecret(ctx context.Context, jobID string) (bool, error)
	MakeWorkspaceSecret(ctx context.Context, jobID string, values map[string]string) (made bool, err error)
	SetWorkspaceSecrets(ctx context.Context, jobID string, values map[string]string, remove []string) error
	DeleteWorkspaceSecret(ctx context.Context, jobID string) error
}

// Config is what a Keyring works with. Store, Vault and Logger must be set.
type Config struct {
	Store  Store
	Vault  Vault
	Logger *slog.Logger
	// Registry takes the metrics; nil for none.
	Registry prometheus.Registerer
	// Tick is the longest time between two passes. Default 15 s.
	Tick time.Duration
	// Workers bounds what is asked of Vault at the same time. Default 4.
	Workers int
}

// Keyring tells Vault for as long as it runs.
type Keyring struct {
	cfg   Config
	wake  chan struct{}
	done  *prometheus.CounterVec
	epoch atomic.Int64
	paths paths
}

// New makes a keyring. It does nothing before Run.
func New(cfg Config) (*Keyring, error) {
	if cfg.Tick == 0 {
		cfg.Tick = defaultTick
	}
	if cfg.Workers == 0 {
		cfg.Workers = defaultWorkers
	}
	k := &Keyring{
		cfg: cfg, wake: make(chan struct{}, 1), paths: paths{held: map[string]chan struct{}{}},
		done: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bothy_keyring_actions_total", Help: "What Vault was told: disable, enable, prune, workspace; ok or the code of the error.",
		}, []string{"kind", "result"}),
	}
	if cfg.Registry != nil {
		if err := cfg.Registry.Register(k.done); err != nil {
			return nil, fmt.Errorf("register the keyring's metrics: %w", err)
		}
	}
	return k, nil
}

// Wake has the keyring look soon. It never blocks, and many calls cost one pass.
func (k *Keyring) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Claim takes over telling Vault, asking until the database answers. Whoever had it
// before, and does not know it yet, is refused by the database.
func (k *Keyring) Claim(ctx context.Context) error {
	epoch, err := backoff.Retry(ctx, func() (int64, error) { return k.cfg.Store.ClaimKeys(ctx) },
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, delay time.Duration) {
			k.cfg.Logger.WarnContext(ctx, "the telling of Vault can't be claimed", "error", err, "again_in", delay)
		}))
	if err != nil {
		return fmt.Errorf("claim the telling of Vault: %w", err)
	}
	k.epoch.Store(epoch)
	return nil
}

// Run tells Vault until ctx ends, which is no error. Claim comes before it.
func (k *Keyring) Run(ctx context.Context) error {
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.MaxInterval = firstRetry, lastRetry
	for ctx.Err() == nil {
		err := k.pass(ctx)
		delay := k.cfg.Tick
		if err != nil && ctx.Err() == nil {
			delay = delays.NextBackOff()
			k.cfg.Logger.WarnContext(ctx, "Vault is not yet as it should be", "error", err, "again_in", delay)
		} else {
			delays.Reset()
		}
		timer := time.NewTimer(delay)
		select {
		case <-ctx.Done():
		case <-k.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// pass does all that is to be done. What fails is left for the next one and does
// not keep the rest waiting, unless Vault or the database is away.
func (k *Keyring) pass(ctx context.Context) error {
	var failed error
	for _, step := range []func(context.Context) error{k.people, k.prune, k.workspaces} {
		err := step(ctx)
		if stops(err) {
			return err
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// stops says whether whatever comes next would meet an error as well: Vault or the
// database is away, or another instance tells Vault.
func stops(err error) bool {
	code := lab.CodeOf(err)
	return code == lab.CodeUnavailable || code == lab.CodeConflict
}

// paged does something for all that read gives, a page at a time. It gives the last
// error, and ends at one that stops.
func paged[T any](ctx context.Context, read func(ctx context.Context, after T, limit int) ([]T, error), do func(context.Context, []T) error) error {
	var after T
	var last error
	for {
		page, err := read(ctx, after, batch)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return last
		}
		after = page[len(page)-1]
		err = do(ctx, page)
		if stops(err) {
			return err
		}
		if err != nil {
			last = err
		}
	}
}

// each does one thing for all of a page. It gives the last error, and ends at one
// that stops.
func each[T any](ctx context.Context, workers int, page []T, do func(context.Context, T) error) error {
	var last atomic.Value
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, one := range page {
		group.Go(func() error {
			err := do(ctx, one)
			if stops(err) {
				return err
			}
			if err != nil {
				last.Store(failure{err})
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	failed, _ := last.Load().(failure)
	return failed.err
}

type failure struct{ err error }

func (k *Keyring) told(kind string, err error) error {
	result := "ok"
	if err != nil {
		result = string(lab.CodeOf(err))
	}
	k.done.WithLabelValues(kind, result).Inc()
	return err
}

func (k *Keyring) people(ctx context.Context) error {
	return paged(ctx, func(ctx context.Context, after lab.PersonToSettle, limit int) ([]lab.PersonToSettle, error) {
		return k.cfg.Store.PeopleToSettle(ctx, after.ID, limit)
	}, func(ctx context.Context, page []lab.PersonToSettle) error {
		return each(ctx, k.cfg.Workers, page, k.settle)
	})
}

// settle tells Vault of one person. That it is about to is written first: whatever
// was begun is done again until its end is written.
func (k *Keyring) settle(ctx context.Context, person lab.PersonToSettle) error {
	epoch := k.epoch.Load()
	if err := k.cfg.Store.BeginPerson(ctx, epoch, person.ID); err != nil {
		return err
	}
	kind, tell := "enable", k.cfg.Vault.EnablePerson
	if person.Disabled {
		kind, tell = "disable", k.cfg.Vault.DisablePerson
	}
	if err := k.told(kind, tell(ctx, person.ID)); err != nil {
		return fmt.Errorf("%s user %s: %w", kind, person.ID, err)
	}
	k.cfg.Logger.InfoContext(ctx, "Vault was told of a person", "user", person.ID, "act", kind)
	return k.cfg.Store.SettledPerson(ctx, epoch, person)
}

func (k *Keyring) prune(ctx context.Context) error {
	if err := k.cfg.Store.AbandonSecrets(ctx, k.epoch.Load()); err != nil {
		return err
	}
	return paged(ctx, func(ctx context.Context, after lab.SecretsToPrune, limit int) ([]lab.SecretsToPrune, error) {
		return k.cfg.Store.SecretsToPrune(ctx, after.Owner, limit)
	}, func(ctx context.Context, page []lab.SecretsToPrune) error {
		return each(ctx, k.cfg.Workers, page, k.pruneOwner)
	})
}

// pruneOwner rids Vault of the values of an owner's secrets that are good for nothing.
func (k *Keyring) pruneOwner(ctx context.Context, due lab.SecretsToPrune) error {
	prune := k.cfg.Vault.DeleteSecrets
	if !due.Gone {
		prune = func(ctx context.Context, owner lab.SecretOwner) error {
			return k.cfg.Vault.PruneSecrets(ctx, owner, func(ctx context.Context) ([]string, error) {
				return k.cfg.Store.SecretKeys(ctx, owner)
			})
		}
	}
	if err := k.told("prune", prune(ctx, due.Owner)); err != nil {
		return fmt.Errorf("prune the secrets of %s %s: %w", due.Owner.Kind, due.Owner.ID, err)
	}
	return k.cfg.Store.Pruned(ctx, k.epoch.Load(), due)
}

func (k *Keyring) workspaces(ctx context.Context) error {
	return paged(ctx, func(ctx context.Context, after lab.WorkspaceSecrets, limit int) ([]lab.WorkspaceSecrets, error) {
		return k.cfg.Store.WorkspacesWithoutSecrets(ctx, after.WorkspaceID, limit)
	}, func(ctx context.Context, page []lab.WorkspaceSecrets) error {
		shared, err := k.shared(ctx, page)
		if err != nil {
			return err
		}
		return each(ctx, k.cfg.Workers, page, func(ctx context.Context, w lab.WorkspaceSecrets) error { return k.update(ctx, w, shared) })
	})
}

// update writes the secrets of a workspace that was due when the owners' were read.
func (k *Keyring) update(ctx context.Context, due lab.WorkspaceSecrets, shared readings) error {
	return k.paths.alone(ctx, due.Slug.JobID(), func() error {
		w, err := k.cfg.Store.SecretsOfWorkspace(ctx, due.Slug)
		switch {
		case lab.CodeOf(err) == lab.CodeNotFound:
			return nil // it is deleted, and its path is to stay so
		case err != nil:
			return err
		case w.Changes == w.Done:
			return nil // it has started meanwhile
		case w.Changes != due.Changes:
			shared = nil
		}
		return k.write(ctx, w, shared)
	})
}

// readings are what came of reading the secrets of owners.
type readings map[lab.SecretOwner]reading

// reading is an owner's secrets by name, or why they can't be read.
type reading struct {
	values map[string]string
	err    error
}

// shared reads what a class of hundreds shares once. An owner who can't be read
// keeps no other's workspaces waiting; the error is one that stops.
func (k *Keyring) shared(ctx context.Context, page []lab.WorkspaceSecrets) (readings, error) {
	shared := readings{}
	for _, w := range page {
		for _, owner := range w.Owners {
			if _, known := shared[owner]; known || owner.Kind == lab.SecretOfStudent {
				continue
			}
			values, err := k.inForce(ctx, owner)
			if stops(err) {
				return nil, err
			}
			shared[owner] = reading{values, err}
		}
	}
	return shared, nil
}

// inForce gives the values of an owner's secrets that are in force, by name. One that
// was replaced between the two readings may be gone: it is looked once more then.
// Whatever Vault does not hold after that was taken from it by another hand.
func (k *Keyring) inForce(ctx context.Context, owner lab.SecretOwner) (map[string]string, error) {
	var before map[string]string
	for {
		versions, err := k.cfg.Store.SecretVersions(ctx, owner)
		if err != nil || len(versions) == 0 {
			return nil, err
		}
		held, err := k.cfg.Vault.Secrets(ctx, owner)
		if err != nil {
			return nil, fmt.Errorf("read the secrets of %s %s: %w", owner.Kind, owner.ID, err)
		}
		values := make(map[string]string, len(versions))
		for name, version := range versions {
			if value, there := held[lab.SecretKey(name, version)]; there {
				values[name] = value
			}
		}
		if len(values) == len(versions) {
			return values, nil
		}
		if maps.Equal(versions, before) {
			k.cfg.Logger.WarnContext(ctx, "Vault lacks secrets that were set", "owner", string(owner.Kind)+" "+owner.ID, "lacking", len(versions)-len(values))
			return values, nil
		}
		before = versions
	}
}

// write takes the secrets of a workspace's owners to its path, and makes that with
// all of them at once where it is gone. The names are written down before they may be
// there, so that none stays that nobody knows. Nobody else may work on the path, from
// before w was read.
func (k *Keyring) write(ctx context.Context, w lab.WorkspaceSecrets, shared readings) error {
	merged := map[string]string{}
	for _, owner := range w.Owners {
		of, known := shared[owner]
		if !known {
			of.values, of.err = k.inForce(ctx, owner)
		}
		if of.err != nil {
			return fmt.Errorf("write the secrets of workspace %s: %w", w.Slug, of.err)
		}
		maps.Copy(merged, of.values)
	}
	names := slices.Sorted(maps.Keys(merged))
	if w.Done == w.Changes && slices.Equal(names, w.Names) {
		return k.put(ctx, w, merged, nil) // all is written down as it is
	}
	remove := slices.DeleteFunc(slices.Clone(w.Names), func(name string) bool { _, stays := merged[name]; return stays })
	if err := k.cfg.Store.BeginWorkspaceSecrets(ctx, k.epoch.Load(), w.WorkspaceID, append(slices.Clone(remove), names...)); err != nil {
		return err
	}
	if err := k.put(ctx, w, merged, remove); err != nil {
		return err
	}
	k.cfg.Logger.InfoContext(ctx, "a workspace has its secrets", "workspace", w.Slug, "names", len(names), "removed", len(remove))
	return k.cfg.Store.WroteWorkspaceSecrets(ctx, k.epoch.Load(), w.WorkspaceID, names, w.Changes)
}

// put writes values to a workspace's path, and takes the names in remove from it.
func (k *Keyring) put(ctx context.Context, w lab.WorkspaceSecrets, values map[string]string, remove []string) error {
	made, err := k.cfg.Vault.MakeWorkspaceSecret(ctx, w.Slug.JobID(), values)
	if err == nil && !made {
		err = k.cfg.Vault.SetWorkspaceSecrets(ctx, w.Slug.JobID(), values, remove)
	}
	if err := k.told("workspace", err); err != nil {
		return fmt.Errorf("write the secrets of workspace %s: %w", w.Slug, err)
	}
	return nil
}

// EnsureWorkspaceSecret gives a workspace that is about to start its own credential
// and all secrets that are for it, whatever has become of its path. It takes a job id
// as lab.Slug gives it.
func (k *Keyring) EnsureWorkspaceSecret(ctx context.Context, jobID string) error {
	slug, err := lab.ParseSlug(strings.TrimPrefix(jobID, lab.Slug("").JobID()))
	if err != nil {
		return err
	}
	return k.paths.alone(ctx, jobID, func() error {
		w, err := k.cfg.Store.SecretsOfWorkspace(ctx, slug)
		if err != nil {
			return err
		}
		if w.Changes == w.Done {
			if there, err := k.cfg.Vault.HasWorkspaceSecret(ctx, jobID); err != nil || there {
				return err
			}
		}
		return k.write(ctx, w, nil)
	})
}

// DeleteWorkspaceSecret deletes all that the path has of a workspace that is being
// deleted.
func (k *Keyring) DeleteWorkspaceSecret(ctx context.Context, jobID string) error {
	return k.paths.alone(ctx, jobID, func() error { return k.cfg.Vault.DeleteWorkspaceSecret(ctx, jobID) })
}
