package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

// invited is what an invitation says, linked what a mail with a link does.
var (
	invited = regexp.MustCompile(`(?m)^Login: +(\S+)\s+^Temporary password: +(\S+)`)
	linked  = regexp.MustCompile(`(?s)\(login (\S+?)\).*?(http://\S+/reset/choose\?link=\S+)`)
)

// demoSignsIn: each of the demo's people signs in with the password in .dev/passwords,
// which nobody else can read, and is who they are said to be.
func demoSignsIn(t *testing.T, d *dev) {
	info, err := os.Stat(d.passwordsFile())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", d.passwordsFile(), info, err)
	}
	people, err := d.demoPasswords()
	if err != nil || len(people) != 5 {
		t.Fatalf("%d people have passwords, not 5: %v", len(people), err)
	}
	printed := d.out.String()
	for login := range people {
		if !strings.Contains(printed, login) {
			t.Errorf("the summary lacks %s", login)
		}
	}
	for login, role := range map[string]client.Role{
		"admin@example.edu": "admin", "instructor@example.edu": "instructor", "ana@example.edu": "student", "bo@example.edu": "student", "chidi@example.edu": "student",
	} {
		as := d.signedIn(t, login, people[login])
		if me := as.get(t, "/v1/me"); me.status != http.StatusOK || !strings.Contains(me.body, `"role":"`+string(role)+`"`) {
			t.Errorf("%s: status %d: %s", login, me.status, me.body)
		}
		class, want := as.get(t, "/v1/classes/demo~py101"), http.StatusOK
		if role == "student" {
			want = http.StatusNotFound
		}
		if class.status != want {
			t.Errorf("%s asks for the demo class: status %d, not %d", login, class.status, want)
		}
	}
	demo := d.classReady(t, demoClass)[0]
	for login, host := range map[string]string{demo.Student.Email: d.labsHost(), "instructor@example.edu": demo.Slug + "." + d.labsHost()} {
		if opened := d.signedIn(t, login, people[login]).get(t, "/open/"+demo.Slug); opened.status != http.StatusSeeOther || !strings.HasPrefix(opened.location, "http://"+host+"/") {
			t.Errorf("%s opens a workspace: status %d, to %s", login, opened.status, d.seen.redact(opened.location))
		}
	}
}

// signsIn: a student who was just enrolled follows the link of their workspace, signs
// in with the temporary password of their invitation, has to choose one of their own,
// and is let into that workspace and into no other.
func signsIn(t *testing.T, d *dev, root string) {
	b := newBrowser(t, root)
	class, list := d.launchShells(t, "First day", "Noa Newcomer")
	defer d.deleteClass(t, class.Key)
	own, other := list[0], d.classReady(t, demoClass)[0]
	temporary := d.temporaryPassword(t, own.Student.Email)
	const chosen = "seven grey herons by a lake"
	d.seen.add("a temporary password", temporary)
	d.seen.add("a password", chosen)

	seen, err := b.play(t, "people.mjs", "first-sign-in", own.URL, []step{
		{Do: "fill", Name: "login", Text: own.Student.Email},
		{Do: "fill", Name: "password", Text: temporary},
		{Do: "press", Name: "Sign in"},
		{Do: "shows", Text: "Choose this password"},
		{Do: "screenshot", Path: filepath.Join(b.artifacts, "first-password.png")},
		{Do: "go", Path: own.URL}, // a temporary password opens nothing
		{Do: "shows", Text: "Choose this password"},
		{Do: "fill", Name: "password", Text: chosen},
		{Do: "fill", Name: "again", Text: chosen},
		{Do: "press", Name: "Choose this password"},
		{Do: "arrives", Path: own.URL},
		{Do: "go", Path: d.console() + "/"},
		{Do: "shows", Text: "Your workspaces"},
		{Do: "page"},
		{Do: "screenshot", Path: filepath.Join(b.artifacts, "portal.png")},
		{Do: "go", Path: other.URL},
		{Do: "shows", Text: "There is no such workspace for you"},
	})
	if err != nil {
		t.Fatalf("%s (screenshot in e2e/artifacts/first-sign-in-failed.png): %v", seen.Problem, err)
	}
	if portal := seen.Results[13]; !strings.Contains(portal, own.Cohort) || strings.Contains(portal, other.Course) {
		t.Errorf("the portal does not show one's own workspace alone:\n%s", portal)
	}
}

