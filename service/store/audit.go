package store

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const selectAudit = `SELECT id, at, actor_name, actor_user, actor_role, actor_remote, action, target, detail,
	state_before, state_after, result FROM audit `

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
	Before      document `db:"state_before"`
	After       document `db:"state_after"`
	Result      string   `db:"result"`
}

func (r auditRow) audit() lab.Audit {
	return lab.Audit{
		ID: r.ID, At: time.Time(r.At), Actor: lab.Actor{Name: r.ActorName, UserID: r.ActorUser, Role: lab.Role(r.ActorRole), Remote: r.ActorRemote},
		Action: r.Action, Target: r.Target, Detail: r.Detail, Before: r.Before.orNil(), After: r.After.orNil(), Result: lab.AuditResult(r.Result),
	}
}

// orNil is nil for a document that says nothing.
func (d document) orNil() map[string]any {
	if len(d) == 0 {
		return nil
	}
	return d
}

// Audits gives a page of the rows of the record of changes that a filter chooses,
// the newest first.
func (s *Store) Audits(ctx context.Context, f lab.AuditFilter, p lab.Page) (lab.List[lab.Audit], error) {
	return page(ctx, s, listing[auditRow]{
		name: "the record of changes", from: selectAudit, standard: "-id",
		sorts: map[string]order[auditRow]{"id": by[auditRow]()}, // ids are in the order of time
		id:    text("id", func(r auditRow) string { return r.ID }),
	}, auditConditions(f), p, auditRow.audit)
}

func auditConditions(f lab.AuditFilter) conditions {
	var chosen conditions
	if f.Actor != "" {
		chosen.and("actor", f.Actor, `(actor_name = ? OR actor_user = ?)`, f.Actor, f.Actor)
	}
	chosen.is("role", "actor_role", string(f.Role))
	if strings.HasSuffix(f.Action, ".") {
		// '/' is the character behind the dot.
		chosen.and("action", f.Action, `action > ? AND action < ?`, f.Action, strings.TrimSuffix(f.Action, ".")+"/")
	} else {
		chosen.is("action", "action", f.Action)
	}
	chosen.is("target", "target", f.Target)
	chosen.is("result", "result", string(f.Result))
	if !f.From.IsZero() {
		chosen.and("from", f.From.UnixMicro(), `at >= ?`, stamp(f.From))
	}
	if !f.To.IsZero() {
		chosen.and("to", f.To.UnixMicro(), `at < ?`, stamp(f.To))
	}
	return chosen
}

// Record writes down an act that changes nothing else here.
func (s *Store) Record(ctx context.Context, audit lab.Audit) error {
	return s.update(ctx, "record an act", func(tx session) error { return record(ctx, tx, audit) })
}

// record writes an act into the record of changes, in the act's own transaction.
func record(ctx context.Context, tx session, audit lab.Audit) error {
	return insert(ctx, tx, `INSERT INTO audit (id, at, actor_name, actor_user, actor_role, actor_remote, action, target, detail,
			state_before, state_after, result)
		VALUES (:id, :at, :actor_name, :actor_user, :actor_role, :actor_remote, :action, :target, :detail,
			:state_before, :state_after, :result)`,
		auditRow{
			ID: audit.ID, At: stamp(audit.At), ActorName: audit.Actor.Name,
			ActorUser: audit.Actor.UserID, ActorRole: string(audit.Actor.Role), ActorRemote: audit.Actor.Remote,
			Action: audit.Action, Target: audit.Target, Detail: audit.Detail, Before: audit.Before, After: audit.After,
			Result: string(cmp.Or(audit.Result, lab.AuditDone)),
		})
}
