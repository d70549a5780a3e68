package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/dev/stack"
)

// readyLimit is how long a workspace may take from wish to ready. With two
// cores, and several starting at once, the copied chroot takes most of it.
const readyLimit = 3 * time.Minute

// What `bothy dev` fixes.
const (
	demoClass = "demo/py101"
	vaultRole = "bothy-workspace"
)

func (*dev) namespace() string { return stack.Namespace }

// student makes an input of a name, with an address made from a number.
func student(name string, n int) client.StudentInput {
	return client.StudentInput{Name: name, Email: fmt.Sprintf("student%d@example.edu", n)}
}

// createClass makes a class of a course of its own.
func (d *dev) createClass(t *testing.T, cohort, course, template string, parameters client.Parameters, students ...client.StudentInput) client.Class {
	t.Helper()
	input := client.ClassInput{Cohort: cohort, Course: course, Template: &template, Students: &students}
	if parameters != nil {
		input.Parameters = &parameters
	}
	class, err := d.api.CreateClass(t.Context(), input)
	if err != nil {
		t.Fatalf("create class: %v", err)
	}
	return class
}

// launchShells makes a class of browser terminals, the lightest workspaces that
// there are, launches it, and gives its workspaces when they are ready.
func (d *dev) launchShells(t *testing.T, cohort string, names ...string) (client.Class, []client.Workspace) {
	t.Helper()
	students := make([]client.StudentInput, len(names))
	for i, name := range names {
		students[i] = student(name, i)
	}
	class := d.createClass(t, cohort, cohort+" shell", "shell", nil, students...)
	operation, err := d.api.LaunchClass(t.Context(), class.Key)
	if err != nil {
		t.Fatalf("launch %s: %v", class.Key, err)
	}
	d.operationDone(t, operation)
	return class, d.classReady(t, class.Key)
}

// classReady waits until all workspaces of a class are ready.
func (d *dev) classReady(t *testing.T, class string) []client.Workspace {
	t.Helper()
	return d.classIs(t, class, client.PhaseReady)
}

// classIs waits until all workspaces of a class are in a phase. Each must have its reason.
func (d *dev) classIs(t *testing.T, class string, phase client.Phase) []client.Workspace {
	t.Helper()
	var list []client.Workspace
	eventually(t, readyLimit, fmt.Sprintf("all of %s %s", class, phase), func(ctx context.Context) error {
		var err error
		if list, err = d.api.Workspaces(ctx, client.WorkspaceFilter{Class: class}); err != nil {
			return fmt.Errorf("list workspaces: %w", err)
		}
		if len(list) == 0 {
			return errors.New("the class has no workspace")
		}
		var others []error
		for _, w := range list {
			if w.Phase != phase {
				others = append(others, fmt.Errorf("%s is %s: %s", w.Slug, w.Phase, w.Reason))
			}
		}
		return errors.Join(others...)
	})
	return list
}

// workspaceIs waits until a workspace satisfies a condition.
func (d *dev) workspaceIs(t *testing.T, slug, what string, is func(client.Workspace) bool) client.Workspace {
	t.Helper()
	var w client.Workspace
	eventually(t, readyLimit, slug+" "+what, func(ctx context.Context) error {
		var err error
		if w, err = d.api.Workspace(ctx, slug); err != nil {
			return fmt.Errorf("show the workspace: %w", err)
		}
		if !is(w) {
			return fmt.Errorf("it is %s (wanted %s): %s", w.Phase, w.Desired, w.Reason)
		}
		return nil
	})
	return w
}

func inPhase(phase client.Phase) func(client.Workspace) bool {
	return func(w client.Workspace) bool { return w.Phase == phase }
}

// operationDone waits until an act on a class has ended, with every workspace as it wants it.
func (d *dev) operationDone(t *testing.T, operation client.Operation) {
	t.Helper()
	eventually(t, readyLimit, operation.Kind+" of "+operation.Class, func(ctx context.Context) error {
		now, err := d.api.Operation(ctx, operation.ID)
		if err != nil {
			return fmt.Errorf("show the operation: %w", err)
		}
		if now.State != client.OperationStateDone {
			return fmt.Errorf("it is %s: %+v", now.State, now.Counts)
		}
		return nil
	})
}

