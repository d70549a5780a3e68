package api_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// ignored calls an operation for its error alone.
func ignored[T any](_ T, err error) error { return err }

func TestTheClientUnderstandsEveryOperation(t *testing.T) {
	b := newBench(t)
	b.tasks.exec = func(context.Context, lab.ExecRequest) (int, error) { return 0, nil }
	server := httptest.NewServer(b)
	defer server.Close()
	c, err := client.New(server.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	name, class := "New", "fall-26/py101"
	calls := map[string]func() error{
		"getStatus": func() error { return ignored(c.Status(ctx)) },
		"streamEvents": func() error {
			for _, err := range c.Events(ctx, client.EventFilter{Class: class}, "") {
				return err
			}
			return errors.New("nothing came")
		},
		"listAudit":    func() error { return ignored(c.Audit(ctx, client.AuditFilter{Action: "class."})) },
		"listCohorts":  func() error { return ignored(c.Cohorts(ctx)) },
		"createCohort": func() error { return ignored(c.CreateCohort(ctx, client.CohortInput{Name: name})) },
		"getCohort":    func() error { return ignored(c.Cohort(ctx, "fall-26")) },
		"deleteCohort": func() error { return c.DeleteCohort(ctx, "fall-26") },
		"listStudents": func() error { return ignored(c.Students(ctx, "fall-26")) },
		"enrollStudent": func() error {
			return ignored(c.EnrollStudent(ctx, "fall-26", client.StudentInput{Name: name, Email: "n@b.c"}))
		},
		"importRoster": func() error {
			return ignored(c.ImportRoster(ctx, "fall-26", strings.NewReader("name,email\nAda,ada@example.edu\n"), client.RosterOptions{}))
		},
		"exportStudent":   func() error { return ignored(c.ExportStudent(ctx, "id-student")) },
		"exportUser":      func() error { return ignored(c.ExportUser(ctx, "id-user")) },
		"eraseUser":       func() error { return ignored(c.EraseUser(ctx, "id-user", "ada@example.edu")) },
		"eraseStudent":    func() error { return ignored(c.EraseStudent(ctx, "id-student", "ada@example.edu")) },
		"inviteCohort":    func() error { return ignored(c.InviteCohort(ctx, "fall-26", "id-student")) },
		"inviteUser":      func() error { return ignored(c.InviteUser(ctx, "g@b.c")) },
		"getStudent":      func() error { return ignored(c.Student(ctx, "id-student")) },
		"withdrawStudent": func() error { return ignored(c.WithdrawStudent(ctx, "id-student")) },
		"listCourses":     func() error { return ignored(c.Courses(ctx)) },
		"createCourse":    func() error { return ignored(c.CreateCourse(ctx, client.CourseInput{Name: name, Template: "shell"})) },
		"getCourse":       func() error { return ignored(c.Course(ctx, "py101")) },
		"updateCourse":    func() error { return ignored(c.UpdateCourse(ctx, "py101", client.CoursePatch{Name: &name})) },
		"deleteCourse":    func() error { return c.DeleteCourse(ctx, "py101") },
		"listCourseSecrets": func() error {
			return ignored(client.Collect(c.AllSecrets(ctx, client.SecretOwner{Course: "py101"}, client.ListOptions{})))
		},
		"listClassSecrets": func() error {
			return ignored(client.Collect(c.AllSecrets(ctx, client.SecretOwner{Class: class}, client.ListOptions{})))
		},
		"listStudentSecrets": func() error {
			return ignored(client.Collect(c.AllSecrets(ctx, client.SecretOwner{Student: "id-student"}, client.ListOptions{})))
		},
		"setCourseSecret": func() error { return ignored(c.SetSecret(ctx, client.SecretOwner{Course: "py101"}, "TOKEN", "hush")) },
		"setClassSecret":  func() error { return ignored(c.SetSecret(ctx, client.SecretOwner{Class: class}, "TOKEN", "hush")) },
		"setStudentSecret": func() error {
			return ignored(c.SetSecret(ctx, client.SecretOwner{Student: "id-student"}, "TOKEN", "hush"))
		},
		"deleteCourseSecret":  func() error { return c.DeleteSecret(ctx, client.SecretOwner{Course: "py101"}, "TOKEN") },
		"deleteClassSecret":   func() error { return c.DeleteSecret(ctx, client.SecretOwner{Class: class}, "TOKEN") },
		"deleteStudentSecret": func() error { return c.DeleteSecret(ctx, client.SecretOwner{Student: "id-student"}, "TOKEN") },
		"listClasses":         func() error { return ignored(c.Classes(ctx)) },
		"createClass": func() error {
			return ignored(c.CreateClass(ctx, client.ClassInput{Cohort: "fall-26", Course: "py101"}))
		},
		"getClass":           func() error { return ignored(c.Class(ctx, class)) },
		"deleteClass":        func() error { return ignored(c.DeleteClass(ctx, class, true)) },
		"launchClass":        func() error { return ignored(c.LaunchClass(ctx, class)) },
		"startClass":         func() error { return ignored(c.StartClass(ctx, class)) },
		"stopClass":          func() error { return ignored(c.StopClass(ctx, class)) },
		"restartClass":       func() error { return ignored(c.RestartClass(ctx, class)) },
		"resetClass":         func() error { return ignored(c.ResetClass(ctx, class)) },
		"listOperations":     func() error { return ignored(c.Operations(ctx, client.OperationFilter{Class: class}, 1)) },
		"getOperation":       func() error { return ignored(c.Operation(ctx, "id-operation")) },
		"listOperationItems": func() error { return ignored(c.OperationItems(ctx, "id-operation", "")) },
		"listWorkspaces":     func() error { return ignored(c.Workspaces(ctx, client.WorkspaceFilter{Class: class})) },
		"getWorkspace":       func() error { return ignored(c.Workspace(ctx, "fall-26-py101-ada")) },
		"deleteWorkspace":    func() error { return ignored(c.DeleteWorkspace(ctx, "fall-26-py101-ada", false)) },
		"startWorkspace":     func() error { return ignored(c.StartWorkspace(ctx, "fall-26-py101-ada")) },
		"stopWorkspace":      func() error { return ignored(c.StopWorkspace(ctx, "fall-26-py101-ada")) },
		"resetWorkspace":     func() error { return ignored(c.ResetWorkspace(ctx, "fall-26-py101-ada")) },
		"restartWorkspace":   func() error { return ignored(c.RestartWorkspace(ctx, "fall-26-py101-ada")) },
		"listTokens":         func() error { return ignored(c.Tokens(ctx, "ada@example.edu")) },
		"createToken":        func() error { return ignored(c.CreateToken(ctx, client.TokenInput{Name: name})) },
		"getToken":           func() error { return ignored(c.Token(ctx, "id-token")) },
		"revokeToken":        func() error { return c.RevokeToken(ctx, "id-token") },
		"listSessions":       func() error { return ignored(c.Sessions(ctx, "")) },
		"endSession":         func() error { return c.EndSession(ctx, "id-session") },
		"endSessions":        func() error { return c.EndSessions(ctx, "", true) },
		"listTemplates":      func() error { return ignored(c.Templates(ctx)) },
		"planClass":          func() error { return ignored(c.PlanClass(ctx, class, "launch")) },
		"planWorkspace":      func() error { return ignored(c.PlanWorkspace(ctx, "fall-26-py101-ada")) },
		"linkWorkspace":      func() error { return ignored(c.LinkWorkspace(ctx, "fall-26-py101-ada", "")) },
		"getWorkspaceLogs": func() error {
			log, err := c.Logs(ctx, "fall-26-py101-ada", client.LogOptions{})
			if err != nil {
				return err
			}
			return log.Close()
		},
		"execInWorkspace": func() error {
			return ignored(c.Exec(ctx, "fall-26-py101-ada", client.ExecOptions{Command: []string{"id"}}))
		},
		"getMe":     func() error { return ignored(c.Me(ctx)) },
		"listUsers": func() error { return ignored(c.Users(ctx, client.UserFilter{})) },
		"createUser": func() error {
			return ignored(c.CreateUser(ctx, client.UserInput{Login: "g@b.c", Name: name, Role: "admin"}))
		},
		"getUser":    func() error { return ignored(c.User(ctx, "g@b.c")) },
		"updateUser": func() error { return ignored(c.UpdateUser(ctx, "g@b.c", client.UserPatch{Name: &name})) },
		"disableUser": func() error {
			return ignored(c.DisableUser(ctx, "g@b.c"))
		},
		"getCohortInstructors": func() error { return ignored(c.CohortInstructors(ctx, "fall-26")) },
		"setCohortInstructors": func() error { return ignored(c.SetCohortInstructors(ctx, "fall-26", []string{"g@b.c"})) },
		"getCourseInstructors": func() error { return ignored(c.CourseInstructors(ctx, "py101")) },
		"setCourseInstructors": func() error { return ignored(c.SetCourseInstructors(ctx, "py101", nil)) },
		"getClassAssistants":   func() error { return ignored(c.ClassAssistants(ctx, class)) },
		"setClassAssistants":   func() error { return ignored(c.SetClassAssistants(ctx, class, []string{"a@b.c"})) },
		"getTemplate":          func() error { return ignored(c.Template(ctx, "code-server", 2)) },
		"updateClass": func() error {
			return ignored(c.UpdateClass(ctx, class, client.ClassPatch{Parameters: &client.Overrides{"memory": 1}}))
		},
		"listTemplateVersions": func() error { return ignored(c.TemplateVersions(ctx, "code-server")) },
		"pushTemplate": func() error {
			_, _, err := c.PushTemplate(ctx, "code-server", client.TemplateInput{Source: "job {}"})
			return err
		},
	}
	for id := range operations(t, document(t, b)) {
		call, ok := calls[id]
		if !ok {
			t.Errorf("the client has no %s", id)
			continue
		}
		b.registrar.answers(nil)
		if err := call(); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		b.registrar.answers(lab.NotFound("thing", "there"))
		if err := call(); lab.CodeOf(err) != lab.CodeNotFound && id != "getStatus" && id != "getMe" {
			t.Errorf("%s: got %v", id, err)
		}
	}
}

func TestACohortIsGivenWithHowManyStudentsItHas(t *testing.T) {
	server := httptest.NewServer(newBench(t))
	defer server.Close()
	c, err := client.New(server.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	one, err := c.Cohort(t.Context(), "fall-26")
	if err != nil || one.Students != aCohort.Students || one.Withdrawn != aCohort.Withdrawn || one.Students == 0 {
		t.Errorf("got %+v, %v", one, err)
	}
}
