package e2e

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

// folk are people who sign in at a console.
type folk struct {
	console string
	d       *dev
}

// known is somebody who can sign in.
type known struct{ login, password string }

// invite signs somebody in for the first time, in the browser.
func (f folk) invite(t *testing.T, d *dev, p player, login string) known {
	t.Helper()
	k := known{login, "nine red kites " + rand.Text()[:8]}
	temporary := f.d.temporaryPassword(t, login)
	d.seen.add("a temporary password of "+login, temporary)
	d.seen.add("the password of "+login, k.password)
	p.signsInFirst(f.console, login, temporary, k.password)
	return k
}

func (f folk) signIn(p player, k known) {
	p.stage.t.Helper()
	p.signsIn(f.console, k.login, k.password)
	p.does(step{Do: "shows", Text: "Sign out"})
}

func (d *dev) folk() folk {
	return folk{console: d.console(), d: d}
}

// launchEditors makes a class of editors, with students of these first names who can
// be written to, launches it, and gives its workspaces in that order.
func (d *dev) launchEditors(t *testing.T, cohort string, names ...string) (client.Class, []client.Workspace) {
	t.Helper()
	students := make([]client.StudentInput, len(names))
	for i, name := range names {
		students[i] = client.StudentInput{Name: name, Email: strings.ToLower(name) + "@" + strings.ToLower(cohort) + ".example.edu"}
	}
	class := d.createClass(t, cohort, cohort+" editor", "code-server-exec", nil, students...)
	operation, err := d.api.LaunchClass(t.Context(), class.Key)
	if err != nil {
		t.Fatalf("launch %s: %v", class.Key, err)
	}
	d.operationDone(t, operation)
	list := d.classReady(t, class.Key)
	order := func(w client.Workspace) int {
		return slices.IndexFunc(students, func(s client.StudentInput) bool { return s.Email == w.Student.Email })
	}
	slices.SortFunc(list, func(a, b client.Workspace) int { return order(a) - order(b) })
	return class, list
}

