package store

import (
	"context"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

type auditRow struct {
	ID          string   `db:"id"`
	At          stamp    `db:"at"`
	ActorName   string   `db:"actor_name"`
	ActorUser   string   `db:"actor_user"`
	ActorRole   string   `db:"actor_role"`
	ActorRemote string   `db:"actor_remote"`
	Action      string   `db:"action"`
	Target      string   `db:"target"`
	Detail      document `db:"detail"`
}

// Audits gives the newest rows of the record of changes, newest first, limit at most.
func (s *Store) Audits(ctx context.Context, limit int) ([]lab.Audit, error) {
	var rows []auditRow
	err := s.reader().list(ctx, &rows,
		`SELECT id, at, actor_name, actor_user, actor_role, actor_remote, action, target, detail FROM audit ORDER BY id DESC LIMIT ?`, limit)
	if err != nil {
		return nil, s.failed(ctx, "list the record of changes", err)
	}
	return convert(rows, func(r auditRow) lab.Audit {
		return lab.Audit{
			ID: r.ID, At: time.Time(r.At), Actor: lab.Actor{Name: r.ActorName, UserID: r.ActorUser, Role: lab.Role(r.ActorRole), Remote: r.ActorRemote},
			Action: r.Action, Target: r.Target, Detail: r.Detail,
		}
	}), nil
}

// Record writes down an act that changes nothing else here.
func (s *Store) Record(ctx context.Context, audit lab.Audit) error {
	return s.update(ctx, "record an act", func(tx session) error { return record(ctx, tx, audit) })
}

// record writes an act into the record of changes, in the act's own transaction.
func record(ctx context.Context, tx session, audit lab.Audit) error {
	return insert(ctx, tx, `INSERT INTO audit (id, at, actor_name, actor_user, actor_role, actor_remote, action, target, detail)
		VALUES (:id, :at, :actor_name, :actor_user, :actor_role, :actor_remote, :action, :target, :detail)`,
		auditRow{
			ID: audit.ID, At: stamp(audit.At), ActorName: audit.Actor.Name,
			ActorUser: audit.Actor.UserID, ActorRole: string(audit.Actor.Role), ActorRemote: audit.Actor.Remote,
			Action: audit.Action, Target: audit.Target, Detail: audit.Detail,
		})
}
