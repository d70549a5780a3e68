package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheDoctorSaysFirstWhichConfigurationItLooksAt(t *testing.T) {
	file, other := filepath.Join(t.TempDir(), "bothy.hcl"), filepath.Join(t.TempDir(), "other.hcl")
	for _, path := range []string{file, other} {
		// What is wrong with it keeps the doctor from asking anybody.
		if err := os.WriteFile(path, []byte(`listen = "nowhere"`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for what, test := range map[string]struct {
		vars  map[string]string
		args  []string
		first string
		found string
	}{
		"the shell's alone": {
			vars:  map[string]string{"BOTHY_LISTEN": "nowhere"},
			first: "Configuration: no file, flags and this shell's environment alone. That of a server: bothy doctor -config <file>",
			found: "environment variable BOTHY_LISTEN",
		},
		"the environment's file": {
			vars:  map[string]string{"BOTHY_CONFIG": file},
			first: "Configuration: " + file + ", named by BOTHY_CONFIG; settings of this shell's environment go before it",
			found: file + ":1:",
		},
		"the flag's": {
			vars: map[string]string{"BOTHY_CONFIG": file}, args: []string{"-config", other},
			first: "Configuration: " + other + "; settings of this shell's environment go before it",
			found: other + ":1:",
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			for name, value := range test.vars {
				w.vars[name] = value
			}
			got := w.run(append([]string{"doctor"}, test.args...)...)
			if first, _, _ := strings.Cut(got.out, "\n"); first != test.first {
				t.Errorf("the first line is %q", first)
			}
			got.says(test.found)
		})
	}
}
