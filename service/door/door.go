// Package door lets the right person into a workspace and nobody else. On the
// console's origin it makes one-time tickets; on the labs origin it takes them for
// passes, tells the workspaces' NGINX whether a pass counts, and answers for
// workspaces that do not run. It never serves what belongs to the console.
package door

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// ticketLife is how long a ticket may be used.
	ticketLife = time.Minute
	// tokenPassLife is how long a pass is good at most that hangs on no session,
	// sessionPassLife how long one may be that does, whatever the session's own end.
	tokenPassLife   = time.Hour
	sessionPassLife = 30 * 24 * time.Hour
	// lookInLife is how long a pass is good at most of who looks in: whoever stays
	// longer is seen to come in again.
	lookInLife = time.Hour
	// Fresh is how long a workspace's NGINX may go on with a yes: the templates'
	// proxy_cache_valid. An eviction waits for it, and for an answer under way.
	Fresh    = 5 * time.Second
	underWay = time.Second
	// sweep is how often ended passes are looked for, touch how old what is stored of
	// a session's last sight may become.
	sweep = 5 * time.Second
	touch = time.Minute
	// presence is how long before a session has gone unseen for too long its editors are
	// made to come back, half of that time at most: what is typed goes over connections
	// that are open, where nobody is asked for a pass.
	presence = 10 * time.Minute
	// kept is how long tickets and passes are kept after their end, and the interval of their removal.
	kept = 24 * time.Hour
	// unused is for how long it is known whose a browser is that nobody comes in with.
	unused = 90 * 24 * time.Hour
)

// Store keeps tickets and passes.
type Store interface {
	AddTicket(ctx context.Context, ticket lab.Ticket) error
	Offer(ctx context.Context, hash string, slug lab.Slug, host lab.DoorHost, browser string, now time.Time) (lab.Offer, error)
	RedeemTicket(ctx context.Context, hash string, slug lab.Slug, host lab.DoorHost, browser string, now time.Time,
		pass func(lab.Ticket) (lab.Pass, lab.Audit)) error
	Admission(ctx context.Context, hashes []string, slug lab.Slug, host lab.DoorHost, browser string, now, seen time.Time) (lab.Admission, error)
	TouchSessions(ctx context.Context, seen map[string]time.Time) error
	EndPasses(ctx context.Context, now, seen, evictAfter time.Time) (int, error)
	AskPresence(ctx context.Context, now, seen, unseen, evictAfter time.Time) (int, error)
	CleanDoor(ctx context.Context, before, unused time.Time) error
	Workspace(ctx context.Context, ref string) (lab.WorkspaceDetail, error)
}

