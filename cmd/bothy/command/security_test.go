package command

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A claim in SECURITY.md is worth what holds it.
func TestWhatSecurityNamesIsThere(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	page, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`).FindAllStringSubmatch(string(page), -1)
	if len(links) < 20 {
		t.Fatalf("%d links", len(links))
	}
	for _, link := range links {
		name, path := link[1], link[2]
		if !strings.HasSuffix(path, "_test.go") {
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !regexp.MustCompile(`(?m)^func (\([a-z]+ \*?[a-z]+\) )?` + name + `\(`).Match(text) {
			t.Errorf("%s has no %s", path, name)
		}
	}
	for _, rule := range regexp.MustCompile("`(bothy-[a-z]+)`").FindAllStringSubmatch(string(page), -1) {
		text, err := os.ReadFile(filepath.Join(root, "service", "firewall", "firewall.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), `"`+rule[1]+`"`) {
			t.Errorf("the firewall has no rule %s", rule[1])
		}
	}
}
