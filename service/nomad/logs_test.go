package nomad

import (
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

func TestLastLines(t *testing.T) {
	for _, c := range []struct {
		text  string
		lines int
		want  string
	}{
		{"a\nb\nc\n", 2, "b\nc\n"},
		{"a\nb\nc", 2, "b\nc"},
		{"a\nb\nc\n", 3, "a\nb\nc\n"},
		{"a\nb\nc\n", 9, "a\nb\nc\n"},
		{"\n\n\n", 1, "\n"},
		{"half", 1, "half"},
		{"", 5, ""},
	} {
		if got := string(lastLines([]byte(c.text), c.lines)); got != c.want {
			t.Errorf("the last %d lines of %q: %q, not %q", c.lines, c.text, got, c.want)
		}
	}
}

func TestALogIsGoneWithItsAllocation(t *testing.T) {
	for text, gone := range map[string]bool{
		`Unknown allocation "1dab0619"`: true,
		"rpc error: Unknown node 4f2a":  true,
		"alloc not found on client":     true,
		"Permission denied":             false,
		"failed to list entries: open /opt/nomad/alloc/1dab0619/alloc/logs: no such file or directory": true,
		"failed to list entries: open /opt/nomad/alloc/1dab0619/alloc/logs: permission denied":         false,
	} {
		if got := forgotten(text); got != gone {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestTheMainTaskIsTheOneThatMountsTheHome(t *testing.T) {
	home := "home"
	tasks := []*api.Task{{Name: "nginx"}, {Name: "code-server", VolumeMounts: []*api.VolumeMount{{Volume: &home}}}}
	for name, want := range map[string]string{lab.MainTask: "code-server", "nginx": "nginx", "code-server": "code-server"} {
		if got, err := chooseTask(tasks, name); err != nil || got != want {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if got, err := chooseTask([]*api.Task{{Name: lab.MainTask}, tasks[1]}, lab.MainTask); err != nil || got != lab.MainTask {
		t.Errorf("a task of that very name: got %q, %v", got, err)
	}
	if _, err := chooseTask(tasks, "shell"); lab.CodeOf(err) != lab.CodeInvalid {
		t.Errorf("an unknown task: %v", err)
	}
}
