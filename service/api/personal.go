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
	records := make(map[string][]map[string]any, len(found.Records))
	for table, rows := range found.Records {
		records[table] = rows
	}
	return ExportStudent200JSONResponse{
		ExportedAt: found.At, StudentIds: each(found.StudentIDs, same), UserIds: each(found.UserIDs, same), Records: records,
	}, nil
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
			StudentID: done.StudentID, ErasedAt: done.At,
			Erased: each(done.Erased, func(e registrar.Erased) ErasedRows { return ErasedRows{Table: e.Table, Rows: e.Rows} }),
			Kept:   each(done.Kept, func(k registrar.Kept) KeptData { return KeptData(k) }),
		},
		Headers: EraseStudent200ResponseHeaders{ETag: etagAfter(intent, done.Revision)},
	}, nil
}

func same(text string) string { return text }
