package api

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// ListClasses gives a page of the classes.
func (s *server) ListClasses(ctx context.Context, r ListClassesRequestObject) (ListClassesResponseObject, error) {
	found, err := s.config.Registrar.Classes(ctx, registrar.ClassFilter{
		For:      viewerOf(ctx),
		Search:   given(r.Params.Search),
		Cohort:   given(r.Params.Cohort),
		Course:   given(r.Params.Course),
		Deleting: r.Params.Deleting,
	}, pageOf(r.Params.Limit, r.Params.Cursor, r.Params.Sort))
	if err != nil {
		return nil, err
	}
	return ListClasses200JSONResponse{Items: each(found.Items, asClass), NextCursor: nextOf(found)}, nil
}

// CreateClass lets a cohort take a course.
func (s *server) CreateClass(ctx context.Context, r CreateClassRequestObject) (CreateClassResponseObject, error) {
	intent := intentOf(ctx)
	made, err := s.config.Registrar.CreateClass(ctx, intent, registrar.ClassInput{
		Cohort:     r.Body.Cohort,
		Course:     r.Body.Course,
		Template:   given(r.Body.Template),
		Parameters: given(r.Body.Parameters),
		Students:   each(given(r.Body.Students), asStudentInput),
		Admits:     admits(ctx),
	})
	if err != nil {
		return nil, err
	}
	return createdClass(intent, made), nil
}

func createdClass(intent lab.Intent, made lab.Class) CreateClass201JSONResponse {
	return CreateClass201JSONResponse{
		Body: asClass(made),
		Headers: CreateClass201ResponseHeaders{
			Location: "/v1/classes/" + made.CohortKey + "~" + made.CourseKey, ETag: etagAfter(intent, made.Revision),
		},
	}
}

// GetClass gives one class.
func (s *server) GetClass(ctx context.Context, r GetClassRequestObject) (GetClassResponseObject, error) {
	found, err := s.config.Registrar.Class(ctx, classRef(r.Class))
	if err != nil {
		return nil, err
	}
	return GetClass200JSONResponse{Body: asClass(found), Headers: GetClass200ResponseHeaders{ETag: etag(found.Revision)}}, nil
}

// UpdateClass sets what a class has in the place of its course's parameters.
func (s *server) UpdateClass(ctx context.Context, r UpdateClassRequestObject) (UpdateClassResponseObject, error) {
	intent := intentOf(ctx)
	changed, err := s.config.Registrar.UpdateClass(ctx, intent, classRef(r.Class), given(r.Body.Parameters))
	if err != nil {
		return nil, err
	}
	return UpdateClass200JSONResponse{
		Body: asClass(changed), Headers: UpdateClass200ResponseHeaders{ETag: etagAfter(intent, changed.Revision)},
	}, nil
}

// DeleteClass deletes a class and its workspaces.
func (s *server) DeleteClass(ctx context.Context, r DeleteClassRequestObject) (DeleteClassResponseObject, error) {
	intent := intentOf(ctx)
	going, err := s.config.Registrar.DeleteClass(ctx, intent, classRef(r.Class), given(r.Params.ReleaseHomes))
	if err != nil {
		return nil, err
	}
	return DeleteClass202JSONResponse{started(intent, going)}, nil
}

// LaunchClass gives every student a running workspace.
func (s *server) LaunchClass(ctx context.Context, r LaunchClassRequestObject) (LaunchClassResponseObject, error) {
	done, err := s.actOnClass(ctx, r.Class, registrar.ActLaunch)
	if err != nil {
		return nil, err
	}
	return LaunchClass202JSONResponse{done}, nil
}

// StartClass wants the workspaces of a class running.
func (s *server) StartClass(ctx context.Context, r StartClassRequestObject) (StartClassResponseObject, error) {
	done, err := s.actOnClass(ctx, r.Class, registrar.ActStart)
	if err != nil {
		return nil, err
	}
	return StartClass202JSONResponse{done}, nil
}

// StopClass wants the workspaces of a class stopped.
func (s *server) StopClass(ctx context.Context, r StopClassRequestObject) (StopClassResponseObject, error) {
	done, err := s.actOnClass(ctx, r.Class, registrar.ActStop)
	if err != nil {
		return nil, err
	}
	return StopClass202JSONResponse{done}, nil
}

// RestartClass restarts the workspaces of a class.
func (s *server) RestartClass(ctx context.Context, r RestartClassRequestObject) (RestartClassResponseObject, error) {
	done, err := s.actOnClass(ctx, r.Class, registrar.ActRestart)
	if err != nil {
		return nil, err
	}
	return RestartClass202JSONResponse{done}, nil
}

// ResetClass gives the workspaces of a class new homes.
func (s *server) ResetClass(ctx context.Context, r ResetClassRequestObject) (ResetClassResponseObject, error) {
	done, err := s.actOnClass(ctx, r.Class, registrar.ActReset)
	if err != nil {
		return nil, err
	}
	return ResetClass202JSONResponse{done}, nil
}

func (s *server) actOnClass(ctx context.Context, ref string, act registrar.Act) (OperationStartedJSONResponse, error) {
	intent := intentOf(ctx)
	begun, err := s.config.Registrar.ActOnClass(ctx, intent, classRef(ref), act)
	if err != nil {
		return OperationStartedJSONResponse{}, err
	}
	return started(intent, begun), nil
}
