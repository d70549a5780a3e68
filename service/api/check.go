package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/roster"
)

// check holds a request against the contract, reads its body within the limit
// and leaves it to be read again. Everything that is wrong is a coded error.
func (op *operation) check(w http.ResponseWriter, r *http.Request, path map[string]string) error {
	if err := op.checkParameters(r.Context(), r, path); err != nil {
		return err
	}
	if op.body == nil {
		return refuseBody(r)
	}
	return op.body.check(w, r)
}

func (op *operation) checkParameters(ctx context.Context, r *http.Request, path map[string]string) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return lab.Invalid("the query is not valid", lab.Field{
			Name: "query", Problem: "cannot be decoded", Remedy: "percent-encode it",
		})
	}
	fields := op.checkQueryNames(query)
	input := &openapi3filter.RequestValidationInput{
		Request:     r,
		PathParams:  path,
		QueryParams: query,
		Options:     &openapi3filter.Options{MultiError: true, SkipSettingDefaults: true},
	}
	for _, parameter := range op.parameters {
		if err := openapi3filter.ValidateParameter(ctx, input, parameter); err != nil {
			fields = append(fields, parameterField(parameter, err))
		}
	}
	if len(fields) > 0 {
		return lab.Invalid("the request is not valid", fields...)
	}
	return nil
}

// checkQueryNames refuses query parameters that the operation does not have: a
// misspelt one would otherwise be passed over in silence.
func (op *operation) checkQueryNames(query url.Values) []lab.Field {
	var fields []lab.Field
	for name, values := range query {
		switch {
		case !slices.Contains(op.query, name):
			remedy := "leave it out"
			if len(op.query) > 0 {
				remedy += ", or use one of " + strings.Join(op.query, ", ")
			}
			fields = append(fields, lab.Field{Name: shorten(name), Problem: "is no query parameter of this operation", Remedy: remedy})
		case len(values) > 1:
			fields = append(fields, lab.Field{Name: name, Problem: "is given more than once", Remedy: "give it once"})
		}
	}
	slices.SortFunc(fields, func(a, b lab.Field) int { return strings.Compare(a.Name, b.Name) })
	return fields
}

func parameterField(parameter *openapi3.Parameter, err error) lab.Field {
	var schemaErr *openapi3.SchemaError
	if errors.As(err, &schemaErr) {
		field := schemaField("", nil, schemaErr)
		field.Name = parameter.Name
		return field
	}
	kind := kindOf(parameter.Schema.Value)
	return lab.Field{Name: parameter.Name, Problem: "is not " + kind, Remedy: "give " + kind}
}

// refuseBody refuses what the operation would pass over, of whatever size.
func refuseBody(r *http.Request) error {
	var first [1]byte
	switch n, err := io.ReadFull(r.Body, first[:]); {
	case n > 0:
		return invalidBody("body", "is not empty, and this operation takes none", "send no body")
	case errors.Is(err, io.EOF):
		return nil
	default:
		return unreadBody(err)
	}
}

func (b *body) check(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength != 0 {
		if err := b.checkType(r.Header); err != nil {
			return err
		}
	}
	data, err := readBody(w, r, b.limit)
	if err != nil {
		return err
	}
	if len(data) == 0 && !b.required {
		return nil
	}
	if len(data) == 0 {
		return invalidBody("body", "is missing", "send a body of the type "+strings.Join(b.mediaTypes, " or "))
	}
	if !slices.Contains(b.mediaTypes, mediaJSON) {
		return nil
	}
	value, err := decodeJSON(data)
	if err != nil {
		return err
	}
	return checkSchema(b.schema, value)
}

func (b *body) checkType(header http.Header) error {
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return lab.Errorf(codeUnsupportedMediaType, "the body has a content encoding").WithHint("send it without one")
	}
	mediaType, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || !slices.Contains(b.mediaTypes, mediaType) {
		return lab.Errorf(codeUnsupportedMediaType, "the body is not declared as %s", strings.Join(b.mediaTypes, " or ")).
			WithHint("send the header \"Content-Type: %s\"", b.mediaTypes[0])
	}
	charset := parameters["charset"]
	if mediaType != mediaJSON { // a roster
		if _, known := roster.EncodingOf(charset); charset != "" && !known {
			return lab.Errorf(codeUnsupportedMediaType, "the body is declared as text in an encoding that is not known here").
				WithHint("send it in UTF-8, UTF-16, ISO-8859-1 or Windows-1252, and say so as charset")
		}
		return nil
	}
	if charset != "" && !strings.EqualFold(charset, "utf-8") {
		return lab.Errorf(codeUnsupportedMediaType, "the body is not declared as UTF-8").WithHint("send it in UTF-8")
	}
	return nil
}

// readBody reads a body of at most limit bytes and puts it back.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	tooLarge := lab.Errorf(codeTooLarge, "the body is larger than %d bytes", limit).WithHint("send it in smaller parts")
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return nil, tooLarge
	}
	if err != nil {
		return nil, unreadBody(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	return data, nil
}

func unreadBody(err error) error {
	return &lab.Error{
		Code:    lab.CodeInvalid,
		Message: "the body could not be read",
		Fields:  []lab.Field{{Name: "body", Problem: "ended early", Remedy: "send it again"}},
		Cause:   fmt.Errorf("read the body: %w", err),
	}
}
