package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
)

// Status tells how the server is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	r, err := c.raw.GetStatusWithResponse(ctx)
	return read(r, err, (*GetStatusResponse).GetJSON200)
}

// CreateCohort creates an empty cohort.
func (c *Client) CreateCohort(ctx context.Context, in CohortInput) (Cohort, error) {
	r, err := c.raw.CreateCohortWithResponse(ctx, nil, in, c.repeatable)
	return read(r, err, (*CreateCohortResponse).GetJSON201)
}

// Cohort gives one cohort.
func (c *Client) Cohort(ctx context.Context, ref string) (Cohort, error) {
	found, _, err := c.CohortTagged(ctx, ref)
	return found, err
}

// CohortTagged gives one cohort with its ETag, for Conditions.IfMatch.
func (c *Client) CohortTagged(ctx context.Context, ref string) (Cohort, string, error) {
	r, err := c.raw.GetCohortWithResponse(ctx, ref)
	found, err := read(r, err, (*GetCohortResponse).GetJSON200)
	if err != nil {
		return found, "", err
	}
	return found, etagOf(r.HTTPResponse), nil
}

// DeleteCohort deletes a cohort that takes no class.
func (c *Client) DeleteCohort(ctx context.Context, ref string) error {
	_, err := c.raw.DeleteCohortWithResponse(ctx, ref, nil)
	return err
}

// EnrollStudent adds a student to a cohort.
func (c *Client) EnrollStudent(ctx context.Context, cohort string, in StudentInput) (Student, error) {
	r, err := c.raw.EnrollStudentWithResponse(ctx, cohort, nil, in, c.repeatable)
	return read(r, err, (*EnrollStudentResponse).GetJSON201)
}

// RosterOptions say how a roster is written, where that is not to be found out,
// and what is to be done with it.
type RosterOptions struct {
	// Delimiter is "comma", "semicolon", "tab" or "pipe".
	Delimiter string
	// Encoding is "utf-8", "utf-16", "utf-16le", "utf-16be", "latin1" or "windows-1252".
	Encoding string
	// WithdrawMissing withdraws the enrolled students who are not on the roster.
	WithdrawMissing bool
}

// ImportRoster enrolls everybody on a roster, which is a file as a spreadsheet
// saves it. A dry run reports the rows that are wrong among the others.
func (c *Client) ImportRoster(ctx context.Context, cohort string, file io.Reader, options RosterOptions) (RosterReport, error) {
	content, err := io.ReadAll(file) // whole, so that it can be sent again
	if err != nil {
		return RosterReport{}, fmt.Errorf("read the roster: %w", err)
	}
	params := &ImportRosterParams{
		Delimiter: orNil(ImportRosterParamsDelimiter(options.Delimiter)), Encoding: orNil(ImportRosterParamsEncoding(options.Encoding)),
	}
	if options.WithdrawMissing {
		params.WithdrawMissing = &options.WithdrawMissing
	}
	r, err := c.raw.ImportRosterWithBodyWithResponse(ctx, cohort, params, "text/csv", bytes.NewReader(content), c.repeatable)
	return read(r, err, (*ImportRosterResponse).GetJSON200)
}

// Student gives one student by id.
func (c *Client) Student(ctx context.Context, id string) (Student, error) {
	found, _, err := c.StudentTagged(ctx, id)
	return found, err
}

// StudentTagged gives one student with its ETag, for Conditions.IfMatch.
func (c *Client) StudentTagged(ctx context.Context, id string) (Student, string, error) {
	r, err := c.raw.GetStudentWithResponse(ctx, id)
	found, err := read(r, err, (*GetStudentResponse).GetJSON200)
	if err != nil {
		return found, "", err
	}
	return found, etagOf(r.HTTPResponse), nil
}

// WithdrawStudent takes a student off the roster.
func (c *Client) WithdrawStudent(ctx context.Context, id string) (Student, error) {
	r, err := c.raw.WithdrawStudentWithResponse(ctx, id, nil)
	return read(r, err, (*WithdrawStudentResponse).GetJSON200)
}

// CreateCourse creates a course from a template.
func (c *Client) CreateCourse(ctx context.Context, in CourseInput) (Course, error) {
	r, err := c.raw.CreateCourseWithResponse(ctx, nil, in, c.repeatable)
	return read(r, err, (*CreateCourseResponse).GetJSON201)
}

// Course gives one course.
func (c *Client) Course(ctx context.Context, ref string) (Course, error) {
	found, _, err := c.CourseTagged(ctx, ref)
	return found, err
}

