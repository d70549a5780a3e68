package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	insertTicket = `INSERT INTO tickets (hash, workspace_id, host, looks_in, user_id, session_id, token_id, actor, role, browser, remote, created_at, expires_at)
		VALUES (:hash, :workspace_id, :host, :looks_in, :user_id, :session_id, :token_id, :actor, :role, :browser, :remote, :created_at, :expires_at)`
	insertPass = `INSERT INTO passes (id, hash, workspace_id, host, looks_in, user_id, session_id, token_id, actor, role, browser, created_at, expires_at)
		VALUES (:id, :hash, :workspace_id, :host, :looks_in, :user_id, :session_id, :token_id, :actor, :role, :browser, :created_at, :expires_at)`
	insertLookIn = `INSERT INTO look_ins (id, workspace_id, user_id, actor, role, how, at) VALUES (:id, :workspace_id, :user_id, :actor, :role, :how, :at)`

	// admissions joins each pass with all that it depends on. Its parameters are now,
	// now, the moment after which a session must have been seen, and now.
	admissions = `SELECT p.id, p.hash, p.workspace_id, p.host, p.looks_in, p.user_id, p.session_id, p.token_id, p.actor, p.role, p.browser,
			p.created_at, p.expires_at, p.ended_at, p.asked_at, e.seen_at,
			(p.ended_at IS NULL AND p.expires_at > ? AND (p.session_id = ''
				OR e.id IS NOT NULL AND e.ended_at IS NULL AND e.expires_at > ? AND e.seen_at > ?)
				AND (p.token_id = '' OR k.id IS NOT NULL AND k.revoked_at IS NULL AND k.expires_at > ?)) AS lives,
			(w.deleted_at IS NULL AND (p.user_id = '' OR u.id IS NOT NULL AND u.disabled_at IS NULL AND (
				(NOT p.looks_in AND s.user_id = p.user_id AND s.withdrawn_at IS NULL)
				OR (p.looks_in AND (u.role = 'admin' OR u.role IN ('instructor', 'assistant') AND (
					EXISTS (SELECT 1 FROM cohort_instructors i WHERE i.cohort_id = c.cohort_id AND i.user_id = u.id)
					OR EXISTS (SELECT 1 FROM class_assistants a WHERE a.class_id = c.id AND a.user_id = u.id))))))) AS may
		FROM passes p
		JOIN workspaces w ON w.id = p.workspace_id
		JOIN classes c ON c.id = w.class_id
		JOIN students s ON s.id = w.student_id
		LEFT JOIN users u ON u.id = p.user_id
		LEFT JOIN sessions e ON e.id = p.session_id
		LEFT JOIN api_tokens k ON k.id = p.token_id `
)

type entryRow struct {
	WorkspaceID string `db:"workspace_id"`
	Host        string `db:"host"`
	LooksIn     bool   `db:"looks_in"`
	UserID      string `db:"user_id"`
	SessionID   string `db:"session_id"`
	TokenID     string `db:"token_id"`
	Actor       string `db:"actor"`
	Role        string `db:"role"`
	Browser     string `db:"browser"`
}

func (r entryRow) entry() lab.Entry {
	return lab.Entry{
		WorkspaceID: r.WorkspaceID, Host: lab.DoorHost(r.Host), LooksIn: r.LooksIn,
		UserID: r.UserID, SessionID: r.SessionID, TokenID: r.TokenID, Actor: r.Actor, Role: lab.Role(r.Role), Browser: r.Browser,
	}
}

func rowOfEntry(e lab.Entry) entryRow {
	return entryRow{
		WorkspaceID: e.WorkspaceID, Host: string(e.Host), LooksIn: e.LooksIn,
		UserID: e.UserID, SessionID: e.SessionID, TokenID: e.TokenID, Actor: e.Actor, Role: string(e.Role), Browser: e.Browser,
	}
}

type ticketRow struct {
	Hash string `db:"hash"`
	entryRow
	Remote     string `db:"remote"`
	CreatedAt  stamp  `db:"created_at"`
	ExpiresAt  stamp  `db:"expires_at"`
	RedeemedAt stamp  `db:"redeemed_at"`
}

func (r ticketRow) ticket() lab.Ticket {
	return lab.Ticket{
		Hash: r.Hash, Entry: r.entry(), Remote: r.Remote, CreatedAt: time.Time(r.CreatedAt),
		ExpiresAt: time.Time(r.ExpiresAt), RedeemedAt: r.RedeemedAt.pointer(),
	}
}

