package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the reference into docs/configuration.md")

const (
	referenceBegin = "<!-- reference: made by go test ./service/config -update -->\n"
	referenceEnd   = "<!-- end of the reference -->\n"
)

func TestTheReferenceIsComplete(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "configuration.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), referenceBegin)
	_, after, ok2 := strings.Cut(rest, referenceEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks of the reference", path)
	}
	want := before + referenceBegin + reference() + referenceEnd + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("the reference is not of these settings (go test ./service/config -update):\n%s", diff)
	}
}

func TestTheExampleOfTheReferenceIsValid(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```hcl\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("no example")
	}
	// The files that the example names exist on a server and not here.
	token := writeSecret(t, "a-token-of-32-characters-or-more")
	for _, line := range strings.Split(example, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasSuffix(strings.TrimSpace(name), "_file") {
			example = strings.ReplaceAll(example, strings.TrimSpace(value), quote(token))
		}
	}
	src := newSources(t)
	delete(src.env, "BOTHY_API_TOKEN")
	src.file(example)
	src.mustLoad()
}

func reference() string {
	c := Default()
	defaults := defaultsByName(c)
	var b strings.Builder
	b.WriteString("| setting | default | environment | what it is |\n|---|---|---|---|\n")
	for _, s := range settings(&c) {
		env := []string{"`" + s.envName() + "`"}
		for _, v := range s.env {
			env = append(env, "`"+v.name+"`")
		}
		name := "`" + s.name + "`"
		if s.envOnly {
			name = "(environment only)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, defaults[s.name], strings.Join(env, ", "), s.usage)
	}
	return b.String()
}

// defaultsByName finds defaults by giving each setting a value that differs and
// looking at what changed: a setting's place in Config is known to its reader only.
func defaultsByName(c Config) map[string]string {
	found := map[string]string{}
	flat := flatten(reflect.ValueOf(c))
	for i, s := range settings(&Config{}) {
		var changed Config
		probe := settings(&changed)[i]
		for _, text := range []string{"1", "true", "1s", "http://x", ":1", "sqlite", "host", "info", "text", "10.0.0.1", "2", "1m", "1000", "24h", "tls", "nobody"} {
			changed = Config{}
			if err := probe.read([]string{text}); err == nil && !reflect.DeepEqual(changed, Config{}) {
				break
			}
		}
		before := flatten(reflect.ValueOf(Config{}))
		for n, v := range flatten(reflect.ValueOf(changed)) {
			if v != before[n] && flat[n] != before[n] {
				found[s.name] = "`" + strings.Trim(flat[n], "[]") + "`"
			}
		}
	}
	return found
}

// flatten prints every leaf of a struct.
func flatten(v reflect.Value) []string {
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[Secret]() {
		return []string{fmt.Sprint(v.Interface())}
	}
	var all []string
	for i := range v.NumField() {
		all = append(all, flatten(v.Field(i))...)
	}
	return all
}
