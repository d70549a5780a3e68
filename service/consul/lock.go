package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/bothylabs/bothy/service/lab"
)

// ErrLost says that the lock was lost while it was held: its session could not be
// renewed in time, or Consul or a person ended it.
var ErrLost = errors.New("the lock is lost")

const (
	// giveBackTimeout bounds what is done to let others have the lock at once.
	giveBackTimeout = 5 * time.Second
	// delayRetry is how often a free lock is tried that Consul holds back for the
	// lock delay: the end of that is not announced.
	delayRetry = time.Second
	// renewRetry is how soon a renewal that failed is tried again.
	renewRetry = time.Second
)

// LockConfig says which lock it is and how it passes on.
type LockConfig struct {
	// Path is the lock's key in the KV store.
	Path string
	// Instance names whoever wants it, to people and to itself after a restart.
	Instance string
	// TTL is how long a session lives that is not renewed: 10 s to 24 h. Consul may
	// let it live up to twice that; the holder counts it as ended after once.
	TTL time.Duration
	// Delay is how long Consul keeps the lock free after a session that held it has
	// ended by itself.
	Delay time.Duration
}

// Holder is who holds a lock, since when.
type Holder struct {
	Instance string    `json:"instance"`
	Since    time.Time `json:"since"`
}

// Lock is a lock that one of several instances holds at a time. It does not fence
// a holder that was paused: what is done under it must be checked elsewhere.
type Lock struct {
	client
	lock LockConfig
	now  func() time.Time

	mu     sync.Mutex
	holder Holder
	// left is a session that could not be ended, "" for none. It may hold the lock.
	left string
	// looked says that the lock was looked at since this process began.
	looked bool
}

// NewLock makes a lock. It asks nothing of Consul.
func NewLock(cfg Config, lock LockConfig) (*Lock, error) {
	if cfg.Wait == 0 {
		cfg.Wait = time.Minute
	}
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	return &Lock{client: c, lock: lock, now: time.Now}, nil
}

// Holder says who was last seen to hold the lock; ok is false when nobody was.
func (l *Lock) Holder() (h Holder, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder, l.holder != Holder{}
}

// Hold waits for the lock and runs work while it is held; the context of work ends
// when the lock is lost. The lock is given back when work has returned. It returns
// nil once ctx has ended, else the error of work, ErrLost, or what keeps the lock
// from being asked for: CodeUnavailable when Consul does not answer, CodeRefused
// when it says no.
func (l *Lock) Hold(ctx context.Context, work func(context.Context) error) error {
	begun := l.now()
	session, err := l.open(ctx)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	held, lose := context.WithCancelCause(ctx)
	var background sync.WaitGroup
	background.Go(func() { lose(l.keep(held, session, begun)) })
	index, err := l.acquire(held, session)
	if err == nil {
		background.Go(func() { lose(l.watch(held, session, index)) })
		err = work(held)
	}
	lose(context.Canceled)
	background.Wait()
	l.giveBack(ctx, session)
	if cause := context.Cause(held); err == nil && errors.Is(cause, ErrLost) || errors.Is(err, context.Canceled) {
		err = cause
	}
	return unlessEnded(ctx, err)
}

// unlessEnded drops the errors that the end of ctx causes.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// open begins a session. One that is left from before is ended first.
func (l *Lock) open(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := l.endLeft(ctx); err != nil {
		return "", err
	}
	w, err := l.write(ctx)
	if err != nil {
		return "", err
	}
	session, _, err := l.api.Session().Create(&api.SessionEntry{
		Name: "bothy reconciler " + l.lock.Instance, TTL: l.lock.TTL.String(), LockDelay: l.lock.Delay,
		Behavior: api.SessionBehaviorRelease,
	}, w)
	if err != nil {
		return "", fmt.Errorf("begin a session: %w", l.failed(err, "session:write"))
	}
	return session, nil
}

// keep renews the session until it is lost or ctx ends. sent is when the session
// was asked for: it lives for the TTL from there at least.
func (l *Lock) keep(ctx context.Context, session string, sent time.Time) error {
	until, delay, failing := sent.Add(l.lock.TTL), l.lock.TTL/3, false
	for {
		if err := wait(ctx, min(delay, until.Sub(l.now()))); err != nil {
			return err
		}
		sent := l.now()
		if !sent.Before(until) {
			return fmt.Errorf("%w: its session could not be renewed for %s", ErrLost, l.lock.TTL)
		}
		err := l.renew(ctx, session, until.Sub(sent))
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrLost):
			return err
		case err != nil:
			if delay = renewRetry; !failing {
				l.cfg.Logger.WarnContext(ctx, "the lock's session can't be renewed", "error", err, "held_until", until)
			}
			failing = true
		default:
			until, delay, failing = sent.Add(l.lock.TTL), l.lock.TTL/3, false
		}
	}
}

func (l *Lock) renew(ctx context.Context, session string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	w, err := l.write(ctx)
	if err != nil {
		return err
	}
	// Not by Session().Renew, whose errors do not tell a refusal from silence.
	_, err = l.api.Raw().Write("/v1/session/renew/"+session, nil, nil, w)
	var answer api.StatusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer) && answer.Code == http.StatusNotFound:
		return fmt.Errorf("%w: Consul has ended its session", ErrLost)
	default:
		return l.failed(err, "session:write")
	}
}

