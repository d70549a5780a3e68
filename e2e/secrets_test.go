package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	nomadapi "github.com/hashicorp/nomad/api"
)

// shortestSecret keeps words such as "dev" from counting as a secret.
const shortestSecret = 12

// A secret is one value that may stand in Vault and in .dev/secrets only.
type secret struct {
	name  string // where it comes from; safe to print
	value string
}

// A vault of secrets that were seen in this run, each once.
type secrets []secret

func (s *secrets) add(name, value string) {
	value = strings.TrimSpace(value)
	if len(value) < shortestSecret {
		return
	}
	if slices.ContainsFunc(*s, func(known secret) bool { return known.value == value }) {
		return
	}
	*s = append(*s, secret{name: name, value: value})
}

// in gives the names of the secrets that a text holds.
func (s secrets) in(text []byte) []string {
	var found []string
	for _, secret := range s {
		if bytes.Contains(text, []byte(secret.value)) {
			found = append(found, secret.name)
		}
	}
	return found
}

// redact replaces each secret in a text, so that it can be printed.
func (s secrets) redact(text string) string {
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret.value, "[secret: "+secret.name+"]")
	}
	return text
}

// inFiles looks into every regular file below root but those that skip names,
// and gives one line for each secret found in each.
func (s secrets) inFiles(root string, skip func(path string) bool) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // a running server removes files of its own
		}
		if err != nil {
			return fmt.Errorf("look into %s: %w", path, err)
		}
		if skip(path) {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look into %s: %w", path, err)
		}
		for _, name := range s.in(text) {
			found = append(found, path+" holds "+name)
		}
		return nil
	})
	return found, err //nolint:wrapcheck // already says what and where
}

// collectFiles learns the secrets that the stack keeps in files: one in each file,
// but for the servers' configuration.
func (d *dev) collectFiles() error {
	for _, name := range []string{"BOTHY_TOKEN", "NOMAD_TOKEN", "CONSUL_HTTP_TOKEN", "VAULT_TOKEN"} {
		d.seen.add(name, d.env[name])
	}
	dir := filepath.Join(d.state(), "secrets")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the stack's secrets: %w", err)
	}
	for _, entry := range entries {
		// A role id names who logs in, as a user's name does: the secret is the secret id.
		if ext := filepath.Ext(entry.Name()); ext == ".hcl" || ext == ".role-id" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return fmt.Errorf("read the stack's secrets: %w", err)
		}
		d.seen.add(entry.Name(), string(text))
	}
	people, err := d.demoPasswords()
	for login, password := range people {
		d.seen.add("the password of "+login, password)
	}
	return err
}

// noSecrets: every secret of the run is looked for everywhere but where it belongs.
func noSecrets(t *testing.T, d *dev) {
	workspaces := d.collectWorkspaceSecrets(t)
	if workspaces == 0 || len(d.seen) < 8 {
		t.Fatalf("%d secrets are known, %d of them of workspaces; something was not collected", len(d.seen), workspaces)
	}
	t.Run("not in Nomad's jobs", func(t *testing.T) { d.notInJobs(t) })
	t.Run("not in Consul", func(t *testing.T) { d.notInConsul(t) })
	t.Run("not in the database, in a log or in what is left on disk", func(t *testing.T) { d.notInFiles(t) })
	t.Run("not in a command line", func(t *testing.T) { d.notInCommandLines(t) })
	t.Run("each workspace has its own and no other", func(t *testing.T) { d.ownSecretsOnly(t) })
	if names := d.seen.in([]byte(d.out.String())); len(names) > 0 {
		t.Errorf("what `bothy dev` printed holds %v", names)
	}
}

// collectWorkspaceSecrets reads what Bothy made for workspaces, with Vault's root
// token, and gives how many there are.
func (d *dev) collectWorkspaceSecrets(t *testing.T) int {
	t.Helper()
	list, err := d.vault.Logical().ListWithContext(t.Context(), "bothy/metadata/workspaces")
	if err != nil || list == nil {
		t.Fatalf("list the workspaces' secrets: %v", err)
	}
	keys, _ := list.Data["keys"].([]any)
	found := 0
	for _, key := range keys {
		job := strings.TrimSuffix(fmt.Sprint(key), "/")
		secret, err := d.vault.KVv2("bothy").Get(t.Context(), "workspaces/"+job+"/env")
		if err != nil {
			t.Fatalf("read the secrets of %s: %v", job, err)
		}
		for name, value := range secret.Data {
			if text, ok := value.(string); ok {
				d.seen.add(job+"'s "+name, text)
				found++
			}
		}
	}
	return found
}

