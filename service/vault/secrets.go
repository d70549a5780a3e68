package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/vault/api"

	"github.com/bothylabs/bothy/service/lab"
)

// writeTries is how often a write is tried that others were faster than.
const writeTries = 5

// ownerPath is where the secrets of a course, class or student are, below the mount.
func ownerPath(owner lab.SecretOwner) string {
	folder := map[lab.SecretKind]string{
		lab.SecretOfCourse: "courses/", lab.SecretOfClass: "classes/", lab.SecretOfStudent: "students/",
	}[owner.Kind]
	return folder + owner.ID + "/env"
}

// Secrets gives all values that are held of an owner's secrets, by lab.SecretKey.
func (c *Client) Secrets(ctx context.Context, owner lab.SecretOwner) (map[string]string, error) {
	values, _, err := c.ownerSecrets(ctx, owner)
	return values, err
}

// PutSecret writes one version of a secret's value beside the others.
func (c *Client) PutSecret(ctx context.Context, owner lab.SecretOwner, name, version, value string) error {
	return c.changeSecrets(ctx, owner, func(values map[string]string) error {
		values[lab.SecretKey(name, version)] = value
		return nil
	})
}

// PruneSecrets leaves an owner no other values than those that are kept, by
// lab.SecretKey. keep is asked after it was read what there is, and again where that
// changes: a value that keep has not heard of is never removed with the others.
func (c *Client) PruneSecrets(ctx context.Context, owner lab.SecretOwner, keep func(context.Context) ([]string, error)) error {
	return c.changeSecrets(ctx, owner, func(values map[string]string) error {
		if len(values) == 0 {
			return nil
		}
		kept, err := keep(ctx)
		if err != nil {
			return fmt.Errorf("ask which secrets are kept: %w", err)
		}
		maps.DeleteFunc(values, func(key, _ string) bool { return !slices.Contains(kept, key) })
		return nil
	})
}

// DeleteSecrets removes all values of an owner who gets no more of them. No error
// where there are none.
func (c *Client) DeleteSecrets(ctx context.Context, owner lab.SecretOwner) error {
	path := ownerPath(owner)
	err := c.asBothy(ctx, func(v *api.Client) error { return v.KVv2(c.cfg.Mount).DeleteMetadata(ctx, path) })
	return c.failed(err, fmt.Sprintf("delete on %s/metadata/%s", c.cfg.Mount, path))
}

// ownerSecrets also gives the version that they are of; 0 for none.
func (c *Client) ownerSecrets(ctx context.Context, owner lab.SecretOwner) (map[string]string, int, error) {
	path := ownerPath(owner)
	var secret *api.KVSecret
	err := c.asBothy(ctx, func(v *api.Client) (err error) {
		secret, err = v.KVv2(c.cfg.Mount).Get(ctx, path)
		return err
	})
	values := map[string]string{}
	if errors.Is(err, api.ErrSecretNotFound) && (secret == nil || secret.VersionMetadata == nil) {
		return values, 0, nil
	}
	if err != nil && !errors.Is(err, api.ErrSecretNotFound) {
		return nil, 0, c.failed(err, fmt.Sprintf("read on %s/data/%s", c.cfg.Mount, path))
	}
	for name, value := range secret.Data {
		if text, ok := value.(string); ok {
			values[name] = text
		}
	}
	return values, secret.VersionMetadata.Version, nil
}

// changeSecrets writes what change makes of an owner's secrets, on the condition
// that nobody else has meanwhile: also where none are left, for no deletion has one.
func (c *Client) changeSecrets(ctx context.Context, owner lab.SecretOwner, change func(map[string]string) error) error {
	path := ownerPath(owner)
	for range writeTries {
		values, version, err := c.ownerSecrets(ctx, owner)
		if err != nil {
			return err
		}
		after := maps.Clone(values)
		if err := change(after); err != nil {
			return err
		}
		if maps.Equal(values, after) {
			return nil
		}
		err = c.asBothy(ctx, func(v *api.Client) error {
			_, err := v.KVv2(c.cfg.Mount).Put(ctx, path, asAny(after), api.WithCheckAndSet(version))
			return err
		})
		if !exists(err) {
			return c.failed(err, fmt.Sprintf("create and update on %s/data/%s", c.cfg.Mount, path))
		}
	}
	return othersFaster(path)
}

// SetWorkspaceSecrets gives a workspace's path the values given and takes the names
// in remove from it; what else is there stays. Nothing of it is read. The path must
// be there, as MakeWorkspaceSecret makes it.
func (c *Client) SetWorkspaceSecrets(ctx context.Context, jobID string, values map[string]string, remove []string) error {
	path := secretPath(jobID)
	data := asAny(values)
	for _, name := range remove {
		data[name] = nil // which JSON merge patch removes
	}
	for range writeTries {
		var metadata *api.KVMetadata
		err := c.asBothy(ctx, func(v *api.Client) (err error) {
			metadata, err = v.KVv2(c.cfg.Mount).GetMetadata(ctx, path)
			return err
		})
		if err != nil {
			return c.failed(err, fmt.Sprintf("read on %s/metadata/%s", c.cfg.Mount, path))
		}
		err = c.asBothy(ctx, func(v *api.Client) error {
			_, err := v.Logical().JSONMergePatch(ctx, c.cfg.Mount+"/data/"+path, map[string]any{
				"data": data, "options": map[string]any{"cas": metadata.CurrentVersion},
			})
			return err
		})
		if !exists(err) {
			return c.failed(err, fmt.Sprintf("patch on %s/data/%s", c.cfg.Mount, path))
		}
	}
	return othersFaster(path)
}

func asAny(values map[string]string) map[string]any {
	data := make(map[string]any, len(values))
	for name, value := range values {
		data[name] = value
	}
	return data
}

func othersFaster(path string) error {
	return lab.Errorf(lab.CodeUnavailable, "others write to %s in Vault at the same time", path)
}
