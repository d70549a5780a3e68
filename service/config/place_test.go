package config

import (
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

func TestAStoreIsNamedOnACommandLineWithoutItsPassword(t *testing.T) {
	const dsn = "postgres://me:hush@db/bothy"
	file := writeSecret(t, dsn)
	env := map[string]string{}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }

	s, err := ParseStore("-from", "sqlite:/a/b:c.db", lookup)
	if err != nil || s.Driver != "sqlite" || s.Path != "/a/b:c.db" {
		t.Errorf("got %+v, %v", s, err)
	}
	s, err = ParseStore("-to", "postgres:"+file, lookup)
	if secret, readErr := s.DSN.Read(); err != nil || readErr != nil || secret.Reveal() != dsn {
		t.Errorf("got %+v, %v, %v", s, err, readErr)
	}
	for _, text := range []string{"", "postgres", "postgres:", "sqlite", "sqlite:", "mysql:/x", dsn, "postgres:/nowhere", "bothy.db"} {
		_, err := ParseStore("-to", text, lookup)
		if lab.CodeOf(err) != lab.CodeInvalid || !strings.Contains(err.Error(), "-to") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %v", text, err)
		}
	}
	env["BOTHY_STORE_DSN"] = dsn
	s, err = ParseStore("-to", "postgres", lookup)
	if err != nil || s.DSN.Value.Reveal() != dsn {
		t.Errorf("got %+v, %v", s, err)
	}
}
