package client

import (
	"context"
	"iter"
)

// Me tells whose credential the client has.
func (c *Client) Me(ctx context.Context) (Me, error) {
	r, err := c.raw.GetMeWithResponse(ctx)
	return read(r, err, (*GetMeResponse).GetJSON200)
}

// UserFilter chooses users.
type UserFilter struct {
	ListOptions
	// Role is "" for any.
	Role Role
	// Disabled wants those alone who are, or are not; nil wants all.
	Disabled *bool
}

// AllUsers reads the users, page by page as they are taken. After an error nothing
// comes any more.
func (c *Client) AllUsers(ctx context.Context, filter UserFilter) iter.Seq2[User, error] {
	params := ListUsersParams{
		Search: orNil(filter.Search), Sort: orNil(ListUsersParamsSort(filter.Sort)), Role: orNil(filter.Role), Disabled: filter.Disabled,
	}
	return pages(filter.Limit, func(limit *Limit, cursor *Cursor) ([]User, *string, error) {
		params.Limit, params.Cursor = limit, cursor
		r, err := c.raw.ListUsersWithResponse(ctx, &params)
		list, err := read(r, err, (*ListUsersResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	})
}

// Users lists the users.
func (c *Client) Users(ctx context.Context, filter UserFilter) ([]User, error) {
	return Collect(c.AllUsers(ctx, filter))
}

// CreateUser makes somebody who may sign in.
func (c *Client) CreateUser(ctx context.Context, in UserInput) (User, error) {
	r, err := c.raw.CreateUserWithResponse(ctx, nil, in, c.repeatable)
	return read(r, err, (*CreateUserResponse).GetJSON201)
}

// User gives one user, by id or login.
func (c *Client) User(ctx context.Context, ref string) (User, error) {
	r, err := c.raw.GetUserWithResponse(ctx, ref)
	return read(r, err, (*GetUserResponse).GetJSON200)
}

// UpdateUser changes the members of a user that the patch has.
func (c *Client) UpdateUser(ctx context.Context, ref string, patch UserPatch) (User, error) {
	r, err := c.raw.UpdateUserWithResponse(ctx, ref, nil, patch)
	return read(r, err, (*UpdateUserResponse).GetJSON200)
}

// DisableUser ends a user's access.
func (c *Client) DisableUser(ctx context.Context, ref string) (User, error) {
	r, err := c.raw.DisableUserWithResponse(ctx, ref, nil)
	return read(r, err, (*DisableUserResponse).GetJSON200)
}

// InviteUser mails a user a new temporary password.
func (c *Client) InviteUser(ctx context.Context, ref string) (Invited, error) {
	r, err := c.raw.InviteUserWithResponse(ctx, ref, nil)
	return read(r, err, (*InviteUserResponse).GetJSON200)
}

// InviteCohort mails those of a cohort who have chosen no password a new temporary
// one; one student alone, by id, unless that is "".
func (c *Client) InviteCohort(ctx context.Context, cohort, student string) (Invited, error) {
	r, err := c.raw.InviteCohortWithResponse(ctx, cohort, &InviteCohortParams{Student: orNil(student)})
	return read(r, err, (*InviteCohortResponse).GetJSON200)
}

// CohortInstructors gives who has a cohort.
func (c *Client) CohortInstructors(ctx context.Context, cohort string) (Appointees, error) {
	r, err := c.raw.GetCohortInstructorsWithResponse(ctx, cohort)
	list, err := read(r, err, (*GetCohortInstructorsResponse).GetJSON200)
	if err != nil {
		return Appointees{}, err
	}
	return Appointees{list.Users, etagOf(r.HTTPResponse)}, nil
}

// Appointees are who has a cohort, a course or a class, with its ETag for Conditions.IfMatch.
type Appointees struct {
	Users []Appointee
	ETag  string
}

// SetCohortInstructors gives a cohort to exactly these instructors, by ids or logins.
func (c *Client) SetCohortInstructors(ctx context.Context, cohort string, users []string) ([]Appointee, error) {
	r, err := c.raw.SetCohortInstructorsWithResponse(ctx, cohort, nil, appointment(users))
	list, err := read(r, err, (*SetCohortInstructorsResponse).GetJSON200)
	return list.Users, err
}

// CourseInstructors gives who has a course.
func (c *Client) CourseInstructors(ctx context.Context, course string) (Appointees, error) {
	r, err := c.raw.GetCourseInstructorsWithResponse(ctx, course)
	list, err := read(r, err, (*GetCourseInstructorsResponse).GetJSON200)
	if err != nil {
		return Appointees{}, err
	}
	return Appointees{list.Users, etagOf(r.HTTPResponse)}, nil
}

// SetCourseInstructors gives a course to exactly these instructors, by ids or logins.
func (c *Client) SetCourseInstructors(ctx context.Context, course string, users []string) ([]Appointee, error) {
	r, err := c.raw.SetCourseInstructorsWithResponse(ctx, course, nil, appointment(users))
	list, err := read(r, err, (*SetCourseInstructorsResponse).GetJSON200)
	return list.Users, err
}

// ClassAssistants gives who has a class.
func (c *Client) ClassAssistants(ctx context.Context, class string) (Appointees, error) {
	r, err := c.raw.GetClassAssistantsWithResponse(ctx, pathClass(class))
	list, err := read(r, err, (*GetClassAssistantsResponse).GetJSON200)
	if err != nil {
		return Appointees{}, err
	}
	return Appointees{list.Users, etagOf(r.HTTPResponse)}, nil
}

// SetClassAssistants gives a class to exactly these assistants, by ids or logins.
func (c *Client) SetClassAssistants(ctx context.Context, class string, users []string) ([]Appointee, error) {
	r, err := c.raw.SetClassAssistantsWithResponse(ctx, pathClass(class), nil, appointment(users))
	list, err := read(r, err, (*SetClassAssistantsResponse).GetJSON200)
	return list.Users, err
}

// appointment is the input that names users; nobody is an empty list.
func appointment(users []string) AppointmentInput {
	if users == nil {
		users = []string{}
	}
	return AppointmentInput{Users: users}
}
