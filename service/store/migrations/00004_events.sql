-- What is told to those who follow: a row for each change, written in its
-- transaction. Whoever adds rows takes their numbers from the counter and holds it
-- until the commit: numbers rise in the order of the commits, and have no gap.

-- +goose Up
CREATE TABLE event_counter (
    one  BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    last BIGINT NOT NULL
);
INSERT INTO event_counter (one, last) VALUES (1, 0);

CREATE TABLE events (
    id         BIGINT NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    type       TEXT   NOT NULL,
    -- No foreign keys: what is told of may be gone. '' where there is none.
    subject_id TEXT   NOT NULL,
    class_id   TEXT   NOT NULL,
    cohort_id  TEXT   NOT NULL,
    course_id  TEXT   NOT NULL,
    student_id TEXT   NOT NULL,
    data       TEXT   NOT NULL
);
