package client

import "context"

// ExportStudent gives all that is kept of the person who a student is.
func (c *Client) ExportStudent(ctx context.Context, id string) (PersonalExport, error) {
	r, err := c.raw.ExportStudentWithResponse(ctx, id)
	return read(r, err, (*ExportStudentResponse).GetJSON200)
}

// EraseStudent takes the person who a student is out of Bothy; email confirms who is meant.
func (c *Client) EraseStudent(ctx context.Context, id, email string) (Erasure, error) {
	r, err := c.raw.EraseStudentWithResponse(ctx, id, nil, ErasureInput{Email: email})
	return read(r, err, (*EraseStudentResponse).GetJSON200)
}

// ExportUser gives all that is kept of the person who a user is, by id or login, also
// when they are no student any more.
func (c *Client) ExportUser(ctx context.Context, ref string) (PersonalExport, error) {
	r, err := c.raw.ExportUserWithResponse(ctx, ref)
	return read(r, err, (*ExportUserResponse).GetJSON200)
}

// EraseUser takes the person who a user is out of Bothy; login confirms who is meant.
func (c *Client) EraseUser(ctx context.Context, ref, login string) (UserErasure, error) {
	r, err := c.raw.EraseUserWithResponse(ctx, ref, nil, UserErasureInput{Login: login})
	return read(r, err, (*EraseUserResponse).GetJSON200)
}
