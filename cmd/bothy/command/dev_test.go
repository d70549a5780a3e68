package command

import (
	"strings"
	"testing"
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