type passRow struct {
	ID   string `db:"id"`
	Hash string `db:"hash"`
	entryRow
	CreatedAt stamp `db:"created_at"`
	ExpiresAt stamp `db:"expires_at"`
	EndedAt   stamp `db:"ended_at"`
}

func (r passRow) pass() lab.Pass {
	return lab.Pass{
		ID: r.ID, Hash: r.Hash, Entry: r.entry(),
		CreatedAt: time.Time(r.CreatedAt), ExpiresAt: time.Time(r.ExpiresAt), EndedAt: r.EndedAt.pointer(),
	}
}

type admissionRow struct {
	passRow
	AskedAt stamp `db:"asked_at"`
	SeenAt  stamp `db:"seen_at"`
	Lives   bool  `db:"lives"`
	May     bool  `db:"may"`
}

func (r admissionRow) admission() lab.Admission {
	return lab.Admission{Pass: r.pass(), Lives: r.Lives, May: r.May, SessionSeenAt: time.Time(r.SeenAt)}
}

// AddTicket stores a ticket.
func (s *Store) AddTicket(ctx context.Context, ticket lab.Ticket) error {
	return s.update(ctx, "add a ticket", func(tx session) error {
		return insert(ctx, tx, insertTicket, ticketRow{
			Hash: ticket.Hash, entryRow: rowOfEntry(ticket.Entry), Remote: ticket.Remote,
			CreatedAt: stamp(ticket.CreatedAt), ExpiresAt: stamp(ticket.ExpiresAt),
		})
	})
}

// Offer gives a ticket that is still good for a workspace on a kind of host, and what
// is known of the browser that would take it, by the hash of its cookie; "" for none.
// CodeUnauthenticated for one that is not known, was taken before, is too old, or is
// for another workspace or host than those given.
func (s *Store) Offer(ctx context.Context, hash string, slug lab.Slug, host lab.DoorHost, browser string, now time.Time) (lab.Offer, error) {
	var row struct {
		ticketRow
		Login      string `db:"login"`
		OwnerID    string `db:"owner_id"`
		OwnerActor string `db:"owner_actor"`
		Owner      string `db:"owner"`
	}
	err := s.reader().get(ctx, &row, `SELECT t.hash, t.workspace_id, t.host, t.looks_in, t.user_id, t.session_id, t.token_id, t.actor, t.role, t.browser,
			t.remote, t.created_at, t.expires_at, t.redeemed_at, COALESCE(u.login, t.actor) AS login,
			COALESCE(b.user_id, '') AS owner_id, COALESCE(b.actor, '') AS owner_actor, COALESCE(o.login, b.actor, '') AS owner
		FROM tickets t
		JOIN workspaces w ON w.id = t.workspace_id
		LEFT JOIN users u ON u.id = t.user_id
		LEFT JOIN browsers b ON b.hash = ?
		LEFT JOIN users o ON o.id = b.user_id
		WHERE t.hash = ? AND t.redeemed_at IS NULL AND t.expires_at > ? AND t.host = ? AND w.slug = ? AND w.deleted_at IS NULL`,
		browser, hash, stamp(now), string(host), string(slug))
	if errors.Is(err, sql.ErrNoRows) {
		return lab.Offer{}, noTicket()
	}
	if err != nil {
		return lab.Offer{}, s.failed(ctx, "read a ticket", err)
	}
	offer := lab.Offer{Ticket: row.ticket(), Login: row.Login}
	if holder := (lab.Entry{UserID: row.OwnerID, Actor: row.OwnerActor}).Holder(); holder != "" && holder != offer.Holder() {
		offer.Owner = cmp.Or(row.Owner, "somebody else")
	}
	return offer, nil
}

func noTicket() error {
	return lab.Errorf(lab.CodeUnauthenticated, "the link was used before or is too old")
}

// The newest passes that one session or token keeps for one workspace on one kind of
// host: of one browser, and of all. A person has few browsers, a program may have any.
const (
	passesOfBrowser = 4
	passesOfAll     = 16
)

