package api

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/lab"
)

// mediaNDJSON is a JSON text a line.
const mediaNDJSON = "application/x-ndjson"

// exportPage is how many rows of an export are read at a time.
const exportPage = 500

// refusedTimeout bounds the writing down of what was refused.
const refusedTimeout = 5 * time.Second

// listAudit gives a page of the record of changes, or all of it as an export.
func (h *handler) listAudit(c *gin.Context) {
	filter, err := auditFilter(c)
	if err != nil {
		fail(c, err)
		return
	}
	switch auditMedia(c) {
	case mediaNDJSON:
		h.exportAudit(c, filter, mediaNDJSON, "ndjson", newJSONLines)
	case mediaCSV:
		h.exportAudit(c, filter, mediaCSV+"; charset=utf-8; header=present", "csv", newCSVLines)
	default:
		limit, _ := strconv.Atoi(c.Query("limit")) // the contract has its bounds
		found, err := h.config.Registrar.Audits(c.Request.Context(), filter, lab.Page{Limit: limit, Cursor: c.Query("cursor")})
		if err != nil {
			fail(c, err)
			return
		}
		c.JSON(http.StatusOK, AuditList{Items: each(found.Items, asAudit), NextCursor: nextOf(found)})
	}
}

// auditFilter reads the filters; the contract has checked the words.
func auditFilter(c *gin.Context) (lab.AuditFilter, error) {
	filter := lab.AuditFilter{
		Actor: c.Query("actor"), Role: lab.Role(c.Query("role")), Action: c.Query("action"),
		Target: c.Query("target"), Result: lab.AuditResult(c.Query("result")),
	}
	var fields []lab.Field
	for name, into := range map[string]*time.Time{"from": &filter.From, "to": &filter.To} {
		text, given := c.GetQuery(name)
		if !given {
			continue
		}
		var err error
		if *into, err = time.Parse(time.RFC3339, text); err != nil {
			fields = append(fields, lab.Field{Name: name, Problem: "is not a moment", Remedy: `write it as 2026-09-01T08:00:00Z, with "+" percent-encoded`})
		}
	}
	if len(fields) > 0 {
		return filter, lab.Invalid("the request is not valid", fields...)
	}
	return filter, nil
}

// auditMedia is the type that the caller wants.
func auditMedia(c *gin.Context) string {
	switch c.Query("format") {
	case "ndjson":
		return mediaNDJSON
	case "csv":
		return mediaCSV
	case "json":
		return mediaJSON
	}
	return c.NegotiateFormat(mediaJSON, mediaNDJSON, mediaCSV)
}

// exportAudit streams all rows that a filter chooses. The first page is read
// before anything is answered, so that what is wrong is a problem.
func (h *handler) exportAudit(c *gin.Context, filter lab.AuditFilter, media, ending string, form func() auditForm) {
	ctx, done, err := h.beginStream(c)
	if err != nil {
		fail(c, err)
		return
	}
	defer done()
	rows := &auditRows{form: form(), next: func(cursor string) (lab.List[lab.Audit], error) {
		return h.config.Registrar.Audits(ctx, filter, lab.Page{Limit: exportPage, Cursor: cursor})
	}}
	if err := rows.fill(); err != nil {
		fail(c, err)
		return
	}
	c.Header("Content-Disposition", `attachment; filename="bothy-audit.`+ending+`"`)
	h.copyText(ctx, c, media, rows)
}

// auditForm turns rows into text; called with none first.
type auditForm func([]lab.Audit) (string, error)

// auditRows is the text of all pages, read as they are wanted.
type auditRows struct {
	form  auditForm
	next  func(cursor string) (lab.List[lab.Audit], error)
	text  string
	place string
	last  bool
}

func (r *auditRows) fill() error {
	page, err := r.next(r.place)
	if err != nil {
		return err
	}
	r.place, r.last = page.Next, page.Next == ""
	r.text, err = r.form(page.Items)
	return err
}

// Read implements io.Reader.
func (r *auditRows) Read(p []byte) (int, error) {
	for r.text == "" {
		if r.last {
			return 0, io.EOF
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}

func newJSONLines() auditForm {
	return func(rows []lab.Audit) (string, error) {
		var b strings.Builder
		encoder := json.NewEncoder(&b)
		for _, row := range rows {
			if err := encoder.Encode(asAudit(row)); err != nil {
				return "", fmt.Errorf("write a row: %w", err)
			}
		}
		return b.String(), nil
	}
}

func newCSVLines() auditForm {
	headed := false
	return func(rows []lab.Audit) (string, error) {
		var b strings.Builder
		w := csv.NewWriter(&b)
		if !headed {
			headed = true
			if err := w.Write([]string{"id", "at", "actor", "user_id", "role", "remote", "action", "target", "result", "detail", "before", "after"}); err != nil {
				return "", fmt.Errorf("write the head: %w", err)
			}
		}
		for _, row := range rows {
			cells := []string{
				row.ID, row.At.UTC().Format(time.RFC3339Nano), row.Actor.Name, row.Actor.UserID, string(row.Actor.Role), row.Actor.Remote,
				row.Action, row.Target, string(row.Result),
			}
			for _, object := range []map[string]any{row.Detail, row.Before, row.After} {
				text, err := json.Marshal(object)
				if err != nil {
					return "", fmt.Errorf("write a row: %w", err)
				}
				cells = append(cells, string(text))
			}
			if err := w.Write(each(cells, inert)); err != nil {
				return "", fmt.Errorf("write a row: %w", err)
			}
		}
		w.Flush()
		return b.String(), w.Error() //nolint:wrapcheck // a builder does not fail
	}
}

// inert keeps a spreadsheet from taking a text for a formula.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func asAudit(a lab.Audit) Audit {
	row := Audit{
		ID: a.ID, At: a.At, Action: a.Action, Target: a.Target, Result: AuditResult(a.Result), Detail: a.Detail,
		Actor: AuditActor{Name: a.Actor.Name, UserID: a.Actor.UserID, Role: string(a.Actor.Role), Remote: a.Actor.Remote},
	}
	if row.Detail == nil {
		row.Detail = map[string]any{}
	}
	if a.Before != nil {
		row.Before = &a.Before
	}
	if a.After != nil {
		row.After = &a.After
	}
	return row
}

// recordRefused writes down what was refused to somebody whose credential is known,
// also what was answered as if it were not there. The answer goes out first: how long
// it takes does not tell the one from the other.
func (h *handler) recordRefused(c *gin.Context) {
	last := c.Errors.Last()
	actor, known := c.Request.Context().Value(actorKey{}).(lab.Actor)
	if last == nil || !known || !lab.IsRefusal(last.Err) {
		return
	}
	if status := c.Writer.Status(); status == http.StatusNotFound || status == http.StatusForbidden {
		c.Writer.Flush()
	}
	target := shorten(h.targetOf(c))
	// Who asked may be gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), refusedTimeout)
	defer cancel()
	if err := h.config.Registrar.RecordRefused(ctx, actor, h.operationName(c), target); err != nil {
		h.config.Log.WarnContext(ctx, "what was refused was not recorded", "request_id", requestID(c), "error", err)
	}
}

// targetOf gives what a request names first, in its path or else to narrow a list.
func (h *handler) targetOf(c *gin.Context) string {
	if len(c.Params) > 0 {
		return c.Params[0].Value
	}
	if op := h.contract.operation(c.Request.Method, c.FullPath()); op != nil {
		for _, name := range op.query {
			if ref := c.Query(name); op.narrows(name) && ref != "" {
				return ref
			}
		}
	}
	return ""
}
