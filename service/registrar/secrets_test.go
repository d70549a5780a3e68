package registrar_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

// safe takes values as Vault does, by key. fails is what it answers.
type safe struct {
	mu    sync.Mutex
	put   map[string]string
	fails error
	// before, where set, is done once before a value is taken.
	before func()
}

func (s *safe) PutSecret(_ context.Context, _ lab.SecretOwner, name, version, value string) error {
	s.mu.Lock()
	before := s.before
	s.before = nil
	s.mu.Unlock()
	if before != nil {
		before()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails == nil {
		if s.put == nil {
			s.put = map[string]string{}
		}
		s.put[lab.SecretKey(name, version)] = value
	}
	return s.fails
}

func TestASecretGoesIntoVaultAndItsNameIsListed(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx, vault := t.Context(), &safe{}
	o.Vault = vault
	o.class("Ada")
	cohort, err := o.Cohort(ctx, "fall-26")
	o.must(err)
	students, err := o.Registrar.Students(ctx, cohort.Key, lab.StudentFilter{}, lab.Page{})
	o.must(err)
	for kind, ref := range map[lab.SecretKind]string{lab.SecretOfCourse: "py101", lab.SecretOfClass: "fall-26/py101", lab.SecretOfStudent: students.Items[0].ID} {
		o.refused(lab.CodeNotFound, func() error { return second(o.SetSecret(ctx, o.intent, kind, "nobody", "KEY", "x")) })
		set, err := o.SetSecret(ctx, o.intent, kind, ref, "KEY", "hush-hush")
		o.must(err)
		list, err := o.Secrets(ctx, kind, ref, lab.Page{})
		o.must(err)
		wantEqual(t, list.Items, []lab.Secret{set})
		o.must(o.DeleteSecret(ctx, o.intent, kind, ref, "KEY"))
		o.refused(lab.CodeNotFound, func() error { return o.DeleteSecret(ctx, o.intent, kind, ref, "KEY") })
	}
	wantEqual(t, len(vault.put), 3)
	vault.fails = lab.Errorf(lab.CodeUnavailable, "Vault is sealed")
	o.refused(lab.CodeUnavailable, func() error {
		return second(o.SetSecret(ctx, o.intent, lab.SecretOfCourse, "py101", "LATER", "hush-hush"))
	})
	list, err := o.Secrets(ctx, lab.SecretOfCourse, "py101", lab.Page{})
	o.must(err)
	wantEqual(t, len(list.Items), 0)
}

func TestADryRunOfASecretPutsNothingIntoVault(t *testing.T) {
	t.Parallel()
	o := open(t)
	vault := &safe{}
	o.Vault = vault
	o.class("Ada")
	intent := o.intent
	intent.DryRun = true
	_, err := o.SetSecret(t.Context(), intent, lab.SecretOfCourse, "py101", "KEY", "hush-hush")
	o.must(err)
	list, err := o.Secrets(t.Context(), lab.SecretOfCourse, "py101", lab.Page{})
	o.must(err)
	if len(vault.put) != 0 || len(list.Items) != 0 {
		t.Errorf("put %v, listed %v", vault.put, list.Items)
	}
}

func TestASecretIsRefusedWithoutBeingShown(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.Vault = &safe{}
	o.class("Ada")
	for title, test := range map[string]struct{ name, value, field string }{
		"a digit first":      {"1A", "hush-hush", "name"},
		"a hyphen":           {"A-B", "hush-hush", "name"},
		"no name":            {"", "hush-hush", "name"},
		"a long name":        {strings.Repeat("A", 129), "hush-hush", "name"},
		"the path":           {"Path", "hush-hush", "name"},
		"Bothy's own":        {"WORKSPACE_SECRET", "hush-hush", "name"},
		"Nomad's":            {"NOMAD_TOKEN", "hush-hush", "name"},
		"the linker's":       {"LD_PRELOAD", "hush-hush", "name"},
		"no value":           {"A", "", "value"},
		"a value too long":   {"A", strings.Repeat("hush-hush", 2000), "value"},
		"bytes":              {"A", "hush-hush\xff", "value"},
		"a value with a nul": {"A", "hush-hush\x00", "value"},
	} {
		err := o.refused(lab.CodeInvalid, func() error {
			return second(o.SetSecret(t.Context(), o.intent, lab.SecretOfCourse, "py101", test.name, test.value))
		})
		if len(err.Fields) != 1 || err.Fields[0].Name != test.field || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", title, err)
		}
	}
}

func TestOfTwoWhoSetASecretAtOnceTheOneThatIsListedIsInForce(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx, vault := t.Context(), &safe{}
	o.Vault = vault
	o.class("Ada")
	set := func(by, value string) (lab.Secret, error) {
		intent := o.intent
		intent.Actor.Name = by
		return o.SetSecret(ctx, intent, lab.SecretOfCourse, "py101", "KEY", value)
	}
	inForce := func() (by, value string) {
		t.Helper()
		list, err := o.Secrets(ctx, lab.SecretOfCourse, "py101", lab.Page{})
		o.must(err)
		return list.Items[0].SetBy, vault.put[lab.SecretKey("KEY", list.Items[0].Version)]
	}
	// The second one comes and goes while the first one's value is on its way.
	vault.before = func() { o.must(second(set("second", "the second's"))) }
	if _, err := set("first", "the first's"); lab.CodeOf(err) != lab.CodeConflict {
		t.Errorf("the first is told %v", err)
	}
	if by, value := inForce(); by != "second" || value != "the second's" {
		t.Errorf("%s's %q is in force", by, value)
	}
	// One that fails after the value was taken, or before, changes nothing.
	gone, leave := context.WithCancel(ctx)
	vault.before = leave
	if _, err := o.SetSecret(gone, o.intent, lab.SecretOfCourse, "py101", "KEY", "nobody's"); err == nil {
		t.Error("it was set")
	}
	vault.fails = lab.Errorf(lab.CodeUnavailable, "Vault is sealed")
	o.refused(lab.CodeUnavailable, func() error { return second(set("third", "the third's")) })
	if by, value := inForce(); by != "second" || value != "the second's" {
		t.Errorf("%s's %q is in force", by, value)
	}
	owner, err := o.Course(ctx, "py101")
	o.must(err)
	keys, err := o.store.SecretKeys(ctx, lab.SecretOwner{Kind: lab.SecretOfCourse, ID: owner.ID})
	o.must(err)
	if len(keys) != 1 {
		t.Errorf("Vault is to keep %v", keys)
	}
}
