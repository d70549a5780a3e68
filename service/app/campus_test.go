package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/store"
)

// foreign is in all names of what no caller but an admin sees.
const foreign = "outland"

// person is somebody who asks, with what their credential is good for.
type person struct {
	user  string
	role  lab.Role
	token lab.TokenScope
}

// crowd knows people by their bearer tokens, and what they see from the store.
type crowd struct {
	store  *store.Store
	people map[string]person
}

func (crowd) Again(_ context.Context, caller lab.Caller) (lab.Caller, error) { return caller, nil }

func (c crowd) Authenticate(ctx context.Context, r *http.Request, _ string, _ http.Header) (lab.Caller, error) {
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	p, ok := c.people[bearer]
	if !ok {
		return lab.Caller{}, lab.Errorf(lab.CodeUnauthenticated, "the token is not known")
	}
	post, err := c.store.Post(ctx, p.user)
	return lab.Caller{Name: "user:" + bearer, UserID: p.user, Role: p.role, Scope: post.Scope(p.role), Token: p.token}, err
}

// noPasswords knows none.
type noPasswords struct{}

func (noPasswords) SetPassword(context.Context, string, string) error { return nil }

func (noPasswords) CheckPassword(context.Context, string, string) error {
	return lab.Errorf(lab.CodeUnauthenticated, "the password is wrong")
}

// openDoor lets everybody in whom the API lets ask.
type openDoor struct{}

func (openDoor) Link(context.Context, lab.Caller, string, string, lab.EntryAs, string) (lab.DoorLink, error) {
	return lab.DoorLink{}, nil
}

// campus is the API over a real store, with one thing of each kind that is given to
// an instructor, an assistant and a student, and one that is not.
type campus struct {
	http.Handler
	t      *testing.T
	store  *store.Store
	people *registrar.Registrar
	who    map[string]person
	// things are ids by kind, own and foreign.
	own, foreign map[string]string
	// spare is another course of the instructor's, that no class takes.
	spare string
}

func newCampus(t *testing.T, cfg store.Config) *campus {
	t.Helper()
	c := &campus{t: t, own: map[string]string{}, foreign: map[string]string{}, who: map[string]person{}}
	var err error
	c.store, err = store.Open(t.Context(), cfg)
	c.must(err)
	t.Cleanup(func() { _ = c.store.Close() })
	library, err := registrar.NewLibrary(c.store)
	c.must(err)
	catalog, err := app.Templates("")
	c.must(err)
	c.people = registrar.New(registrar.Config{
		Store: c.store, Library: library, Parser: absent{}, Preflight: placing{}, Cluster: absent{}, Mails: true,
		Settings: jobspec.Settings{
			InstallationID: "test", Namespace: "bothy", NodePool: "default", Datacenters: []string{"dc1"},
			HomeType: jobspec.HomeHost, HomeUID: 1000, HomeGID: 1000, LabsURL: "http://labs.localhost:9999",
		},
		NewID: func() string { return uuid.Must(uuid.NewV7()).String() }, Now: time.Now, Notify: func() {},
	})
	c.must(c.people.TakeUpTemplates(t.Context(), catalog))
	credentials, err := auth.NewPeople(auth.Config{
		Store: c.store, Passwords: noPasswords{}, Idle: time.Hour, Lifetime: time.Hour, Log: slog.New(slog.DiscardHandler),
		NewID: func() string { return uuid.Must(uuid.NewV7()).String() },
	})
	c.must(err)
	c.Handler, err = api.New(api.Config{
		Registrar: c.people, Authenticator: crowd{c.store, c.who}, Belongings: c.store, Credentials: credentials, Receipts: c.store, Tasks: unreachable{},
		Door: openDoor{},
		Log:  slog.New(slog.DiscardHandler),
	})
	c.must(err)
	c.fill()
	return c
}

func (c *campus) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *campus) fill() {
	c.t.Helper()
	ctx, intent := c.t.Context(), lab.Intent{Actor: lab.Actor{Name: "test"}}
	for _, role := range lab.Roles() {
		login := string(role) + "@example.edu"
		if role == lab.RoleStudent { // made by enrolling
			continue
		}
		u, err := c.people.CreateUser(ctx, intent, registrar.UserInput{Login: login, Name: "N. N.", Role: role})
		c.must(err)
		c.who[string(role)] = person{user: u.ID, role: role}
	}
	other, err := c.people.CreateUser(ctx, intent, registrar.UserInput{Login: foreign + "@example.edu", Name: foreign, Role: lab.RoleInstructor})
	c.must(err)
	for name, things := range map[string]map[string]string{"own": c.own, foreign: c.foreign} {
		class, err := c.people.CreateClass(ctx, intent, registrar.ClassInput{
			Cohort: name + " cohort", Course: name + " course", Template: "shell",
			Students: []registrar.StudentInput{{Name: name + " pupil", Email: name + "-pupil@example.edu"}},
		})
		c.must(err)
		started, err := c.people.ActOnClass(ctx, intent, class.ID, registrar.ActLaunch)
		c.must(err)
		workspaces, err := c.store.WorkspacesOfClass(ctx, class.ID)
		c.must(err)
		things["cohort"], things["course"], things["class"], things["operation"] = class.CohortID, class.CourseID, class.ID, started.ID
		things["workspace"], things["student"] = workspaces[0].ID, workspaces[0].StudentID
		things["template"], things["user"] = "shell", other.ID
		for _, kind := range []lab.SecretKind{lab.SecretOfCourse, lab.SecretOfClass, lab.SecretOfStudent} {
			owner, secret := lab.SecretOwner{Kind: kind, ID: things[string(kind)]}, lab.Secret{Name: "KEY", Bytes: 4, SetAt: time.Now(), SetBy: "test"}
			secret.Revision, err = c.store.BeginSecret(ctx, intent, owner, secret)
			c.must(err)
			c.must(c.store.KeepSecret(ctx, intent, owner, secret, lab.Audit{}))
		}
	}
	spare, err := c.people.CreateCourse(ctx, intent, registrar.CourseInput{Name: "own spare", Template: "shell"})
	c.must(err)
	c.spare = spare.ID
	for to, refs := range map[lab.Trust][]string{
		lab.TrustCohort: {c.own["cohort"]}, lab.TrustCourse: {c.own["course"], spare.ID}, lab.TrustClass: {c.own["class"]},
	} {
		login := string(lab.RoleInstructor)
		if to == lab.TrustClass {
			login = string(lab.RoleAssistant)
		}
		for _, ref := range refs {
			_, err := c.people.Appoint(ctx, intent, to, ref, []string{login + "@example.edu"})
			c.must(err)
		}
	}
	pupil, err := c.people.User(ctx, "own-pupil@example.edu")
	c.must(err)
	c.who["student"] = person{user: pupil.ID, role: lab.RoleStudent}
	for _, role := range []lab.Role{lab.RoleAdmin, lab.RoleInstructor} {
		for _, scope := range []lab.TokenScope{lab.TokenRead, lab.TokenOperate, lab.TokenWrite} {
			c.who[fmt.Sprintf("%s-%s", role, scope)] = person{user: c.who[string(role)].user, role: role, token: scope}
		}
	}
}
