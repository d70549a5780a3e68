package store

import (
	"context"
	"time"
)

// settleSQLite makes the triggers that keep the record of changes as it was written.
func settleSQLite(ctx context.Context, tx session) error {
	const refused = ` BEGIN SELECT RAISE(ABORT, 'the record of changes is append-only'); END`
	for _, statement := range []string{
		`CREATE TRIGGER IF NOT EXISTS audit_no_delete BEFORE DELETE ON audit
			WHEN OLD.at >= (SELECT before FROM audit_guard)` + refused,
		`CREATE TRIGGER IF NOT EXISTS audit_no_update BEFORE UPDATE ON audit
			WHEN NOT (SELECT erasing FROM audit_guard) OR NOT (` + unchanged("IS") + `)` + refused,
	} {
		if _, err := tx.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// unchanged is the condition that an update leaves what happened when as it was.
func unchanged(is string) string {
	condition := ""
	for _, column := range []string{"id", "at", "actor_user", "actor_role", "action", "target", "result"} {
		if condition != "" {
			condition += " AND "
		}
		condition += "NEW." + column + " " + is + " OLD." + column
	}
	return condition
}

// guardPostgres makes the same triggers in PostgreSQL, which also has TRUNCATE.
func guardPostgres(ctx context.Context, tx session) error {
	_, err := tx.exec(ctx, `CREATE OR REPLACE FUNCTION bothy_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF TG_OP = 'DELETE' THEN
				IF OLD.at < (SELECT before FROM audit_guard) THEN RETURN OLD; END IF;
			ELSIF TG_OP = 'UPDATE' THEN
				IF (SELECT erasing FROM audit_guard) AND `+unchanged("=")+` THEN RETURN NEW; END IF;
			END IF;
			RAISE EXCEPTION 'the record of changes is append-only';
		END $$`)
	if err != nil {
		return err
	}
	for name, when := range map[string]string{
		"audit_rows": `BEFORE DELETE OR UPDATE ON audit FOR EACH ROW`, "audit_table": `BEFORE TRUNCATE ON audit FOR EACH STATEMENT`,
	} {
		var there bool
		err := tx.get(ctx, &there, `SELECT EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = 'audit'::regclass AND tgname = ?)`, name)
		if err != nil {
			return err
		}
		if !there {
			if _, err := tx.exec(ctx, `CREATE TRIGGER `+name+` `+when+` EXECUTE FUNCTION bothy_audit_append_only()`); err != nil {
				return err
			}
		}
	}
	return nil
}

// auditBatch bounds how many rows of the record one transaction removes.
const auditBatch = 1000

// CleanAudit removes the rows of the record of changes that are older than a
// moment, and gives how many went.
func (s *Store) CleanAudit(ctx context.Context, before time.Time) (int64, error) {
	var removed int64
	for {
		var n int64
		err := s.update(ctx, "remove old rows of the record", func(tx session) (err error) {
			if _, err = tx.exec(ctx, `UPDATE audit_guard SET before = ?`, stamp(before)); err != nil {
				return err
			}
			n, err = tx.exec(ctx, `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY at LIMIT ?)`, stamp(before), auditBatch)
			if err != nil {
				return err
			}
			_, err = tx.exec(ctx, `UPDATE audit_guard SET before = 0`)
			return err
		})
		removed += n
		if err != nil || n < auditBatch {
			return removed, err
		}
	}
}
