package api

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// GetMe tells whose credential the request has.
func (s *server) GetMe(ctx context.Context, _ GetMeRequestObject) (GetMeResponseObject, error) {
	caller := callerOf(ctx)
	me := GetMe200JSONResponse{Name: caller.Name, Role: Role(caller.Role)}
	if caller.Token != "" {
		me.Token = (*string)(&caller.Token)
	}
	if caller.UserID == "" {
		return me, nil
	}
	user, err := s.config.Registrar.User(ctx, caller.UserID)
	if err != nil {
		return nil, err
	}
	shown := asUser(user)
	me.User = &shown
	return me, nil
}

// ListUsers gives a page of the users.
func (s *server) ListUsers(ctx context.Context, r ListUsersRequestObject) (ListUsersResponseObject, error) {
	found, err := s.config.Registrar.Users(ctx,
		lab.UserFilter{Search: given(r.Params.Search), Role: lab.Role(given(r.Params.Role)), Disabled: r.Params.Disabled},
		pageOf(r.Params.Limit, r.Params.Cursor, r.Params.Sort))
	if err != nil {
		return nil, err
	}
	return ListUsers200JSONResponse{Items: each(found.Items, asUser), NextCursor: nextOf(found)}, nil
}

// CreateUser makes somebody who may sign in.
func (s *server) CreateUser(ctx context.Context, r CreateUserRequestObject) (CreateUserResponseObject, error) {
	intent := intentOf(ctx)
	made, err := s.config.Registrar.CreateUser(ctx, intent, registrar.UserInput{
		Login: r.Body.Login, Name: r.Body.Name, Email: given(r.Body.Email), Role: lab.Role(r.Body.Role),
	})
	if err != nil {
		return nil, err
	}
	return createdUser(intent, made), nil
}

func createdUser(intent lab.Intent, made lab.User) CreateUser201JSONResponse {
	return CreateUser201JSONResponse{
		Body:    asUser(made),
		Headers: CreateUser201ResponseHeaders{Location: "/v1/users/" + made.ID, ETag: etagAfter(intent, made.Revision)},
	}
}

// GetUser gives one user.
func (s *server) GetUser(ctx context.Context, r GetUserRequestObject) (GetUserResponseObject, error) {
	found, err := s.config.Registrar.User(ctx, r.User)
	if err != nil {
		return nil, err
	}
	return GetUser200JSONResponse{Body: asUser(found), Headers: GetUser200ResponseHeaders{ETag: etag(found.Revision)}}, nil
}

// UpdateUser changes a user.
func (s *server) UpdateUser(ctx context.Context, r UpdateUserRequestObject) (UpdateUserResponseObject, error) {
	intent := intentOf(ctx)
	changed, err := s.config.Registrar.UpdateUser(ctx, intent, r.User, registrar.UserPatch{
		Name: r.Body.Name, Email: r.Body.Email, Role: (*lab.Role)(r.Body.Role), Disabled: r.Body.Disabled, Linked: r.Body.Linked,
	})
	if err != nil {
		return nil, err
	}
	return UpdateUser200JSONResponse{Body: asUser(changed), Headers: UpdateUser200ResponseHeaders{ETag: etagAfter(intent, changed.Revision)}}, nil
}

// DisableUser ends a user's access.
func (s *server) DisableUser(ctx context.Context, r DisableUserRequestObject) (DisableUserResponseObject, error) {
	intent, disabled := intentOf(ctx), true
	changed, err := s.config.Registrar.UpdateUser(ctx, intent, r.User, registrar.UserPatch{Disabled: &disabled})
	if err != nil {
		return nil, err
	}
	return DisableUser200JSONResponse{Body: asUser(changed), Headers: DisableUser200ResponseHeaders{ETag: etagAfter(intent, changed.Revision)}}, nil
}

// InviteUser mails a user a new temporary password.
func (s *server) InviteUser(ctx context.Context, r InviteUserRequestObject) (InviteUserResponseObject, error) {
	intent := intentOf(ctx)
	done, err := s.config.Registrar.InviteUser(ctx, intent, r.User)
	if err != nil {
		return nil, err
	}
	return InviteUser200JSONResponse{Body: asInvited(done), Headers: InviteUser200ResponseHeaders{ETag: etagAfter(intent, done.Revision)}}, nil
}

