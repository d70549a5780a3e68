package stack

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// configurations are the files of all parts, both routers among them.
func configurations() map[string]string {
	files := map[string]string{partConsul: "consul.hcl", partVault: "vault.hcl", partNomad: "nomad.hcl", partClient: "nomad-client.hcl"}
	for _, r := range Routers() {
		files[string(r)] = routerFor(Config{Router: r}).config
	}
	return files
}

func TestConfigurationsListenOnLoopbackOnly(t *testing.T) {
	address := regexp.MustCompile(`\b\d+\.\d+\.\d+\.\d+\b`)
	cfg := valid(t, nil)
	for part, file := range configurations() {
		text, err := render(file+".tmpl", configFor(cfg, part, nil))
		if err != nil {
			t.Fatal(err)
		}
		found := address.FindAllString(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s names no address", file)
		}
		for _, a := range found {
			if a != "127.0.0.1" && !strings.HasPrefix(cfg.BridgeSubnet, a) {
				t.Errorf("%s names %s", file, a)
			}
		}
	}
}

func TestEveryPortIsTheOneThatWasChosen(t *testing.T) {
	cfg := valid(t, func(c *Config) { *c = c.Offset(7000) })
	var all strings.Builder
	for part, file := range configurations() {
		text, err := render(file+".tmpl", configFor(cfg, part, nil))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	defaults := DefaultPorts()
	for _, f := range defaults.fields() {
		if regexp.MustCompile(`\b` + strconv.Itoa(*f.value) + `\b`).MatchString(all.String()) {
			t.Errorf("the default of %s, %d, is still there", f.setting, *f.value)
		}
		if !regexp.MustCompile(`\b` + strconv.Itoa(*f.value+7000) + `\b`).MatchString(all.String()) {
			t.Errorf("%s, %d, is nowhere", f.setting, *f.value+7000)
		}
	}
}

// Whole requests, which may hold tickets, are written by a router that debugs.
func TestRoutersDoNotDebug(t *testing.T) {
	for level, want := range map[string]string{"debug": "INFO", "info": "INFO", "warn": "WARN", "error": "ERROR"} {
		cfg := valid(t, func(c *Config) { c.LogLevel = level })
		for _, r := range Routers() {
			text, err := render(routerFor(Config{Router: r}).config+".tmpl", configFor(cfg, string(r), nil))
			if err != nil {
				t.Fatal(err)
			}
			if found := regexp.MustCompile(`(?m)level\s*[:=] (\w+)$`).FindStringSubmatch(string(text)); len(found) != 2 || found[1] != want {
				t.Errorf("at %s the level of %s is %v, not %s", level, r, found, want)
			}
		}
	}
}

func TestValuesCannotBreakOutOfAConfiguration(t *testing.T) {
	text, err := render("consul-acl.hcl.tmpl", struct{ Management, Agent string }{"a\"\nb", `c\`})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"a\"\nb"`) || !strings.Contains(string(text), `"c\\"`) {
		t.Errorf("quoted wrongly:\n%s", text)
	}
	if _, err := render("consul-acl.hcl.tmpl", struct{ Management string }{}); err == nil {
		t.Error("a value that is missing is not noticed")
	}
}

func TestTasksSeeTheRootSkeletonAndWhatIsAdded(t *testing.T) {
	entries, err := chrootEntries("/srv/dev/chroot", map[string]string{"/cache/editor": "/opt/editor", "/cache/ada": "/opt/ada"})
	if err != nil {
		t.Fatal(err)
	}
	if entries[0] != (chrootEntry{"/srv/dev/chroot", "/"}) {
		t.Errorf("the first entry is %v", entries[0])
	}
	if last := entries[len(entries)-2:]; !slices.Equal(last, []chrootEntry{{"/cache/ada", "/opt/ada"}, {"/cache/editor", "/opt/editor"}}) {
		t.Errorf("the last entries are %v", last)
	}
	for _, e := range entries {
		for _, secret := range []string{"/etc/shadow", "/etc/ssl/private", "/etc/sudoers", "/root"} {
			if e.From == "/etc" || strings.HasPrefix(secret+"/", e.From+"/") {
				t.Errorf("tasks see %s through %s", secret, e.From)
			}
		}
	}
}

func TestTheSkeletonIsAMergedRootWithAResolver(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // the second start finds it there
		if err := buildSkeleton(dir); err != nil {
			t.Fatal(err)
		}
	}
	if target, err := os.Readlink(filepath.Join(dir, "bin")); err != nil || target != "usr/bin" {
		t.Errorf("/bin leads to %q, %v", target, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "etc", "resolv.conf")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the resolver's configuration: %v, %v", info, err)
	}
}
