package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	insertTicket = `INSERT INTO tickets (hash, workspace_id, host, looks_in, user_id, session_id, actor, role, remote, created_at, expires_at)
		VALUES (:hash, :workspace_id, :host, :looks_in, :user_id, :session_id, :actor, :role, :remote, :created_at, :expires_at)`
	insertPass = `INSERT INTO passes (id, hash, workspace_id, host, looks_in, user_id, session_id, actor, role, created_at, expires_at)
		VALUES (:id, :hash, :workspace_id, :host, :looks_in, :user_id, :session_id, :actor, :role, :created_at, :expires_at)`
	insertLookIn = `INSERT INTO look_ins (id, workspace_id, user_id, actor, role, at) VALUES (:id, :workspace_id, :user_id, :actor, :role, :at)`

	// admissions joins each pass with all that it depends on. Its parameters are now,
	// now, and the moment after which a session must have been seen.
	admissions = `SELECT p.id, p.hash, p.workspace_id, p.host, p.looks_in, p.user_id, p.session_id, p.actor, p.role,
			p.created_at, p.expires_at, p.ended_at, e.seen_at,
			(p.ended_at IS NULL AND p.expires_at > ? AND (p.session_id = ''
				OR e.id IS NOT NULL AND e.ended_at IS NULL AND e.expires_at > ? AND e.seen_at > ?)) AS lives,
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
		LEFT JOIN sessions e ON e.id = p.session_id `
)

type entryRow struct {
	WorkspaceID string `db:"workspace_id"`
	Host        string `db:"host"`
	LooksIn     bool   `db:"looks_in"`
	UserID      string `db:"user_id"`
	SessionID   string `db:"session_id"`
	Actor       string `db:"actor"`
	Role        string `db:"role"`
}

func (r entryRow) entry() lab.Entry {
	return lab.Entry{
		WorkspaceID: r.WorkspaceID, Host: lab.DoorHost(r.Host), LooksIn: r.LooksIn,
		UserID: r.UserID, SessionID: r.SessionID, Actor: r.Actor, Role: lab.Role(r.Role),
	}
}

