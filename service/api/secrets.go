package api

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
)

// ListCourseSecrets gives a page of the secrets of a course, without their values.
func (s *server) ListCourseSecrets(ctx context.Context, r ListCourseSecretsRequestObject) (ListCourseSecretsResponseObject, error) {
	found, err := s.config.Registrar.Secrets(ctx, lab.SecretOfCourse, r.Course, pageOf(r.Params.Limit, r.Params.Cursor, r.Params.Sort))
	if err != nil {
		return nil, err
	}
	return ListCourseSecrets200JSONResponse(asSecrets(found)), nil
}

// SetCourseSecret gives a secret of a course its value.
func (s *server) SetCourseSecret(ctx context.Context, r SetCourseSecretRequestObject) (SetCourseSecretResponseObject, error) {
	intent := intentOf(ctx)
	set, err := s.config.Registrar.SetSecret(ctx, intent, lab.SecretOfCourse, r.Course, r.Secret, r.Body.Value)
	if err != nil {
		return nil, err
	}
	return SetCourseSecret200JSONResponse{
		Body: asSecret(set), Headers: SetCourseSecret200ResponseHeaders{ETag: etagAfter(intent, set.Revision)},
	}, nil
}

// DeleteCourseSecret takes a secret of a course away.
func (s *server) DeleteCourseSecret(ctx context.Context, r DeleteCourseSecretRequestObject) (DeleteCourseSecretResponseObject, error) {
	if err := s.config.Registrar.DeleteSecret(ctx, intentOf(ctx), lab.SecretOfCourse, r.Course, r.Secret); err != nil {
		return nil, err
	}
	return DeleteCourseSecret204Response{}, nil
}

// ListClassSecrets gives a page of the secrets of a class, without their values.
func (s *server) ListClassSecrets(ctx context.Context, r ListClassSecretsRequestObject) (ListClassSecretsResponseObject, error) {
	found, err := s.config.Registrar.Secrets(ctx, lab.SecretOfClass, classRef(r.Class), pageOf(r.Params.Limit, r.Params.Cursor, r.Params.Sort))
	if err != nil {
		return nil, err
	}
	return ListClassSecrets200JSONResponse(asSecrets(found)), nil
}

// SetClassSecret gives a secret of a class its value.
func (s *server) SetClassSecret(ctx context.Context, r SetClassSecretRequestObject) (SetClassSecretResponseObject, error) {
	intent := intentOf(ctx)
	set, err := s.config.Registrar.SetSecret(ctx, intent, lab.SecretOfClass, classRef(r.Class), r.Secret, r.Body.Value)
	if err != nil {
		return nil, err
	}
	return SetClassSecret200JSONResponse{
		Body: asSecret(set), Headers: SetClassSecret200ResponseHeaders{ETag: etagAfter(intent, set.Revision)},
	}, nil
}

// DeleteClassSecret takes a secret of a class away.
func (s *server) DeleteClassSecret(ctx context.Context, r DeleteClassSecretRequestObject) (DeleteClassSecretResponseObject, error) {
	if err := s.config.Registrar.DeleteSecret(ctx, intentOf(ctx), lab.SecretOfClass, classRef(r.Class), r.Secret); err != nil {
		return nil, err
	}
	return DeleteClassSecret204Response{}, nil
}

// ListStudentSecrets gives a page of the secrets of a student, without their values.
func (s *server) ListStudentSecrets(ctx context.Context, r ListStudentSecretsRequestObject) (ListStudentSecretsResponseObject, error) {
	found, err := s.config.Registrar.Secrets(ctx, lab.SecretOfStudent, r.Student, pageOf(r.Params.Limit, r.Params.Cursor, r.Params.Sort))
	if err != nil {
		return nil, err
	}
	return ListStudentSecrets200JSONResponse(asSecrets(found)), nil
}

// SetStudentSecret gives a secret of a student its value.
func (s *server) SetStudentSecret(ctx context.Context, r SetStudentSecretRequestObject) (SetStudentSecretResponseObject, error) {
	intent := intentOf(ctx)
	set, err := s.config.Registrar.SetSecret(ctx, intent, lab.SecretOfStudent, r.Student, r.Secret, r.Body.Value)
	if err != nil {
		return nil, err
	}
	return SetStudentSecret200JSONResponse{
		Body: asSecret(set), Headers: SetStudentSecret200ResponseHeaders{ETag: etagAfter(intent, set.Revision)},
	}, nil
}

// DeleteStudentSecret takes a secret of a student away.
func (s *server) DeleteStudentSecret(ctx context.Context, r DeleteStudentSecretRequestObject) (DeleteStudentSecretResponseObject, error) {
	if err := s.config.Registrar.DeleteSecret(ctx, intentOf(ctx), lab.SecretOfStudent, r.Student, r.Secret); err != nil {
		return nil, err
	}
	return DeleteStudentSecret204Response{}, nil
}

func asSecrets(list lab.List[lab.Secret]) SecretList {
	return SecretList{Items: each(list.Items, asSecret), NextCursor: nextOf(list)}
}

func asSecret(s lab.Secret) Secret { return Secret{Name: s.Name, SetAt: s.SetAt, SetBy: s.SetBy} }
