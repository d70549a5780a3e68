package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	operationColumns = `o.id, o.kind, o.class_id, o.class_key, o.actor_name, o.state, o.affected,
		o.total, o.pending, o.done, o.failed, o.superseded, o.created_at, o.ended_at`
	itemColumns = `i.operation_id, i.workspace_id, i.slug, i.restarts, i.resets, i.outcome, i.reason, i.unsettled, i.ended_at`

	insertOperation = `INSERT INTO operations (id, kind, class_id, class_key, cohort_id, actor_name, state, affected,
			total, pending, done, failed, superseded, created_at, ended_at)
		VALUES (:id, :kind, :class_id, :class_key, :cohort_id, :actor_name, :state, :affected,
			:total, :pending, :done, :failed, :superseded, :created_at, :ended_at)`
	insertItem = `INSERT INTO operation_items (operation_id, workspace_id, slug, restarts, resets, outcome, reason, unsettled, ended_at)
		VALUES (:operation_id, :workspace_id, :slug, :restarts, :resets, :outcome, :reason, :unsettled, :ended_at)`
	updateOperation = `UPDATE operations SET state = :state, pending = :pending, done = :done, failed = :failed,
		superseded = :superseded, ended_at = :ended_at WHERE id = :id`
	updateItem = `UPDATE operation_items SET outcome = judged.column3, reason = judged.column4,
			unsettled = judged.column5, ended_at = judged.column6
		FROM $rows AS judged WHERE operation_items.operation_id = judged.column1 AND operation_items.workspace_id = judged.column2`
)

type operationRow struct {
	ID         string `db:"id"`
	Kind       string `db:"kind"`
	ClassID    string `db:"class_id"`
	ClassKey   string `db:"class_key"`
	CohortID   string `db:"cohort_id"`
	ActorName  string `db:"actor_name"`
	State      string `db:"state"`
	Affected   int    `db:"affected"`
	Total      int    `db:"total"`
	Pending    int    `db:"pending"`
	Done       int    `db:"done"`
	Failed     int    `db:"failed"`
	Superseded int    `db:"superseded"`
	CreatedAt  stamp  `db:"created_at"`
	EndedAt    stamp  `db:"ended_at"`
}

func (r operationRow) operation() lab.Operation {
	return lab.Operation{
		ID: r.ID, Kind: lab.OperationKind(r.Kind), ClassID: r.ClassID, ClassKey: r.ClassKey, Actor: r.ActorName,
		State: lab.OperationState(r.State), Affected: r.Affected,
		Counts:    lab.OperationCounts{Total: r.Total, Pending: r.Pending, Done: r.Done, Failed: r.Failed, Superseded: r.Superseded},
		CreatedAt: time.Time(r.CreatedAt), EndedAt: r.EndedAt.pointer(),
	}
}

func rowOfOperation(o lab.Operation) operationRow {
	return operationRow{
		ID: o.ID, Kind: string(o.Kind), ClassID: o.ClassID, ClassKey: o.ClassKey, ActorName: o.Actor,
		State: string(o.State), Affected: o.Affected,
		Total: o.Counts.Total, Pending: o.Counts.Pending, Done: o.Counts.Done, Failed: o.Counts.Failed, Superseded: o.Counts.Superseded,
		CreatedAt: stamp(o.CreatedAt), EndedAt: stampOf(o.EndedAt),
	}
}

type itemRow struct {
	OperationID string `db:"operation_id"`
	WorkspaceID string `db:"workspace_id"`
	Slug        string `db:"slug"`
	Restarts    int64  `db:"restarts"`
	Resets      int64  `db:"resets"`
	Outcome     string `db:"outcome"`
	Reason      string `db:"reason"`
	Unsettled   bool   `db:"unsettled"`
	EndedAt     stamp  `db:"ended_at"`
}

func (r itemRow) item() lab.OperationItem {
	return lab.OperationItem{
		OperationID: r.OperationID, WorkspaceID: r.WorkspaceID, Slug: lab.Slug(r.Slug), Restarts: r.Restarts, Resets: r.Resets,
		Outcome: lab.Outcome(r.Outcome), Reason: r.Reason, EndedAt: r.EndedAt.pointer(),
	}
}

