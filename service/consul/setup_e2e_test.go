//go:build e2e

package consul

import (
	"log/slog"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConsulIsSetUpOnce needs a real Consul at CONSUL_HTTP_ADDR that is set up for
// Bothy, and a management token in OPERATOR_CONSUL_TOKEN. What it changes, it puts back.
func TestConsulIsSetUpOnce(t *testing.T) {
	w, err := New(Config{
		Address: os.Getenv("CONSUL_HTTP_ADDR"), Logger: slog.New(slog.DiscardHandler),
		Token: func() (string, error) { return os.Getenv("OPERATOR_CONSUL_TOKEN"), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	differs := func() []string {
		t.Helper()
		differences, err := w.Differences(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var subjects []string
		for _, d := range differences {
			subjects = append(subjects, d.Subject)
			if err := d.Apply(t.Context()); err != nil {
				t.Fatalf("%s: %v", d.Subject, err)
			}
		}
		return subjects
	}
	if got := differs(); got != nil {
		t.Errorf("the stack lacks %v", got)
	}
	tasks, err := w.policy(t.Context(), "bothy-workspace")
	if err != nil {
		t.Fatal(err)
	}
	rules := tasks.Rules
	tasks.Rules = `key_prefix "" { policy = "write" }`
	if err := w.putPolicy(t.Context(), tasks); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"policy bothy-workspace"}, differs()); diff != "" {
		t.Error(diff)
	}
	if again := differs(); again != nil {
		t.Errorf("the second time %v differs", again)
	}
	if now, err := w.policy(t.Context(), "bothy-workspace"); err != nil || now.Rules != rules || now.ID != tasks.ID {
		t.Errorf("it is not as it was: %v", err)
	}
}
