package api

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed openapi.yaml
var contractYAML []byte

// Limits of a request's body, in bytes.
const (
	MaxJSONBody = 1 << 20
	MaxCSVBody  = 8 << 20
)

const (
	mediaJSON = "application/json"
	mediaCSV  = "text/csv"
	mediaTSV  = "text/tab-separated-values"
)

// contract is the OpenAPI document, in the form in which requests are checked against it.
type contract struct {
	// json is the document as it is served.
	json []byte
	// operations are the document's operations by method and Gin route: "GET /v1/cohorts/:cohort".
	operations map[string]*operation
}

// operation is what the document says about one operation's requests.
type operation struct {
	id         string
	parameters []*openapi3.Parameter
	// query names the query parameters that the operation takes.
	query []string
	// secret says that the answer holds a secret, and is not kept.
	secret bool
	// body is nil for an operation that takes none.
	body *body
}

// body is what the document says about an operation's body.
type body struct {
	// mediaTypes are those that it may have, sorted.
	mediaTypes []string
	limit      int64
	schema     *openapi3.Schema
	// required says that it can't be left out.
	required bool
}

// theContract is the embedded document, read at its first use: reading its thousands
// of lines takes longer than all else of a handler, and nobody changes it.
var theContract = sync.OnceValues(loadContract) //nolint:gochecknoglobals // as constant as the file that it is read from

// loadContract reads the embedded document. It fails only when the document is broken.
func loadContract() (*contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(contractYAML)
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	text, err := doc.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write the contract as JSON: %w", err)
	}
	ct := &contract{json: text, operations: map[string]*operation{}}
	for path, item := range doc.Paths.Map() {
		for method, documented := range item.Operations() {
			op, err := newOperation(item, documented)
			if err != nil {
				return nil, fmt.Errorf("contract: %s %s: %w", method, path, err)
			}
			ct.operations[method+" "+ginRoute(path)] = op
		}
	}
	return ct, nil
}

// operation gives the operation behind a method and a Gin route, nil for a route outside the document.
func (ct *contract) operation(method, route string) *operation {
	return ct.operations[method+" "+route]
}

func newOperation(item *openapi3.PathItem, documented *openapi3.Operation) (*operation, error) {
	op := &operation{id: documented.OperationID, secret: documented.Extensions["x-secret-answer"] == true}
	for _, ref := range slices.Concat(item.Parameters, documented.Parameters) {
		op.parameters = append(op.parameters, ref.Value)
		if ref.Value.In == openapi3.ParameterInQuery {
			op.query = append(op.query, ref.Value.Name)
		}
	}
	if documented.RequestBody == nil {
		return op, nil
	}
	content := documented.RequestBody.Value.Content
	op.body = &body{mediaTypes: slices.Sorted(maps.Keys(content)), required: documented.RequestBody.Value.Required}
	if slices.Contains(op.body.mediaTypes, mediaJSON) && len(content) > 1 {
		return nil, errors.New("a body that may be JSON is always JSON")
	}
	for mediaType, media := range content {
		op.body.schema = media.Schema.Value
		switch mediaType {
		case mediaJSON:
			op.body.limit = MaxJSONBody
		case mediaCSV, mediaTSV:
			op.body.limit = MaxCSVBody
		default:
			return nil, fmt.Errorf("no limit is set for %s", mediaType)
		}
	}
	return op, nil
}

// ginRoute writes an OpenAPI path in Gin's way: "/v1/cohorts/:cohort".
func ginRoute(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}
