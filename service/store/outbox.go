package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// outbox gathers what a transaction changes, until it is about to commit.
type outbox struct {
	events []lab.Event
	err    error
}

const (
	insertEvent = `INSERT INTO events (id, at, type, subject_id, class_id, cohort_id, course_id, student_id, data)
		VALUES (:id, :at, :type, :subject_id, :class_id, :cohort_id, :course_id, :student_id, :data)`
	selectTold = `SELECT w.id, w.slug, w.class_id, w.student_id, w.desired, w.phase, w.reason, w.drifted, w.outdated,
			w.node_name, w.phase_since, w.revision + s.revision - 1 AS version, c.cohort_id, c.course_id, h.key AS cohort_key, k.key AS course_key
		FROM workspaces w
		JOIN students s ON s.id = w.student_id
		JOIN classes c ON c.id = w.class_id
		JOIN cohorts h ON h.id = c.cohort_id
		JOIN courses k ON k.id = c.course_id
		WHERE w.id IN (?)`
)

type eventRow struct {
	ID        int64  `db:"id"`
	At        stamp  `db:"at"`
	Type      string `db:"type"`
	SubjectID string `db:"subject_id"`
	ClassID   string `db:"class_id"`
	CohortID  string `db:"cohort_id"`
	CourseID  string `db:"course_id"`
	StudentID string `db:"student_id"`
	Data      string `db:"data"`
}

func (r eventRow) event() lab.Event {
	return lab.Event{
		ID: r.ID, At: time.Time(r.At), Type: lab.EventType(r.Type), SubjectID: r.SubjectID, ClassID: r.ClassID,
		CohortID: r.CohortID, CourseID: r.CourseID, StudentID: r.StudentID, Data: json.RawMessage(r.Data),
	}
}

// publish numbers and writes what the transaction tells. It has to be the last
// thing before the commit: from the counter on, all others who tell wait. The
// lock is the last one that any transaction takes, and so never part of a deadlock.
func (s *Store) publish(ctx context.Context, tx session) error {
	told := tx.outbox.events
	if tx.outbox.err != nil || len(told) == 0 {
		return tx.outbox.err
	}
	rows := make([]eventRow, len(told))
	at := stamp(s.now())
	for i, e := range told {
		rows[i] = eventRow{
			At: at, Type: string(e.Type), SubjectID: e.SubjectID, ClassID: e.ClassID, CohortID: e.CohortID,
			CourseID: e.CourseID, StudentID: e.StudentID, Data: string(e.Data),
		}
	}
	if s.dialect.notify != "" { // it is told at the commit; asked for here, it does not make others wait
		if _, err := tx.exec(ctx, s.dialect.notify); err != nil {
			return err
		}
	}
	var last int64
	if err := tx.get(ctx, &last, `UPDATE event_counter SET last = last + ? RETURNING last`, len(rows)); err != nil {
		return err
	}
	for i := range rows {
		rows[i].ID = last - int64(len(rows)) + int64(i) + 1
	}
	return insert(ctx, tx, insertEvent, rows...)
}

// tell adds an event to the transaction; data is its subject.
func (s session) tell(event lab.Event, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		s.outbox.err = fmt.Errorf("write an event as JSON: %w", err)
		return
	}
	event.Data = text
	s.outbox.events = append(s.outbox.events, event)
}

type toldWorkspace struct {
	ID        string     `json:"id"`
	Slug      string     `json:"slug"`
	ClassID   string     `json:"class_id"`
	Class     string     `json:"class"`
	StudentID string     `json:"student_id"`
	Desired   string     `json:"desired"`
	Phase     string     `json:"phase"`
	Reason    string     `json:"reason"`
	Since     *time.Time `json:"since"`
	Drifted   bool       `json:"drifted"`
	Outdated  bool       `json:"outdated"`
	Node      string     `json:"node"`
	Revision  int64      `json:"revision"`
}

// tellWorkspaces tells of workspaces as they are in the transaction now.
func (s session) tellWorkspaces(ctx context.Context, what lab.EventType, ids ...string) error {
	type toldRow struct {
		ID         string `db:"id"`
		Slug       string `db:"slug"`
		ClassID    string `db:"class_id"`
		StudentID  string `db:"student_id"`
		Desired    string `db:"desired"`
		Phase      string `db:"phase"`
		Reason     string `db:"reason"`
		Drifted    bool   `db:"drifted"`
		Outdated   bool   `db:"outdated"`
		NodeName   string `db:"node_name"`
		PhaseSince stamp  `db:"phase_since"`
		Version    int64  `db:"version"`
		CohortID   string `db:"cohort_id"`
		CourseID   string `db:"course_id"`
		CohortKey  string `db:"cohort_key"`
		CourseKey  string `db:"course_key"`
	}
	query := selectTold
	if what != lab.EventWorkspaceDeleted {
		query += ` AND w.deleted_at IS NULL` // the last word on a workspace is that it is deleted
	}
	rows, err := in[toldRow](ctx, s, query+` ORDER BY w.id`, ids)
	if err != nil {
		return err
	}
	for _, r := range rows {
		event := lab.Event{
			Type: what, SubjectID: r.ID, ClassID: r.ClassID, CohortID: r.CohortID, CourseID: r.CourseID, StudentID: r.StudentID,
		}
		s.tell(event, toldWorkspace{
			ID: r.ID, Slug: r.Slug, ClassID: r.ClassID, Class: r.CohortKey + "/" + r.CourseKey, StudentID: r.StudentID,
			Desired: r.Desired, Phase: cmp.Or(r.Phase, string(lab.PhaseUnknown)), Reason: r.Reason, Since: r.PhaseSince.pointer(),
			Drifted: r.Drifted, Outdated: r.Outdated, Node: r.NodeName, Revision: r.Version,
		})
	}
	return nil
}

