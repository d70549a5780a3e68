package config_test

import (
	"testing"

	"github.com/bothylabs/bothy/service/config"
)

func TestWhereCookiesCanBePlantedFrom(t *testing.T) {
	t.Parallel()
	for origins, want := range map[[2]string]string{
		{"http://bothy.localhost:8080", "http://labs.localhost:9999"}:        "",
		{"http://bothy.lab.example.org", "http://labs.lab.example.org:9999"}: "lab.example.org",
		{"http://bothy.example.org", "https://labs.Example.ORG"}:             "example.org",
		{"https://bothy.example.org", "https://labs.example.org"}:            "",
		{"http://bothy.example.org", "http://labs.example.net"}:              "",
		{"http://10.0.0.5:8080", "http://10.0.0.5:9999"}:                     "",
	} {
		if got := (config.Config{ConsoleURL: origins[0], LabsURL: origins[1]}).PlantedFrom(); got != want {
			t.Errorf("%v: %q, want %q", origins, got, want)
		}
	}
}