// deleteClass removes a class with everything it has, and waits until it is gone.
func (d *dev) deleteClass(t *testing.T, class string) {
	t.Helper()
	operation, err := d.api.DeleteClass(t.Context(), class, true)
	if err != nil {
		t.Fatalf("delete %s: %v", class, err)
	}
	d.operationDone(t, operation)
	classGone(t, d.api, class)
}

// classGone waits until a class that is being deleted is gone.
func classGone(t *testing.T, api *client.Client, class string) {
	t.Helper()
	eventually(t, readyLimit, class+" gone", func(ctx context.Context) error {
		_, err := api.Class(ctx, class)
		if isNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("show the class: %w", err)
		}
		list, err := api.Workspaces(ctx, client.WorkspaceFilter{Class: class})
		if err != nil {
			return fmt.Errorf("list its workspaces: %w", err)
		}
		left := make([]string, len(list))
		for i, w := range list {
			left[i] = fmt.Sprintf("%s is %s: %s", w.Slug, w.Phase, w.Reason)
		}
		return fmt.Errorf("it is there; %s", strings.Join(left, "; "))
	})
}

func jobID(slug string) string { return "bothy-" + slug }

// job reads a job from Nomad, not from Bothy.
func (d *dev) job(t *testing.T, id string) *nomadapi.Job {
	t.Helper()
	job, _, err := d.nomad.Jobs().Info(id, (&nomadapi.QueryOptions{}).WithContext(t.Context()))
	if err != nil {
		t.Fatalf("read job %s: %v", id, err)
	}
	return job
}

// alloc gives the one running allocation of a workspace's job.
func (d *dev) alloc(ctx context.Context, slug string) (*nomadapi.Allocation, error) {
	query := (&nomadapi.QueryOptions{}).WithContext(ctx)
	stubs, _, err := d.nomad.Jobs().Allocations(jobID(slug), false, query)
	if err != nil {
		return nil, fmt.Errorf("list allocations of %s: %w", slug, err)
	}
	for _, stub := range stubs {
		if stub.ClientStatus == nomadapi.AllocClientStatusRunning && stub.DesiredStatus == nomadapi.AllocDesiredStatusRun {
			alloc, _, err := d.nomad.Allocations().Info(stub.ID, query)
			if err != nil {
				return nil, fmt.Errorf("read allocation %s: %w", stub.ID, err)
			}
			return alloc, nil
		}
	}
	return nil, fmt.Errorf("%s has no running allocation", slug)
}

// mainTask is the task that a student works in; the other one is NGINX.
func mainTask(alloc *nomadapi.Allocation) string {
	for task := range alloc.TaskStates {
		if task != "nginx" {
			return task
		}
	}
	return ""
}

// exec runs a command inside a workspace, as its student, past everything that
// is tested, and gives what it prints.
func (d *dev) exec(ctx context.Context, slug string, command ...string) (string, error) {
	alloc, err := d.alloc(ctx, slug)
	if err != nil {
		return "", err
	}
	var out, errs bytes.Buffer
	code, err := d.nomad.Allocations().Exec(ctx, alloc, mainTask(alloc), false, command, strings.NewReader(""), &out, &errs, nil, nil)
	if err != nil {
		return "", fmt.Errorf("run %s in %s: %w", command[0], slug, err)
	}
	if code != 0 {
		return out.String(), fmt.Errorf("%s in %s: exit %d: %s", command[0], slug, code, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// inHome gives the content of a file of a student's home, as Nomad sees it.
func (d *dev) inHome(t *testing.T, slug, name string) string {
	t.Helper()
	text, err := d.exec(t.Context(), slug, "/bin/cat", "/home/coder/"+name)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return text
}

// putHome writes a file into a student's home, as the student.
func (d *dev) putHome(t *testing.T, slug, name, text string) {
	t.Helper()
	if _, err := d.exec(t.Context(), slug, "/bin/sh", "-c", `printf %s "$2" > "/home/coder/$1"`, "sh", name, text); err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
}