// acquire waits until the session holds the lock, and gives the index of that.
func (l *Lock) acquire(ctx context.Context, session string) (uint64, error) {
	for {
		self := Holder{Instance: l.lock.Instance, Since: l.now().UTC().Truncate(time.Second)}
		got, err := l.put(ctx, session, self)
		if err != nil {
			return 0, err
		}
		pair, index, err := l.read(ctx, 0)
		if err != nil {
			return 0, err
		}
		if got && pair.Session == session {
			return index, nil
		}
		if err := l.awaitFree(ctx, pair, index); err != nil {
			return 0, err
		}
	}
}

// awaitFree returns when the lock may be free.
func (l *Lock) awaitFree(ctx context.Context, pair api.KVPair, index uint64) error {
	if l.recover(ctx, pair) {
		return nil
	}
	if pair.Session == "" {
		return wait(ctx, delayRetry)
	}
	for pair.Session != "" {
		var err error
		if pair, index, err = l.read(ctx, index); err != nil {
			return err
		}
	}
	return nil
}

// recover takes the lock from this instance's own earlier run, which did not end
// by itself: its session may live for a while yet. That happens at the first look
// only, so that two instances of one name do not take it from each other for ever.
func (l *Lock) recover(ctx context.Context, pair api.KVPair) bool {
	l.mu.Lock()
	first := !l.looked
	l.looked = true
	l.mu.Unlock()
	if !first || pair.Session == "" || holderOf(pair).Instance != l.lock.Instance {
		return false
	}
	l.cfg.Logger.InfoContext(ctx, "the lock is taken from an earlier run of this instance")
	return l.release(ctx, pair.Session) == nil
}

// watch returns when another session or none holds the lock. While Consul does
// not answer, whoever renews the session judges.
func (l *Lock) watch(ctx context.Context, session string, index uint64) error {
	for {
		pair, next, err := l.read(ctx, index)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			next = 0
			if err := wait(ctx, renewRetry); err != nil {
				return err
			}
		case pair.Session != session:
			return fmt.Errorf("%w: it was taken from its session", ErrLost)
		}
		index = next
	}
}

// read gives the lock's key once it differs from the one at index, and notes who holds it.
func (l *Lock) read(ctx context.Context, index uint64) (api.KVPair, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Wait+l.cfg.Wait/16+requestTimeout)
	defer cancel()
	q, err := l.query(ctx)
	if err != nil {
		return api.KVPair{}, 0, err
	}
	// Whoever holds the lock is not to be learned from a server that lags behind.
	q.RequireConsistent, q.WaitIndex, q.WaitTime = true, index, l.cfg.Wait
	pair, meta, err := l.api.KV().Get(l.lock.Path, q)
	if err != nil {
		return api.KVPair{}, 0, fmt.Errorf("read the lock: %w", l.failed(err, l.keyRight()))
	}
	if pair == nil {
		pair = &api.KVPair{}
	}
	l.mu.Lock()
	l.holder = holderOf(*pair)
	l.mu.Unlock()
	return *pair, following(index, meta.LastIndex), nil
}

// holderOf is who holds the lock; zero when nobody does.
func holderOf(pair api.KVPair) Holder {
	var h Holder
	if pair.Session == "" || json.Unmarshal(pair.Value, &h) != nil {
		return Holder{}
	}
	return h
}

func (l *Lock) put(ctx context.Context, session string, self Holder) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	w, err := l.write(ctx)
	if err != nil {
		return false, err
	}
	value, err := json.Marshal(self)
	if err != nil {
		return false, fmt.Errorf("write the lock's holder: %w", err)
	}
	got, _, err := l.api.KV().Acquire(&api.KVPair{Key: l.lock.Path, Value: value, Session: session}, w)
	if err != nil {
		return false, fmt.Errorf("take the lock: %w", l.failed(err, l.keyRight()))
	}
	return got, nil
}

func (l *Lock) keyRight() string { return fmt.Sprintf("key:write on %q", l.lock.Path) }

// release lets go of the lock if the session holds it, so that it is free at once:
// the lock delay is for sessions that end while they hold it.
func (l *Lock) release(ctx context.Context, session string) error {
	w, err := l.write(ctx)
	if err != nil {
		return err
	}
	if _, _, err := l.api.KV().Release(&api.KVPair{Key: l.lock.Path, Session: session}, w); err != nil {
		return fmt.Errorf("release the lock: %w", l.failed(err, l.keyRight()))
	}
	return nil
}

// giveBack ends the session, also when ctx has ended.
func (l *Lock) giveBack(ctx context.Context, session string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
	defer cancel()
	l.mu.Lock()
	l.left, l.holder = session, Holder{}
	l.mu.Unlock()
	if err := l.endLeft(ctx); err != nil {
		l.cfg.Logger.WarnContext(ctx, "the lock can't be given back; it passes on when its session has ended", "error", err)
	}
}

// endLeft releases and ends the session that is left, if there is one.
func (l *Lock) endLeft(ctx context.Context) error {
	l.mu.Lock()
	left := l.left
	l.mu.Unlock()
	if left == "" {
		return nil
	}
	if err := l.release(ctx, left); err != nil && lab.CodeOf(err) == lab.CodeUnavailable {
		return err
	}
	w, err := l.write(ctx)
	if err != nil {
		return err
	}
	if _, err := l.api.Session().Destroy(left, w); err != nil {
		return fmt.Errorf("end the lock's session: %w", l.failed(err, "session:write"))
	}
	l.mu.Lock()
	l.left = ""
	l.mu.Unlock()
	return nil
}

// wait returns after d, or with the reason why ctx has ended.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
