package api_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/lab"
)

// document reads the contract as the API serves it.
func document(t testing.TB, b *bench) *openapi3.T {
	t.Helper()
	answer := b.do(request(http.MethodGet, "/v1/openapi.json", ""))
	doc, err := openapi3.NewLoader().LoadFromData([]byte(answer.Body))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// documented is one operation of the contract with a request that its examples make.
type documented struct {
	*routers.Route
	target, mediaType, body string
}

func (d documented) request() *http.Request {
	r := request(d.Method, d.target, d.body)
	if d.mediaType != "" {
		r.Header.Set("Content-Type", d.mediaType)
	}
	return r
}

// streams says whether the answer is no document that has a state.
func (d documented) streams() bool {
	return strings.HasSuffix(d.Path, "/logs") || strings.HasSuffix(d.Path, "/exec") || strings.HasSuffix(d.Path, "/events")
}

// operations walks the contract.
func operations(t testing.TB, doc *openapi3.T) map[string]documented {
	t.Helper()
	all := map[string]documented{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			d := documented{
				Route:  &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op},
				target: path,
			}
			for _, p := range item.Parameters {
				d.target = strings.ReplaceAll(d.target, "{"+p.Value.Name+"}", fmt.Sprint(p.Value.Example))
			}
			for _, p := range op.Parameters {
				if p.Value.Required && p.Value.In == openapi3.ParameterInQuery {
					d.target += "?" + url.Values{p.Value.Name: {fmt.Sprint(p.Value.Example)}}.Encode()
				}
			}
			if op.RequestBody != nil {
				d.mediaType, d.body = exampleBody(t, op)
			}
			all[op.OperationID] = d
		}
	}
	return all
}

func exampleBody(t testing.TB, op *openapi3.Operation) (mediaType, body string) {
	t.Helper()
	for mediaType, media := range op.RequestBody.Value.Content {
		if csv, ok := media.Example.(string); ok {
			return mediaType, csv
		}
		return mediaType, asJSON(t, media.Example)
	}
	t.Fatalf("%s has an empty body", op.OperationID)
	return "", ""
}

// conforms holds an answer against the contract.
func conforms(t *testing.T, d documented, answer answer) {
	t.Helper()
	body := answer.Body
	err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: d.request(), Route: d.Route},
		Status:                 answer.StatusCode,
		Header:                 answer.Header,
		Body:                   io.NopCloser(strings.NewReader(body)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, MultiError: true,
			// Of a stream, each event is held against its own schema elsewhere.
			ExcludeResponseBody: answer.Header.Get("Content-Type") == "text/event-stream",
		},
	})
	if err != nil {
		t.Errorf("%d is not as the contract says: %v\n%s", answer.StatusCode, err, body)
	}
}

func TestEveryOperationSucceedsAsDocumented(t *testing.T) {
	b := newBench(t)
	for id, d := range operations(t, document(t, b)) {
		if id == "execInWorkspace" {
			continue // a WebSocket: exec_test.go
		}
		t.Run(id, func(t *testing.T) {
			b.registrar.answers(nil)
			answer := b.do(d.request())
			if answer.StatusCode >= http.StatusMultipleChoices {
				t.Fatalf("got %d: %s", answer.StatusCode, answer.Body)
			}
			conforms(t, d, answer)
			if id != "getStatus" && id != "streamEvents" && id != "getMe" && len(b.registrar.called()) != 1 {
				t.Errorf("called the registrar %v", b.registrar.called())
			}
		})
	}
}

// codes are the registrar's codes and the statuses that they become.
func codes() map[lab.Code]int {
	return map[lab.Code]int{
		lab.CodeInvalid:         http.StatusBadRequest,
		lab.CodeUnauthenticated: http.StatusUnauthorized,
		lab.CodeForbidden:       http.StatusForbidden,
		lab.CodeNotFound:        http.StatusNotFound,
		lab.CodeConflict:        http.StatusConflict,
		lab.CodeStale:           http.StatusPreconditionFailed,
		lab.CodeUnplaceable:     http.StatusUnprocessableEntity,
		lab.CodeUnavailable:     http.StatusServiceUnavailable,
		lab.CodeRefused:         http.StatusBadGateway,
		lab.CodeInternal:        http.StatusInternalServerError,
	}
}

// current is what an error of a code carries along.
func current(code lab.Code) any {
	if code == lab.CodeStale {
		return aCourse
	}
	return nil
}

func TestEveryOperationFailsAsDocumented(t *testing.T) {
	b := newBench(t)
	for id, d := range operations(t, document(t, b)) {
		if id == "getStatus" || id == "streamEvents" || id == "getMe" {
			continue // these ask the registrar nothing that can fail, as they are asked
		}
		for code, status := range codes() {
			if d.Operation.Responses.Status(status) == nil || code == lab.CodeUnauthenticated {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", id, code), func(t *testing.T) {
				b.registrar.answers(fmt.Errorf("at work: %w", &lab.Error{
					Code: code, Message: "no luck", Hint: "try harder",
					Fields:  []lab.Field{{Name: "students[0].name", Problem: "is odd", Remedy: "even it out"}},
					Current: current(code),
					Cause:   io.ErrUnexpectedEOF,
				}))
				answer := b.do(d.request())
				if answer.StatusCode != status {
					t.Errorf("got %d", answer.StatusCode)
				}
				conforms(t, d, answer)
			})
		}
	}
}

