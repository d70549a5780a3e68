package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// A contract is the API's document as a running server gives it out, and what of
// it was seen to be true.
type contract struct {
	doc        *openapi3.T
	operations map[string]operation
	// seen counts the answers by operation and status.
	seen     map[string]map[int]int
	requests int
}

// An operation is one of the document's.
type operation struct {
	*openapi3.Operation
	method, path string
	parameters   openapi3.Parameters
}

// An endpoint is a server that is held against the contract.
type endpoint struct {
	*contract
	base, token string
}

// A call fills in an operation. What is not given of a path is "no-such-thing", or
// where that can't be, the document's own example.
type call struct {
	path   map[string]string
	query  url.Values
	header http.Header
	// body is sent as JSON, text as it is.
	body any
	// mediaType is the operation's own where it is empty.
	mediaType string
	anonymous bool
}

// An answer is what came back, its body decoded where it is JSON.
type answer struct {
	status int
	header http.Header
	text   string
	value  any
}

// readContract reads the document from a server.
func readContract(t *testing.T, base, token string) endpoint {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/v1/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatalf("the contract can't be read: %v", err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("the contract is not valid: %v", err)
	}
	c := &contract{doc: doc, operations: map[string]operation{}, seen: map[string]map[int]int{}}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			c.operations[op.OperationID] = operation{
				Operation: op, method: method, path: path,
				parameters: slices.Concat(item.Parameters, op.Parameters),
			}
			c.seen[op.OperationID] = map[int]int{}
		}
	}
	return endpoint{contract: c, base: base, token: token}
}

// ids are the operations' names in their order.
func (c *contract) ids() []string { return slices.Sorted(maps.Keys(c.operations)) }

// has says whether an operation takes a parameter of this place and name.
func (o operation) has(in, name string) bool {
	return slices.ContainsFunc(o.parameters, func(p *openapi3.ParameterRef) bool {
		return p.Value.In == in && p.Value.Name == name
	})
}

// declares says whether the document has the status for the operation.
func (o operation) declares(status int) bool { return o.Responses.Status(status) != nil }

// takes gives the media type of the operation's body, "" where it has none.
func (o operation) takes() string {
	if o.RequestBody == nil {
		return ""
	}
	types := slices.Sorted(maps.Keys(o.RequestBody.Value.Content))
	if i := slices.Index(types, "application/json"); i >= 0 {
		return types[i]
	}
	return types[0]
}

// expect makes a call and wants this status, in exactly the form that the
// document declares for it.
func (e endpoint) expect(t *testing.T, id string, c call, status int) answer {
	t.Helper()
	got := e.send(t, id, c)
	if got.status != status {
		t.Errorf("%s: status %d, not %d: %s", id, got.status, status, got.text)
		return got
	}
	for _, problem := range e.deviations(id, got) {
		t.Errorf("%s: %d: %s\n%s", id, status, problem, got.text)
	}
	e.seen[id][status]++
	return got
}

func (e endpoint) send(t *testing.T, id string, c call) answer {
	t.Helper()
	op, ok := e.operations[id]
	if !ok {
		t.Fatalf("the contract has no operation %s", id)
	}
	// A stream goes on until it is left.
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	got, err := http.DefaultTransport.RoundTrip(e.request(ctx, t, op, c))
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	defer got.Body.Close()
	e.requests++
	mediaType, _, _ := mime.ParseMediaType(got.Header.Get("Content-Type"))
	var text []byte
	if got.StatusCode == http.StatusSwitchingProtocols {
		return answer{status: got.StatusCode, header: got.Header}
	}
	if mediaType == "text/event-stream" || mediaType == "text/plain" {
		text = make([]byte, 64<<10)
		n, readErr := got.Body.Read(text)
		if readErr != nil && readErr != io.EOF {
			t.Fatalf("%s: %v", id, readErr)
		}
		text = text[:n]
	} else if text, err = io.ReadAll(got.Body); err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	a := answer{status: got.StatusCode, header: got.Header, text: string(text)}
	if strings.HasSuffix(mediaType, "json") {
		if err := json.Unmarshal(text, &a.value); err != nil {
			t.Errorf("%s: %d: is no JSON: %v", id, a.status, err)
		}
	}
	return a
}