// CourseTagged gives one course with its ETag, for Conditions.IfMatch.
func (c *Client) CourseTagged(ctx context.Context, ref string) (Course, string, error) {
	r, err := c.raw.GetCourseWithResponse(ctx, ref)
	found, err := read(r, err, (*GetCourseResponse).GetJSON200)
	if err != nil {
		return found, "", err
	}
	return found, etagOf(r.HTTPResponse), nil
}

// UpdateCourse changes the members of a course that the patch has.
func (c *Client) UpdateCourse(ctx context.Context, ref string, patch CoursePatch) (Course, error) {
	r, err := c.raw.UpdateCourseWithResponse(ctx, ref, nil, patch)
	return read(r, err, (*UpdateCourseResponse).GetJSON200)
}

// DeleteCourse deletes a course that no class takes.
func (c *Client) DeleteCourse(ctx context.Context, ref string) error {
	_, err := c.raw.DeleteCourseWithResponse(ctx, ref, nil)
	return err
}

// CreateClass lets a cohort take a course.
func (c *Client) CreateClass(ctx context.Context, in ClassInput) (Class, error) {
	r, err := c.raw.CreateClassWithResponse(ctx, nil, in, c.repeatable)
	return read(r, err, (*CreateClassResponse).GetJSON201)
}

// Class gives one class.
func (c *Client) Class(ctx context.Context, ref string) (Class, error) {
	found, _, err := c.ClassTagged(ctx, ref)
	return found, err
}

// ClassTagged gives one class with its ETag, for Conditions.IfMatch.
func (c *Client) ClassTagged(ctx context.Context, ref string) (Class, string, error) {
	r, err := c.raw.GetClassWithResponse(ctx, pathClass(ref))
	found, err := read(r, err, (*GetClassResponse).GetJSON200)
	if err != nil {
		return found, "", err
	}
	return found, etagOf(r.HTTPResponse), nil
}

// UpdateClass changes the members of a class that the patch has.
func (c *Client) UpdateClass(ctx context.Context, ref string, patch ClassPatch) (Class, error) {
	r, err := c.raw.UpdateClassWithResponse(ctx, pathClass(ref), nil, patch)
	return read(r, err, (*UpdateClassResponse).GetJSON200)
}

// DeleteClass deletes a class and its workspaces, and their homes when releaseHomes says so.
func (c *Client) DeleteClass(ctx context.Context, ref string, releaseHomes bool) (Operation, error) {
	r, err := c.raw.DeleteClassWithResponse(ctx, pathClass(ref), &DeleteClassParams{ReleaseHomes: &releaseHomes}, c.repeatable)
	return read(r, err, (*DeleteClassResponse).GetJSON202)
}

// LaunchClass gives every student of a class a running workspace.
func (c *Client) LaunchClass(ctx context.Context, ref string) (Operation, error) {
	r, err := c.raw.LaunchClassWithResponse(ctx, pathClass(ref), nil, c.repeatable)
	return read(r, err, (*LaunchClassResponse).GetJSON202)
}

// StartClass starts the workspaces of a class.
func (c *Client) StartClass(ctx context.Context, ref string) (Operation, error) {
	r, err := c.raw.StartClassWithResponse(ctx, pathClass(ref), nil, c.repeatable)
	return read(r, err, (*StartClassResponse).GetJSON202)
}

// StopClass stops the workspaces of a class.
func (c *Client) StopClass(ctx context.Context, ref string) (Operation, error) {
	r, err := c.raw.StopClassWithResponse(ctx, pathClass(ref), nil, c.repeatable)
	return read(r, err, (*StopClassResponse).GetJSON202)
}

// RestartClass restarts the workspaces of a class.
func (c *Client) RestartClass(ctx context.Context, ref string) (Operation, error) {
	r, err := c.raw.RestartClassWithResponse(ctx, pathClass(ref), nil, c.repeatable)
	return read(r, err, (*RestartClassResponse).GetJSON202)
}

// ResetClass gives the workspaces of a class new homes. What the students have stored is lost.
func (c *Client) ResetClass(ctx context.Context, ref string) (Operation, error) {
	r, err := c.raw.ResetClassWithResponse(ctx, pathClass(ref), nil, c.repeatable)
	return read(r, err, (*ResetClassResponse).GetJSON202)
}

// Operation gives one operation.
func (c *Client) Operation(ctx context.Context, id string) (Operation, error) {
	r, err := c.raw.GetOperationWithResponse(ctx, id)
	return read(r, err, (*GetOperationResponse).GetJSON200)
}

// Workspace gives one workspace.
func (c *Client) Workspace(ctx context.Context, ref string) (Workspace, error) {
	found, _, err := c.WorkspaceTagged(ctx, ref)
	return found, err
}

