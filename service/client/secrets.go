package client

import (
	"context"
	"iter"
)

// SecretOwner is who has secrets: a course or a class, each by a ref, or a student
// by the id. One of them is set.
type SecretOwner struct{ Course, Class, Student string }

// AllSecrets reads the secrets of an owner, page by page as they are taken. Their
// values are in Vault and come to nobody. After an error nothing comes any more.
func (c *Client) AllSecrets(ctx context.Context, owner SecretOwner, options ListOptions) iter.Seq2[Secret, error] {
	return pages(options.Limit, func(limit *Limit, cursor *Cursor) ([]Secret, *string, error) {
		var list SecretList
		var err error
		switch {
		case owner.Course != "":
			params := ListCourseSecretsParams{Limit: limit, Cursor: cursor, Sort: orNil(ListCourseSecretsParamsSort(options.Sort))}
			r, failed := c.raw.ListCourseSecretsWithResponse(ctx, owner.Course, &params)
			list, err = read(r, failed, (*ListCourseSecretsResponse).GetJSON200)
		case owner.Class != "":
			params := ListClassSecretsParams{Limit: limit, Cursor: cursor, Sort: orNil(ListClassSecretsParamsSort(options.Sort))}
			r, failed := c.raw.ListClassSecretsWithResponse(ctx, pathClass(owner.Class), &params)
			list, err = read(r, failed, (*ListClassSecretsResponse).GetJSON200)
		default:
			params := ListStudentSecretsParams{Limit: limit, Cursor: cursor, Sort: orNil(ListStudentSecretsParamsSort(options.Sort))}
			r, failed := c.raw.ListStudentSecretsWithResponse(ctx, owner.Student, &params)
			list, err = read(r, failed, (*ListStudentSecretsResponse).GetJSON200)
		}
		return list.Items, list.NextCursor, err
	})
}

// SetSecret gives an owner's secret its value.
func (c *Client) SetSecret(ctx context.Context, owner SecretOwner, name, value string) (Secret, error) {
	in := SecretInput{Value: value}
	switch {
	case owner.Course != "":
		r, err := c.raw.SetCourseSecretWithResponse(ctx, owner.Course, name, nil, in)
		return read(r, err, (*SetCourseSecretResponse).GetJSON200)
	case owner.Class != "":
		r, err := c.raw.SetClassSecretWithResponse(ctx, pathClass(owner.Class), name, nil, in)
		return read(r, err, (*SetClassSecretResponse).GetJSON200)
	default:
		r, err := c.raw.SetStudentSecretWithResponse(ctx, owner.Student, name, nil, in)
		return read(r, err, (*SetStudentSecretResponse).GetJSON200)
	}
}

// DeleteSecret takes an owner's secret away.
func (c *Client) DeleteSecret(ctx context.Context, owner SecretOwner, name string) (err error) {
	switch {
	case owner.Course != "":
		_, err = c.raw.DeleteCourseSecretWithResponse(ctx, owner.Course, name, nil)
	case owner.Class != "":
		_, err = c.raw.DeleteClassSecretWithResponse(ctx, pathClass(owner.Class), name, nil)
	default:
		_, err = c.raw.DeleteStudentSecretWithResponse(ctx, owner.Student, name, nil)
	}
	return err
}
