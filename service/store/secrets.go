package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	selectNames = `SELECT name, bytes, set_at, set_by, revision, version FROM secrets `
	// A value has a version of its own, which is known from before it is in Vault:
	// what Vault holds beyond those that are in force or on their way is removed. So
	// it is decided here, and nowhere else, which value is in force.
	beginName = `INSERT INTO secrets (kind, owner_id, name, bytes, set_at, set_by, revision, pending, begun_at) VALUES (?, ?, ?, ?, NULL, '', 1, ?, ?)
		ON CONFLICT (kind, owner_id, name) DO UPDATE SET revision = secrets.revision + 1, pending = excluded.pending, begun_at = excluded.begun_at`
	keepName = `UPDATE secrets SET bytes = ?, set_at = ?, set_by = ?, version = pending, pending = '', begun_at = NULL
		WHERE kind = ? AND owner_id = ? AND name = ? AND pending = ?`
	// pruneAgain makes an owner due for pruning once more, also while it is being done,
	// and who was gone and is forgotten.
	pruneAgain = `INSERT INTO secret_owners (kind, id, changes, pruned) VALUES (?, ?, 0, -1)
		ON CONFLICT (kind, id) DO UPDATE SET pruned = CASE WHEN secret_owners.pruned < 0 THEN secret_owners.pruned - 1 ELSE -1 END`
	lockOwner = `SELECT id FROM secret_owners WHERE kind = ? AND id = ?`

	selectReceivers = `SELECT w.id, w.slug, w.class_id, w.student_id, c.course_id, w.secret_names, w.secrets_done,
			COALESCE(k.changes, 0) + COALESCE(l.changes, 0) + COALESCE(p.changes, 0) AS changes
		FROM workspaces w
		JOIN classes c ON c.id = w.class_id
		LEFT JOIN secret_owners k ON k.kind = 'course' AND k.id = c.course_id
		LEFT JOIN secret_owners l ON l.kind = 'class' AND l.id = w.class_id
		LEFT JOIN secret_owners p ON p.kind = 'student' AND p.id = w.student_id
		WHERE w.deleted_at IS NULL AND w.desired <> 'deleted' `
	// ownerGone is true of whose secrets nobody gets any more.
	ownerGone = `CASE o.kind WHEN 'course' THEN NOT EXISTS (SELECT 1 FROM courses WHERE id = o.id)
		WHEN 'class' THEN NOT EXISTS (SELECT 1 FROM classes WHERE id = o.id)
		ELSE NOT EXISTS (SELECT 1 FROM students WHERE id = o.id AND withdrawn_at IS NULL) END`
	// abandonedAfter is when a value that was on its way is not awaited any more: much
	// longer than a request lasts.
	abandonedAfter = 10 * time.Minute
)

type secretRow struct {
	Name     string `db:"name"`
	Bytes    int    `db:"bytes"`
	SetAt    stamp  `db:"set_at"`
	SetBy    string `db:"set_by"`
	Revision int64  `db:"revision"`
	Version  string `db:"version"`
}

func (r secretRow) secret() lab.Secret {
	return lab.Secret{Name: r.Name, Bytes: r.Bytes, SetAt: time.Time(r.SetAt), SetBy: r.SetBy, Revision: r.Revision, Version: r.Version}
}

// Secrets gives a page of the secrets of an owner, by name.
func (s *Store) Secrets(ctx context.Context, owner lab.SecretOwner, p lab.Page) (lab.List[lab.Secret], error) {
	var chosen conditions
	chosen.is("kind", "kind", string(owner.Kind))
	chosen.is("owner", "owner_id", owner.ID)
	chosen.and("set", true, "set_at IS NOT NULL")
	return page(ctx, s, listing[secretRow]{
		name: "secrets", from: selectNames, standard: "name",
		sorts: map[string]order[secretRow]{
			"name":   by[secretRow](),
			"set_at": by(moment("COALESCE(set_at, 0)", func(r secretRow) stamp { return r.SetAt })),
		},
		id: text("name", func(r secretRow) string { return r.Name }),
	}, chosen, p, secretRow.secret)
}