// staff makes somebody who teaches.
func (d *dev) staff(t *testing.T, login string, role client.Role) client.User {
	t.Helper()
	user, err := d.api.CreateUser(t.Context(), client.UserInput{Login: login, Name: login, Email: &login, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// connected waits until a person's editor has the connections that VS Code holds:
// one for the window and one for its extensions.
func connected(t *testing.T, p player) []pageSocket {
	t.Helper()
	var list []pageSocket
	eventually(t, time.Minute, p.who+"'s connections", func(context.Context) error {
		list = slices.DeleteFunc(p.open(), func(s pageSocket) bool { return s.Received == 0 })
		if len(list) < 2 {
			return fmt.Errorf("%d are open", len(list))
		}
		return nil
	})
	return list
}

// disconnected wants all of a person's connections ended within the limit from a
// moment on, and none to come about again.
func disconnected(t *testing.T, p player, had []pageSocket, since time.Time) {
	t.Helper()
	eventually(t, evictionLimit+time.Second, p.who+"'s connections end", func(context.Context) error {
		open := p.open()
		for _, s := range had {
			if slices.ContainsFunc(open, func(o pageSocket) bool { return o.Opened == s.Opened && o.URL == s.URL }) {
				return fmt.Errorf("%d are open", len(open))
			}
		}
		return nil
	})
	var last int64
	for _, s := range p.sockets() {
		if slices.ContainsFunc(had, func(o pageSocket) bool { return o.Opened == s.Opened && o.URL == s.URL }) {
			last = max(last, s.Closed)
		}
	}
	took := time.UnixMilli(last).Sub(since)
	t.Logf("%s's %d connections ended after %s", p.who, len(had), took.Round(100*time.Millisecond))
	if took > evictionLimit {
		t.Errorf("%s's connections ended after %s", p.who, took)
	}
	throughout(t, 6*time.Second, p.who+" stays out", func(context.Context) error {
		if n := len(slices.DeleteFunc(p.open(), func(s pageSocket) bool { return s.Received == 0 })); n > 0 {
			return fmt.Errorf("%d connections have come about", n)
		}
		return nil
	})
}

// bystander is somebody whose connections must stay the same ones.
type bystander struct {
	player
	had   []pageSocket
	lines int
}

func watch(t *testing.T, p player) *bystander {
	t.Helper()
	return &bystander{player: p, had: connected(t, p)}
}

// stays wants the very same connections open, and no further one, and the editor at work.
func (b *bystander) stays(t *testing.T, file string) {
	t.Helper()
	b.lines++
	b.does(step{Do: "append", Name: file, Text: fmt.Sprintf("line %d of a bystander", b.lines)})
	all, open := b.sockets(), b.open()
	if len(open) != len(b.had) || all[len(all)-1].Opened != b.had[len(b.had)-1].Opened {
		t.Errorf("%s had the connections %+v, and has %+v", b.who, b.had, all)
	}
	more := 0
	for i, s := range open {
		if i < len(b.had) && s.Opened != b.had[i].Opened {
			t.Errorf("%s's connection %+v is now %+v", b.who, b.had[i], s)
		} else if i < len(b.had) {
			more += s.Received - b.had[i].Received
		}
	}
	if more <= 0 {
		t.Errorf("nothing has come over %s's connections, %+v, since %+v", b.who, open, b.had)
	}
}

// ends: what ends somebody's editor while it is open, in real browsers, and whom it
// does not touch.
func ends(t *testing.T, d *dev, root string) {
	b := newBrowser(t, root)
	class, list := d.launchEditors(t, "Ends", "Ada", "Bob")
	defer d.deleteClass(t, class.Key)
	adas, bobs := list[0], list[1]
	people, s := d.folk(), b.newStage(t)
	open := func(w client.Workspace) string { return people.console + "/open/" + w.Slug }

	bob := s.somebody("bob")
	people.invite(t, d, bob, bobs.Student.Email)
	bob.works(open(bobs))
	bob.does(step{Do: "write", Name: "bob.txt", Text: "line 0"})
	stays := watch(t, bob)
	ada, elsewhere := s.somebody("ada"), s.somebody("ada-elsewhere")
	asAda := people.invite(t, d, ada, adas.Student.Email)

	t.Run("signing out", func(t *testing.T) {
		ada.works(open(adas))
		had := connected(t, ada)
		ada.at("portal").goes(people.console + "/")
		since := time.Now()
		ada.at("portal").does(step{Do: "press", Name: "Sign out"})
		ada.at("portal").does(step{Do: "shows", Text: "You are signed out"})
		disconnected(t, ada, had, since)
		stays.stays(t, "bob.txt")
		if _, at := ada.goes(open(adas)); !strings.HasPrefix(at, people.console+"/sign-in") {
			t.Errorf("who is signed out is led to %s", at)
		}
	})
	t.Run("signing out everywhere", func(t *testing.T) {
		for _, p := range []player{ada, elsewhere} {
			people.signIn(p, asAda)
			p.works(open(adas))
		}
		here, there := connected(t, ada), connected(t, elsewhere)
		elsewhere.at("portal").goes(people.console + "/sessions")
		since := time.Now()
		elsewhere.at("portal").does(step{Do: "press", Name: "Sign out everywhere"})
		elsewhere.at("portal").does(step{Do: "shows", Text: "You are signed out"})
		disconnected(t, ada, here, since)
		disconnected(t, elsewhere, there, since)
		stays.stays(t, "bob.txt")
	})

	assistant, instructor := s.somebody("assistant"), s.somebody("instructor")
	looksIn := func(t *testing.T, p player) []pageSocket {
		t.Helper()
		p.works(open(adas))
		if at := p.does(step{Do: "run", Text: "location.origin"}); at != "http://"+adas.Slug+"."+d.labsHost() {
			t.Fatalf("%s looks in at %s", p.who, at)
		}
		return connected(t, p)
	}
	for _, p := range []player{assistant, instructor} {
		role := client.Role(p.who)
		login := p.who + "@ends.example.edu"
		d.staff(t, login, role)
		people.invite(t, d, p, login)
	}
	t.Run("a class taken away while its assistant looks in", func(t *testing.T) {
		if _, err := d.api.SetClassAssistants(t.Context(), class.Key, []string{"assistant@ends.example.edu"}); err != nil {
			t.Fatal(err)
		}
		had := looksIn(t, assistant)
		since := time.Now()
		if _, err := d.api.SetClassAssistants(t.Context(), class.Key, nil); err != nil {
			t.Fatal(err)
		}
		disconnected(t, assistant, had, since)
		stays.stays(t, "bob.txt")
	})
	t.Run("an instructor disabled who looks in", func(t *testing.T) {
		if _, err := d.api.SetCohortInstructors(t.Context(), "ends", []string{"instructor@ends.example.edu"}); err != nil {
			t.Fatal(err)
		}
		had := looksIn(t, instructor)
		people.signIn(ada, asAda)
		ada.works(open(adas))
		ada.does(step{Do: "write", Name: "ada.txt", Text: "line 0"})
		since := time.Now()
		if _, err := d.api.DisableUser(t.Context(), "instructor@ends.example.edu"); err != nil {
			t.Fatal(err)
		}
		disconnected(t, instructor, had, since)
		stays.stays(t, "bob.txt")
		// Whoever else is in that workspace comes back by themselves.
		connected(t, ada)
		ada.does(step{Do: "append", Name: "ada.txt", Text: "typed after the instructor was gone"})
	})
	t.Run("an editor that is open is use of a session", func(t *testing.T) { d.typesOn(t, ada, asAda.login) })
	t.Run("a withdrawal", func(t *testing.T) {
		had := connected(t, ada)
		students, err := d.api.Students(t.Context(), "ends")
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(students, func(s client.Student) bool { return s.Email == adas.Student.Email })
		since := time.Now()
		if _, err := d.api.WithdrawStudent(t.Context(), students[i].ID); err != nil {
			t.Fatal(err)
		}
		disconnected(t, ada, had, since)
		stays.stays(t, "bob.txt")
	})
	for i := range stays.lines {
		d.saved(t, bobs.Slug, "bob.txt", fmt.Sprintf("line %d of a bystander", i+1))
	}
	d.endsAreRecorded(t)
}

// saved wants a line in a file of a student's home, soon: VS Code saves by itself too,
// and shows nothing of that.
func (d *dev) saved(t *testing.T, slug, name, line string) {
	t.Helper()
	eventually(t, 30*time.Second, fmt.Sprintf("%q is saved", line), func(context.Context) error {
		if text := d.inHome(t, slug, name) + "\n"; !strings.Contains(text, line) {
			return fmt.Errorf("the home holds %q", text)
		}
		return nil
	})
}

// typesOn: somebody has typed for so long, over the connections of their editor
// alone, that their session would be idle in five minutes. What is still loaded of the
// editor's page may have it seen before; then it is looked at once more.
func (d *dev) typesOn(t *testing.T, p player, login string) {
	db := d.store(t)
	for range 5 {
		had := connected(t, p)
		took := d.seenAgain(t, db, login)
		if now := connected(t, p); now[0].Opened != had[0].Opened {
			t.Logf("seen after %s", took.Round(100*time.Millisecond))
			p.does(step{Do: "append", Name: "ada.txt", Text: "typed on and on"})
			return
		}
	}
	t.Error("the editor has not connected anew")
}

// seenAgain has somebody's session unseen for almost as long as it may be, and gives
// how long it took until it was seen.
func (d *dev) seenAgain(t *testing.T, db *sql.DB, login string) time.Duration {
	t.Helper()
	const idle, left = 12 * time.Hour, 5 * time.Minute
	if _, err := db.ExecContext(t.Context(), `UPDATE sessions SET seen_at = ? WHERE ended_at IS NULL
		AND user_id = (SELECT id FROM users WHERE login = ?)`, time.Now().Add(left-idle).UnixMicro(), login); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	eventually(t, time.Minute, "the session is seen", func(ctx context.Context) error {
		var seen int64
		err := db.QueryRowContext(ctx, `SELECT MAX(s.seen_at) FROM sessions s JOIN users u ON u.id = s.user_id
			WHERE s.ended_at IS NULL AND u.login = ?`, login).Scan(&seen)
		if err == nil && time.UnixMicro(seen).Before(began) {
			err = errors.New("it is not")
		}
		return err
	})
	return time.Since(began)
}

// endsAreRecorded: the record of changes says whose session ended, and how.
func (d *dev) endsAreRecorded(t *testing.T) {
	t.Helper()
	audits, err := d.api.Audit(t.Context(), client.AuditFilter{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range audits {
		seen[a.Action] = true
	}
	for _, want := range []string{"session.create", "session.end", "session.end_all", "student.withdraw", "user.disable", "workspace.look_in"} {
		if !seen[want] {
			t.Errorf("the record of changes has no %s", want)
		}
	}
}
