package api

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// ListCohorts gives a page of the cohorts.
func (s *server) ListCohorts(ctx context.Context, r ListCohortsRequestObject) (ListCohortsResponseObject, error) {
	found, err := s.config.Registrar.Cohorts(ctx, lab.CohortFilter{For: viewerOf(ctx), Search: given(r.Params.Search)},
		pageOf(r.Params.Limit, r.Params.Cursor, r.Params.Sort))
	if err != nil {
		return nil, err
	}
	return ListCohorts200JSONResponse{Items: each(found.Items, asCohort), NextCursor: nextOf(found)}, nil
}

// CreateCohort creates an empty cohort.
func (s *server) CreateCohort(ctx context.Context, r CreateCohortRequestObject) (CreateCohortResponseObject, error) {
	intent := intentOf(ctx)
	made, err := s.config.Registrar.CreateCohort(ctx, intent, registrar.CohortInput{Name: r.Body.Name, Key: given(r.Body.Key)})
	if err != nil {
		return nil, err
	}
	return createdCohort(intent, made), nil
}

func createdCohort(intent lab.Intent, made lab.Cohort) CreateCohort201JSONResponse {
	return CreateCohort201JSONResponse{
		Body:    asCohort(made),
		Headers: CreateCohort201ResponseHeaders{Location: "/v1/cohorts/" + made.Key, ETag: etagAfter(intent, made.Revision)},
	}
}

// GetCohort gives one cohort.
func (s *server) GetCohort(ctx context.Context, r GetCohortRequestObject) (GetCohortResponseObject, error) {
	found, err := s.config.Registrar.Cohort(ctx, r.Cohort)
	if err != nil {
		return nil, err
	}
	return GetCohort200JSONResponse{Body: asCohort(found), Headers: GetCohort200ResponseHeaders{ETag: etag(found.Revision)}}, nil
}

// DeleteCohort deletes a cohort that takes no class.
func (s *server) DeleteCohort(ctx context.Context, r DeleteCohortRequestObject) (DeleteCohortResponseObject, error) {
	if err := s.config.Registrar.DeleteCohort(ctx, intentOf(ctx), r.Cohort); err != nil {
		return nil, err
	}
	return DeleteCohort204Response{}, nil
}

// ListStudents gives a page of the students of a cohort.
func (s *server) ListStudents(ctx context.Context, r ListStudentsRequestObject) (ListStudentsResponseObject, error) {
	found, err := s.config.Registrar.Students(ctx, r.Cohort,
		lab.StudentFilter{Search: given(r.Params.Search), Withdrawn: r.Params.Withdrawn},
		pageOf(r.Params.Limit, r.Params.Cursor, r.Params.Sort))
	if err != nil {
		return nil, err
	}
	return ListStudents200JSONResponse{Items: each(found.Items, asStudent), NextCursor: nextOf(found)}, nil
}

// EnrollStudent adds a student to a cohort.
func (s *server) EnrollStudent(ctx context.Context, r EnrollStudentRequestObject) (EnrollStudentResponseObject, error) {
	intent := intentOf(ctx)
	made, err := s.config.Registrar.EnrollStudent(ctx, intent, r.Cohort, asStudentInput(*r.Body))
	if err != nil {
		return nil, err
	}
	return enrolledStudent(intent, made), nil
}

func enrolledStudent(intent lab.Intent, made lab.Student) EnrollStudent201JSONResponse {
	return EnrollStudent201JSONResponse{
		Body:    asStudent(made),
		Headers: EnrollStudent201ResponseHeaders{Location: "/v1/students/" + made.ID, ETag: etagAfter(intent, made.Revision)},
	}
}

// GetStudent gives one student.
func (s *server) GetStudent(ctx context.Context, r GetStudentRequestObject) (GetStudentResponseObject, error) {
	found, err := s.config.Registrar.Student(ctx, r.Student)
	if err != nil {
		return nil, err
	}
	return GetStudent200JSONResponse{Body: asStudent(found), Headers: GetStudent200ResponseHeaders{ETag: etag(found.Revision)}}, nil
}

// WithdrawStudent takes a student off the roster.
func (s *server) WithdrawStudent(ctx context.Context, r WithdrawStudentRequestObject) (WithdrawStudentResponseObject, error) {
	intent := intentOf(ctx)
	gone, err := s.config.Registrar.WithdrawStudent(ctx, intent, r.Student)
	if err != nil {
		return nil, err
	}
	return WithdrawStudent200JSONResponse{
		Body: asStudent(gone), Headers: WithdrawStudent200ResponseHeaders{ETag: etagAfter(intent, gone.Revision)},
	}, nil
}
