package api

import (
	"context"
	"net/http"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// write writes an answer.
type write = func(http.ResponseWriter) error

// again says how an operation's answer is made from what it changed, as that is
// now; nil for one whose answer tells of more than one thing.
func (s *server) again(operation string) func(ctx context.Context, target string) (write, error) {
	workspace := func(visit func(WorkspaceActJSONResponse) write) func(context.Context, string) (write, error) {
		return remade(s.config.Registrar.Workspace, func(w registrar.WorkspaceView) write {
			return visit(workspaceAct(lab.Intent{}, w))
		})
	}
	switch operation {
	case "createCohort":
		return remade(s.config.Registrar.Cohort, func(c lab.Cohort) write {
			return createdCohort(lab.Intent{}, c).VisitCreateCohortResponse
		})
	case "enrollStudent":
		return remade(s.config.Registrar.Student, func(one lab.Student) write {
			return enrolledStudent(lab.Intent{}, one).VisitEnrollStudentResponse
		})
	case "createCourse":
		return remade(s.config.Registrar.Course, func(c lab.Course) write {
			return createdCourse(lab.Intent{}, c).VisitCreateCourseResponse
		})
	case "createClass":
		return remade(s.config.Registrar.Class, func(c lab.Class) write {
			return createdClass(lab.Intent{}, c).VisitCreateClassResponse
		})
	case "deleteClass":
		return remade(s.config.Registrar.Class, func(c lab.Class) write {
			return goingClass(lab.Intent{}, c).VisitDeleteClassResponse
		})
	case "deleteWorkspace":
		return workspace(func(w WorkspaceActJSONResponse) write {
			return DeleteWorkspace202JSONResponse{w}.VisitDeleteWorkspaceResponse
		})
	case "startWorkspace":
		return workspace(func(w WorkspaceActJSONResponse) write {
			return StartWorkspace202JSONResponse{w}.VisitStartWorkspaceResponse
		})
	case "stopWorkspace":
		return workspace(func(w WorkspaceActJSONResponse) write {
			return StopWorkspace202JSONResponse{w}.VisitStopWorkspaceResponse
		})
	case "restartWorkspace":
		return workspace(func(w WorkspaceActJSONResponse) write {
			return RestartWorkspace202JSONResponse{w}.VisitRestartWorkspaceResponse
		})
	default:
		return nil
	}
}

func remade[T any](read func(context.Context, string) (T, error), answer func(T) write) func(context.Context, string) (write, error) {
	return func(ctx context.Context, target string) (write, error) {
		found, err := read(ctx, target)
		if err != nil {
			return nil, err
		}
		return answer(found), nil
	}
}
