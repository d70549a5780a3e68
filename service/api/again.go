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
	begun := func(visit func(OperationStartedJSONResponse) write) func(context.Context, string) (write, error) {
		return remade(s.operated, func(act registrar.Started) write { return visit(started(lab.Intent{}, act)) })
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
	case "createUser":
		return remade(s.config.Registrar.User, func(u lab.User) write {
			return createdUser(lab.Intent{}, u).VisitCreateUserResponse
		})
	case "launchClass":
		return begun(func(o OperationStartedJSONResponse) write {
			return LaunchClass202JSONResponse{o}.VisitLaunchClassResponse
		})
	case "startClass":
		return begun(func(o OperationStartedJSONResponse) write {
			return StartClass202JSONResponse{o}.VisitStartClassResponse
		})
	case "stopClass":
		return begun(func(o OperationStartedJSONResponse) write { return StopClass202JSONResponse{o}.VisitStopClassResponse })
	case "restartClass":
		return begun(func(o OperationStartedJSONResponse) write {
			return RestartClass202JSONResponse{o}.VisitRestartClassResponse
		})
	case "resetClass":
		return begun(func(o OperationStartedJSONResponse) write {
			return ResetClass202JSONResponse{o}.VisitResetClassResponse
		})
	case "deleteClass":
		return begun(func(o OperationStartedJSONResponse) write {
			return DeleteClass202JSONResponse{o}.VisitDeleteClassResponse
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
	case "resetWorkspace":
		return workspace(func(w WorkspaceActJSONResponse) write {
			return ResetWorkspace202JSONResponse{w}.VisitResetWorkspaceResponse
		})
	case "restartWorkspace":
		return workspace(func(w WorkspaceActJSONResponse) write {
			return RestartWorkspace202JSONResponse{w}.VisitRestartWorkspaceResponse
		})
	default:
		return nil
	}
}

// operated gives an operation with its class as it is now; no class where it is gone.
func (s *server) operated(ctx context.Context, id string) (registrar.Started, error) {
	operation, err := s.config.Registrar.Operation(ctx, id)
	if err != nil {
		return registrar.Started{}, err
	}
	class, err := s.config.Registrar.Class(ctx, operation.ClassID)
	if err != nil && lab.CodeOf(err) != lab.CodeNotFound {
		return registrar.Started{}, err
	}
	return registrar.Started{Operation: operation, Class: class}, nil
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