// forgets: a student who has forgotten their password has a link mailed, follows it,
// and chooses another; that ends their other sessions, and uses the link up.
func forgets(t *testing.T, d *dev, root string) {
	b := newBrowser(t, root)
	people, err := d.demoPasswords()
	if err != nil {
		t.Fatal(err)
	}
	own := d.classReady(t, demoClass)[2]
	login := own.Student.Email
	const chosen = "nine brown owls on a roof"
	d.seen.add("a password after a reset", chosen)
	elsewhere := d.signedIn(t, login, people[login])

	if seen, err := b.play(t, "people.mjs", "forgotten", d.console()+"/sign-in", []step{
		{Do: "follow", Name: "I don't know my password"},
		{Do: "fill", Name: "login", Text: login},
		{Do: "press", Name: "Mail me a link"},
		{Do: "shows", Text: "a mail with a link is on its way"},
	}); err != nil {
		t.Fatalf("%s (screenshot in e2e/artifacts/forgotten-failed.png): %v", seen.Problem, err)
	}
	link := d.resetLink(t, login)
	d.seen.add("a mailed link", link[strings.Index(link, "=")+1:])
	if at := elsewhere.get(t, "/sessions"); at.status != http.StatusOK {
		t.Errorf("a link that was mailed ends a session: status %d", at.status)
	}
	if seen, err := b.play(t, "people.mjs", "reset", link, []step{
		{Do: "fill", Name: "password", Text: chosen},
		{Do: "fill", Name: "again", Text: chosen},
		{Do: "press", Name: "Choose this password"},
		{Do: "shows", Text: "Your password is changed"},
		{Do: "go", Path: link},
		{Do: "shows", Text: "This link is not good any more"},
		{Do: "go", Path: own.URL},
		{Do: "workbench"},
	}); err != nil {
		t.Fatalf("%s (screenshot in e2e/artifacts/reset-failed.png): %v", seen.Problem, err)
	}
	if at := elsewhere.get(t, "/sessions"); at.status != http.StatusSeeOther || !strings.HasPrefix(at.location, "/sign-in") {
		t.Errorf("a session of before is good after a reset: status %d", at.status)
	}
	if again := d.signIn(t, login, people[login]); again.status != http.StatusForbidden {
		t.Errorf("the forgotten password: status %d", again.status)
	}
	d.signedIn(t, login, chosen)
}

func (d *dev) console() string { return "http://bothy.localhost:" + strconv.Itoa(8080+d.offset) }

func (d *dev) passwordsFile() string { return filepath.Join(d.state(), "passwords") }

// demoPasswords reads the passwords of the demo's people by their logins.
func (d *dev) demoPasswords() (map[string]string, error) {
	text, err := os.ReadFile(d.passwordsFile())
	if err != nil {
		return nil, fmt.Errorf("read the demo's passwords: %w", err)
	}
	people := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] != "#" {
			people[fields[0]] = fields[1]
		}
	}
	return people, nil
}

// A guest is somebody at Bothy's own pages without a browser; redirects are not followed.
type guest struct {
	d *dev
	*http.Client
}

// seenPage is what a guest gets.
type seenPage struct {
	status         int
	location, body string
}

func (d *dev) guest(t *testing.T) guest {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return guest{d, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (v guest) do(t *testing.T, method, path string, form url.Values) seenPage {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, v.d.env["BOTHY_ADDR"]+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := v.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return seenPage{answer.StatusCode, answer.Header.Get("Location"), string(body)}
}

func (v guest) get(t *testing.T, path string) seenPage {
	t.Helper()
	return v.do(t, http.MethodGet, path, nil)
}

// signIn gives what somebody sees after login and password.
func (d *dev) signIn(t *testing.T, login, password string) seenPage {
	t.Helper()
	return d.guest(t).do(t, http.MethodPost, "/sign-in", url.Values{"login": {login}, "password": {password}})
}

// signedIn is somebody who has signed in.
func (d *dev) signedIn(t *testing.T, login, password string) guest {
	t.Helper()
	v := d.guest(t)
	if in := v.do(t, http.MethodPost, "/sign-in", url.Values{"login": {login}, "password": {password}}); in.status != http.StatusSeeOther || in.location != "/" {
		t.Fatalf("%s signs in: status %d, to %q", login, in.status, in.location)
	}
	return v
}

// temporaryPassword reads the newest invitation of somebody.
func (d *dev) temporaryPassword(t *testing.T, login string) string {
	t.Helper()
	return d.mailed(t, "the invitation of "+login, invited, login)
}

// resetLink reads the newest link to choose a password that somebody was sent.
func (d *dev) resetLink(t *testing.T, login string) string {
	t.Helper()
	return d.mailed(t, "the link for "+login, linked, login)
}

// mailed waits for a mail and gives what the pattern's second group finds in the
// newest whose first group is the login.
func (d *dev) mailed(t *testing.T, what string, pattern *regexp.Regexp, login string) string {
	t.Helper()
	var newest string
	eventually(t, readyLimit, what, func(context.Context) error {
		mails, err := filepath.Glob(filepath.Join(d.state(), "mail", "*.eml"))
		if err != nil {
			return fmt.Errorf("list mails: %w", err)
		}
		for _, name := range mails { // by time, the last counts
			text, err := os.ReadFile(name)
			if err != nil {
				return fmt.Errorf("read a mail: %w", err)
			}
			if found := pattern.FindStringSubmatch(strings.ReplaceAll(string(text), "\r", "")); found != nil && strings.EqualFold(found[1], login) {
				newest = found[2]
			}
		}
		if newest == "" {
			return errors.New("there is none")
		}
		return nil
	})
	return newest
}