// RedeemTicket takes a ticket for a pass, once. pass makes it; for who looks in, that
// is written down in the same transaction with the audit that pass gives. browser is
// the hash of the browser's cookie; where the pass is for another, that one takes its
// place, and the passes of before end. A ticket that is not known, was taken before, is
// too old, or is for another browser, workspace or host than those given is
// CodeUnauthenticated, a browser that is somebody else's CodeConflict.
func (s *Store) RedeemTicket(
	ctx context.Context, hash string, slug lab.Slug, host lab.DoorHost, browser string, now time.Time, pass func(lab.Ticket) (lab.Pass, lab.Audit),
) error {
	return s.update(ctx, "redeem a ticket", func(tx session) error {
		n, err := tx.exec(ctx, `UPDATE tickets SET redeemed_at = ? WHERE hash = ? AND redeemed_at IS NULL AND expires_at > ? AND host = ?
			AND browser IN ('', ?) AND workspace_id = (SELECT id FROM workspaces WHERE slug = ? AND deleted_at IS NULL)`,
			stamp(now), hash, stamp(now), string(host), browser, string(slug))
		if err != nil {
			return err
		}
		if n == 0 {
			return noTicket()
		}
		var row ticketRow
		if err := tx.get(ctx, &row, `SELECT hash, workspace_id, host, looks_in, user_id, session_id, token_id, actor, role, browser, remote,
			created_at, expires_at, redeemed_at FROM tickets WHERE hash = ?`, hash); err != nil {
			return err
		}
		made, audit := pass(row.ticket())
		if err := claimBrowser(ctx, tx, made, now); err != nil {
			return err
		}
		if made.Browser != browser {
			if _, err := tx.exec(ctx, `UPDATE passes SET expires_at = ? WHERE browser = ? AND ended_at IS NULL AND expires_at > ?`,
				stamp(now), browser, stamp(now)); err != nil {
				return err
			}
		}
		if err := insert(ctx, tx, insertPass, passRow{
			ID: made.ID, Hash: made.Hash, entryRow: rowOfEntry(made.Entry), CreatedAt: stamp(made.CreatedAt), ExpiresAt: stamp(made.ExpiresAt),
		}); err != nil {
			return err
		}
		if err := boundPasses(ctx, tx, made, now); err != nil || !made.LooksIn {
			return err
		}
		if err := insert(ctx, tx, insertLookIn, lookInRow{
			made.ID, made.WorkspaceID, made.UserID, made.Actor, string(made.Role), string(lab.LookInEditor), stamp(now),
		}); err != nil {
			return err
		}
		return record(ctx, tx, audit)
	})
}

type lookInRow struct {
	ID          string `db:"id"`
	WorkspaceID string `db:"workspace_id"`
	UserID      string `db:"user_id"`
	Actor       string `db:"actor"`
	Role        string `db:"role"`
	How         string `db:"how"`
	At          stamp  `db:"at"`
}

// RecordLookIn writes down an act, and that its actor was in a workspace by it.
func (s *Store) RecordLookIn(ctx context.Context, workspaceID string, how lab.LookInHow, audit lab.Audit) error {
	return s.update(ctx, "record a look-in", func(tx session) error {
		if err := insert(ctx, tx, insertLookIn, lookInRow{
			audit.ID, workspaceID, audit.Actor.UserID, audit.Actor.Name, string(audit.Actor.Role), string(how), stamp(audit.At),
		}); err != nil {
			return err
		}
		return record(ctx, tx, audit)
	})
}

// claimBrowser makes the browser of a pass its holder's; CodeConflict where it is somebody else's.
func claimBrowser(ctx context.Context, tx session, made lab.Pass, now time.Time) error {
	if _, err := tx.exec(ctx, `INSERT INTO browsers (hash, user_id, actor, used_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (hash) DO UPDATE SET used_at = excluded.used_at`, made.Browser, made.UserID, made.Actor, stamp(now)); err != nil {
		return err
	}
	var owner entryRow
	if err := tx.get(ctx, &owner, `SELECT user_id, actor FROM browsers WHERE hash = ?`, made.Browser); err != nil {
		return err
	}
	if owner.entry().Holder() != made.Holder() {
		return lab.Errorf(lab.CodeConflict, "workspaces of somebody else were opened in this browser")
	}
	return nil
}

