package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/getkin/kin-openapi/openapi3"
)

// endpoint is an operation of the contract.
type endpoint struct {
	*openapi3.Operation
	id, method, path string
	parameters       []*openapi3.Parameter
}

// hostile makes requests from the contract: what its examples and schemas say,
// spoilt here and there. The same seed makes the same request.
type hostile struct {
	*rand.Rand
	endpoints []endpoint
	words     []string
	// tame says that the request at hand keeps to the contract.
	tame bool
	// names are those of things that there are, by the parameter of a path.
	names map[string][]string
}

func newHostile(doc *openapi3.T, names map[string][]string) *hostile {
	h := &hostile{words: words(), names: names}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			e := endpoint{Operation: op, id: op.OperationID, method: method, path: path}
			for _, p := range slices.Concat(item.Parameters, op.Parameters) {
				if p.Value.In == openapi3.ParameterInPath && len(names[p.Value.Name]) == 0 {
					panic("the test knows no " + p.Value.Name)
				}
				e.parameters = append(e.parameters, p.Value)
			}
			h.endpoints = append(h.endpoints, e)
		}
	}
	slices.SortFunc(h.endpoints, func(a, b endpoint) int { return strings.Compare(a.id, b.id) })
	return h
}

// attack is one request, and what it is about.
type attack struct {
	endpoint
	request *http.Request
	// strays says that it has a method that its path may not take.
	strays bool
	body   string
}

func (a attack) String() string {
	return fmt.Sprintf("%s: %s %.300s %.600q %.600q", a.id, a.request.Method, a.request.URL, a.request.Header, a.body)
}

// words are texts that somebody's parser takes for more than text, or chokes on.
func words() []string {
	return []string{
		"", " ", "a", "Ada", "fall-26", "py101", "no-such", "${NOMAD_TOKEN}", "%{ if true }", "{{ env \"PATH\" }}", "{{", "}}", "$${x}",
		"\x00", "a\x00b", "\u202eevil", "\u200b", "\ufeff", "\xff\xfe", "\xed\xa0\x80", "é\u0301", "İ", "ﬃ", "🙂", "名前",
		"'; DROP TABLE cohorts; --", "%' OR 1=1 --", "%", "_", "\\", "\"", "`", "<script>", "../../etc/passwd", "..", ".", "/", "a/b", "a~b", "~", "%2F", "%00",
		"\r\nX-Evil: 1", "\n", "\t", "=1+1", "@sum", "null", "true", "-1", "0", "1e999", "9223372036854775808", "NaN",
		"ada@example.edu", "ada@ex ample", "@", "a@b", strings.Repeat("a", 64), strings.Repeat("é", 300), strings.Repeat("x", 10_000), strings.Repeat("{", 2_000),
		"eyJ2IjoxfQ", "AAAA", "0198c1d2-7a50-7c6e-9d0f-0b8a1c2d3e51",
	}
}

func pick[T any](h *hostile, from []T) T { return from[h.IntN(len(from))] }

// chance is true once in n times.
func (h *hostile) chance(n int) bool { return h.IntN(n) == 0 }

// odd is chance for what makes a request a wrong one, at least in most cases.
func (h *hostile) odd(n int) bool { return !h.tame && h.chance(n) }

func (h *hostile) word() string { return pick(h, h.words) }

// wild is 1, and 0 where the request is tame.
func (h *hostile) wild() int {
	if h.tame {
		return 0
	}
	return 1
}