// BeginSecret makes a version of a secret known before it goes into Vault, and gives
// the revision that it will have. CodeNotFound when the owner is gone,
// CodeConflict when it would have too many secrets, or too large ones, CodeStale
// where the intent wants another revision. A dry run changes nothing.
func (s *Store) BeginSecret(ctx context.Context, intent lab.Intent, owner lab.SecretOwner, secret lab.Secret) (int64, error) {
	var revision int64
	intent.Key = ""
	err := s.act(ctx, intent, "begin a secret", func(tx session) (lab.Audit, error) {
		if err := holdOwner(ctx, tx, owner); err != nil {
			return lab.Audit{}, err
		}
		if err := admitsSecret(ctx, tx, intent, owner, secret.Name); err != nil {
			return lab.Audit{}, err
		}
		if err := fits(ctx, tx, owner, secret); err != nil {
			return lab.Audit{}, err
		}
		if _, err := tx.exec(ctx, beginName, owner.Kind, owner.ID, secret.Name, secret.Bytes, secret.Version, stamp(s.now())); err != nil {
			return lab.Audit{}, err
		}
		return lab.Audit{}, tx.get(ctx, &revision, `SELECT revision FROM secrets WHERE kind = ? AND owner_id = ? AND name = ?`, owner.Kind, owner.ID, secret.Name)
	})
	return revision, err
}

// KeepSecret puts the version of a secret in force that was begun and is in Vault;
// the reconciling instance takes it to the workspaces. CodeConflict when somebody else
// has set or deleted it meanwhile: what was in force, or theirs, is.
func (s *Store) KeepSecret(ctx context.Context, intent lab.Intent, owner lab.SecretOwner, secret lab.Secret, audit lab.Audit) error {
	return s.act(ctx, intent, "keep a secret", func(tx session) (lab.Audit, error) {
		if err := holdOwner(ctx, tx, owner); err != nil {
			return lab.Audit{}, err
		}
		n, err := tx.exec(ctx, keepName, secret.Bytes, stamp(secret.SetAt), secret.SetBy, owner.Kind, owner.ID, secret.Name, secret.Version)
		if err == nil && n == 0 {
			err = lab.Errorf(lab.CodeConflict, "the secret %s was set or deleted by somebody else at the same time", secret.Name).
				WithHint("set it again if this value is still wanted")
		}
		if err != nil {
			return lab.Audit{}, err
		}
		return audit, changedSecrets(ctx, tx, owner)
	})
}

// DropSecret gives a version up that was begun and not kept, and has Vault rid of it.
func (s *Store) DropSecret(ctx context.Context, owner lab.SecretOwner, name, version string) error {
	return s.update(ctx, "drop a secret", func(tx session) error { return dropSecret(ctx, tx, owner, name, version) })
}

func dropSecret(ctx context.Context, tx session, owner lab.SecretOwner, name, version string) error {
	for _, statement := range []struct {
		sql  string
		args []any
	}{
		{pruneAgain, []any{owner.Kind, owner.ID}}, // first: it holds the owner
		{`UPDATE secrets SET pending = '', begun_at = NULL WHERE kind = ? AND owner_id = ? AND name = ? AND pending = ?`, []any{owner.Kind, owner.ID, name, version}},
		{`DELETE FROM secrets WHERE kind = ? AND owner_id = ? AND name = ? AND pending = '' AND set_at IS NULL`, []any{owner.Kind, owner.ID, name}},
	} {
		if _, err := tx.exec(ctx, statement.sql, statement.args...); err != nil {
			return err
		}
	}
	return nil
}