func (e endpoint) request(ctx context.Context, t *testing.T, op operation, c call) *http.Request {
	t.Helper()
	path := op.path
	for _, p := range op.parameters {
		if p.Value.In != openapi3.ParameterInPath {
			continue
		}
		value := c.path[p.Value.Name]
		if value == "" {
			value = "no-such-thing"
			if pattern := p.Value.Schema.Value.Pattern; pattern != "" && !regexp.MustCompile(pattern).MatchString(value) {
				value = fmt.Sprint(p.Value.Example) // none that is written as it has to be is there
			}
		}
		path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(value))
	}
	target := e.base + path
	if len(c.query) > 0 {
		target += "?" + c.query.Encode()
	}
	var body io.Reader
	switch b := c.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, op.method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(request.Header, c.header)
	if body != nil && request.Header.Get("Content-Type") == "" {
		mediaType := c.mediaType
		if mediaType == "" {
			mediaType = op.takes()
		}
		request.Header.Set("Content-Type", mediaType)
	}
	if !c.anonymous {
		request.Header.Set("Authorization", "Bearer "+e.token)
	}
	return request
}

// deviations says in what an answer is not what the document declares.
func (e endpoint) deviations(id string, got answer) []string {
	declared := e.operations[id].Responses.Status(got.status)
	if declared == nil {
		return []string{"is not declared"}
	}
	var all []string
	for name, header := range declared.Value.Headers {
		value := got.header.Get(name)
		if header.Value.Required && value == "" {
			all = append(all, "has no header "+name)
		}
		if err := header.Value.Schema.Value.VisitJSON(value); value != "" && header.Value.Schema.Value.Type.Is("string") && err != nil {
			all = append(all, fmt.Sprintf("the header %s: %v", name, err))
		}
	}
	mediaType, _, _ := mime.ParseMediaType(got.header.Get("Content-Type"))
	if len(declared.Value.Content) == 0 {
		if got.text != "" {
			all = append(all, "has a body, and none is declared")
		}
		return all
	}
	media := declared.Value.Content[mediaType]
	if media == nil {
		return append(all, fmt.Sprintf("is %q, which is not declared", mediaType))
	}
	if got.value == nil {
		return all
	}
	if err := media.Schema.Value.VisitJSON(got.value, openapi3.VisitAsResponse(), openapi3.MultiErrors()); err != nil {
		all = append(all, err.Error())
	}
	all = append(all, unknown(media.Schema.Value, got.value, "")...)
	if mediaType == "application/problem+json" {
		all = append(all, problemDeviations(declared.Value, got)...)
	}
	return all
}

// unknown names the members that no schema declares. The schemas of answers are
// open, so that they may grow within a version; what is sent is declared all the same.
func unknown(schema *openapi3.Schema, value any, at string) []string {
	var all []string
	switch v := value.(type) {
	case []any:
		if schema.Items != nil {
			for i, item := range v {
				all = append(all, unknown(schema.Items.Value, item, fmt.Sprintf("%s[%d]", at, i))...)
			}
		}
	case map[string]any:
		members := membersOf(schema)
		if len(members) == 0 {
			return nil // a free object
		}
		for name, item := range v {
			member, ok := members[name]
			if !ok {
				all = append(all, fmt.Sprintf("the member %s.%s is not declared", at, name))
				continue
			}
			all = append(all, unknown(member.Value, item, at+"."+name)...)
		}
	}
	return all
}

func membersOf(schema *openapi3.Schema) openapi3.Schemas {
	members := maps.Clone(schema.Properties)
	if members == nil {
		members = openapi3.Schemas{}
	}
	for _, part := range slices.Concat(schema.AllOf, schema.OneOf, schema.AnyOf) {
		maps.Copy(members, membersOf(part.Value))
	}
	return members
}