// Config is what a door works with. What has no default must be set.
type Config struct {
	Store Store
	// Allows says whether a caller may do openWorkspace or lookIn at a workspace:
	// nil, CodeForbidden, or CodeNotFound where they may not even know of it.
	Allows func(operation string, caller lab.Caller, belonging lab.Belonging) error
	// Refused writes down that somebody asked at the console for a workspace that they
	// may not open; nil for nowhere.
	Refused func(ctx context.Context, actor lab.Actor, operation, target string) error
	// Remote says from which address a visitor comes, whom a router may have sent.
	Remote func(r *http.Request) string
	// Start wants a workspace running.
	Start func(ctx context.Context, intent lab.Intent, slug lab.Slug) error
	// Sweeps says whether this instance is the one that ends passes; Wake is called
	// when it did, so that connections are ended.
	Sweeps func() bool
	Wake   func()
	// ConsoleURL and LabsURL are the two origins, without a slash at their ends.
	ConsoleURL, LabsURL string
	// OwnHosts says that each workspace has a host of its own below the labs origin's.
	OwnHosts bool
	// LookInShared lets people look in on the shared host where OwnHosts is false.
	LookInShared bool
	// Idle is how long a session may go unseen.
	Idle   time.Duration
	Logger *slog.Logger
	// NewID makes ids that sort in the order in which they were made.
	NewID func() string
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Door is made by New. Its methods may be called at the same time.
type Door struct {
	cfg    Config
	labs   *url.URL
	page   *template.Template
	policy policies
	// cleaned is when old tickets and passes were last removed: Run's alone.
	cleaned time.Time

	mu sync.Mutex
	// seen are the sessions that were seen since they were last written.
	seen map[string]time.Time
}

// New makes a door.
func New(cfg Config) (*Door, error) {
	labs, err := url.Parse(cfg.LabsURL)
	if err != nil || labs.Host == "" {
		return nil, lab.Invalid("the door can't be made", lab.Field{
			Name: "labs_url", Problem: "is no origin", Remedy: "write http:// or https:// and a host name",
		})
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d := &Door{cfg: cfg, labs: labs, seen: map[string]time.Time{}}
	if d.page, d.policy, err = readPage(cfg.LabsURL, labs.Scheme+"://*."+labs.Host); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Door) now() time.Time { return d.cfg.Now().UTC().Truncate(time.Microsecond) }

func (d *Door) secure() bool { return d.labs.Scheme == "https" }

// origin is where a workspace is on a kind of host, without a slash at the end.
func (d *Door) origin(slug lab.Slug, host lab.DoorHost) string {
	if host == lab.HostOwn {
		return d.labs.Scheme + "://" + string(slug) + "." + d.labs.Host
	}
	return d.cfg.LabsURL
}

// root is the path below which a workspace is on a kind of host, without a slash at the end.
func root(slug lab.Slug, host lab.DoorHost) string {
	if host == lab.HostOwn {
		return ""
	}
	return "/" + string(slug)
}

// Link gives a caller a way into a workspace, to a path inside it, for whatever
// browser takes it first, which asks whoever is there before it does. CodeNotFound for
// a workspace that there is not or that the caller may not know of, CodeForbidden
// where they may not come in, CodeConflict where it is deleted,
// or looking in is off.
func (d *Door) Link(ctx context.Context, caller lab.Caller, remote, ref string, as lab.EntryAs, to string) (lab.DoorLink, error) {
	slug, entry, err := d.way(ctx, caller, ref, as)
	if err != nil {
		return lab.DoorLink{}, err
	}
	return d.link(ctx, slug, entry, remote, to)
}

// way decides how a caller comes into a workspace, with the errors of Link.
func (d *Door) way(ctx context.Context, caller lab.Caller, ref string, as lab.EntryAs) (lab.Slug, lab.Entry, error) {
	workspace, err := d.cfg.Store.Workspace(ctx, ref)
	if err != nil {
		return "", lab.Entry{}, err
	}
	entry, err := d.entry(caller, workspace, as)
	if err == nil && workspace.DeletedAt != nil {
		err = lab.Errorf(lab.CodeConflict, "workspace %s is deleted", workspace.Slug)
	}
	return workspace.Slug, entry, err
}

// link makes a ticket.
func (d *Door) link(ctx context.Context, slug lab.Slug, entry lab.Entry, remote, to string) (lab.DoorLink, error) {
	secret, now := newSecret(), d.now()
	ticket := lab.Ticket{Hash: hashOf(secret), Entry: entry, Remote: remote, CreatedAt: now, ExpiresAt: now.Add(ticketLife)}
	if err := d.cfg.Store.AddTicket(ctx, ticket); err != nil {
		return lab.DoorLink{}, err
	}
	at := d.entrance(slug, entry.Host) + "?ticket=" + secret + "&to=" + inside(to)
	return lab.DoorLink{URL: at, ExpiresAt: ticket.ExpiresAt, LooksIn: entry.LooksIn}, nil
}

// entrance is where tickets for a workspace are taken.
func (d *Door) entrance(slug lab.Slug, host lab.DoorHost) string {
	return d.origin(slug, host) + root(slug, host) + pathEnter
}

// entry decides what a caller comes as.
func (d *Door) entry(caller lab.Caller, workspace lab.WorkspaceDetail, as lab.EntryAs) (lab.Entry, error) {
	entry := lab.Entry{
		WorkspaceID: workspace.ID, Host: lab.HostShared,
		UserID: caller.UserID, SessionID: caller.SessionID, TokenID: caller.TokenID, Actor: caller.Name, Role: caller.Role,
	}
	belonging := lab.Belonging{ClassID: workspace.ClassID, StudentID: workspace.StudentID}
	if as != lab.AsLookerIn {
		switch err := d.cfg.Allows("openWorkspace", caller, belonging); {
		case err == nil:
			return entry, nil
		case as == lab.AsStudent && (caller.UserID != "" || caller.Role != lab.RoleAdmin):
			return entry, err
		}
	}
	if err := d.cfg.Allows("lookIn", caller, belonging); err != nil {
		return entry, err
	}
	entry.LooksIn = true
	switch {
	case as == lab.AsStudent:
	case d.cfg.OwnHosts:
		entry.Host = lab.HostOwn
	case !d.cfg.LookInShared:
		return entry, lab.Errorf(lab.CodeConflict, "looking in is off: workspaces have no hosts of their own here").
			WithHint("give the labs origin a wildcard name and certificate, and set labs.own_hosts; docs/door.md tells why")
	}
	return entry, nil
}

// redeem takes a ticket for a pass, and gives what the browser is to keep. as is the
// browser's cookie from then on: the one that it has sent, or another that takes its
// place. CodeUnauthenticated for a ticket that is not good, or not any more,
// CodeConflict for a browser that is somebody else's.
func (d *Door) redeem(ctx context.Context, secret string, v visit, as string) (string, error) {
	pass, now := newSecret(), d.now()
	err := d.cfg.Store.RedeemTicket(ctx, hashOf(secret), v.slug, v.host, hashOf(v.browser), now, func(t lab.Ticket) (lab.Pass, lab.Audit) {
		life := sessionPassLife
		if t.SessionID == "" {
			life = tokenPassLife
		}
		if t.LooksIn {
			life = min(life, lookInLife)
		}
		made := lab.Pass{ID: d.cfg.NewID(), Hash: hashOf(pass), Entry: t.Entry, CreatedAt: now, ExpiresAt: now.Add(life)}
		made.Browser = hashOf(as)
		return made, lab.Audit{
			ID: d.cfg.NewID(), At: now, Actor: lab.Actor{Name: t.Actor, UserID: t.UserID, Role: t.Role, Remote: t.Remote},
			Action: "workspace.look_in", Target: t.WorkspaceID, Detail: map[string]any{"slug": string(v.slug), "host": string(v.host)},
		}
	})
	return pass, err
}

// admission looks at the passes that a browser has sent. CodeUnauthenticated for none
// that counts, CodeForbidden for one whose holder may not come in any more.
func (d *Door) admission(ctx context.Context, v visit) (lab.Admission, error) {
	if v.browser == "" || len(v.passes) == 0 {
		return lab.Admission{}, lab.Errorf(lab.CodeUnauthenticated, "there is no pass")
	}
	hashes := make([]string, len(v.passes))
	for i, pass := range v.passes {
		hashes[i] = hashOf(pass)
	}
	now := d.now()
	found, err := d.cfg.Store.Admission(ctx, hashes, v.slug, v.host, hashOf(v.browser), now, now.Add(-d.cfg.Idle))
	switch {
	case lab.CodeOf(err) == lab.CodeNotFound:
		return found, lab.Errorf(lab.CodeUnauthenticated, "there is no pass")
	case err != nil:
		return found, err
	case !found.May:
		return found, lab.Errorf(lab.CodeForbidden, "the pass's holder may not come in any more")
	case !found.Lives:
		return found, lab.Errorf(lab.CodeUnauthenticated, "the pass has ended")
	}
	if found.SessionID != "" && now.Sub(found.SessionSeenAt) > touch {
		d.mu.Lock()
		d.seen[found.SessionID] = now
		d.mu.Unlock()
	}
	return found, nil
}

// Run writes when sessions were seen, and where this instance is the one to do so
// ends the passes that count no more, asks who is still there before a session ends
// for not being used, and removes what is old. Until ctx ends, which is no error.
func (d *Door) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweep)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := errors.Join(d.touchSessions(ctx), d.endPasses(ctx), d.askPresence(ctx), d.clean(ctx)); err != nil && ctx.Err() == nil {
			d.cfg.Logger.WarnContext(ctx, "passes can't be looked after", "error", err)
		}
	}
}

