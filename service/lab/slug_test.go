package lab_test

import (
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

func TestParseSlug(t *testing.T) {
	long := strings.Repeat("a", lab.MaxSlug)
	for name, tc := range map[string]struct {
		in   string
		good bool
	}{
		"three parts":         {"fall-26-py101-ada", true},
		"digits alone":        {"2026", true},
		"the longest":         {long, true},
		"one too long":        {long + "a", false},
		"empty":               {"", false},
		"upper case":          {"Fall-26", false},
		"leading hyphen":      {"-a", false},
		"trailing hyphen":     {"a-", false},
		"double hyphen":       {"a--b", false},
		"underscore":          {"a_b", false},
		"dot":                 {"a.b", false},
		"slash":               {"a/b", false},
		"space":               {"a b", false},
		"letter beyond ASCII": {"zoë", false},
		"newline at the end":  {"ada\n", false},
		"interpolation":       {"a${b}", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := lab.ParseSlug(tc.in)
			if tc.good {
				if err != nil || got.String() != tc.in {
					t.Fatalf("ParseSlug(%q) = %q, %v; want it as it is", tc.in, got, err)
				}
				return
			}
			if lab.CodeOf(err) != lab.CodeInvalid || got != "" {
				t.Fatalf("ParseSlug(%q) = %q, %v; want nothing and code invalid", tc.in, got, err)
			}
		})
	}
}

func TestSlugNames(t *testing.T) {
	s := lab.Slug("fall-26-py101-ada")
	if got, want := s.JobID(), "bothy-fall-26-py101-ada"; got != want {
		t.Errorf("JobID() = %q, want %q", got, want)
	}
	if got, want := s.HomeVolume(), "home-fall-26-py101-ada"; got != want {
		t.Errorf("HomeVolume() = %q, want %q", got, want)
	}
}
