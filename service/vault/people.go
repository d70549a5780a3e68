package vault

import (
	"context"
	"errors"
	"net/http"
	"regexp"

	"github.com/hashicorp/vault/api"

	"github.com/bothylabs/bothy/service/lab"
)

// People are users of a userpass auth method of Bothy's own, under the ids that they
// have here, and nowhere else. Each has an identity entity, by which Vault refuses
// whoever is disabled, and gets tokens that are good for nothing.

// maxPassword is the most that userpass takes, in bytes: bcrypt looks no further.
const maxPassword = 72

// personPattern is what an id looks like; it becomes part of a path.
var personPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)

// SetPassword makes the person where there is none, gives them the password, which
// replaces any other, and lifts a lockout. Whoever is disabled stays so. CodeInvalid
// when Vault can't take the password: it has 1 to 72 bytes.
func (c *Client) SetPassword(ctx context.Context, userID, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	path, err := c.person(userID)
	if err != nil {
		return err
	}
	// The identity comes first: nobody has a password who could not be disabled.
	accessor, _, err := c.ensureEntity(ctx, userID)
	if err != nil {
		return err
	}
	if err := c.tell(ctx, "create and update", path, map[string]any{
		"password": password, "token_no_default_policy": true,
	}); err != nil {
		return err
	}
	return c.tell(ctx, "update", "sys/locked-users/"+accessor+"/unlock/"+userID, nil)
}

// CheckPassword gives nil for the right password. CodeUnauthenticated: it is wrong,
// or there is no such person; CodeForbidden: the person is disabled, or Vault has
// locked them out after too many failures.
func (c *Client) CheckPassword(ctx context.Context, userID, password string) error {
	wrong := lab.Errorf(lab.CodeUnauthenticated, "the password is wrong")
	if checkPassword(password) != nil {
		return wrong
	}
	if _, err := c.person(userID); err != nil {
		return wrong
	}
	_, err := c.open.Logical().WriteWithContext(ctx, "auth/"+c.cfg.PeopleMount+"/login/"+userID, map[string]any{"password": password})
	var answer *api.ResponseError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answer):
		return c.failed(err, "")
	case answer.StatusCode == http.StatusBadRequest:
		return wrong
	case answer.StatusCode == http.StatusForbidden:
		return c.whyForbidden(ctx, userID)
	default:
		return c.peopleFailed(err, "")
	}
}

// whyForbidden words why Vault did not even look at a password.
func (c *Client) whyForbidden(ctx context.Context, userID string) error {
	accessor, err := c.peopleAccessor(ctx)
	if err != nil {
		return err
	}
	entity, err := c.entityOf(ctx, accessor, userID)
	switch {
	case err != nil:
		return err
	case entity.disabled:
		return lab.Errorf(lab.CodeForbidden, "this person may not sign in any more")
	default:
		return lab.Errorf(lab.CodeForbidden, "Vault has locked this person out after too many wrong passwords").
			WithHint("wait for 15 minutes, or set a new password")
	}
}

// DisablePerson takes the password away and disables the person's identity, with
// which every token of theirs ends. Twice does no harm, nor for somebody who has
// never had a password.
func (c *Client) DisablePerson(ctx context.Context, userID string) error {
	path, err := c.person(userID)
	if err != nil {
		return err
	}
	_, entity, err := c.ensureEntity(ctx, userID)
	if err != nil {
		return err
	}
	if err := c.setDisabled(ctx, entity, true); err != nil {
		return err
	}
	return c.forget(ctx, path)
}

// EnablePerson lets somebody sign in again who was disabled. A new password must be
// set: the old one is gone.
func (c *Client) EnablePerson(ctx context.Context, userID string) error {
	if _, err := c.person(userID); err != nil {
		return err
	}
	accessor, err := c.peopleAccessor(ctx)
	if err != nil {
		return err
	}
	entity, err := c.entityOf(ctx, accessor, userID)
	if err != nil || entity.id == "" {
		return err
	}
	return c.setDisabled(ctx, entity, false)
}

// person gives the path of somebody's password.
func (c *Client) person(userID string) (string, error) {
	if !personPattern.MatchString(userID) {
		return "", lab.Errorf(lab.CodeInvalid, "%q is not the id of a person", userID)
	}
	return "auth/" + c.cfg.PeopleMount + "/users/" + userID, nil
}

