package registrar

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bothylabs/bothy/service/lab"
)

// secretName is what an environment variable is called.
var secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// dropTimeout bounds the giving up of a value that came to nothing.
const dropTimeout = 5 * time.Second

// reserved says whether a name is one that the task's environment has a meaning
// for already, or Bothy's own.
func reserved(name string) bool {
	upper := strings.ToUpper(name)
	for _, prefix := range []string{"BOTHY_", "NOMAD_", "VAULT_", "CONSUL_", "LD_"} {
		if strings.HasPrefix(upper, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"WORKSPACE_SECRET", "PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "IFS", "ENV", "BASH_ENV"}, upper)
}

// SetSecret gives a course ("py101"), class or student (an id) a secret, or another
// value to one that it has. The value goes into Vault and nowhere else. In a dry run
// it goes nowhere.
func (r *Registrar) SetSecret(ctx context.Context, intent lab.Intent, kind lab.SecretKind, ref, name, value string) (lab.Secret, error) {
	owner, key, err := r.secretOwner(ctx, kind, ref)
	if err != nil {
		return lab.Secret{}, err
	}
	if err := checkSecret(name, value); err != nil {
		return lab.Secret{}, err
	}
	secret := lab.Secret{Name: name, Bytes: len(name) + len(value), SetAt: r.now(), SetBy: intent.Actor.Name, Version: r.NewID()}
	// Known before its value is in Vault, and in force after: what is begun and not
	// kept changes nothing, whoever else sets the secret and in whatever order.
	if secret.Revision, err = r.Store.BeginSecret(ctx, intent, owner, secret); err != nil || intent.DryRun {
		return secret, err
	}
	audit := r.audit(intent, string(kind)+".secret.set", owner.ID, map[string]any{
		string(kind): key, "secret": name, "revision": secret.Revision,
	})
	if err = r.Vault.PutSecret(ctx, owner, name, secret.Version, value); err == nil {
		err = r.Store.KeepSecret(ctx, intent, owner, secret, audit)
	}
	if err != nil {
		// Also when whoever asked has left. Where this fails too, it is abandoned later.
		dropping, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
		defer cancel()
		return lab.Secret{}, errors.Join(err, r.Store.DropSecret(dropping, owner, name, secret.Version))
	}
	return secret, r.done(intent, nil)
}

// Secrets gives a page of the secrets of a course, class or student, without values.
func (r *Registrar) Secrets(ctx context.Context, kind lab.SecretKind, ref string, page lab.Page) (lab.List[lab.Secret], error) {
	page, err := checkList("", page)
	if err != nil {
		return lab.List[lab.Secret]{}, err
	}
	owner, _, err := r.secretOwner(ctx, kind, ref)
	if err != nil {
		return lab.List[lab.Secret]{}, err
	}
	return r.Store.Secrets(ctx, owner, page)
}

// DeleteSecret takes a secret away; CodeNotFound when there is none of the name.
func (r *Registrar) DeleteSecret(ctx context.Context, intent lab.Intent, kind lab.SecretKind, ref, name string) error {
	owner, key, err := r.secretOwner(ctx, kind, ref)
	if err != nil {
		return err
	}
	audit := r.audit(intent, string(kind)+".secret.delete", owner.ID, map[string]any{string(kind): key, "secret": name})
	return r.done(intent, r.Store.DeleteSecret(ctx, intent, owner, name, audit))
}

// secretOwner finds who has the secrets, and its name for people.
func (r *Registrar) secretOwner(ctx context.Context, kind lab.SecretKind, ref string) (lab.SecretOwner, string, error) {
	owner := lab.SecretOwner{Kind: kind}
	switch kind {
	case lab.SecretOfCourse:
		course, err := r.Store.Course(ctx, ref)
		owner.ID = course.ID
		return owner, course.Key, err
	case lab.SecretOfClass:
		class, err := r.Store.Class(ctx, ref)
		owner.ID = class.ID
		return owner, class.Key(), err
	case lab.SecretOfStudent:
		student, err := r.Store.Student(ctx, ref)
		owner.ID = student.ID
		return owner, student.Email, err
	default:
		return owner, "", fmt.Errorf("nobody has secrets as a %q", kind)
	}
}

// checkSecret says what is wrong with a secret, and never what its value is.
func checkSecret(name, value string) error {
	var p problems
	switch {
	case !secretName.MatchString(name) || len(name) > lab.MaxSecretName:
		p.add("name", "is not the name of an environment variable", "use letters, digits and underscores, no digit first, at most 128")
	case reserved(name):
		p.add("name", "is reserved", "choose a name that the workspace does not use itself: not PATH, HOME and the like, WORKSPACE_SECRET, or one with BOTHY_, NOMAD_, VAULT_, CONSUL_ or LD_ before it")
	}
	switch {
	case value == "":
		p.add("value", "is empty", "give the secret, or delete it")
	case len(value) > lab.MaxSecretValue:
		p.add("value", fmt.Sprintf("has more than %d bytes", lab.MaxSecretValue), "keep large things in a file of the workspace")
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		p.add("value", "is not text", "encode it, with base64 for example")
	}
	return p.err("the secret can't be set")
}
