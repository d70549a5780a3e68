package command

import (
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

func aUser(login string, role client.Role) client.User {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return client.User{ID: "id-" + login, Login: login, Name: "N. N.", Email: login, Role: role, Password: "own", CreatedAt: at, UpdatedAt: at}
}

func TestUsersAreListedShownMadeAndChanged(t *testing.T) {
	w := newWorld(t)
	gone := aUser("gone@b.c", "student")
	gone.DisabledAt = &gone.CreatedAt
	const one = "/v1/users/grace@b.c"
	api := newFakeAPI(t, w).
		on("GET /v1/users", 200, list(aUser("grace@b.c", "instructor"), gone)).on("GET /v1/users", 200, list[client.User]()).
		on("GET "+one, 200, aUser("grace@b.c", "instructor")).
		on("POST /v1/users", 201, aUser("grace@b.c", "instructor")).
		on("PATCH "+one, 200, aUser("grace@b.c", "assistant"))
	w.run("user", "list", "-role", "instructor", "-disabled=false", "-sort", "name").ok().says("LOGIN", "grace@b.c  N. N.  instructor  own       -", "2026-")
	if want := "GET /v1/users?limit=1000&sort=name&role=instructor&disabled=false"; len(api.asked[0]) != len(want) {
		t.Errorf("asked %s", api.asked[0])
	}
	w.run("user", "list").ok().says("No such users.")
	w.run("user", "show", "grace@b.c").ok().says("grace@b.c", "instructor")
	w.run("user", "create", "-name", "N. N.", "-role", "instructor", "grace@b.c").ok().says("User grace@b.c created, with the role instructor.")
	if got := api.bodies["POST /v1/users"]; got != `{"login":"grace@b.c","name":"N. N.","role":"instructor"}` {
		t.Errorf("sent %s", got)
	}
	w.run("user", "update", "-role", "assistant", "grace@b.c").ok().says("assistant")
	for verb, body := range map[string]string{"disable": `{"disabled":true}`, "enable": `{"disabled":false}`} {
		w.run("user", verb, "grace@b.c").ok().says("User grace@b.c is " + verb + "d.")
		if got := api.bodies["PATCH "+one]; got != body {
			t.Errorf("%s sent %s", verb, got)
		}
	}
	w.run("user", "create", "-role", "admin", "x").fails(exitLocal, "-name is missing")
	w.run("user", "create", "-name", "X", "x").fails(exitLocal, "-role is missing")
	w.run("user", "update", "x").fails(exitLocal, "nothing to change")
}

func TestWhoAmI(t *testing.T) {
	w := newWorld(t)
	token, user := "write", aUser("grace@b.c", "instructor")
	newFakeAPI(t, w).
		on("GET /v1/me", 200, client.Me{Name: "token:operator", Role: "admin", Token: &token}).
		on("GET /v1/me", 200, client.Me{Name: "user:grace@b.c", Role: "instructor", User: &user})
	w.run("whoami").ok().says("token:operator", "admin", "good for write")
	w.run("whoami").ok().says("grace@b.c", "N. N.", "instructor")
}

func TestThingsAreGivenAndTaken(t *testing.T) {
	for line, route := range map[string]string{
		"cohort instructors fall-26":     "/v1/cohorts/fall-26/instructors",
		"course instructors py101":       "/v1/courses/py101/instructors",
		"class assistants fall-26/py101": "/v1/classes/fall-26~py101/assistants",
	} {
		t.Run(line, func(t *testing.T) {
			w := newWorld(t)
			alan, bo := client.Appointee{ID: "id-alan", Login: "alan@b.c", Name: "Alan"}, client.Appointee{ID: "id-bo", Login: "bo@b.c", Name: "Bo"}
			api := newFakeAPI(t, w).
				on("GET "+route, 200, client.Appointed{Users: []client.Appointee{alan, bo}}).
				on("PUT "+route, 200, client.Appointed{Users: []client.Appointee{}})
			words := strings.Fields(line)
			w.run(words...).ok().says("LOGIN", "alan@b.c", "Alan")
			flags := append(append([]string{}, words[:2]...), "-add", "grace@b.c", "-remove", "ALAN@b.c", words[2])
			w.run(flags...).ok().says("has no " + words[1])
			if got := api.bodies["PUT "+route]; got != `{"users":["grace@b.c","id-bo"]}` {
				t.Errorf("sent %s", got)
			}
			w.run(append(append([]string{}, words[:2]...), "-remove", "eve@b.c", words[2])...).fails(exitLocal, "eve@b.c does not have the")
		})
	}
}