// touchSessions writes what was seen; what can't be written now is tried again.
func (d *Door) touchSessions(ctx context.Context) error {
	d.mu.Lock()
	seen := d.seen
	d.seen = map[string]time.Time{}
	d.mu.Unlock()
	err := d.cfg.Store.TouchSessions(ctx, seen)
	if err != nil {
		d.mu.Lock()
		for id, at := range seen {
			if d.seen[id].Before(at) {
				d.seen[id] = at
			}
		}
		d.mu.Unlock()
	}
	return err
}

func (d *Door) endPasses(ctx context.Context) error {
	if !d.cfg.Sweeps() {
		return nil
	}
	now := d.now()
	ended, err := d.cfg.Store.EndPasses(ctx, now, now.Add(-d.cfg.Idle), now.Add(Fresh+underWay))
	if ended > 0 {
		d.cfg.Logger.InfoContext(ctx, "passes have ended", "number", ended)
		d.cfg.Wake()
	}
	return err
}

func (d *Door) askPresence(ctx context.Context) error {
	if !d.cfg.Sweeps() {
		return nil
	}
	now := d.now()
	n, err := d.cfg.Store.AskPresence(ctx, now, now.Add(-d.cfg.Idle), now.Add(min(presence, d.cfg.Idle/2)-d.cfg.Idle), now.Add(Fresh+underWay))
	if n > 0 {
		d.cfg.Logger.InfoContext(ctx, "sessions have gone unseen for long: their editors are made to connect anew", "passes", n)
		d.cfg.Wake()
	}
	return err
}

// clean removes what is kept for a while after its end; what can't be removed now is tried again.
func (d *Door) clean(ctx context.Context) error {
	now := d.now()
	if !d.cfg.Sweeps() || now.Sub(d.cleaned) <= kept {
		return nil
	}
	err := d.cfg.Store.CleanDoor(ctx, now.Add(-kept), now.Add(-unused))
	if err == nil {
		d.cleaned = now
	}
	return err
}

func newSecret() string { return rand.Text() + rand.Text() }

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// inside gives a path inside a workspace, with its query, that a browser cannot take
// for another host's; "/" for anything else.
func inside(to string) string {
	const most = 4096
	ok := len(to) <= most && strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") && !strings.HasPrefix(to, `/\`)
	if !ok || strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' || r == '"' || r == '<' || r == '>' }) {
		return "/"
	}
	return to
}