func rowOfEntry(e lab.Entry) entryRow {
	return entryRow{
		WorkspaceID: e.WorkspaceID, Host: string(e.Host), LooksIn: e.LooksIn,
		UserID: e.UserID, SessionID: e.SessionID, Actor: e.Actor, Role: string(e.Role),
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
	SeenAt stamp `db:"seen_at"`
	Lives  bool  `db:"lives"`
	May    bool  `db:"may"`
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

// RedeemTicket takes a ticket for a pass, once. pass makes it; for who looks in, that
// is written down in the same transaction with the audit that pass gives. A ticket
// that is not known, was taken before, is too old, or is for another workspace or
// host than those given is CodeUnauthenticated.
func (s *Store) RedeemTicket(
	ctx context.Context, hash string, slug lab.Slug, host lab.DoorHost, now time.Time, pass func(lab.Ticket) (lab.Pass, lab.Audit),
) error {
	refused := lab.Errorf(lab.CodeUnauthenticated, "the link was used before or is too old")
	return s.update(ctx, "redeem a ticket", func(tx session) error {
		n, err := tx.exec(ctx, `UPDATE tickets SET redeemed_at = ? WHERE hash = ? AND redeemed_at IS NULL AND expires_at > ? AND host = ?
			AND workspace_id = (SELECT id FROM workspaces WHERE slug = ? AND deleted_at IS NULL)`,
			stamp(now), hash, stamp(now), string(host), string(slug))
		if err != nil {
			return err
		}
		if n == 0 {
			return refused
		}
		var row ticketRow
		if err := tx.get(ctx, &row, `SELECT hash, workspace_id, host, looks_in, user_id, session_id, actor, role, remote, created_at, expires_at, redeemed_at
			FROM tickets WHERE hash = ?`, hash); err != nil {
			return err
		}
		made, audit := pass(lab.Ticket{
			Hash: row.Hash, Entry: row.entry(), Remote: row.Remote, CreatedAt: time.Time(row.CreatedAt),
			ExpiresAt: time.Time(row.ExpiresAt), RedeemedAt: row.RedeemedAt.pointer(),
		})
		if err := insert(ctx, tx, insertPass, passRow{
			ID: made.ID, Hash: made.Hash, entryRow: rowOfEntry(made.Entry), CreatedAt: stamp(made.CreatedAt), ExpiresAt: stamp(made.ExpiresAt),
		}); err != nil || !made.LooksIn {
			return err
		}
		type lookInRow struct {
			ID          string `db:"id"`
			WorkspaceID string `db:"workspace_id"`
			UserID      string `db:"user_id"`
			Actor       string `db:"actor"`
			Role        string `db:"role"`
			At          stamp  `db:"at"`
		}
		if err := insert(ctx, tx, insertLookIn, lookInRow{made.ID, made.WorkspaceID, made.UserID, made.Actor, string(made.Role), stamp(now)}); err != nil {
			return err
		}
		return record(ctx, tx, audit)
	})
}

// Admission tells of the best of some passes for a workspace on a kind of host, by
// their hashes: of one that lives and may where there is one. seen is the moment
// after which a session must have been seen. CodeNotFound when there is none.
func (s *Store) Admission(ctx context.Context, hashes []string, slug lab.Slug, host lab.DoorHost, now, seen time.Time) (lab.Admission, error) {
	if len(hashes) == 0 {
		return lab.Admission{}, lab.NotFound("pass", "")
	}
	args := []any{stamp(now), stamp(now), stamp(seen)}
	for _, hash := range hashes {
		args = append(args, hash)
	}
	args = append(args, string(slug), string(host))
	var rows []admissionRow
	err := s.reader().list(ctx, &rows, admissions+`WHERE p.hash IN (`+marks(len(hashes))+`) AND w.slug = ? AND p.host = ?`, args...)
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

// EndPasses ends every pass that counts no more at a moment, and wants the open
// connections of their workspaces ended from another moment on. It gives how many
// passes it ended.
func (s *Store) EndPasses(ctx context.Context, now, seen, evictAfter time.Time) (int, error) {
	var rows []admissionRow
	err := s.reader().list(ctx, &rows, `SELECT * FROM (`+admissions+`WHERE p.ended_at IS NULL) q WHERE NOT (q.lives AND q.may)`,
		stamp(now), stamp(now), stamp(seen))
	if err != nil {
		return 0, s.failed(ctx, "look for passes that ended", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	var ended [][]any
	workspaces := map[string]bool{}
	for _, row := range rows {
		ended = append(ended, []any{row.ID, stamp(now)})
		workspaces[row.WorkspaceID] = true
	}
	evicted := make([][]any, 0, len(workspaces))
	for id := range workspaces {
		evicted = append(evicted, []any{id, stamp(evictAfter), stamp(now)})
	}
	byID := func(a, b []any) int { return cmp.Compare(a[0].(string), b[0].(string)) } //nolint:errcheck // they were put there
	slices.SortFunc(ended, byID)
	slices.SortFunc(evicted, byID)
	err = s.update(ctx, "end passes", func(tx session) error {
		ids := convert(evicted, func(row []any) string { return row[0].(string) }) //nolint:errcheck // it was put there
		if err := lockWorkspaces(ctx, tx, ids); err != nil {
			return err
		}
		err := tx.updateRows(ctx, `UPDATE passes SET ended_at = e.column2 FROM $rows AS e WHERE passes.id = e.column1 AND passes.ended_at IS NULL`,
			[]string{"TEXT", "BIGINT"}, ended)
		if err != nil {
			return err
		}
		return tx.updateRows(ctx, `UPDATE workspaces SET evictions_wanted = evictions_wanted + 1, evict_after = e.column2, updated_at = e.column3,
			revision = revision + 1 FROM $rows AS e WHERE workspaces.id = e.column1 AND workspaces.deleted_at IS NULL`,
			[]string{"TEXT", "BIGINT", "BIGINT"}, evicted)
	})
	if err != nil {
		return 0, err
	}
	return len(rows), nil
}

// CleanDoor removes tickets that were too old before a moment, and passes that had ended.
func (s *Store) CleanDoor(ctx context.Context, before time.Time) error {
	if _, err := s.cleanTable(ctx, "tickets", "hash", "expires_at < ?", "expires_at", before); err != nil {
		return err
	}
	_, err := s.cleanTable(ctx, "passes", "id", "ended_at < ?", "ended_at", before)
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
		At          stamp  `db:"at"`
	}
	var rows []row
	err := s.reader().list(ctx, &rows, `SELECT l.id, l.workspace_id, w.slug, l.user_id, COALESCE(u.name, l.actor) AS name, l.role, l.at
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
			ID: r.ID, WorkspaceID: r.WorkspaceID, Slug: lab.Slug(r.Slug), UserID: r.UserID, Name: r.Name, Role: lab.Role(r.Role), At: time.Time(r.At),
		}
	}), nil
}
