-- People: who may sign in, what they are, and what they have been given.

-- +goose Up
CREATE TABLE users (
    id          TEXT   NOT NULL PRIMARY KEY,
    login       TEXT   NOT NULL,
    login_key   TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    email       TEXT   NOT NULL,
    role        TEXT   NOT NULL CHECK (role IN ('admin', 'instructor', 'assistant', 'student')),
    password    TEXT   NOT NULL CHECK (password IN ('none', 'temporary', 'own')),
    issuer      TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    search      TEXT   NOT NULL,
    disabled_at BIGINT,
    -- Disabled because the last membership ended: enrolling enables again.
    lapsed      BOOLEAN NOT NULL DEFAULT FALSE,
    revision    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    CONSTRAINT users_login UNIQUE (login_key)
);
CREATE UNIQUE INDEX users_subject ON users (issuer, subject) WHERE subject <> '';
CREATE INDEX users_by_name ON users (name, id);
CREATE INDEX users_by_role ON users (role, id);

-- A person may be a student of several cohorts.
ALTER TABLE students ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
CREATE INDEX students_by_user ON students (user_id);

-- Students of before become users. What searches compare is filled in afterwards.
INSERT INTO users (id, login, login_key, name, email, role, password, issuer, subject, search, disabled_at, lapsed, revision, created_at, updated_at)
    SELECT n.id, n.email, n.email_key, n.name, n.email, 'student', 'none', '', '', '',
        CASE WHEN g.active = 0 THEN g.gone END, g.active = 0, 1, n.created_at, n.updated_at
    FROM (
        SELECT email_key, MAX(id) AS newest, COUNT(*) - COUNT(withdrawn_at) AS active, MAX(withdrawn_at) AS gone FROM students GROUP BY email_key
    ) g
    JOIN students n ON n.id = g.newest;
UPDATE students SET user_id = (SELECT u.id FROM users u WHERE u.login_key = students.email_key);

-- Whose a cohort, a course or a class is.
CREATE TABLE cohort_instructors (
    cohort_id TEXT NOT NULL REFERENCES cohorts (id),
    user_id   TEXT NOT NULL REFERENCES users (id),
    PRIMARY KEY (cohort_id, user_id)
);
CREATE INDEX cohort_instructors_user ON cohort_instructors (user_id);

CREATE TABLE course_instructors (
    course_id TEXT NOT NULL REFERENCES courses (id),
    user_id   TEXT NOT NULL REFERENCES users (id),
    PRIMARY KEY (course_id, user_id)
);
CREATE INDEX course_instructors_user ON course_instructors (user_id);

CREATE TABLE class_assistants (
    class_id TEXT NOT NULL REFERENCES classes (id),
    user_id  TEXT NOT NULL REFERENCES users (id),
    PRIMARY KEY (class_id, user_id)
);
CREATE INDEX class_assistants_user ON class_assistants (user_id);

-- Who changed something is more than a name.
ALTER TABLE audit ADD COLUMN actor_user TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN actor_role TEXT NOT NULL DEFAULT '';

-- Whose an operation is says its cohort, also when its class is gone.
ALTER TABLE operations ADD COLUMN cohort_id TEXT NOT NULL DEFAULT '';
UPDATE operations SET cohort_id = COALESCE((SELECT c.cohort_id FROM classes c WHERE c.id = operations.class_id), '');
CREATE INDEX operations_by_cohort ON operations (cohort_id, id);
