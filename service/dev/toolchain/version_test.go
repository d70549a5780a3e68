package toolchain

import "testing"

func TestParseVersion(t *testing.T) {
	for output, want := range map[string]string{
		"Nomad v1.11.3\nBuildDate 2026-01-01":                                "1.11.3",
		"Consul v1.22.5\nBuild Date 1970-01-01T00:00:01Z\nProtocol 2 spoken": "1.22.5",
		"Vault v1.21.2, built 2025-11-21T21:31:00Z (cgo)":                    "1.21.2",
		"Vault v1.21.2+ent (abc), built 2025":                                "1.21.2+ent",
		"Nomad v1.12.0-beta.1":                                               "1.12.0-beta.1",
		"1.6.3 go1.26.8":                                                     "1.6.3",
		"a fabulous program":                                                 "",
		"":                                                                   "",
	} {
		if got := parseVersion(output); got != want {
			t.Errorf("parseVersion(%q) = %q, want %q", output, got, want)
		}
	}
}

func TestVersionRange(t *testing.T) {
	accepts := versionRange{From: "1.11.0", Below: "2.0.0"}
	for version, want := range map[string]string{
		"1.11.0":      "",
		"1.11.9":      "",
		"1.13.0":      "",
		"1.11.3+ent":  "",
		"1.10.9":      "1.10.9 is older than 1.11.0",
		"2.0.0":       "2.0.0 is not below 2.0.0",
		"1.12.0-rc.1": "1.12.0-rc.1 is not a release",
		"":            "it does not say its version",
	} {
		if got := accepts.reject(version); got != want {
			t.Errorf("reject(%q) = %q, want %q", version, got, want)
		}
	}
}

func TestNewEnoughGo(t *testing.T) {
	for text, want := range map[string]bool{
		"go1.26.0\n":                true,
		"go1.26":                    true,
		"go1.27rc1":                 true,
		"go2.0.0":                   true,
		"devel go1.27-abcdef0 2026": true,
		"go1.25.9":                  false,
		"go1.9":                     false,
		"gcc":                       false,
		"":                          false,
	} {
		if got := newEnoughGo(text); got != want {
			t.Errorf("newEnoughGo(%q) = %v, want %v", text, got, want)
		}
	}
}