// rowOfItem gives the row of an item of an operation that runs, or has ended.
func rowOfItem(i lab.OperationItem, runs bool) itemRow {
	return itemRow{
		OperationID: i.OperationID, WorkspaceID: i.WorkspaceID, Slug: string(i.Slug), Restarts: i.Restarts, Resets: i.Resets,
		Outcome: string(i.Outcome), Reason: i.Reason, Unsettled: runs && !final(i.Outcome), EndedAt: stampOf(i.EndedAt),
	}
}

func final(o lab.Outcome) bool { return o == lab.OutcomeDone || o == lab.OutcomeSuperseded }

// Operations gives a page of the operations that a filter chooses, the newest first.
func (s *Store) Operations(ctx context.Context, f lab.OperationFilter, p lab.Page) (lab.List[lab.Operation], error) {
	var chosen conditions
	chosen.seenBy(f.For, map[lab.Role]string{
		lab.RoleInstructor: `o.cohort_id IN (` + cohortsOfUser + `)`,
		lab.RoleAssistant:  `o.class_id IN (` + assistedByUser + `)`,
	})
	if f.Class != "" {
		chosen.and("class", f.Class, `(o.class_id = ? OR o.class_key = ?)`, f.Class, f.Class)
	}
	chosen.is("state", "o.state", string(f.State))
	return page(ctx, s, listing[operationRow]{
		name: "operations", from: `SELECT ` + operationColumns + ` FROM operations o `, standard: "-id",
		sorts: map[string]order[operationRow]{"id": by[operationRow]()}, // ids are in the order of time
		id:    text("o.id", func(r operationRow) string { return r.ID }),
	}, chosen, p, operationRow.operation)
}

// Operation gives the operation with an id.
func (s *Store) Operation(ctx context.Context, id string) (lab.Operation, error) {
	var row operationRow
	if err := s.reader().find(ctx, "operation", id, &row, `SELECT `+operationColumns+` FROM operations o WHERE o.id = ?`, id); err != nil {
		return lab.Operation{}, s.failed(ctx, "read an operation", err)
	}
	return row.operation(), nil
}

// itemNowRow is an item with what is now said of its workspace.
type itemNowRow struct {
	itemRow
	Now *string `db:"now"`
}

func (r itemNowRow) item() lab.OperationItem {
	item := r.itemRow.item()
	if item.Outcome == lab.OutcomePending && r.Now != nil {
		item.Reason = *r.Now
	}
	return item
}

// OperationItems gives a page of an operation's items in the order of their
// workspaces' ids, of one outcome, or of any for "". The reason of a pending one is
// what was last seen of its workspace.
func (s *Store) OperationItems(ctx context.Context, id string, outcome lab.Outcome, p lab.Page) (lab.List[lab.OperationItem], error) {
	var chosen conditions
	chosen.is("operation", "i.operation_id", id)
	chosen.is("outcome", "i.outcome", string(outcome))
	return page(ctx, s, listing[itemNowRow]{
		name:     "the items of an operation",
		from:     `SELECT ` + itemColumns + `, w.reason AS now FROM operation_items i LEFT JOIN workspaces w ON w.id = i.workspace_id `,
		standard: "workspace_id",
		sorts:    map[string]order[itemNowRow]{"workspace_id": by[itemNowRow]()},
		id:       text("i.workspace_id", func(r itemNowRow) string { return r.WorkspaceID }),
	}, chosen, p, itemNowRow.item)
}

// addOperation writes an act on a class of a cohort with what it wants; its state and
// counts are those of the items. One without an id is none.
func addOperation(ctx context.Context, tx session, cohortID string, o lab.Operation, items []lab.OperationItem) error {
	if o.ID == "" {
		return nil
	}
	row := rowOfOperation(o)
	row.CohortID = cohortID
	if err := insert(ctx, tx, insertOperation, row); err != nil {
		return err
	}
	err := insert(ctx, tx, insertItem, convert(items, func(i lab.OperationItem) itemRow {
		return rowOfItem(i, o.State == lab.OperationRunning)
	})...)
	if err != nil {
		return err
	}
	return tx.tellOperation(ctx, o)
}

// verdict is an item whose outcome has changed.
type verdict struct {
	item lab.OperationItem
	from lab.Outcome
}

