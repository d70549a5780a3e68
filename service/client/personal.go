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