// boundPasses ends the passes beyond the newest few that were made with the same
// session or token as one. Nobody is thrown out for it: whoever is in by one of them
// may be in by a newer one.
func boundPasses(ctx context.Context, tx session, made lab.Pass, now time.Time) error {
	var rows []struct {
		ID      string `db:"id"`
		Browser string `db:"browser"`
	}
	err := tx.list(ctx, &rows, `SELECT id, browser FROM passes WHERE ended_at IS NULL AND workspace_id = ? AND host = ? AND user_id = ? AND session_id = ?
		AND token_id = ? AND actor = ? ORDER BY created_at DESC, id DESC`,
		made.WorkspaceID, string(made.Host), made.UserID, made.SessionID, made.TokenID, made.Actor)
	if err != nil {
		return err
	}
	var over []any
	of := map[string]int{}
	for i, row := range rows {
		if of[row.Browser]++; i >= passesOfAll || of[row.Browser] > passesOfBrowser {
			over = append(over, row.ID)
		}
	}
	if len(over) == 0 {
		return nil
	}
	_, err = tx.exec(ctx, `UPDATE passes SET ended_at = ? WHERE id IN (`+marks(len(over))+`)`, append([]any{stamp(now)}, over...)...)
	return err
}

// Admission tells of the best of some passes for a workspace on a kind of host in a
// browser, by their hashes: of one that lives and may where there is one. seen is the
// moment after which a session must have been seen. CodeNotFound when there is none.
func (s *Store) Admission(
	ctx context.Context, hashes []string, slug lab.Slug, host lab.DoorHost, browser string, now, seen time.Time,
) (lab.Admission, error) {
	if len(hashes) == 0 {
		return lab.Admission{}, lab.NotFound("pass", "")
	}
	args := moments(now, seen)
	for _, hash := range hashes {
		args = append(args, hash)
	}
	args = append(args, string(slug), string(host), browser)
	var rows []admissionRow
	err := s.reader().list(ctx, &rows, admissions+`WHERE p.hash IN (`+marks(len(hashes))+`) AND w.slug = ? AND p.host = ? AND p.browser = ?`, args...)
	if err != nil {
		return lab.Admission{}, s.failed(ctx, "read a pass", err)
	}
	if len(rows) == 0 {
		return lab.Admission{}, lab.NotFound("pass", "")
	}
	return slices.MaxFunc(rows, func(a, b admissionRow) int {
		return cmp.Or(cmp.Compare(a.worth(), b.worth()), cmp.Compare(a.CreatedAt.micros(), b.CreatedAt.micros()))
	}).admission(), nil
}

func (r admissionRow) worth() int {
	switch {
	case r.Lives && r.May:
		return 2
	case !r.May:
		return 1
	default:
		return 0
	}
}

// TouchSessions writes when sessions were last seen, by their ids; nothing of those
// that have ended.
func (s *Store) TouchSessions(ctx context.Context, seen map[string]time.Time) error {
	if len(seen) == 0 {
		return nil
	}
	rows := make([][]any, 0, len(seen))
	for id, at := range seen {
		rows = append(rows, []any{id, stamp(at)})
	}
	slices.SortFunc(rows, func(a, b []any) int { return cmp.Compare(a[0].(string), b[0].(string)) }) //nolint:errcheck // it was put there
	return s.update(ctx, "touch sessions", func(tx session) error {
		return tx.updateRows(ctx, `UPDATE sessions SET seen_at = touched.column2 FROM $rows AS touched
			WHERE sessions.id = touched.column1 AND sessions.ended_at IS NULL AND sessions.seen_at < touched.column2`, []string{"TEXT", "BIGINT"}, rows)
	})
}

// moments are the parameters of admissions.
func moments(now, seen time.Time) []any {
	return []any{stamp(now), stamp(now), stamp(seen), stamp(now)}
}

// EndPasses ends every pass that counts no more at a moment, and wants the open
// connections of their workspaces ended from another moment on. It gives how many
// passes it ended.
func (s *Store) EndPasses(ctx context.Context, now, seen, evictAfter time.Time) (int, error) {
	var rows []admissionRow
	err := s.reader().list(ctx, &rows, `SELECT * FROM (`+admissions+`WHERE p.ended_at IS NULL) q WHERE NOT (q.lives AND q.may)`, moments(now, seen)...)
	if err != nil {
		return 0, s.failed(ctx, "look for passes that ended", err)
	}
	return len(rows), s.evict(ctx, "end passes", rows, now, evictAfter,
		`UPDATE passes SET ended_at = e.column2 FROM $rows AS e WHERE passes.id = e.column1 AND passes.ended_at IS NULL`)
}