// AbandonSecrets drops the versions that nobody has kept for long: whoever began them
// was ended in between.
func (s *Store) AbandonSecrets(ctx context.Context, epoch int64) error {
	var rows []struct {
		Kind    string `db:"kind"`
		OwnerID string `db:"owner_id"`
		Name    string `db:"name"`
		Pending string `db:"pending"`
	}
	err := s.reader().list(ctx, &rows, `SELECT kind, owner_id, name, pending FROM secrets WHERE pending <> '' AND begun_at < ?
		ORDER BY kind, owner_id, name`, stamp(s.now().Add(-abandonedAfter)))
	if err != nil {
		return s.failed(ctx, "list abandoned secrets", err)
	}
	for _, r := range rows {
		owner := lab.SecretOwner{Kind: lab.SecretKind(r.Kind), ID: r.OwnerID}
		if err := s.tellVault(ctx, epoch, "abandon a secret", func(tx session) error { return dropSecret(ctx, tx, owner, r.Name, r.Pending) }); err != nil {
			return err
		}
	}
	return nil
}

// SecretVersions gives the versions of an owner's secrets that are in force, by name.
func (s *Store) SecretVersions(ctx context.Context, owner lab.SecretOwner) (map[string]string, error) {
	var rows []secretRow
	err := s.reader().list(ctx, &rows, selectNames+`WHERE kind = ? AND owner_id = ? AND set_at IS NOT NULL`, owner.Kind, owner.ID)
	if err != nil {
		return nil, s.failed(ctx, "read the versions of secrets", err)
	}
	versions := make(map[string]string, len(rows))
	for _, r := range rows {
		versions[r.Name] = r.Version
	}
	return versions, nil
}

// SecretKeys gives under what Vault may hold values of an owner's secrets: those in
// force, and those on their way.
func (s *Store) SecretKeys(ctx context.Context, owner lab.SecretOwner) ([]string, error) {
	var rows []struct {
		Name    string `db:"name"`
		Set     bool   `db:"is_set"`
		Version string `db:"version"`
		Pending string `db:"pending"`
	}
	err := s.reader().list(ctx, &rows, `SELECT name, set_at IS NOT NULL AS is_set, version, pending FROM secrets WHERE kind = ? AND owner_id = ? ORDER BY name`, owner.Kind, owner.ID)
	if err != nil {
		return nil, s.failed(ctx, "list versions of secrets", err)
	}
	var keys []string
	for _, r := range rows {
		if r.Set {
			keys = append(keys, lab.SecretKey(r.Name, r.Version))
		}
		if r.Pending != "" {
			keys = append(keys, lab.SecretKey(r.Name, r.Pending))
		}
	}
	return keys, nil
}

// DeleteSecret removes a secret; CodeNotFound when there is none.
func (s *Store) DeleteSecret(ctx context.Context, intent lab.Intent, owner lab.SecretOwner, name string, audit lab.Audit) error {
	return s.act(ctx, intent, "delete a secret", func(tx session) (lab.Audit, error) {
		if err := holdOwner(ctx, tx, owner); err != nil {
			return lab.Audit{}, err
		}
		if err := admitsSecret(ctx, tx, intent, owner, name); err != nil {
			return lab.Audit{}, err
		}
		n, err := tx.exec(ctx, `DELETE FROM secrets WHERE kind = ? AND owner_id = ? AND name = ?`, owner.Kind, owner.ID, name)
		if err == nil && n == 0 {
			err = lab.NotFound("secret", name)
		}
		if err != nil {
			return lab.Audit{}, err
		}
		return audit, changedSecrets(ctx, tx, owner)
	})
}

// admitsSecret says whether a secret may be changed as it is; CodeNotFound where a
// revision of one is wanted that there is not.
func admitsSecret(ctx context.Context, tx session, intent lab.Intent, owner lab.SecretOwner, name string) error {
	if intent.Match == nil {
		return nil
	}
	var row secretRow
	err := tx.find(ctx, "secret", name, &row, selectNames+`WHERE kind = ? AND owner_id = ? AND name = ? AND set_at IS NOT NULL`, owner.Kind, owner.ID, name)
	if err != nil {
		return err
	}
	return intent.Admits(row.Revision, row.secret())
}