// judge gives what has become of the unsettled items of workspaces, by operation.
func judge(ctx context.Context, s session, workspaceIDs []string, now time.Time) (map[string][]verdict, error) {
	type row struct {
		itemRow
		OperationKind string `db:"operation_kind"`
		OperationAt   stamp  `db:"operation_at"`
		Desired       string `db:"desired"`
		RestartsDone  int64  `db:"restarts_done"`
		ResetsDone    int64  `db:"resets_done"`
		Phase         string `db:"phase"`
		PhaseReason   string `db:"phase_reason"`
		PhaseSince    stamp  `db:"phase_since"`
		DeletedAt     stamp  `db:"deleted_at"`
	}
	rows, err := in[row](ctx, s, `SELECT `+itemColumns+`, o.kind AS operation_kind, o.created_at AS operation_at,
			w.desired, w.restarts_done, w.resets_done, w.phase, w.reason AS phase_reason, w.phase_since, w.deleted_at
		FROM operation_items i
		JOIN operations o ON o.id = i.operation_id
		JOIN workspaces w ON w.id = i.workspace_id
		WHERE i.unsettled AND i.workspace_id IN (?)`, workspaceIDs)
	if err != nil {
		return nil, err
	}
	verdicts := map[string][]verdict{}
	for _, r := range rows {
		operation := lab.Operation{Kind: lab.OperationKind(r.OperationKind), CreatedAt: time.Time(r.OperationAt)}
		item, from := r.item(), lab.Outcome(r.Outcome)
		outcome, reason := operation.Judge(item, lab.Workspace{
			Desired: lab.Desired(r.Desired), Submitted: lab.Submission{RestartsDone: r.RestartsDone}, ResetsDone: r.ResetsDone,
			Status:    lab.Status{Phase: lab.Phase(r.Phase), Reason: r.PhaseReason, Since: time.Time(r.PhaseSince)},
			DeletedAt: r.DeletedAt.pointer(),
		}, now)
		if outcome == lab.OutcomePending || outcome == from {
			continue // one that has failed stays so until it is done
		}
		item.Outcome, item.Reason, item.EndedAt = outcome, reason, &now
		verdicts[item.OperationID] = append(verdicts[item.OperationID], verdict{item, from})
	}
	return verdicts, nil
}

// settle writes what has become of the unsettled items of workspaces, which the
// transaction must hold, and ends the operations that have no pending item left.
// Operations are held after the workspaces, in the order of their ids.
func settle(ctx context.Context, tx session, workspaceIDs []string, now time.Time) error {
	verdicts, err := judge(ctx, tx, workspaceIDs, now)
	if err != nil || len(verdicts) == 0 {
		return err
	}
	rows, err := in[operationRow](ctx, tx, `SELECT `+operationColumns+` FROM operations o
		WHERE o.id IN (?) AND o.state = 'running' ORDER BY o.id`+tx.locks.own, slices.Sorted(maps.Keys(verdicts)))
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := settleOne(ctx, tx, row.operation(), verdicts[row.ID], now); err != nil {
			return err
		}
	}
	return nil
}

// settleOne writes verdicts on one operation, which is held and runs.
func settleOne(ctx context.Context, tx session, operation lab.Operation, verdicts []verdict, now time.Time) error {
	before := operation.Counts
	items := make([][]any, len(verdicts))
	for i, v := range verdicts {
		operation.Counts.Add(v.from, -1)
		operation.Counts.Add(v.item.Outcome, 1)
		row := rowOfItem(v.item, true)
		items[i] = []any{row.OperationID, row.WorkspaceID, row.Outcome, row.Reason, row.Unsettled, row.EndedAt}
	}
	if err := tx.updateRows(ctx, updateItem, []string{"TEXT", "TEXT", "TEXT", "TEXT", "BOOLEAN", "BIGINT"}, items); err != nil {
		return err
	}
	if operation.State = operation.Counts.State(); operation.State != lab.OperationRunning {
		operation.EndedAt = &now
		_, err := tx.exec(ctx, `UPDATE operation_items SET unsettled = FALSE WHERE operation_id = ? AND unsettled`, operation.ID)
		if err != nil {
			return err
		}
	}
	if _, err := sqlx.NamedExecContext(ctx, tx, updateOperation, rowOfOperation(operation)); err != nil {
		return fmt.Errorf("update an operation: %w", err)
	}
	if !worthTelling(before, operation.Counts) {
		return nil
	}
	return tx.tellOperation(ctx, operation)
}
