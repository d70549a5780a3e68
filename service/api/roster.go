package api

import (
	"context"
	"fmt"
	"io"
	"mime"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/roster"
)

// rosterName names an imported roster in errors: "roster:4:2".
const rosterName = "roster"

// declaredKey is the context key of the Content-Type that a roster was sent with.
type declaredKey struct{}

// ImportRoster enrolls everybody on a roster.
func (s *server) ImportRoster(ctx context.Context, r ImportRosterRequestObject) (ImportRosterResponseObject, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the roster: %w", err)
	}
	declared, _ := ctx.Value(declaredKey{}).(string) // anyRoster put it there
	format, err := rosterFormat(declared, r.Params)
	if err != nil {
		return nil, err
	}
	file, err := roster.Read(data, rosterName, format)
	if err != nil {
		return nil, fmt.Errorf("read the roster: %w", err)
	}
	intent := intentOf(ctx)
	report, err := s.config.Registrar.ImportRoster(ctx, intent, r.Cohort, registrar.RosterInput{
		Roster: file, WithdrawMissing: given(r.Params.WithdrawMissing),
	})
	if err != nil {
		return nil, err
	}
	return ImportRoster200JSONResponse{
		Body:    asRosterReport(report),
		Headers: ImportRoster200ResponseHeaders{ETag: etagAfter(intent, report.Cohort.Revision)},
	}, nil
}

// rosterFormat is how the caller says that a roster is written.
func rosterFormat(declared string, params ImportRosterParams) (roster.Format, error) {
	var format roster.Format
	mediaType, parameters, _ := mime.ParseMediaType(declared) // it was checked before
	if mediaType == mediaTSV {
		format.Delimiter = roster.Tab
	}
	format.Encoding, _ = roster.EncodingOf(parameters["charset"])
	if params.Delimiter != nil {
		format.Delimiter, _ = roster.DelimiterOf(string(*params.Delimiter))
	}
	if params.Encoding != nil {
		encoding := roster.Encoding(*params.Encoding)
		if format.Encoding != "" && format.Encoding != encoding {
			return format, lab.Invalid("the request is not valid", lab.Field{
				Name: "encoding", Problem: fmt.Sprintf("is %s, and Content-Type says %s", encoding, format.Encoding), Remedy: "say it once",
			})
		}
		format.Encoding = encoding
	}
	return format, nil
}

func asRosterReport(r registrar.RosterReport) RosterReport {
	return RosterReport{
		Counts: RosterCounts{
			New: r.Counts.New, Changed: r.Counts.Changed, Unchanged: r.Counts.Unchanged, Withdrawn: r.Counts.Withdrawn, Wrong: r.Counts.Wrong,
		},
		Rows:           each(r.Rows, asRosterRow),
		IgnoredColumns: each(r.Ignored, func(heading string) string { return heading }),
	}
}

func asRosterRow(r registrar.RosterRow) RosterRow {
	out := RosterRow{
		Name:    r.Name,
		Email:   r.Email,
		Outcome: RosterRowOutcome(r.Outcome),
		Changes: each(r.Changes, func(c registrar.RosterChange) RosterChange { return RosterChange{Name: c.Name, From: c.From, To: c.To} }),
		Fields:  each(r.Fields, func(f lab.Field) ProblemField { return ProblemField(f) }),
	}
	if r.Line > 0 {
		out.Line = &r.Line
	}
	if r.StudentID != "" {
		out.StudentID = &r.StudentID
	}
	return out
}