// holdOwner holds an owner that there is, and its count of changes, which it begins.
func holdOwner(ctx context.Context, tx session, owner lab.SecretOwner) error {
	lock := map[lab.SecretKind]string{
		lab.SecretOfCourse: lockCourse, lab.SecretOfClass: lockClass,
		lab.SecretOfStudent: `SELECT id FROM students WHERE withdrawn_at IS NULL AND id = ?`,
	}[owner.Kind]
	if err := tx.lock(ctx, string(owner.Kind), lock, owner.ID); err != nil {
		return err
	}
	_, err := tx.exec(ctx, `INSERT INTO secret_owners (kind, id, changes, pruned) VALUES (?, ?, 0, 0) ON CONFLICT (kind, id) DO NOTHING`, owner.Kind, owner.ID)
	if err != nil {
		return err
	}
	var held string
	return tx.get(ctx, &held, lockOwner+tx.locks.own, owner.Kind, owner.ID)
}

// fits refuses what would be too much beside an owner's other secrets.
func fits(ctx context.Context, tx session, owner lab.SecretOwner, secret lab.Secret) error {
	var others struct {
		Number int `db:"number"`
		Bytes  int `db:"bytes"`
	}
	err := tx.get(ctx, &others, `SELECT COUNT(*) AS number, CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes
		FROM secrets WHERE kind = ? AND owner_id = ? AND name <> ?`, owner.Kind, owner.ID, secret.Name)
	switch {
	case err != nil:
		return err
	case others.Number >= lab.MaxSecrets:
		return lab.Errorf(lab.CodeConflict, "this %s has %d secrets, and no more are kept", owner.Kind, others.Number).WithHint("delete one that is not used")
	case others.Bytes+secret.Bytes > lab.MaxSecretsOfKind:
		return lab.Errorf(lab.CodeConflict, "the secrets of this %s would have %d bytes, and no more than %d are kept",
			owner.Kind, others.Bytes+secret.Bytes, lab.MaxSecretsOfKind).WithHint("delete one that is not used, or shorten this one")
	}
	return nil
}

func changedSecrets(ctx context.Context, tx session, owner lab.SecretOwner) error {
	_, err := tx.exec(ctx, `UPDATE secret_owners SET changes = changes + 1 WHERE kind = ? AND id = ?`, owner.Kind, owner.ID)
	return err
}

// ClaimKeys takes over telling Vault: who claimed it before is refused with
// CodeConflict from now on.
func (s *Store) ClaimKeys(ctx context.Context) (int64, error) {
	var epoch int64
	err := s.update(ctx, "claim the telling of Vault", func(tx session) error {
		if _, err := tx.exec(ctx, `UPDATE reconciler SET keys_epoch = keys_epoch + 1`); err != nil {
			return err
		}
		return tx.get(ctx, &epoch, `SELECT keys_epoch FROM reconciler`)
	})
	return epoch, err
}

// tellVault runs fn while this instance is the one that tells Vault.
func (s *Store) tellVault(ctx context.Context, epoch int64, what string, fn func(session) error) error {
	return s.update(ctx, what, func(tx session) error {
		var current int64
		if err := tx.get(ctx, &current, `SELECT keys_epoch FROM reconciler`+tx.locks.share); err != nil {
			return err
		}
		if current != epoch {
			return lab.Errorf(lab.CodeConflict, "epoch %d of telling Vault is over: another instance does", epoch)
		}
		return fn(tx)
	})
}

