package dev

import (
	"context"
	_ "embed" // the demo's roster
	"fmt"
	"strings"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// The demo class. Its template runs without Docker.
const (
	demoCohort   = "Demo"
	demoCourse   = "py101"
	demoTemplate = "code-server-exec"
	// DemoClass is the demo's key.
	DemoClass = "demo/py101"
)

//go:embed demo/students.csv
var demoRoster []byte

// ensureDemo creates the demo class if there is none, gives it to the demo's
// instructor if it is nobody's, and launches it if it was never launched. What people
// have made of it since is left as it is.
func ensureDemo(ctx context.Context, api *client.Client) error {
	_, err := api.Class(ctx, DemoClass)
	if lab.CodeOf(err) == lab.CodeNotFound {
		err = createDemo(ctx, api)
	}
	if err == nil {
		err = appointInstructor(ctx, api)
	}
	if err != nil {
		return err
	}
	workspaces, err := api.Workspaces(ctx, client.WorkspaceFilter{Class: DemoClass})
	if err != nil || len(workspaces) > 0 {
		return err
	}
	if _, err := api.LaunchClass(ctx, DemoClass); err != nil {
		return fmt.Errorf("launch the demo class: %w", err)
	}
	return nil
}

func createDemo(ctx context.Context, api *client.Client) error {
	rows, err := demoStudents()
	if err != nil {
		return err
	}
	students := make([]client.StudentInput, len(rows))
	for i, row := range rows {
		students[i] = client.StudentInput{Name: row.Name, Email: row.Email}
	}
	template := demoTemplate
	in := client.ClassInput{Cohort: demoCohort, Course: demoCourse, Template: &template, Students: &students}
	if _, err := api.CreateClass(ctx, in); err != nil {
		return fmt.Errorf("create the demo class: %w", err)
	}
	return nil
}

// appointInstructor gives the demo's cohort and course to its instructor where they
// are nobody's, as long as that is what this person is.
func appointInstructor(ctx context.Context, api *client.Client) error {
	user, err := api.User(ctx, demoInstructor)
	if lab.CodeOf(err) == lab.CodeNotFound || err == nil && (user.DisabledAt != nil || lab.Role(user.Role) != lab.RoleInstructor) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the demo's instructor: %w", err)
	}
	key, _, _ := strings.Cut(DemoClass, "/")
	cohort, err := api.CohortInstructors(ctx, key)
	if err == nil && len(cohort.Users) == 0 {
		_, err = api.SetCohortInstructors(ctx, key, []string{demoInstructor})
	}
	if err != nil {
		return fmt.Errorf("give the demo's cohort to its instructor: %w", err)
	}
	course, err := api.CourseInstructors(ctx, demoCourse)
	if err == nil && len(course.Users) == 0 {
		_, err = api.SetCourseInstructors(ctx, demoCourse, []string{demoInstructor})
	}
	if err != nil {
		return fmt.Errorf("give the demo's course to its instructor: %w", err)
	}
	return nil
}
