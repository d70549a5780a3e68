package registrar_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

// safe takes values as Vault does. fails is what it answers.
type safe struct {
	mu    sync.Mutex
	put   []string
	fails error
}

func (s *safe) PutSecret(_ context.Context, owner lab.SecretOwner, name, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails == nil {
		s.put = append(s.put, string(owner.Kind)+" "+name+"="+value)
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