// attack makes the request of a seed.
func (h *hostile) attack(t testing.TB, seed uint64) attack {
	t.Helper()
	h.Rand = rand.New(rand.NewPCG(seed, 0xb0744))
	h.tame = h.chance(3)
	a := attack{endpoint: pick(h, h.endpoints)}
	method := a.method
	if h.odd(30) {
		method, a.strays = pick(h, []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"}), true
	}
	mediaType, body := h.body(a.endpoint)
	a.body = body
	request, err := http.NewRequestWithContext(t.Context(), method, "http://bothy.example.edu"+h.target(a.endpoint), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.URL.RawQuery = h.query(a.endpoint)
	request.RequestURI, request.RemoteAddr = request.URL.RequestURI(), "192.0.2.1:1234"
	request.Header = h.header(a.endpoint)
	if body == "" {
		request.Body, request.ContentLength = http.NoBody, 0
	} else if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	if h.odd(20) {
		request.ContentLength = -1
	}
	request.Header.Set("Authorization", "Bearer "+token)
	a.request = request
	return a
}

func (h *hostile) target(e endpoint) string {
	path := e.path
	for _, p := range e.parameters {
		if p.In != openapi3.ParameterInPath {
			continue
		}
		name := pick(h, h.names[p.Name])
		if h.odd(5) {
			name = h.word()
		}
		if name == "" {
			name = "no-such"
		}
		path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(name))
	}
	return path
}

func (h *hostile) query(e endpoint) string {
	if h.odd(60) {
		return pick(h, []string{"%zz", "a=%", ";", "&&&", "=", "limit", "limit=1;cursor=2", "\x01", strings.Repeat("a=b&", 2000)})
	}
	query := url.Values{}
	for _, p := range e.parameters {
		if p.In != openapi3.ParameterInQuery || !p.Required && !h.chance(4) {
			continue
		}
		query.Add(p.Name, h.parameter(p))
		if h.odd(30) {
			query.Add(p.Name, h.parameter(p))
		}
	}
	if h.odd(20) {
		query.Add(h.word(), h.word())
	}
	return query.Encode()
}

// parameter is mostly a value that the contract has.
func (h *hostile) parameter(p *openapi3.Parameter) string {
	if h.odd(3) {
		return h.word()
	}
	schema := p.Schema.Value
	switch {
	case len(schema.Enum) > 0:
		return fmt.Sprint(pick(h, schema.Enum))
	case schema.Type.Is("boolean"):
		return pick(h, []string{"true", "false"})
	case schema.Type.Is("integer"):
		return strconv.Itoa(1 + h.IntN(1000+100*h.wild()))
	default:
		return fmt.Sprint(p.Example)
	}
}

func (h *hostile) header(e endpoint) http.Header {
	header := http.Header{}
	for _, name := range []string{"If-Match", "Idempotency-Key", "Last-Event-ID"} {
		known := slices.ContainsFunc(e.parameters, func(p *openapi3.Parameter) bool { return strings.EqualFold(p.Name, name) })
		if known && h.chance(3) || !known && h.odd(40) {
			header.Set(name, h.condition(name))
		}
		if len(header.Values(name)) > 0 && h.odd(20) {
			header.Add(name, h.condition(name))
		}
	}
	if h.odd(40) {
		header.Set(pick(h, []string{"Accept", "X-Request-Id", "Content-Encoding", "If-None-Match", "Range", "Expect", "X-HTTP-Method-Override"}), h.word())
	}
	return header
}

func (h *hostile) condition(name string) string {
	switch {
	case h.odd(3):
		return h.word()
	case name == "If-Match" && h.tame:
		return pick(h, []string{`"1"`, `"2"`, `*`, `"1", "2"`})
	case name == "If-Match":
		return pick(h, []string{`"1"`, `"2"`, `*`, `W/"1"`, `"1", "2"`, `1`, `"`, `""`, `"99999999999999999999"`, `"-1"`, `"01"`, `,`, `"1"x`, `"a b"`, `"1", *`})
	case h.tame:
		return "key-" + strconv.Itoa(h.IntN(1000))
	default:
		return pick(h, []string{"monday", "tuesday", "key-" + strconv.Itoa(h.IntN(1000)), strconv.Itoa(h.IntN(50)), "-1", "two words", strings.Repeat("k", 256)})
	}
}

// body is what an operation shows as its body, spoilt; with its type.
func (h *hostile) body(e endpoint) (mediaType, body string) {
	if e.RequestBody == nil {
		if h.odd(20) {
			return "application/json", pick(h, []string{"{}", "x", "\x00", strings.Repeat(" ", 2<<20)})
		}
		return "", ""
	}
	mediaType = pick(h, slices.Sorted(maps.Keys(e.RequestBody.Value.Content)))
	media := e.RequestBody.Value.Content[mediaType]
	shown := []any{media.Example}
	for _, name := range slices.Sorted(maps.Keys(media.Examples)) {
		shown = append(shown, media.Examples[name].Value.Value)
	}
	shown = slices.DeleteFunc(shown, func(v any) bool { return v == nil })
	text, isText := pick(h, shown).(string)
	if !isText {
		value := h.made(media.Schema.Value, 0)
		if h.chance(3) {
			value = copied(pick(h, shown))
		}
		for range h.IntN(3) * h.wild() {
			value = h.spoilt(value)
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			encoded = []byte("null")
		}
		text = string(encoded)
	} else {
		for range h.IntN(4) * h.wild() {
			text = h.spoiltRoster(text)
		}
	}
	if h.odd(4) {
		text = h.spoiltText(text)
	}
	if h.odd(15) {
		mediaType = pick(h, []string{
			"", "text/plain", "application/json; charset=utf-16", "application/json;;;", "text/csv; charset=windows-1252",
			"text/csv; charset=klingon", "multipart/form-data", "application/JSON", "application/merge-patch+json", h.word(),
		})
	}
	return mediaType, text
}

// made makes a value of a schema.
func (h *hostile) made(schema *openapi3.Schema, depth int) any {
	switch {
	case len(schema.Enum) > 0:
		return pick(h, schema.Enum)
	case schema.Type.Is("object"):
		object := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
			if slices.Contains(schema.Required, name) || h.chance(2) {
				object[name] = h.made(schema.Properties[name].Value, depth+1)
			}
		}
		if len(schema.Properties) == 0 && h.odd(2) {
			object[pick(h, []string{"memory", "cpu", "environment", "no_such", "slug"})] = pick(h, []any{256, "256", nil, map[string]any{"A": "b"}, []any{}, 1.5, -1})
		}
		return object
	case schema.Type.Is("array"):
		list := []any{}
		for range h.IntN(4) {
			list = append(list, h.made(schema.Items.Value, depth+1))
		}
		return list
	case schema.Type.Is("boolean"):
		return h.chance(2)
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		return h.IntN(2000) - 100
	}
	if h.odd(6) {
		return h.word()
	}
	n := strconv.Itoa(h.IntN(400))
	return pick(h, []string{"fall-26", "py101", "shell", "code-server", "Name " + n, "key-" + n, "s" + n + "@example.edu"})
}

