package api

import (
	"context"

	"github.com/bothylabs/bothy/service/registrar"
)

// ExportStudent gives all that is kept of a person.
func (s *server) ExportStudent(ctx context.Context, r ExportStudentRequestObject) (ExportStudentResponseObject, error) {
	found, err := s.config.Registrar.ExportStudent(ctx, intentOf(ctx), r.Student)
	if err != nil {
		return nil, err
	}
	return ExportStudent200JSONResponse(asExport(found)), nil
}

// ExportUser gives all that is kept of a person who may be no student any more.
func (s *server) ExportUser(ctx context.Context, r ExportUserRequestObject) (ExportUserResponseObject, error) {
	found, err := s.config.Registrar.ExportUser(ctx, intentOf(ctx), r.User)
	if err != nil {
		return nil, err
	}
	return ExportUser200JSONResponse(asExport(found)), nil
}

func asExport(found registrar.PersonalExport) PersonalExport {
	records := make(map[string][]map[string]any, len(found.Records))
	for table, rows := range found.Records {
		records[table] = rows
	}
	return PersonalExport{
		ExportedAt: found.At, StudentIds: each(found.StudentIDs, same), UserIds: each(found.UserIDs, same), Records: records,
	}
}

// EraseStudent takes a person out of Bothy.
func (s *server) EraseStudent(ctx context.Context, r EraseStudentRequestObject) (EraseStudentResponseObject, error) {
	intent := intentOf(ctx)
	done, err := s.config.Registrar.EraseStudent(ctx, intent, r.Student, r.Body.Email)
	if err != nil {
		return nil, err
	}
	return EraseStudent200JSONResponse{
		Body: Erasure{
			StudentID: done.StudentID, ErasedAt: done.At, Erased: each(done.Erased, asErased), Kept: each(done.Kept, asKept),
		},
		Headers: EraseStudent200ResponseHeaders{ETag: etagAfter(intent, done.Revision)},
	}, nil
}

// EraseUser takes a person out of Bothy who may be no student any more.
func (s *server) EraseUser(ctx context.Context, r EraseUserRequestObject) (EraseUserResponseObject, error) {
	intent := intentOf(ctx)
	done, err := s.config.Registrar.EraseUser(ctx, intent, r.User, r.Body.Login)
	if err != nil {
		return nil, err
	}
	return EraseUser200JSONResponse{
		Body:    UserErasure{UserID: done.UserID, ErasedAt: done.At, Erased: each(done.Erased, asErased), Kept: each(done.Kept, asKept)},
		Headers: EraseUser200ResponseHeaders{ETag: etagAfter(intent, done.Revision)},
	}, nil
}

func asErased(e registrar.Erased) ErasedRows { return ErasedRows{Table: e.Table, Rows: e.Rows} }
func asKept(k registrar.Kept) KeptData       { return KeptData(k) }

func same(text string) string { return text }
