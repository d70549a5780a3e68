package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

const (
	// awayVariable sets for how long Bothy is away, as "11m".
	awayVariable = "BOTHY_AWAY"
	// awayUsually is past all that could end a yes that NGINX keeps, but for two: how
	// long it keeps what nobody asks for, "inactive" of proxy_cache_path, which is ten
	// minutes where nothing is said and a day in the templates, and that day. Five
	// seconds a yes is fresh; a minute is how long proxy_read_timeout and keepalive are
	// where nothing is said.
	awayUsually = 75 * time.Second
)

// awayFor is how long Bothy is away.
func awayFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv(awayVariable)
	if text == "" {
		return awayUsually
	}
	span, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", awayVariable, err)
	}
	return span
}

// bothyIsAway: a server of its own is killed while a student types. For as long as it
// is away they type, save and reload; nobody new comes in. It comes back, and whoever
// was withdrawn right before goes.
func bothyIsAway(t *testing.T, d *dev, root string) {
	b := newBrowser(t, root)
	h := newHouse(t, d, "away", d.ownDoor(t), origins{})
	class, list := h.dev.launchEditors(t, "Away", "Ada", "Bob")
	defer h.dev.deleteClass(t, class.Key)
	s := b.newStage(t)
	ada, quiet, bob := s.somebody("ada"), s.somebody("ada-quiet"), s.somebody("bob")
	asAda := h.invite(t, d, ada, list[0].Student.Email)
	h.invite(t, d, bob, list[1].Student.Email)
	h.signIn(quiet, asAda)
	for p, w := range map[player]client.Workspace{ada: list[0], quiet: list[0], bob: list[1]} {
		p.works(h.console + "/open/" + w.Slug)
		p.does(step{Do: "write", Name: p.who + ".txt", Text: "line 0"})
	}
	students, err := h.api.Students(t.Context(), "away")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(students, func(s client.Student) bool { return s.Email == list[1].Student.Email })
	bobHad, quietHad := connected(t, bob), connected(t, quiet)

	if _, err := h.api.WithdrawStudent(t.Context(), students[i].ID); err != nil {
		t.Fatal(err)
	}
	h.kill(t)
	killed, span := time.Now(), awayFor(t)
	lines, reloads := 0, 0
	// VS Code shows a file as saved a moment before it knows that it is not.
	written := func(p player, line int) {
		d.saved(t, list[0].Slug, p.who+".txt", fmt.Sprintf("line %d while Bothy is away", line))
	}
	for time.Since(killed) < span {
		lines++
		for _, p := range []player{ada, quiet} {
			p.does(step{Do: "append", Name: p.who + ".txt", Text: fmt.Sprintf("line %d while Bothy is away", lines)})
		}
		if lines%2 == 0 { // the quiet one asks NGINX for nothing all the while
			reloads++
			written(ada, lines)
			ada.reloads(t)
			ada.does(step{Do: "read", Name: "ada.txt"})
		}
	}
	// Now that its yes has been stale for all that time.
	quietNow := quiet.open()
	if !slices.EqualFunc(quietHad, quietNow, func(a, b pageSocket) bool { return a.Opened == b.Opened }) {
		t.Errorf("the quiet one had the connections %+v, and has %+v", quietHad, quietNow)
	}
	for n := range lines {
		written(ada, n+1)
		written(quiet, n+1)
	}
	quiet.reloads(t)
	reloads++
	t.Logf("away for %s: %d lines typed and saved by each of two browsers, %d reloads", time.Since(killed).Round(time.Second), lines, reloads)
	p, err := d.stranger(t.Context(), d.labsHost(), "/"+list[0].Slug+"/", asPage(),
		&http.Cookie{Name: "bothy_browser", Value: "NEVERSEENNEVERSEENNEVERSEEN"}, &http.Cookie{Name: "bothy_pass", Value: "NEVERSEENNEVERSEENNEVERSEEN"})
	if err != nil || p.status != http.StatusServiceUnavailable {
		t.Errorf("who was not in gets %d, %v", p.status, err)
	}

	stays := watch(t, ada)
	since := time.Now()
	h.start(t)
	t.Logf("Bothy answers again after %s", time.Since(since).Round(100*time.Millisecond))
	disconnected(t, bob, bobHad, since)
	stays.stays(t, "ada.txt")
	ada.reloads(t)
}

// reloads loads an editor's page anew, and waits until it works.
func (p player) reloads(t *testing.T) {
	t.Helper()
	if said := p.does(step{Do: "reload"}); !strings.HasPrefix(said, "200 ") {
		t.Fatalf("%s reloads: %s", p.who, said)
	}
	p.does(step{Do: "workbench"})
	connected(t, p)
}