// problemDeviations holds a problem against itself and the description of its
// response, which begins with its code.
func problemDeviations(declared *openapi3.Response, got answer) []string {
	problem, _ := got.value.(map[string]any)
	var all []string
	code, _ := problem["code"].(string)
	if !strings.Contains(*declared.Description, "`"+code+"`") {
		all = append(all, fmt.Sprintf("the code %q is not in the response's description", code))
	}
	if problem["type"] != "urn:bothy:problem:"+code || problem["status"] != float64(got.status) {
		all = append(all, "type, status and code do not agree")
	}
	if problem["request_id"] != got.header.Get("X-Request-Id") || problem["request_id"] == "" {
		all = append(all, "the request id is not that of the header")
	}
	for _, word := range []string{"goroutine ", ".go:", "panic", "SQLITE", "pq:", "sql:"} {
		if strings.Contains(got.text, word) {
			all = append(all, fmt.Sprintf("shows something internal: %q", word))
		}
	}
	return all
}

// unseen lists the declared answers that no call has brought.
func (c *contract) unseen() []string {
	var all []string
	for _, id := range c.ids() {
		for status := range c.operations[id].Responses.Map() {
			var code int
			_, err := fmt.Sscan(status, &code)
			_, held := heldElsewhere()[id+" "+status]
			switch seen := c.seen[id][code] > 0; {
			case err != nil || !seen && !held:
				all = append(all, id+" "+status+" was never seen")
			case seen && held:
				all = append(all, id+" "+status+" was seen, and is said not to be")
			}
		}
	}
	slices.Sort(all)
	return all
}

// heldElsewhere are the declared answers that can't be brought about from outside,
// with the reason. The tests of service/api hold them with parts that fail.
func heldElsewhere() map[string]string {
	const vault = "Vault refuses nothing that the policy of the stack grants"
	const status = "asks nothing that can fail: a dependency that does is part of the answer"
	held := map[string]string{
		"getMe 500": "of the operator's token nothing is asked", "getMe 503": "of the operator's token nothing is asked",
		"createClass 404": "an admin sees every cohort and course",
		"updateUser 409":  "there is another admin", "disableUser 409": "there is another admin",
		"inviteCohort 409":    "nobody has chosen a password here, and mail is sent; the tests of service/registrar and service/store do",
		"setCourseSecret 502": vault, "setClassSecret 502": vault, "setStudentSecret 502": vault,
		"endSession 204": "nobody signs in with a browser here; the tests of service/auth and service/api do",
		"getStatus 500":  status, "getStatus 503": status,
		"getTemplate 409": "no version is registered that can't be read again",
		"updateClass 409": "a class that is being deleted is gone before it can be asked",
	}
	for _, id := range []string{"setCohortInstructors", "setCourseInstructors", "setClassAssistants"} {
		held[id+" 409"] = "the role of somebody named changes in the same moment"
	}
	// An admin may do everything, and a browser may read from another origin what it is not shown.
	for _, id := range []string{
		"getStatus", "getMe", "streamEvents", "listCohorts", "getCohort", "getCohortInstructors", "listStudents", "getStudent",
		"listCourses", "getCourse", "getCourseInstructors", "listClasses", "getClass", "getClassAssistants",
		"listOperations", "getOperation", "listOperationItems", "listWorkspaces", "getWorkspace", "planWorkspace", "getWorkspaceLogs",
		"execInWorkspace", "listTemplates", "getTemplate", "listTemplateVersions", "listUsers", "getUser",
		"listCourseSecrets", "listClassSecrets", "listStudentSecrets",
		"listTokens", "getToken", "listSessions", "exportStudent", "exportUser", "listAudit",
	} {
		held[id+" 403"] = "the matrix of rights in service/app has callers who may not"
	}
	return held
}

// counts says how much was seen.
func (c *contract) counts() string {
	declared, seen := 0, 0
	for id, op := range c.operations {
		declared += op.Responses.Len()
		seen += len(c.seen[id])
	}
	return fmt.Sprintf("%d operations, %d declared answers: %d seen here in %d requests, %d only with parts that fail",
		len(c.operations), declared, seen, c.requests, len(heldElsewhere()))
}
