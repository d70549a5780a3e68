package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// signsInByProvider: people of the school, which is Vault's own OpenID provider, come
// in without a password here. One has a workspace by the roster; one is made and
// enrolled by a claim, and stays withdrawn whatever the claims say; one teaches; and
// one has nothing to do with Bothy.
func signsInByProvider(t *testing.T, d *dev, root string) {
	b := newBrowser(t, root)
	demo := d.classReady(t, demoClass)
	own, other := demo[2], demo[0]
	text, err := os.ReadFile(filepath.Join(d.state(), "secrets", "school.password"))
	if err != nil {
		t.Fatal(err)
	}
	password := strings.TrimSpace(string(text))
	console := "http://bothy.localhost:" + strconv.Itoa(8080+d.offset)
	atSchool := func(account string) []step {
		return []step{
			{Do: "follow", Name: "Sign in with the school"},
			{Do: "fill", Name: "account", Text: account},
			{Do: "fill", Name: "password", Text: password},
			{Do: "press", Name: "Sign in at the school"},
		}
	}
	play := func(name, url string, steps ...step) []string {
		t.Helper()
		seen, err := b.play(t, "people.mjs", name, url, steps)
		if err != nil {
			t.Fatalf("%s (screenshot in e2e/artifacts/%s-failed.png): %v", seen.Problem, name, err)
		}
		return seen.Results
	}

	results := play("sign-in-by-provider", own.URL, append(append(
		[]step{{Do: "screenshot", Path: filepath.Join(b.artifacts, "sign-in-with-provider.png")}}, atSchool("chidi")...),
		step{Do: "workbench"},
		step{Do: "go", Path: console + "/"},
		step{Do: "shows", Text: "Your editor is running."},
		step{Do: "page"},
		step{Do: "go", Path: other.URL},
		step{Do: "shows", Text: "There is no such workspace for you"})...)
	if at := results[5]; !strings.HasPrefix(at, own.URL) {
		t.Errorf("after the sign-in the browser is at %s, not at %s", at, own.URL)
	}
	if portal := results[8]; strings.Count(portal, "Open") != 1 || !strings.Contains(portal, own.Student.Name) {
		t.Errorf("the portal shows\n%s", portal)
	}

	const dora = "demo/dora@example.edu"
	play("enrolled-by-provider", console+"/sign-in", append(atSchool("dora"), step{Do: "shows", Text: "There are no workspaces for you yet"})...)
	if out := d.must(t, "student", "show", "-t", "{{ .name }}", dora); strings.TrimSpace(out) != "Dora Silva" {
		t.Errorf("enrolled is %q", out)
	}
	if out := d.must(t, "audit", "-action", "student.enroll", "-csv"); !strings.Contains(out, "provider:dora@example.edu") {
		t.Errorf("the record of enrolments is\n%s", out)
	}
	d.must(t, "student", "withdraw", "-yes", dora)
	play("withdrawn-by-provider", console+"/sign-in", append(atSchool("dora"), step{Do: "shows", Text: "You may not sign in here any more"})...)

	play("teacher-by-provider", console+"/sign-in", append(atSchool("grace"), step{Do: "shows", Text: "Your classes"})...)
	play("stranger-by-provider", console+"/sign-in", append(atSchool("eve"),
		step{Do: "shows", Text: "there is no account here for eve@example.edu"},
		step{Do: "screenshot", Path: filepath.Join(b.artifacts, "refused-by-bothy.png")})...)
	if out := d.must(t, "user", "list"); strings.Contains(out, "eve@example.edu") || !strings.Contains(out, "grace@example.edu") {
		t.Errorf("the users are\n%s", out)
	}
}
