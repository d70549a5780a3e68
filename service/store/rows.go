package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// stamp is a moment as it is stored: microseconds since 1970 in UTC; the zero time is NULL.
type stamp time.Time

// Value implements driver.Valuer.
func (s stamp) Value() (driver.Value, error) {
	if t := time.Time(s); !t.IsZero() {
		return t.UnixMicro(), nil
	}
	return nil, nil
}

// Scan implements sql.Scanner.
func (s *stamp) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*s = stamp{}
	case int64:
		*s = stamp(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("a moment is stored as %T, not as an integer", value)
	}
	return nil
}

// micros is how the database compares a moment; 0 for the zero time.
func (s stamp) micros() int64 {
	if t := time.Time(s); !t.IsZero() {
		return t.UnixMicro()
	}
	return 0
}

func stampOf(t *time.Time) stamp {
	if t == nil {
		return stamp{}
	}
	return stamp(*t)
}

func (s stamp) pointer() *time.Time {
	t := time.Time(s)
	if t.IsZero() {
		return nil
	}
	return &t
}

// document is a JSON object as it is stored: text.
type document map[string]any

// Value implements driver.Valuer.
func (d document) Value() (driver.Value, error) {
	if d == nil {
		return "{}", nil
	}
	text, err := json.Marshal(map[string]any(d))
	if err != nil {
		return nil, fmt.Errorf("write as JSON: %w", err)
	}
	return string(text), nil
}

// Scan implements sql.Scanner.
func (d *document) Scan(value any) error {
	var text []byte
	switch v := value.(type) {
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return fmt.Errorf("JSON is stored as %T, not as text", value)
	}
	*d = nil
	if err := json.Unmarshal(text, (*map[string]any)(d)); err != nil {
		return fmt.Errorf("read stored JSON: %w", err)
	}
	return nil
}

// emailKey is an address as addresses are compared: people write their own in more than one case.
func emailKey(email string) string { return strings.ToLower(email) }

type cohortRow struct {
	ID        string `db:"id"`
	Key       string `db:"key"`
	Name      string `db:"name"`
	Students  int    `db:"students"`
	Ever      int    `db:"ever"`
	Revision  int64  `db:"revision"`
	Search    string `db:"search"`
	CreatedAt stamp  `db:"created_at"`
	UpdatedAt stamp  `db:"updated_at"`
}

func (r cohortRow) cohort() lab.Cohort {
	return lab.Cohort{
		ID: r.ID, Key: r.Key, Name: r.Name, Students: r.Students, Withdrawn: r.Ever - r.Students, Revision: r.Revision,
		CreatedAt: time.Time(r.CreatedAt), UpdatedAt: time.Time(r.UpdatedAt),
	}
}

func rowOfCohort(c lab.Cohort) cohortRow {
	return cohortRow{
		ID: c.ID, Key: c.Key, Name: c.Name, Search: fold(c.Key, c.Name), CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt),
	}
}

type courseRow struct {
	ID              string   `db:"id"`
	Key             string   `db:"key"`
	Name            string   `db:"name"`
	Template        string   `db:"template"`
	TemplateVersion int64    `db:"template_version"`
	Parameters      document `db:"parameters"`
	Revision        int64    `db:"revision"`
	Search          string   `db:"search"`
	CreatedAt       stamp    `db:"created_at"`
	UpdatedAt       stamp    `db:"updated_at"`
}

func (r courseRow) course() lab.Course {
	return lab.Course{
		ID: r.ID, Key: r.Key, Name: r.Name, Template: r.Template, TemplateVersion: r.TemplateVersion, Parameters: r.Parameters,
		Revision: r.Revision, CreatedAt: time.Time(r.CreatedAt), UpdatedAt: time.Time(r.UpdatedAt),
	}
}

func rowOfCourse(c lab.Course) courseRow {
	return courseRow{
		ID: c.ID, Key: c.Key, Name: c.Name, Template: c.Template, TemplateVersion: c.TemplateVersion, Parameters: c.Parameters,
		Search:    fold(c.Key, c.Name),
		CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt),
	}
}

type studentRow struct {
	ID          string `db:"id"`
	CohortID    string `db:"cohort_id"`
	UserID      string `db:"user_id"`
	Name        string `db:"name"`
	Email       string `db:"email"`
	EmailKey    string `db:"email_key"`
	Revision    int64  `db:"revision"`
	Search      string `db:"search"`
	CreatedAt   stamp  `db:"created_at"`
	UpdatedAt   stamp  `db:"updated_at"`
	WithdrawnAt stamp  `db:"withdrawn_at"`
}

func (r studentRow) student() lab.Student {
	return lab.Student{
		ID: r.ID, CohortID: r.CohortID, UserID: r.UserID, Name: r.Name, Email: r.Email,
		Revision: r.Revision, CreatedAt: time.Time(r.CreatedAt), UpdatedAt: time.Time(r.UpdatedAt), WithdrawnAt: r.WithdrawnAt.pointer(),
	}
}

func rowOfStudent(s lab.Student) studentRow {
	return studentRow{
		ID: s.ID, CohortID: s.CohortID, UserID: s.UserID, Name: s.Name, Email: s.Email, EmailKey: emailKey(s.Email), Search: fold(s.Name, s.Email),
		CreatedAt: stamp(s.CreatedAt), UpdatedAt: stamp(s.UpdatedAt), WithdrawnAt: stampOf(s.WithdrawnAt),
	}
}

type classRow struct {
	ID         string   `db:"id"`
	CohortID   string   `db:"cohort_id"`
	CourseID   string   `db:"course_id"`
	CohortKey  string   `db:"cohort_key"`
	CourseKey  string   `db:"course_key"`
	Parameters document `db:"parameters"`
	Deleting   bool     `db:"deleting"`
	Revision   int64    `db:"revision"`
	CreatedAt  stamp    `db:"created_at"`
	UpdatedAt  stamp    `db:"updated_at"`
}

func (r classRow) class() lab.Class {
	return lab.Class{
		ID: r.ID, CohortID: r.CohortID, CourseID: r.CourseID, CohortKey: r.CohortKey, CourseKey: r.CourseKey,
		Parameters: r.Parameters, Deleting: r.Deleting,
		Revision: r.Revision, CreatedAt: time.Time(r.CreatedAt), UpdatedAt: time.Time(r.UpdatedAt),
	}
}

func rowOfClass(c lab.Class) classRow {
	return classRow{
		ID: c.ID, CohortID: c.CohortID, CourseID: c.CourseID, Parameters: c.Parameters, Deleting: c.Deleting,
		CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt),
	}
}

// convert makes entities of rows.
func convert[R, E any](rows []R, entity func(R) E) []E {
	entities := make([]E, len(rows))
	for i, row := range rows {
		entities[i] = entity(row)
	}
	return entities
}