// PeopleToSettle gives users of whom Vault holds something else than it should, or
// may, in the order of their ids after the one given.
func (s *Store) PeopleToSettle(ctx context.Context, after string, limit int) ([]lab.PersonToSettle, error) {
	var rows []struct {
		ID       string `db:"id"`
		Disabled bool   `db:"disabled"`
	}
	err := s.reader().list(ctx, &rows, `SELECT id, disabled_at IS NOT NULL AS disabled FROM users
		WHERE ((disabled_at IS NULL AND vault_state <> 'enabled') OR (disabled_at IS NOT NULL AND vault_state <> 'disabled')) AND id > ?
		ORDER BY id LIMIT ?`, after, limit)
	if err != nil {
		return nil, s.failed(ctx, "list users to tell Vault of", err)
	}
	people := make([]lab.PersonToSettle, len(rows))
	for i, r := range rows {
		people[i] = lab.PersonToSettle{ID: r.ID, Disabled: r.Disabled}
	}
	return people, nil
}

// BeginPerson writes that Vault is about to be told of a user.
func (s *Store) BeginPerson(ctx context.Context, epoch int64, id string) error {
	return s.tellVault(ctx, epoch, "begin to tell Vault of a user", func(tx session) error {
		_, err := tx.exec(ctx, `UPDATE users SET vault_state = 'unsure' WHERE id = ?`, id)
		return err
	})
}

// SettledPerson writes what Vault has been told of a user. Who was disabled has no
// password any more.
func (s *Store) SettledPerson(ctx context.Context, epoch int64, person lab.PersonToSettle) error {
	return s.tellVault(ctx, epoch, "record what Vault was told of a user", func(tx session) error {
		if !person.Disabled {
			_, err := tx.exec(ctx, `UPDATE users SET vault_state = 'enabled' WHERE id = ?`, person.ID)
			return err
		}
		_, err := tx.exec(ctx, `UPDATE users SET vault_state = 'disabled', password = 'none', password_until = NULL,
			revision = CASE password WHEN 'none' THEN revision ELSE revision + 1 END WHERE id = ?`, person.ID)
		return err
	})
}

// SecretsToPrune gives the owners of whose secrets Vault may hold more than there
// are, in the order of kinds and ids after the one given.
func (s *Store) SecretsToPrune(ctx context.Context, after lab.SecretOwner, limit int) ([]lab.SecretsToPrune, error) {
	var rows []struct {
		Kind    string `db:"kind"`
		ID      string `db:"id"`
		Changes int64  `db:"changes"`
		Pruned  int64  `db:"pruned"`
		Gone    bool   `db:"gone"`
	}
	err := s.reader().list(ctx, &rows, `SELECT o.kind, o.id, o.changes, o.pruned, `+ownerGone+` AS gone FROM secret_owners o
		WHERE (o.pruned <> o.changes OR `+ownerGone+`) AND (o.kind, o.id) > (?, ?) ORDER BY o.kind, o.id LIMIT ?`, after.Kind, after.ID, limit)
	if err != nil {
		return nil, s.failed(ctx, "list secrets to prune", err)
	}
	all := make([]lab.SecretsToPrune, len(rows))
	for i, r := range rows {
		all[i] = lab.SecretsToPrune{Owner: lab.SecretOwner{Kind: lab.SecretKind(r.Kind), ID: r.ID}, Changes: r.Changes, Pruned: r.Pruned, Gone: r.Gone}
	}
	return all, nil
}

// Pruned writes that Vault was rid of what was more than there is, unless there is
// more again. Who is gone is forgotten once no value is on its way any more.
func (s *Store) Pruned(ctx context.Context, epoch int64, done lab.SecretsToPrune) error {
	return s.tellVault(ctx, epoch, "record pruned secrets", func(tx session) error {
		if !done.Gone {
			_, err := tx.exec(ctx, `UPDATE secret_owners SET pruned = ? WHERE kind = ? AND id = ? AND pruned = ?`, done.Changes, done.Owner.Kind, done.Owner.ID, done.Pruned)
			return err
		}
		if _, err := tx.exec(ctx, `DELETE FROM secrets WHERE kind = ? AND owner_id = ? AND pending = ''`, done.Owner.Kind, done.Owner.ID); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `DELETE FROM secret_owners WHERE kind = ? AND id = ? AND pruned = ?
			AND NOT EXISTS (SELECT 1 FROM secrets WHERE kind = secret_owners.kind AND owner_id = secret_owners.id)`, done.Owner.Kind, done.Owner.ID, done.Pruned)
		return err
	})
}