// WorkspaceTagged gives one workspace with its ETag, for Conditions.IfMatch.
func (c *Client) WorkspaceTagged(ctx context.Context, ref string) (Workspace, string, error) {
	r, err := c.raw.GetWorkspaceWithResponse(ctx, ref)
	found, err := read(r, err, (*GetWorkspaceResponse).GetJSON200)
	if err != nil {
		return found, "", err
	}
	return found, etagOf(r.HTTPResponse), nil
}

// DeleteWorkspace deletes a workspace, and its home when releaseHome says so.
func (c *Client) DeleteWorkspace(ctx context.Context, ref string, releaseHome bool) (Workspace, error) {
	r, err := c.raw.DeleteWorkspaceWithResponse(ctx, ref, &DeleteWorkspaceParams{ReleaseHome: &releaseHome}, c.repeatable)
	return read(r, err, (*DeleteWorkspaceResponse).GetJSON202)
}

// StartWorkspace starts a workspace.
func (c *Client) StartWorkspace(ctx context.Context, ref string) (Workspace, error) {
	r, err := c.raw.StartWorkspaceWithResponse(ctx, ref, nil, c.repeatable)
	return read(r, err, (*StartWorkspaceResponse).GetJSON202)
}

// StopWorkspace stops a workspace.
func (c *Client) StopWorkspace(ctx context.Context, ref string) (Workspace, error) {
	r, err := c.raw.StopWorkspaceWithResponse(ctx, ref, nil, c.repeatable)
	return read(r, err, (*StopWorkspaceResponse).GetJSON202)
}

// RestartWorkspace restarts a workspace.
func (c *Client) RestartWorkspace(ctx context.Context, ref string) (Workspace, error) {
	r, err := c.raw.RestartWorkspaceWithResponse(ctx, ref, nil, c.repeatable)
	return read(r, err, (*RestartWorkspaceResponse).GetJSON202)
}

// ResetWorkspace gives a workspace a new home. What the student has stored is lost.
func (c *Client) ResetWorkspace(ctx context.Context, ref string) (Workspace, error) {
	r, err := c.raw.ResetWorkspaceWithResponse(ctx, ref, nil, c.repeatable)
	return read(r, err, (*ResetWorkspaceResponse).GetJSON202)
}

// Template gives a version of a template with its source and variables, the newest for 0.
func (c *Client) Template(ctx context.Context, name string, version int64) (Template, error) {
	params := &GetTemplateParams{}
	if version != 0 {
		params.Version = &version
	}
	r, err := c.raw.GetTemplateWithResponse(ctx, name, params)
	return read(r, err, (*GetTemplateResponse).GetJSON200)
}

// PushTemplate registers a version of a template, unless it is the newest one's
// source already; isNew tells.
func (c *Client) PushTemplate(ctx context.Context, name string, in TemplateInput) (pushed PushedTemplate, isNew bool, err error) {
	r, err := c.raw.PushTemplateWithResponse(ctx, name, nil, in, c.repeatable)
	pushed, err = read(r, err, func(r *PushTemplateResponse) *PushedTemplate {
		isNew = r.JSON201 != nil
		if isNew {
			return r.JSON201
		}
		return r.JSON200
	})
	return pushed, isNew, err
}

// CreateToken makes an API token. Its text is in this answer and nowhere else.
func (c *Client) CreateToken(ctx context.Context, in TokenInput) (CreatedToken, error) {
	r, err := c.raw.CreateTokenWithResponse(ctx, nil, in, c.repeatable)
	return read(r, err, (*CreateTokenResponse).GetJSON201)
}

// Token gives one API token, without its text.
func (c *Client) Token(ctx context.Context, id string) (Token, error) {
	r, err := c.raw.GetTokenWithResponse(ctx, id)
	return read(r, err, (*GetTokenResponse).GetJSON200)
}

// RevokeToken ends an API token.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	_, err := c.raw.RevokeTokenWithResponse(ctx, id, nil, c.repeatable)
	return err
}

// EndSession signs out somewhere.
func (c *Client) EndSession(ctx context.Context, id string) error {
	_, err := c.raw.EndSessionWithResponse(ctx, id, nil, c.repeatable)
	return err
}

// EndSessions signs out everywhere: the caller, or the user named where an admin
// asks; with tokens, API tokens are revoked as well.
func (c *Client) EndSessions(ctx context.Context, user string, tokens bool) error {
	_, err := c.raw.EndSessionsWithResponse(ctx, &EndSessionsParams{User: orNil(user), Tokens: orNil(tokens)}, c.repeatable)
	return err
}

func etagOf(answer *http.Response) string { return answer.Header.Get("ETag") }