// InviteCohort mails those of a cohort who have chosen no password, or one of them, a
// new temporary one.
func (s *server) InviteCohort(ctx context.Context, r InviteCohortRequestObject) (InviteCohortResponseObject, error) {
	intent := intentOf(ctx)
	done, err := s.config.Registrar.InviteCohort(ctx, intent, r.Cohort, given(r.Params.Student))
	if err != nil {
		return nil, err
	}
	return InviteCohort200JSONResponse{Body: asInvited(done), Headers: InviteCohort200ResponseHeaders{ETag: etagAfter(intent, done.Revision)}}, nil
}

func asInvited(done lab.Invited) Invited {
	return Invited{Invited: done.Invited, PassedOver: done.PassedOver}
}

// GetCohortInstructors gives who has a cohort.
func (s *server) GetCohortInstructors(ctx context.Context, r GetCohortInstructorsRequestObject) (GetCohortInstructorsResponseObject, error) {
	found, err := s.config.Registrar.Appointed(ctx, lab.TrustCohort, r.Cohort)
	if err != nil {
		return nil, err
	}
	return GetCohortInstructors200JSONResponse{
		Body: asAppointed(found), Headers: GetCohortInstructors200ResponseHeaders{ETag: etag(found.Revision)},
	}, nil
}

// SetCohortInstructors gives a cohort to instructors.
func (s *server) SetCohortInstructors(ctx context.Context, r SetCohortInstructorsRequestObject) (SetCohortInstructorsResponseObject, error) {
	intent := intentOf(ctx)
	now, err := s.config.Registrar.Appoint(ctx, intent, lab.TrustCohort, r.Cohort, r.Body.Users)
	if err != nil {
		return nil, err
	}
	return SetCohortInstructors200JSONResponse{
		Body: asAppointed(now), Headers: SetCohortInstructors200ResponseHeaders{ETag: etagAfter(intent, now.Revision)},
	}, nil
}

// GetCourseInstructors gives who has a course.
func (s *server) GetCourseInstructors(ctx context.Context, r GetCourseInstructorsRequestObject) (GetCourseInstructorsResponseObject, error) {
	found, err := s.config.Registrar.Appointed(ctx, lab.TrustCourse, r.Course)
	if err != nil {
		return nil, err
	}
	return GetCourseInstructors200JSONResponse{
		Body: asAppointed(found), Headers: GetCourseInstructors200ResponseHeaders{ETag: etag(found.Revision)},
	}, nil
}

// SetCourseInstructors gives a course to instructors.
func (s *server) SetCourseInstructors(ctx context.Context, r SetCourseInstructorsRequestObject) (SetCourseInstructorsResponseObject, error) {
	intent := intentOf(ctx)
	now, err := s.config.Registrar.Appoint(ctx, intent, lab.TrustCourse, r.Course, r.Body.Users)
	if err != nil {
		return nil, err
	}
	return SetCourseInstructors200JSONResponse{
		Body: asAppointed(now), Headers: SetCourseInstructors200ResponseHeaders{ETag: etagAfter(intent, now.Revision)},
	}, nil
}

// GetClassAssistants gives who has a class.
func (s *server) GetClassAssistants(ctx context.Context, r GetClassAssistantsRequestObject) (GetClassAssistantsResponseObject, error) {
	found, err := s.config.Registrar.Appointed(ctx, lab.TrustClass, classRef(r.Class))
	if err != nil {
		return nil, err
	}
	return GetClassAssistants200JSONResponse{
		Body: asAppointed(found), Headers: GetClassAssistants200ResponseHeaders{ETag: etag(found.Revision)},
	}, nil
}

// SetClassAssistants gives a class to assistants.
func (s *server) SetClassAssistants(ctx context.Context, r SetClassAssistantsRequestObject) (SetClassAssistantsResponseObject, error) {
	intent := intentOf(ctx)
	now, err := s.config.Registrar.Appoint(ctx, intent, lab.TrustClass, classRef(r.Class), r.Body.Users)
	if err != nil {
		return nil, err
	}
	return SetClassAssistants200JSONResponse{
		Body: asAppointed(now), Headers: SetClassAssistants200ResponseHeaders{ETag: etagAfter(intent, now.Revision)},
	}, nil
}

func asUser(u lab.User) User {
	return User{
		ID: u.ID, Login: u.Login, Name: u.Name, Email: u.Email, Role: Role(u.Role), Password: UserPassword(u.Password), PasswordUntil: u.PasswordUntil,
		Linked:     u.Subject != "",
		DisabledAt: u.DisabledAt, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}
}

func asAppointed(a lab.Appointment) Appointed {
	return Appointed{Users: each(a.Users, func(u lab.User) Appointee { return Appointee{ID: u.ID, Login: u.Login, Name: u.Name} })}
}
