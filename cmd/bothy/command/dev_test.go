package command

import (
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/dev"
	"github.com/bothylabs/bothy/service/lab"
)

func TestDevUsesTheDockerEngineThatPeopleUse(t *testing.T) {
	for host, want := range map[string]string{
		"":                             "",
		"unix:///run/user/1/dock.sock": "/run/user/1/dock.sock",
		"tcp://docker.example.edu":     "",
	} {
		w := newWorld(t)
		w.vars["DOCKER_HOST"] = host
		c := &devCommand{env: w.Env}
		if err := c.complete(); err != nil {
			t.Fatal(err)
		}
		if c.config.Stack.DockerSocket != want {
			t.Errorf("DOCKER_HOST=%q: the socket is %q, not %q", host, c.config.Stack.DockerSocket, want)
		}
		if told := strings.Contains(w.ui.OutputWriter.String(), "DOCKER_HOST"); told != strings.HasPrefix(host, "tcp") {
			t.Errorf("DOCKER_HOST=%q: said that it is not used: %v", host, told)
		}
	}
}

func TestTheSummaryOfDevShowsPasswordsToPeopleAlone(t *testing.T) {
	people := []dev.Person{
		{Login: "admin@example.edu", Role: lab.RoleAdmin, Password: config.NewSecret("aaaa-bbbb")},
		{Login: "instructor@example.edu", Role: lab.RoleInstructor},
		{Login: "ana@example.edu", Role: lab.RoleStudent, Password: config.NewSecret("cccc-dddd")},
	}
	workspaces := []client.Workspace{
		{Slug: "demo-py101-ana", Phase: "ready", Student: client.WorkspaceStudent{Email: "Ana@example.edu"}},
		{Slug: "demo-py101-dee", Phase: "placing", Reason: "no room", Student: client.WorkspaceStudent{Email: "dee@example.edu"}},
	}
	for _, terminal := range []bool{true, false} {
		w := newWorld(t)
		w.OutTerminal = terminal
		w.vars["NO_COLOR"] = "1"
		c := &devCommand{env: w.Env}
		c.summary(dev.Addresses{Console: "http://c", PasswordsFile: "/x/passwords"}, people, workspaces)
		out := w.ui.OutputWriter.String()
		wants := []string{
			"Sign in at http://c ", "http://c/open/demo-py101-ana\n", "placing: no room", "admin@example.edu", "instructor of demo/py101", "Ctrl-C",
		}
		if terminal {
			wants = append(wants, "aaaa-bbbb", "cccc-dddd", "(another by now)", "(by mail)")
		} else {
			wants = append(wants, "/x/passwords")
		}
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("terminal %v: it lacks %q:\n%s", terminal, want, out)
			}
		}
		if !terminal && (strings.Contains(out, "aaaa") || strings.Contains(out, "cccc")) {
			t.Errorf("a log gets passwords:\n%s", out)
		}
	}
}
