-- What lists are searched and sorted by.

-- +goose Up
-- The names of a row as searches compare them. The store fills it in, for rows
-- that were there before when it opens the database.
ALTER TABLE cohorts ADD COLUMN search TEXT NOT NULL DEFAULT '';
ALTER TABLE courses ADD COLUMN search TEXT NOT NULL DEFAULT '';
ALTER TABLE students ADD COLUMN search TEXT NOT NULL DEFAULT '';

-- The orders of the lists that grow long; id is what decides between equals.
CREATE INDEX students_by_created ON students (cohort_id, created_at, id);
CREATE INDEX students_by_name ON students (cohort_id, name, id);
DROP INDEX students_cohort;

CREATE INDEX workspaces_by_class ON workspaces (class_id, slug);
CREATE INDEX workspaces_by_phase ON workspaces (phase, slug);
CREATE INDEX workspaces_by_since ON workspaces ((COALESCE(phase_since, 0)), id);
CREATE INDEX workspaces_by_created ON workspaces (created_at, id);
CREATE INDEX workspaces_by_updated ON workspaces (updated_at, id);
DROP INDEX workspaces_class;
-- For workspaces by student.
CREATE INDEX students_all_by_name ON students (name, id);
