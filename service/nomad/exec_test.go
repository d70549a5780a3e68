package nomad

import (
	"errors"
	"strings"
	"testing"

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

func second[T any](_ T, err error) error { return err }

func wantCode(t *testing.T, err error, code lab.Code) *lab.Error {
	t.Helper()
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	return coded
}