func copied(value any) any {
	text, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	var again any
	if err := json.Unmarshal(text, &again); err != nil {
		return nil
	}
	return again
}

// spoilt puts something else in the place of one part of a value.
func (h *hostile) spoilt(value any) any {
	switch v := value.(type) {
	case map[string]any:
		switch names := slices.Sorted(maps.Keys(v)); {
		case h.chance(5) || len(names) == 0:
			v[h.word()] = h.other()
		case h.chance(5):
			delete(v, pick(h, names))
		default:
			name := pick(h, names)
			v[name] = h.spoilt(v[name])
		}
		return v
	case []any:
		if len(v) > 0 && !h.chance(4) {
			i := h.IntN(len(v))
			v[i] = h.spoilt(v[i])
			return v
		}
		return append(v, h.other())
	default:
		return h.other()
	}
}

func (h *hostile) other() any {
	if h.chance(2) {
		return h.word()
	}
	return pick(h, []any{nil, true, 0, -1, 1.5, 1e300, []any{}, map[string]any{}, []any{nil}, map[string]any{"": ""}, "x"})
}

// spoiltText makes something of a body that may not be JSON, or text, any more.
func (h *hostile) spoiltText(text string) string {
	switch h.IntN(10) {
	case 0:
		return text[:h.IntN(len(text)+1)]
	case 1:
		return strings.Replace(text, "{", `{"name":"first","name":"second","key":"k","\u006bey":"k",`, 1)
	case 2:
		return "\ufeff" + text
	case 3:
		return strings.Replace(text, "a", "\xff", 1)
	case 4:
		depth := pick(h, []int{100, 10_000, 200_000})
		return strings.Repeat(`{"parameters":`, depth) + "1" + strings.Repeat("}", depth)
	case 5:
		return strings.Repeat("[", pick(h, []int{100, 10_000, 1 << 20}))
	case 6:
		var units strings.Builder
		for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
			units.WriteByte(byte(u))
			units.WriteByte(byte(u >> 8))
		}
		return units.String()
	case 7:
		return text + text
	case 8:
		return strings.Replace(text, `"`, `"\ud800\u0000`, 1)
	default:
		return text + strings.Repeat(" ", pick(h, []int{1, 1 << 20, 8 << 20}))
	}
}

func (h *hostile) spoiltRoster(text string) string {
	switch h.IntN(4) {
	case 0:
		return text + h.word() + "," + h.word() + "\n"
	case 1:
		n := strconv.Itoa(h.IntN(400))
		return text + "Name " + n + ",s" + n + "@example.edu\n"
	case 2:
		return strings.Replace(text, ",", pick(h, []string{";", "\t", "|", "\"", ",,", "\x00"}), 1+h.IntN(3))
	default:
		return strings.Replace(text, "\n", pick(h, []string{"\r", "\r\n", "\n\n", "\n\"", "\n,,,,\n"}), 1+h.IntN(2))
	}
}
