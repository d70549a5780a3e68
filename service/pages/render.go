package pages

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/look"
)

const (
	// refusedTimeout bounds the writing down of what was refused, maxTarget what it was
	// asked of, in bytes.
	refusedTimeout = 5 * time.Second
	maxTarget      = 64
)

//go:embed templates/*.html
var files embed.FS

// style is what these pages have beyond what all have.
//
//go:embed pages.css
var style string

// templates are the pages by name, each with the layout around it.
type templates map[string]*template.Template

func readTemplates() (templates, error) {
	all := templates{}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("list the pages: %w", err)
	}
	for _, name := range names {
		page, err := template.New("layout.html").Funcs(template.FuncMap{"when": when, "day": day}).ParseFS(files, "templates/layout.html", name)
		if err != nil {
			return nil, fmt.Errorf("read the page %s: %w", name, err)
		}
		all[name] = page
	}
	return all, nil
}

// when and day are moments for people, of all time zones.
func when(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04") + " UTC" }
func day(t time.Time) string  { return t.UTC().Format("2 January 2006") }

// view is what every page knows.
type view struct {
	// Title is the page's own.
	Title string
	// Visitor is who is signed in; nil on pages for everybody.
	Visitor *auth.Visitor
	// Here is the path, for the navigation.
	Here    string
	Version string
	// Notice says what was just done, Problem what was not, and why; Hint what to do about it.
	Notice, Problem, Hint string
	// Fields are the problems of single fields by their names.
	Fields map[string]string
	// Page is the page's own content.
	Page any
}

// show answers with a page.
func (h *handler) show(c *gin.Context, status int, name string, v view) {
	if visitor := visitorOf(c); visitor.UserID != "" {
		v.Visitor = &visitor
	}
	v.Here, v.Version = c.Request.URL.Path, h.Version
	var text bytes.Buffer
	if err := h.templates["templates/"+name+".html"].Execute(&text, v); err != nil {
		h.Log.ErrorContext(c.Request.Context(), "a page can't be made", "page", name, "error", err)
		c.Abort()
		c.String(http.StatusInternalServerError, "Bothy failed to show this page. Its log has the cause.")
		return
	}
	c.Abort()
	c.Header("Content-Length", strconv.Itoa(text.Len()))
	c.Data(status, "text/html; charset=utf-8", text.Bytes())
}

// statusOf is the status of a page that shows an error.
func statusOf(code lab.Code) (status int, title string) {
	switch code {
	case lab.CodeInvalid:
		return http.StatusBadRequest, "This can't be done so"
	case lab.CodeUnauthenticated, lab.CodeForbidden:
		return http.StatusForbidden, "This is not for you"
	case lab.CodeNotFound:
		return http.StatusNotFound, "There is nothing here"
	case lab.CodeConflict, lab.CodeStale:
		return http.StatusConflict, "This can't be done now"
	case lab.CodeTooMany:
		return http.StatusTooManyRequests, "Too many tries"
	case lab.CodeUnavailable, lab.CodeRefused, lab.CodeUnplaceable:
		return http.StatusServiceUnavailable, "This does not work just now"
	case lab.CodeInternal:
	}
	return http.StatusInternalServerError, "Something went wrong"
}

// told gives an error as people are told it: status, title, sentence and hint.
func (h *handler) told(c *gin.Context, err error) (status int, v view) {
	var known *lab.Error
	status, v.Title = statusOf(lab.CodeOf(err))
	if !errors.As(err, &known) || status == http.StatusInternalServerError {
		known = &lab.Error{Message: "Bothy failed to do this", Hint: "try again; its log has the cause"}
	}
	if status >= http.StatusInternalServerError {
		h.Log.ErrorContext(c.Request.Context(), "a page failed", "path", c.Request.URL.Path, "error", err)
	}
	if known.RetryAfter > 0 {
		c.Header("Retry-After", strconv.FormatInt(int64(math.Ceil(known.RetryAfter.Seconds())), 10))
		minutes := int(math.Ceil(known.RetryAfter.Minutes()))
		known = &lab.Error{Message: "this was tried too often", Hint: "wait for " + plural(minutes, "minute") + ", then try again"}
	}
	v.Problem, v.Hint, v.Fields = sentence(known.Message), sentence(known.Hint), map[string]string{}
	for _, f := range known.Fields {
		v.Fields[f.Name] = sentence(f.Problem + ": " + f.Remedy)
	}
	return status, v
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// sentence makes a sentence of an error's words.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first := []rune(text)
	if first[0] >= 'a' && first[0] <= 'z' {
		first[0] -= 'a' - 'A'
	}
	return string(first) + "."
}

// refuse answers with a page that says what is wrong.
func (h *handler) refuse(c *gin.Context, err error) {
	status, v := h.told(c, err)
	h.show(c, status, "message", v)
	h.recordRefused(c, err)
}

// recordRefused writes down what was refused to somebody who is signed in, once they
// have their answer.
func (h *handler) recordRefused(c *gin.Context, err error) {
	operation := c.GetString(operationKey)
	if h.Refused == nil || operation == "" || !lab.IsRefusal(err) {
		return
	}
	c.Writer.Flush()
	target := ""
	if len(c.Params) > 0 {
		target = c.Params[0].Value
		target = strings.ToValidUTF8(target[:min(len(target), maxTarget)], "")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), refusedTimeout)
	defer cancel()
	if err := h.Refused(ctx, intent(c, operation).Actor, operation, target); err != nil {
		h.Log.WarnContext(ctx, "what was refused was not recorded", "error", err)
	}
}

func (h *handler) message(c *gin.Context, status int, title, text string) {
	h.show(c, status, "message", view{Title: title, Problem: sentence(text)})
}

// asset answers with what pages are made up with.
func (h *handler) asset(c *gin.Context) {
	var kind, content string
	switch c.Param("file") {
	case "bothy.css":
		kind, content = "text/css; charset=utf-8", look.Style()+style
	case "bothy.svg":
		kind, content = "image/svg+xml", look.Mark()
	default:
		h.refuse(c, lab.Errorf(lab.CodeNotFound, "there is no such page"))
		return
	}
	c.Header("Cache-Control", "public, max-age=300")
	c.Data(http.StatusOK, kind, []byte(content))
}
