package api

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// ListCourses gives a page of the courses.
func (s *server) ListCourses(ctx context.Context, r ListCoursesRequestObject) (ListCoursesResponseObject, error) {
	found, err := s.config.Registrar.Courses(ctx,
		lab.CourseFilter{For: viewerOf(ctx), Search: given(r.Params.Search), Template: given(r.Params.Template)},
		pageOf(r.Params.Limit, r.Params.Cursor, r.Params.Sort))
	if err != nil {
		return nil, err
	}
	return ListCourses200JSONResponse{Items: each(found.Items, asCourse), NextCursor: nextOf(found)}, nil
}

// CreateCourse creates a course from a template.
func (s *server) CreateCourse(ctx context.Context, r CreateCourseRequestObject) (CreateCourseResponseObject, error) {
	intent := intentOf(ctx)
	made, err := s.config.Registrar.CreateCourse(ctx, intent, registrar.CourseInput{
		Name: r.Body.Name, Key: given(r.Body.Key), Template: r.Body.Template,
		TemplateVersion: given(r.Body.TemplateVersion), Parameters: given(r.Body.Parameters),
	})
	if err != nil {
		return nil, err
	}
	return createdCourse(intent, made), nil
}

func createdCourse(intent lab.Intent, made lab.Course) CreateCourse201JSONResponse {
	return CreateCourse201JSONResponse{
		Body:    asCourse(made),
		Headers: CreateCourse201ResponseHeaders{Location: "/v1/courses/" + made.Key, ETag: etagAfter(intent, made.Revision)},
	}
}

// GetCourse gives one course.
func (s *server) GetCourse(ctx context.Context, r GetCourseRequestObject) (GetCourseResponseObject, error) {
	found, err := s.config.Registrar.Course(ctx, r.Course)
	if err != nil {
		return nil, err
	}
	return GetCourse200JSONResponse{Body: asCourse(found), Headers: GetCourse200ResponseHeaders{ETag: etag(found.Revision)}}, nil
}

// UpdateCourse changes the members of a course that are given.
func (s *server) UpdateCourse(ctx context.Context, r UpdateCourseRequestObject) (UpdateCourseResponseObject, error) {
	intent := intentOf(ctx)
	changed, err := s.config.Registrar.UpdateCourse(ctx, intent, r.Course, asCoursePatch(*r.Body))
	if err != nil {
		return nil, err
	}
	return UpdateCourse200JSONResponse{
		Body: asCourse(changed), Headers: UpdateCourse200ResponseHeaders{ETag: etagAfter(intent, changed.Revision)},
	}, nil
}

// DeleteCourse deletes a course that no class takes.
func (s *server) DeleteCourse(ctx context.Context, r DeleteCourseRequestObject) (DeleteCourseResponseObject, error) {
	if err := s.config.Registrar.DeleteCourse(ctx, intentOf(ctx), r.Course); err != nil {
		return nil, err
	}
	return DeleteCourse204Response{}, nil
}
