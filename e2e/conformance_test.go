package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// conformance walks the API's document against the running server: every
// operation, every status that is declared for it, in exactly the form that is
// declared. What only a broken server answers comes from one whose database is
// broken (500) and then gone (503).
func conformance(t *testing.T, d *dev) {
	e := readContract(t, d.env["BOTHY_ADDR"], d.env["BOTHY_TOKEN"])
	t.Run("what is refused before anything is looked at", func(t *testing.T) { e.refusals(t) })
	t.Run("what is not there", func(t *testing.T) { e.missing(t) })
	t.Run("what people do", func(t *testing.T) { e.term(t, d) })
	t.Run("what a server in trouble answers", func(t *testing.T) { e.trouble(t, d) })
	for _, answer := range e.unseen() {
		t.Errorf("the answer %s", answer)
	}
	t.Log(e.counts())
}

// tooLarge is more than any operation takes.
const tooLarge = 9 << 20

// refusals are the same for all operations.
func (e endpoint) refusals(t *testing.T) {
	for _, id := range e.ids() {
		op := e.operations[id]
		if op.declares(http.StatusUnauthorized) {
			e.expect(t, id, call{anonymous: true}, http.StatusUnauthorized)
		}
		if op.declares(http.StatusBadRequest) {
			e.expect(t, id, call{query: url.Values{"no_such_parameter": {"1"}}}, http.StatusBadRequest)
		}
		if op.declares(http.StatusForbidden) && op.method != http.MethodGet {
			c := sample(op)
			c.header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://elsewhere.example"}}
			e.expect(t, id, c, http.StatusForbidden)
		}
		if op.takes() == "" {
			continue
		}
		e.expect(t, id, call{body: "x", mediaType: "application/x-nothing"}, http.StatusUnsupportedMediaType)
		e.expect(t, id, call{body: strings.Repeat(" ", tooLarge)}, http.StatusRequestEntityTooLarge)
		e.expect(t, id, call{body: "\xff"}, http.StatusBadRequest)
	}
}

// missing asks for what there is not.
func (e endpoint) missing(t *testing.T) {
	for _, id := range e.ids() {
		op := e.operations[id]
		if !op.declares(http.StatusNotFound) || !strings.Contains(op.path, "{") {
			continue
		}
		e.expect(t, id, sample(op), http.StatusNotFound)
	}
}

// sample is a call that the document itself makes: the body that it shows for the
// operation, and what the query must have.
func sample(op operation) call {
	c := call{query: url.Values{}}
	if op.RequestBody != nil {
		media := op.RequestBody.Value.Content[op.takes()]
		if c.body = media.Example; c.body == nil {
			for _, name := range slices.Sorted(maps.Keys(media.Examples)) {
				c.body = media.Examples[name].Value.Value
			}
		}
	}
	for _, p := range op.parameters {
		if p.Value.Required && p.Value.In == openapi3.ParameterInQuery {
			c.query.Set(p.Value.Name, fmt.Sprint(p.Value.Example))
		}
	}
	return c
}