// AskPresence wants the open connections ended, from a moment on, of the workspaces
// that passes let into whose sessions were not seen after another: whoever is there
// comes back by themselves, which is seen. It asks once after each time that a
// session was seen, and gives for how many passes it did.
func (s *Store) AskPresence(ctx context.Context, now, seen, unseen, evictAfter time.Time) (int, error) {
	var rows []admissionRow
	err := s.reader().list(ctx, &rows, `SELECT * FROM (`+admissions+`WHERE p.ended_at IS NULL AND e.seen_at <= ?
			AND (p.asked_at IS NULL OR p.asked_at <= e.seen_at)) q WHERE q.lives AND q.may`, append(moments(now, seen), stamp(unseen))...)
	if err != nil {
		return 0, s.failed(ctx, "look for sessions that are not seen", err)
	}
	return len(rows), s.evict(ctx, "ask who is there", rows, now, evictAfter,
		`UPDATE passes SET asked_at = e.column2 FROM $rows AS e WHERE passes.id = e.column1 AND passes.ended_at IS NULL`)
}

// evict writes a moment into passes by a statement, and wants the open connections of
// their workspaces ended from another moment on.
func (s *Store) evict(ctx context.Context, what string, rows []admissionRow, now, evictAfter time.Time, statement string) error {
	if len(rows) == 0 {
		return nil
	}
	var passes [][]any
	workspaces := map[string]bool{}
	for _, row := range rows {
		passes = append(passes, []any{row.ID, stamp(now)})
		workspaces[row.WorkspaceID] = true
	}
	evicted := make([][]any, 0, len(workspaces))
	for id := range workspaces {
		evicted = append(evicted, []any{id, stamp(evictAfter), stamp(now)})
	}
	byID := func(a, b []any) int { return cmp.Compare(a[0].(string), b[0].(string)) } //nolint:errcheck // they were put there
	slices.SortFunc(passes, byID)
	slices.SortFunc(evicted, byID)
	return s.update(ctx, what, func(tx session) error {
		ids := convert(evicted, func(row []any) string { return row[0].(string) }) //nolint:errcheck // it was put there
		if err := lockWorkspaces(ctx, tx, ids); err != nil {
			return err
		}
		if err := tx.updateRows(ctx, statement, []string{"TEXT", "BIGINT"}, passes); err != nil {
			return err
		}
		return tx.updateRows(ctx, `UPDATE workspaces SET evictions_wanted = evictions_wanted + 1, evict_after = e.column2, updated_at = e.column3,
			revision = revision + 1 FROM $rows AS e WHERE workspaces.id = e.column1 AND workspaces.deleted_at IS NULL`,
			[]string{"TEXT", "BIGINT", "BIGINT"}, evicted)
	})
}

// CleanDoor removes tickets that were too old before a moment, passes that had ended,
// and whose a browser is that was not used after another moment.
func (s *Store) CleanDoor(ctx context.Context, before, unused time.Time) error {
	if _, err := s.cleanTable(ctx, "tickets", "hash", "expires_at < ?", "expires_at", before); err != nil {
		return err
	}
	if _, err := s.cleanTable(ctx, "passes", "id", "ended_at < ?", "ended_at", before); err != nil {
		return err
	}
	_, err := s.cleanTable(ctx, "browsers", "hash", "used_at < ?", "used_at", unused)
	return err
}

// LookIns gives the newest look-ins at the workspaces of a user, newest first, limit at most.
func (s *Store) LookIns(ctx context.Context, userID string, limit int) ([]lab.LookIn, error) {
	type row struct {
		ID          string `db:"id"`
		WorkspaceID string `db:"workspace_id"`
		Slug        string `db:"slug"`
		UserID      string `db:"user_id"`
		Name        string `db:"name"`
		Role        string `db:"role"`
		How         string `db:"how"`
		At          stamp  `db:"at"`
	}
	var rows []row
	err := s.reader().list(ctx, &rows, `SELECT l.id, l.workspace_id, w.slug, l.user_id, COALESCE(u.name, l.actor) AS name, l.role, l.how, l.at
		FROM look_ins l
		JOIN workspaces w ON w.id = l.workspace_id
		JOIN students s ON s.id = w.student_id
		LEFT JOIN users u ON u.id = l.user_id
		WHERE s.user_id = ? AND s.user_id <> '' ORDER BY l.at DESC, l.id DESC LIMIT ?`, userID, limit)
	if err != nil {
		return nil, s.failed(ctx, "list look-ins", err)
	}
	return convert(rows, func(r row) lab.LookIn {
		return lab.LookIn{
			ID: r.ID, WorkspaceID: r.WorkspaceID, Slug: lab.Slug(r.Slug), UserID: r.UserID, Name: r.Name, Role: lab.Role(r.Role),
			How: lab.LookInHow(r.How), At: time.Time(r.At),
		}
	}), nil
}