func checkPassword(password string) error {
	if password != "" && len(password) <= maxPassword {
		return nil
	}
	return lab.Invalid("the password can't be used", lab.Field{
		Name: "password", Problem: "has none, or more than 72 bytes", Remedy: "use at most 72 letters without accents",
	})
}

// entity is an identity in Vault; the zero value none.
type entity struct {
	id       string
	disabled bool
}

// peopleAccessor gives the id that Vault has given to the auth method.
func (c *Client) peopleAccessor(ctx context.Context) (string, error) {
	var answer *api.Secret
	err := c.asBothy(ctx, func(v *api.Client) (err error) {
		answer, err = v.Logical().ReadWithContext(ctx, "sys/internal/ui/mounts/auth/"+c.cfg.PeopleMount)
		return err
	})
	if err != nil {
		return "", c.peopleFailed(err, "any right below auth/"+c.cfg.PeopleMount+"/, if that is mounted at all")
	}
	if answer == nil || answer.Data["type"] != "userpass" {
		return "", c.noPeople(nil)
	}
	accessor, _ := answer.Data["accessor"].(string)
	return accessor, nil
}

// entityOf finds somebody's identity by the name that they have at the auth method.
func (c *Client) entityOf(ctx context.Context, accessor, userID string) (entity, error) {
	var answer *api.Secret
	err := c.asBothy(ctx, func(v *api.Client) (err error) {
		answer, err = v.Logical().WriteWithContext(ctx, "identity/lookup/entity", map[string]any{
			"alias_name": userID, "alias_mount_accessor": accessor,
		})
		return err
	})
	if err != nil {
		return entity{}, c.peopleFailed(err, "update on identity/lookup/entity")
	}
	if answer == nil {
		return entity{}, nil
	}
	var found entity
	found.id, _ = answer.Data["id"].(string)
	found.disabled, _ = answer.Data["disabled"].(bool)
	return found, nil
}

// ensureEntity gives somebody an identity who has none, and gives the auth method's accessor too.
func (c *Client) ensureEntity(ctx context.Context, userID string) (string, entity, error) {
	accessor, err := c.peopleAccessor(ctx)
	if err != nil {
		return "", entity{}, err
	}
	found, err := c.entityOf(ctx, accessor, userID)
	if err != nil || found.id != "" {
		return accessor, found, err
	}
	// Without the id of an entity Vault makes one: Bothy can't put its people into
	// somebody else's.
	if err := c.tell(ctx, "create and update", "identity/entity-alias", map[string]any{
		"name": userID, "mount_accessor": accessor,
	}); err != nil {
		return "", entity{}, err
	}
	found, err = c.entityOf(ctx, accessor, userID)
	if err == nil && found.id == "" {
		err = lab.Errorf(lab.CodeUnavailable, "Vault does not know an identity that it has just made")
	}
	return accessor, found, err
}

func (c *Client) setDisabled(ctx context.Context, e entity, disabled bool) error {
	if e.disabled == disabled {
		return nil
	}
	return c.tell(ctx, "update", "identity/entity/id/"+e.id, map[string]any{"disabled": disabled})
}

// tell writes to Vault as Bothy.
func (c *Client) tell(ctx context.Context, capability, path string, data map[string]any) error {
	err := c.asBothy(ctx, func(v *api.Client) error {
		_, err := v.Logical().WriteWithContext(ctx, path, data)
		return err
	})
	return c.peopleFailed(err, capability+" on "+path)
}

// forget deletes in Vault as Bothy.
func (c *Client) forget(ctx context.Context, path string) error {
	err := c.asBothy(ctx, func(v *api.Client) error {
		_, err := v.Logical().DeleteWithContext(ctx, path)
		return err
	})
	return c.peopleFailed(err, "delete on "+path)
}

// peopleFailed translates an error of a request about people.
func (c *Client) peopleFailed(err error, needed string) error {
	if absent(err) {
		return c.noPeople(err)
	}
	return c.failed(err, needed)
}

func (c *Client) noPeople(cause error) error {
	return lab.Wrap(lab.CodeRefused, cause, "Vault has no userpass auth method at %q", c.cfg.PeopleMount).
		WithHint("bothy setup vault")
}