type workspaceSecretsRow struct {
	ID          string `db:"id"`
	Slug        string `db:"slug"`
	ClassID     string `db:"class_id"`
	StudentID   string `db:"student_id"`
	CourseID    string `db:"course_id"`
	SecretNames string `db:"secret_names"`
	SecretsDone int64  `db:"secrets_done"`
	Changes     int64  `db:"changes"`
}

func (r workspaceSecretsRow) secrets() (lab.WorkspaceSecrets, error) {
	w := lab.WorkspaceSecrets{
		WorkspaceID: r.ID, Slug: lab.Slug(r.Slug), Changes: r.Changes, Done: r.SecretsDone,
		Owners: [3]lab.SecretOwner{{Kind: lab.SecretOfCourse, ID: r.CourseID}, {Kind: lab.SecretOfClass, ID: r.ClassID}, {Kind: lab.SecretOfStudent, ID: r.StudentID}},
	}
	if err := json.Unmarshal([]byte(r.SecretNames), &w.Names); err != nil {
		return w, fmt.Errorf("read the names of secrets: %w", err)
	}
	return w, nil
}

// WorkspacesWithoutSecrets gives workspaces whose path in Vault lacks changes of
// secrets, in the order of their ids after the one given.
func (s *Store) WorkspacesWithoutSecrets(ctx context.Context, after string, limit int) ([]lab.WorkspaceSecrets, error) {
	var rows []workspaceSecretsRow
	err := s.reader().list(ctx, &rows, selectReceivers+`AND w.id > ?
		AND w.secrets_done <> COALESCE(k.changes, 0) + COALESCE(l.changes, 0) + COALESCE(p.changes, 0) ORDER BY w.id LIMIT ?`, after, limit)
	if err != nil {
		return nil, s.failed(ctx, "list workspaces without secrets", err)
	}
	all := make([]lab.WorkspaceSecrets, len(rows))
	for i, r := range rows {
		if all[i], err = r.secrets(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// SecretsOfWorkspace says which secrets a workspace gets; CodeNotFound where there is no such workspace.
func (s *Store) SecretsOfWorkspace(ctx context.Context, slug lab.Slug) (lab.WorkspaceSecrets, error) {
	var row workspaceSecretsRow
	if err := s.reader().find(ctx, "workspace", string(slug), &row, selectReceivers+`AND w.slug = ?`, slug); err != nil {
		return lab.WorkspaceSecrets{}, s.failed(ctx, "read a workspace's secrets", err)
	}
	return row.secrets()
}

// BeginWorkspaceSecrets writes which names a workspace's path may have from now on.
func (s *Store) BeginWorkspaceSecrets(ctx context.Context, epoch int64, id string, names []string) error {
	return s.tellVault(ctx, epoch, "begin to write a workspace's secrets", func(tx session) error {
		return writeSecretNames(ctx, tx, id, names)
	})
}

// WroteWorkspaceSecrets writes that a workspace's path has these names, and the changes given.
func (s *Store) WroteWorkspaceSecrets(ctx context.Context, epoch int64, id string, names []string, changes int64) error {
	return s.tellVault(ctx, epoch, "record a workspace's secrets", func(tx session) error {
		if err := writeSecretNames(ctx, tx, id, names); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `UPDATE workspaces SET secrets_done = ? WHERE id = ?`, changes, id)
		return err
	})
}

func writeSecretNames(ctx context.Context, tx session, id string, names []string) error {
	text, err := json.Marshal(append([]string{}, slices.Sorted(slices.Values(names))...))
	if err != nil {
		return fmt.Errorf("write the names of secrets: %w", err)
	}
	_, err = tx.exec(ctx, `UPDATE workspaces SET secret_names = ? WHERE id = ?`, string(text), id)
	return err
}