func TestEveryOperationWantsAToken(t *testing.T) {
	b := newBench(t)
	doc := document(t, b)
	if len(doc.Security) != 1 || len(doc.Security[0]) != 1 {
		t.Fatalf("the contract wants %v", doc.Security)
	}
	for id, d := range operations(t, doc) {
		if d.Operation.Security != nil {
			t.Errorf("%s has a security requirement of its own", id)
		}
		for why, header := range map[string]string{
			"none": "", "an unknown token": "Bearer wrong-wrong-wrong-wrong", "another scheme": "Basic " + token, "no scheme": token, "an empty token": "Bearer ",
		} {
			t.Run(id+"/"+why, func(t *testing.T) {
				b.registrar.answers(nil)
				r := d.request()
				r.Header.Del("Authorization")
				if header != "" {
					r.Header.Set("Authorization", header)
				}
				answer := b.do(r)
				if answer.StatusCode != http.StatusUnauthorized {
					t.Errorf("got %d", answer.StatusCode)
				}
				conforms(t, d, answer)
				if calls := b.registrar.called(); len(calls) != 0 {
					t.Errorf("called the registrar: %v", calls)
				}
			})
		}
	}
}

func TestWritesNameTheirActor(t *testing.T) {
	b := newBench(t)
	for id, d := range operations(t, document(t, b)) {
		if !d.writes() {
			continue
		}
		b.registrar.answers(nil)
		b.do(d.request())
		for _, call := range b.registrar.called() {
			if want := (lab.Actor{Name: "token:test", Role: lab.RoleAdmin, Remote: "192.0.2.1"}); call.Actor != want {
				t.Errorf("%s: the actor is %+v", id, call.Actor)
			}
		}
	}
}

func TestTheContractIsWhole(t *testing.T) {
	doc := document(t, newBench(t))
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, d := range operations(t, doc) {
		op := d.Operation
		if id == "" || op.Summary == "" || op.Description == "" || len(op.Tags) != 1 {
			t.Errorf("%s %s: operationId, summary, description or tag is missing", d.Method, d.Path)
		}
		for _, status := range []string{"400", "401", "500", "503"} {
			if op.Responses.Value(status) == nil {
				t.Errorf("%s does not say that it can answer %s", id, status)
			}
		}
		for _, p := range slices.Concat(d.PathItem.Parameters, op.Parameters) {
			if p.Value.Description == "" || p.Value.Example == nil {
				t.Errorf("%s: the parameter %s has no description or example", id, p.Value.Name)
			}
		}
		if op.RequestBody != nil {
			for mediaType, media := range op.RequestBody.Value.Content {
				ref := media.Schema.Ref
				if mediaType == "application/json" && !strings.HasSuffix(ref, "Input") && !strings.HasSuffix(ref, "Patch") {
					t.Errorf("%s takes %q, which is not named as an input", id, ref)
				}
			}
		}
		for status, response := range op.Responses.Map() {
			for mediaType, media := range response.Value.Content {
				switch {
				case status < "300" && media.Example == nil && media.Examples == nil:
					t.Errorf("%s: the answer %s has no example", id, status)
				case status >= "400" && mediaType != "application/problem+json":
					t.Errorf("%s: the answer %s is no problem", id, status)
				}
			}
		}
	}
}

func TestTheSchemasKeepTheirRules(t *testing.T) {
	doc := document(t, newBench(t))
	snake := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for name, ref := range doc.Components.Schemas {
		schema := ref.Value
		closed := schema.AdditionalProperties.Has != nil && !*schema.AdditionalProperties.Has
		input := strings.HasSuffix(name, "Input") || strings.HasSuffix(name, "Patch")
		if input != closed {
			t.Errorf("%s: inputs take no unknown members, and answers may gain some", name)
		}
		if schema.Pattern != "" && schema.Extensions["x-remedy"] == nil {
			t.Errorf("%s has a pattern and no remedy", name)
		}
		for property := range maps.Keys(schema.Properties) {
			if !snake.MatchString(property) {
				t.Errorf("%s.%s is not in snake_case", name, property)
			}
		}
		items, cursor := schema.Properties["items"], schema.Properties["next_cursor"]
		if strings.HasSuffix(name, "List") && (items == nil || cursor == nil || !cursor.Value.Nullable) {
			t.Errorf("%s is no list envelope", name)
		}
	}
}

// failing is a place of tokens that can't say whose they are.
type failing struct{ err error }

func (f failing) Authenticate(context.Context, *http.Request, string, http.Header) (lab.Caller, error) {
	return lab.Caller{}, f.err
}

func (f failing) Again(context.Context, lab.Caller) (lab.Caller, error) { return lab.Caller{}, f.err }

// The end-to-end tests bring all other answers about from outside. These they
// can't: what shows the status has nothing in it that fails.
func TestEveryOperationFailsAsDocumentedWhenNobodyKnowsWhoAsks(t *testing.T) {
	for status, err := range map[int]error{
		http.StatusInternalServerError: io.ErrUnexpectedEOF,
		http.StatusServiceUnavailable:  lab.Errorf(lab.CodeUnavailable, "the tokens can't be read now"),
	} {
		b := newBench(t, func(c *api.Config) { c.Authenticator = failing{err} })
		for id, d := range operations(t, document(t, b)) {
			t.Run(fmt.Sprintf("%s/%d", id, status), func(t *testing.T) {
				answer := b.do(d.request())
				if answer.StatusCode != status {
					t.Errorf("got %d", answer.StatusCode)
				}
				conforms(t, d, answer)
			})
		}
	}
}
