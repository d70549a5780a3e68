package dev

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/roster"
)

// The demo's people beside its students.
const (
	demoAdmin      = "admin@example.edu"
	demoInstructor = "instructor@example.edu"
)

// Person is one of the demo's people.
type Person struct {
	Login, Name string
	Role        lab.Role
	// Password is theirs; not set for who has chosen another one, or can't sign in any more.
	Password config.Secret
}

// demoPeople are all of them, without passwords.
func demoPeople() ([]Person, error) {
	rows, err := demoStudents()
	if err != nil {
		return nil, err
	}
	people := []Person{
		{Login: demoAdmin, Name: "Demo Admin", Role: lab.RoleAdmin},
		{Login: demoInstructor, Name: "Demo Instructor", Role: lab.RoleInstructor},
	}
	for _, row := range rows {
		people = append(people, Person{Login: row.Email, Name: row.Name, Role: lab.RoleStudent})
	}
	return people, nil
}

func demoStudents() ([]roster.Row, error) {
	rows, err := roster.Parse(bytes.NewReader(demoRoster), "demo/students.csv")
	if err != nil {
		return nil, fmt.Errorf("read the demo's roster: %w", err)
	}
	return rows, nil
}

// setsUp makes people who are not there: the app.
type setsUp interface {
	SetUpPeople(ctx context.Context, people []app.Person) ([]bool, error)
}

// ensurePeople makes the demo's people, each with a random password, and keeps these
// in a file for their developer alone. Those who have one in the file keep it; who
// has none there gets another.
func ensurePeople(ctx context.Context, server setsUp, file, signIn string) ([]Person, error) {
	people, err := demoPeople()
	if err != nil {
		return nil, err
	}
	known, err := readPasswords(file)
	if err != nil {
		return nil, err
	}
	wanted := make([]app.Person, len(people))
	for i, p := range people {
		password, kept := known[p.Login]
		if !kept {
			password = randomPassword()
		}
		people[i].Password = config.NewSecret(password)
		wanted[i] = app.Person{Login: p.Login, Name: p.Name, Role: p.Role, Password: people[i].Password, Renew: !kept}
	}
	good, err := server.SetUpPeople(ctx, wanted)
	if err != nil {
		return nil, fmt.Errorf("make the demo's people: %w", err)
	}
	// Only now: a password that is in the file has been set.
	if err := writeSecret(file, passwordsText(people, signIn)); err != nil {
		return nil, err
	}
	for i := range people {
		if !good[i] {
			people[i].Password = config.Secret{}
		}
	}
	return people, nil
}

// randomPassword makes 80 random bits in groups that a person can type.
func randomPassword() string {
	text := strings.ToLower(rand.Text())
	return text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:16]
}

// passwordsText is the file: a login and its password in each line.
func passwordsText(people []Person, signIn string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Who signs in at %s, and the password that they got at the first start.\n", signIn)
	w := tabwriter.NewWriter(&b, 0, 1, 2, ' ', 0)
	for _, p := range people {
		fmt.Fprintf(w, "%s\t%s\t%s\n", p.Login, p.Password.Reveal(), p.Role)
	}
	_ = w.Flush() // a builder takes everything
	return b.String()
}

// readPasswords reads them by login; none where there is no file.
func readPasswords(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the passwords of the demo's people: %w", err)
	}
	known := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && !strings.HasPrefix(fields[0], "#") {
			known[fields[0]] = fields[1]
		}
	}
	return known, nil
}
