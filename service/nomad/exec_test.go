package nomad

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

func withHome(name string) *api.Task {
	home := homeVolume
	return &api.Task{Name: name, VolumeMounts: []*api.VolumeMount{{Volume: &home}}}
}

func TestCommandsRunWhereTheHomeIsAndNowhereElse(t *testing.T) {
	tasks := []*api.Task{{Name: "nginx"}, withHome("code-server"), {Name: "database"}}
	for _, name := range []string{lab.MainTask, "code-server"} {
		if got, err := chooseExecTask(tasks, name); err != nil || got != "code-server" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"nginx", "database"} {
		err := wantCode(t, second(chooseExecTask(tasks, name)), lab.CodeForbidden)
		if !strings.Contains(err.Message, name) || !strings.Contains(err.Hint, `"code-server"`) || !strings.Contains(err.Hint, "nomad alloc exec") {
			t.Errorf("%s: %s (%s)", name, err.Message, err.Hint)
		}
	}
	if err := wantCode(t, second(chooseExecTask(tasks, "shell")), lab.CodeInvalid); !strings.Contains(err.Error(), `"code-server"`) {
		t.Errorf("an unknown task: %v", err)
	}
	// A task is not the one with the home because it is called so.
	if got, err := chooseExecTask([]*api.Task{{Name: lab.MainTask}, withHome("editor")}, lab.MainTask); err != nil || got != "editor" {
		t.Errorf("got %q, %v", got, err)
	}
	wantCode(t, second(chooseExecTask([]*api.Task{{Name: "nginx"}}, lab.MainTask)), lab.CodeConflict)
}

func TestACommandHasNoMorePrivilegesThanItsTask(t *testing.T) {
	line := []string{
		"/usr/bin/setpriv", "--regid=coder", "--clear-groups", "--ambient-caps=-all", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs",
	}
	args := []any{}
	for _, arg := range append(slices.Clone(line[1:]), "/bin/sh", "-c", "exec code-server", "--auth=none") {
		args = append(args, arg)
	}
	shell := []string{"/bin/sh", "-c", `exec "$@"`, "sh", "id", "--user"}
	for name, c := range map[string]struct {
		task *api.Task
		want []string
	}{
		"a template's":   {&api.Task{Driver: "exec", Config: map[string]any{"command": "/usr/bin/setpriv", "args": args}}, append(line, shell...)},
		"one without":    {&api.Task{Driver: "exec", Config: map[string]any{"command": "/usr/bin/editor", "args": args}}, shell},
		"in a container": {&api.Task{Driver: "docker", Config: map[string]any{"command": "/usr/bin/setpriv", "args": args}}, shell[4:]},
		"nobody's":       {nil, shell[4:]},
	} {
		if diff := cmp.Diff(c.want, runnable(c.task, []string{"id", "--user"})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func wantCode(t *testing.T, err error, code lab.Code) *lab.Error {
	t.Helper()
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	return coded
}
