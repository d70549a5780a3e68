package dev

import (
	"bytes"
	"context"
	_ "embed" // the demo's roster
	"fmt"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/roster"
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

// ensureDemo creates the demo class if there is none, and launches it if it was
// never launched. What people have made of it since is left as it is.
func ensureDemo(ctx context.Context, api *client.Client) error {
	_, err := api.Class(ctx, DemoClass)
	if lab.CodeOf(err) == lab.CodeNotFound {
		err = createDemo(ctx, api)
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
	rows, err := roster.Parse(bytes.NewReader(demoRoster), "demo/students.csv")
	if err != nil {
		return fmt.Errorf("read the demo's roster: %w", err)
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
