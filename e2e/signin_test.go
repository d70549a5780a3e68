package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// invited is what an invitation says.
var invited = regexp.MustCompile(`(?m)^Login: +(\S+)\s+^Temporary password: +(\S+)`)

// signsIn: a student follows the link of their workspace, signs in with the
// temporary password of their invitation, has to choose one of their own, and is let
// into that workspace and into no other.
func signsIn(t *testing.T, d *dev, root string) {
	b := newBrowser(t, root)
	demo := d.classReady(t, demoClass)
	own, other := demo[0], demo[1]
	temporary := temporaryPassword(t, filepath.Join(d.state(), "mail"), own.Student.Email)
	const chosen = "seven grey herons by a lake"
	d.seen.add("a temporary password", temporary)
	d.seen.add("a password", chosen)
	console := "http://bothy.localhost:" + strconv.Itoa(8080+d.offset)

	seen, err := b.play(t, "people.mjs", "first-sign-in", own.URL, []step{
		{Do: "fill", Name: "login", Text: own.Student.Email},
		{Do: "fill", Name: "password", Text: temporary},
		{Do: "press", Name: "Sign in"},
		{Do: "shows", Text: "Choose this password"},
		{Do: "screenshot", Path: filepath.Join(b.artifacts, "first-password.png")},
		{Do: "go", Path: own.URL}, // a temporary password opens nothing
		{Do: "shows", Text: "Choose this password"},
		{Do: "fill", Name: "present", Text: temporary},
		{Do: "fill", Name: "password", Text: chosen},
		{Do: "fill", Name: "again", Text: chosen},
		{Do: "press", Name: "Choose this password"},
		{Do: "workbench"},
		{Do: "go", Path: console + "/"},
		{Do: "shows", Text: own.Slug},
		{Do: "page"},
		{Do: "screenshot", Path: filepath.Join(b.artifacts, "portal.png")},
		{Do: "go", Path: other.URL},
		{Do: "shows", Text: "There is no such workspace for you"},
	})
	if err != nil {
		t.Fatalf("%s (screenshot in e2e/artifacts/first-sign-in-failed.png): %v", seen.Problem, err)
	}
	portal := seen.Results[14]
	if strings.Contains(portal, other.Slug) {
		t.Errorf("the portal shows somebody else's workspace:\n%s", portal)
	}
	if at := seen.Results[11]; !strings.HasPrefix(at, own.URL) {
		t.Errorf("after the choice of a password the browser is at %s, not at %s", at, own.URL)
	}
}

// temporaryPassword reads the newest invitation of somebody in a folder of mails.
func temporaryPassword(t *testing.T, folder, login string) string {
	t.Helper()
	var password string
	eventually(t, readyLimit, "the invitation of "+login, func(context.Context) error {
		mails, err := filepath.Glob(filepath.Join(folder, "*.eml"))
		if err != nil {
			return fmt.Errorf("list mails: %w", err)
		}
		for _, name := range mails { // by time, the last counts
			text, err := os.ReadFile(name)
			if err != nil {
				return fmt.Errorf("read a mail: %w", err)
			}
			if found := invited.FindStringSubmatch(strings.ReplaceAll(string(text), "\r", "")); found != nil && strings.EqualFold(found[1], login) {
				password = found[2]
			}
		}
		if password == "" {
			return errors.New("there is none")
		}
		return nil
	})
	return password
}
