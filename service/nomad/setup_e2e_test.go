//go:build e2e

package nomad

import (
	"log/slog"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNomadIsSetUpOnce needs a real Nomad at NOMAD_ADDR that is set up for Bothy,
// and a management token in OPERATOR_NOMAD_TOKEN. What it changes, it puts back.
func TestNomadIsSetUpOnce(t *testing.T) {
	operator := func(namespace string) *Client {
		c, err := New(Config{
			Address: os.Getenv("NOMAD_ADDR"), Namespace: namespace, Logger: slog.New(slog.DiscardHandler),
			Token: func() (string, error) { return os.Getenv("OPERATOR_NOMAD_TOKEN"), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const other = "bothy-setup-e2e"
	differs := func(c *Client) []string {
		t.Helper()
		differences, err := c.Differences(t.Context())
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
	set, bare := operator("bothy"), operator(other)
	if got := differs(set); got != nil {
		t.Errorf("the stack lacks %v", got)
	}
	if diff := cmp.Diff([]string{"namespace " + other, "policy bothy"}, differs(bare)); diff != "" {
		t.Error(diff)
	}
	if again := differs(bare); again != nil {
		t.Errorf("the second time %v differs", again)
	}
	if diff := cmp.Diff([]string{"policy bothy"}, differs(set)); diff != "" {
		t.Error(diff)
	}
	w, err := bare.write(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bare.api.Namespaces().Delete(other, w); err != nil {
		t.Error(err)
	}
}