func (s session) tellClass(what lab.EventType, c lab.Class) {
	s.tell(lab.Event{Type: what, SubjectID: c.ID, ClassID: c.ID, CohortID: c.CohortID, CourseID: c.CourseID}, struct {
		ID       string `json:"id"`
		Key      string `json:"key"`
		CohortID string `json:"cohort_id"`
		CourseID string `json:"course_id"`
		Deleting bool   `json:"deleting"`
		Revision int64  `json:"revision"`
	}{c.ID, c.Key(), c.CohortID, c.CourseID, c.Deleting, max(c.Revision, 1)})
}

func (s session) tellCohort(what lab.EventType, c lab.Cohort) {
	s.tell(lab.Event{Type: what, SubjectID: c.ID, CohortID: c.ID}, struct {
		ID       string `json:"id"`
		Key      string `json:"key"`
		Name     string `json:"name"`
		Revision int64  `json:"revision"`
	}{c.ID, c.Key, c.Name, max(c.Revision, 1)})
}

func (s session) tellCourse(what lab.EventType, c lab.Course) {
	s.tell(lab.Event{Type: what, SubjectID: c.ID, CourseID: c.ID}, struct {
		ID       string `json:"id"`
		Key      string `json:"key"`
		Name     string `json:"name"`
		Template string `json:"template"`
		Revision int64  `json:"revision"`
	}{c.ID, c.Key, c.Name, c.Template, max(c.Revision, 1)})
}

// tellOperation tells of an operation, which must be written; its class may be gone.
func (s session) tellOperation(ctx context.Context, o lab.Operation) error {
	event := lab.Event{Type: lab.EventOperationChanged, SubjectID: o.ID, ClassID: o.ClassID}
	var of struct {
		CohortID string `db:"cohort_id"`
		CourseID string `db:"course_id"`
	}
	if err := s.get(ctx, &of, `SELECT o.cohort_id, COALESCE(c.course_id, '') AS course_id FROM operations o
		LEFT JOIN classes c ON c.id = o.class_id WHERE o.id = ?`, o.ID); err != nil {
		return err
	}
	event.CohortID, event.CourseID = of.CohortID, of.CourseID
	type counts struct {
		Total      int `json:"total"`
		Pending    int `json:"pending"`
		Done       int `json:"done"`
		Failed     int `json:"failed"`
		Superseded int `json:"superseded"`
	}
	s.tell(event, struct {
		ID        string     `json:"id"`
		Kind      string     `json:"kind"`
		ClassID   string     `json:"class_id"`
		Class     string     `json:"class"`
		State     string     `json:"state"`
		Counts    counts     `json:"counts"`
		CreatedAt time.Time  `json:"created_at"`
		EndedAt   *time.Time `json:"ended_at"`
	}{o.ID, string(o.Kind), o.ClassID, o.ClassKey, string(o.State), counts(o.Counts), o.CreatedAt, o.EndedAt})
	return nil
}

// worthTelling says whether an operation has come far enough for a message: of
// many items, a hundredth of them must have ended since. An end is always told.
func worthTelling(before, now lab.OperationCounts) bool {
	percent := func(c lab.OperationCounts) int { return 100 * (c.Total - c.Pending) / c.Total }
	return now.Pending == 0 || now.Pending == before.Pending || percent(now) > percent(before)
}

func (s session) tellTemplate(v lab.TemplateVersion) {
	s.tell(lab.Event{Type: lab.EventTemplateRegistered, SubjectID: v.ID}, struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Version int64  `json:"version"`
		Digest  string `json:"digest"`
	}{v.ID, v.Name, v.Version, v.Digest})
}

// tellStudents tells of students as they are in the transaction now.
func (s session) tellStudents(ctx context.Context, what lab.EventType, ids ...string) error {
	rows, err := in[studentRow](ctx, s, selectStudents+`WHERE id IN (?) ORDER BY id`, ids)
	if err != nil {
		return err
	}
	for _, st := range convert(rows, studentRow.student) {
		s.tell(lab.Event{Type: what, SubjectID: st.ID, CohortID: st.CohortID, StudentID: st.ID}, struct {
			ID          string     `json:"id"`
			CohortID    string     `json:"cohort_id"`
			WithdrawnAt *time.Time `json:"withdrawn_at"`
			Revision    int64      `json:"revision"`
		}{st.ID, st.CohortID, st.WithdrawnAt, st.Revision})
	}
	return nil
}

// tellEnrolled tells of the students who were written, by who was there before.
func (s session) tellEnrolled(ctx context.Context, before, written []lab.Student) error {
	known := make(map[string]bool, len(before))
	for _, st := range before {
		known[st.ID] = true
	}
	var added, changed []string
	for _, st := range written {
		if known[st.ID] {
			changed = append(changed, st.ID)
		} else {
			added = append(added, st.ID)
		}
	}
	if err := s.tellStudents(ctx, lab.EventStudentCreated, added...); err != nil {
		return err
	}
	return s.tellStudents(ctx, lab.EventStudentChanged, changed...)
}