// notInJobs looks at everything that Nomad says of jobs, their sources and their allocations.
func (d *dev) notInJobs(t *testing.T) {
	t.Helper()
	query := &nomadapi.QueryOptions{Namespace: nomadapi.AllNamespacesNamespace}
	jobs, _, err := d.nomad.Jobs().List(query)
	if err != nil {
		t.Fatal(err)
	}
	for _, stub := range jobs {
		own := &nomadapi.QueryOptions{Namespace: stub.Namespace}
		job, _, err := d.nomad.Jobs().Info(stub.ID, own)
		if err != nil {
			t.Fatal(err)
		}
		d.notIn(t, "job "+stub.ID, job)
		if submission, _, err := d.nomad.Jobs().Submission(stub.ID, int(*job.Version), own); err == nil {
			d.notIn(t, "submission of "+stub.ID, submission)
		}
	}
	allocs, _, err := d.nomad.Allocations().List(query)
	if err != nil {
		t.Fatal(err)
	}
	for _, alloc := range allocs {
		d.notIn(t, "allocation "+alloc.ID, alloc)
	}
	if len(jobs) == 0 || len(allocs) == 0 {
		t.Fatalf("Nomad lists %d jobs and %d allocations", len(jobs), len(allocs))
	}
}

func (d *dev) notInConsul(t *testing.T) {
	t.Helper()
	pairs, _, err := d.consul.KV().List("", nil)
	if err != nil {
		t.Fatal(err)
	}
	d.notIn(t, "Consul's keys and values", pairs)
	services, err := d.consul.Agent().Services()
	if err != nil {
		t.Fatal(err)
	}
	d.notIn(t, "Consul's services", services)
	checks, err := d.consul.Agent().Checks()
	if err != nil {
		t.Fatal(err)
	}
	d.notIn(t, "Consul's checks", checks)
	self, err := d.consul.Agent().Self()
	if err != nil {
		t.Fatal(err)
	}
	d.notIn(t, "Consul's agent", self)
	if len(services) == 0 {
		t.Fatal("Consul has no services")
	}
}

// notIn fails the test where the JSON of something holds a secret.
func (d *dev) notIn(t *testing.T, what string, something any) {
	t.Helper()
	text, err := json.Marshal(something)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range d.seen.in(text) {
		t.Errorf("%s: holds %s", what, name)
	}
}

// notInFiles looks into all that the run has left in its folder. Left out is where
// secrets belong: the stack's own folder of them, .dev/env, .dev/passwords, mails, the tasks' secret
// folders, which are in memory, and what Consul's and Nomad's servers keep of
// their own: tokens (Vault encrypts).
func (d *dev) notInFiles(t *testing.T) {
	t.Helper()
	belongs := []string{
		filepath.Join(d.state(), "secrets"), filepath.Join(d.state(), "env"), filepath.Join(d.state(), "bothy", "api.token"), filepath.Join(d.state(), "mail"), d.passwordsFile(),
		filepath.Join(d.state(), "data", "consul"), filepath.Join(d.state(), "data", "nomad"),
	}
	for _, name := range []string{"api.token", "mail"} { // of the servers beside
		beside, err := filepath.Glob(filepath.Join(d.dir, "*", name))
		if err != nil {
			t.Fatal(err)
		}
		belongs = append(belongs, beside...)
	}
	if text, err := os.ReadFile(filepath.Join(d.state(), "env")); err != nil || len(d.seen.in(text)) == 0 {
		t.Fatalf("the search finds no secret even in .dev/env (%v)", err)
	}
	looked := map[string]bool{}
	found, err := d.seen.inFiles(d.dir, func(path string) bool {
		if slices.Contains(belongs, path) || filepath.Base(path) == "alloc_mounts" || d.systemCopy(path) {
			return true
		}
		looked[filepath.Base(path)] = true
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range found {
		t.Error(line)
	}
	for _, name := range []string{"bothy.db", "bothy.log", "nomad.log", "nginx.stdout.0", "nginx.conf"} {
		if !looked[name] {
			t.Errorf("no %s was looked into", name)
		}
	}
}

// systemCopy tells whether a path is in a task's copy of the machine's programs,
// or is its folder of secrets: everything that a task has but what it writes.
func (d *dev) systemCopy(path string) bool {
	inside, ok := strings.CutPrefix(path, filepath.Join(d.state(), "alloc")+"/")
	parts := strings.Split(inside, "/") // allocation, task, folder
	return ok && len(parts) == 3 && parts[1] != "alloc" && !slices.Contains([]string{"local", "tmp"}, parts[2])
}

func (d *dev) notInCommandLines(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		for _, name := range d.seen.in(text) {
			t.Errorf("%s holds %s", file, name)
		}
	}
}

// ownSecretsOnly looks at the environment of every process of the demo class: a
// workspace's main task has its own secret, and nothing else that is one.
func (d *dev) ownSecretsOnly(t *testing.T) {
	t.Helper()
	for _, w := range d.classReady(t, demoClass) {
		alloc, err := d.alloc(t.Context(), w.Slug)
		if err != nil {
			t.Fatal(err)
		}
		processes, err := processesOfAlloc(alloc.ID)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, proc := range processes {
			text, err := os.ReadFile(filepath.Join(proc, "environ"))
			if err != nil {
				continue // it has ended
			}
			found = append(found, d.seen.in(text)...)
		}
		slices.Sort(found)
		own := jobID(w.Slug) + "'s "
		if found = slices.Compact(found); len(found) != 1 || !strings.HasPrefix(found[0], own) {
			t.Errorf("the processes of %s hold %v, not its own secret alone", w.Slug, found)
		}
	}
}
