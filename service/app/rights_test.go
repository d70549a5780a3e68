package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

// ownCredential says that an operation is on a token or session, which belongs to no
// class: whose it is, is held in service/auth.
func ownCredential(id string) bool {
	return slices.Contains([]string{"getToken", "revokeToken", "endSession"}, id)
}

// sees says which kinds of own things a role sees; the oracle is not the code that
// the test is about.
func sees(role lab.Role, kind string) bool {
	switch role {
	case lab.RoleAdmin, lab.RoleInstructor:
		return true
	case lab.RoleAssistant:
		return slices.Contains([]string{"class", "operation", "workspace"}, kind)
	case lab.RoleStudent:
		return slices.Contains([]string{"student", "workspace"}, kind)
	default:
		return false
	}
}

func reachOf(rule auth.Rule, role lab.Role) auth.Reach {
	return map[lab.Role]auth.Reach{
		lab.RoleAdmin: rule.Admin, lab.RoleInstructor: rule.Instructor, lab.RoleAssistant: rule.Assistant, lab.RoleStudent: rule.Student,
	}[role]
}

// expected is what the table says: 0 for what is let through.
func expected(rule auth.Rule, p person, kind string, own bool) int {
	reach := reachOf(rule, p.role)
	single := kind != "" && kind != "template" && kind != "user"
	visible := p.role == lab.RoleAdmin || own && sees(p.role, kind)
	scopes := []lab.TokenScope{lab.TokenRead, lab.TokenOperate, lab.TokenWrite}
	switch {
	case single && !visible:
		return http.StatusNotFound
	case reach == auth.Never:
		return http.StatusForbidden
	case p.token != "" && slices.Index(scopes, p.token) < slices.Index(scopes, rule.Token):
		return http.StatusForbidden
	default:
		return 0
	}
}

// asked is one operation of the contract.
type asked struct {
	id, method, path string
	op               *openapi3.Operation
	// kind is what its path names, "" for nothing.
	kind string
}

func (c *campus) operations() []asked {
	c.t.Helper()
	answer := httptest.NewRecorder()
	c.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/openapi.json", nil))
	doc, err := openapi3.NewLoader().LoadFromData(answer.Body.Bytes())
	c.must(err)
	var all []asked
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			a := asked{id: op.OperationID, method: method, path: path, op: op}
			if _, rest, ok := strings.Cut(path, "{"); ok {
				a.kind, _, _ = strings.Cut(rest, "}")
			}
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b asked) int { return strings.Compare(a.id, b.id) })
	return all
}

// request asks for an operation on own or foreign things, as a dry run where it writes.
func (c *campus) request(a asked, things map[string]string, bearer string, narrowed url.Values) *http.Request {
	query := maps.Clone(narrowed)
	if query == nil {
		query = url.Values{}
	}
	if a.op.Parameters.GetByInAndName(openapi3.ParameterInQuery, "dry_run") != nil {
		query.Set("dry_run", "true")
	}
	if a.id == "execInWorkspace" {
		query.Set("command", `["id"]`)
	}
	mediaType, body := "", ""
	if a.op.RequestBody != nil {
		for media, content := range a.op.RequestBody.Value.Content {
			mediaType = media
			if text, ok := content.Example.(string); ok {
				body = text
			} else if text, err := json.Marshal(content.Example); err == nil {
				body = string(text)
			}
		}
	}
	switch {
	case a.id == "createClass":
		body = fmt.Sprintf(`{"cohort":%q,"course":%q}`, things["cohort"], c.spare)
	case strings.HasSuffix(a.id, "Secret"):
	case strings.HasPrefix(a.id, "set"):
		body = `{"users":[]}`
	case a.id == "updateCourse":
		body = `{"name":"another"}`
	case a.id == "updateClass":
		body = `{"parameters":{}}`
	case a.id == "pushTemplate":
		body = `{"source":"job {"}`
	}
	path := a.path
	if a.kind != "" {
		path = strings.ReplaceAll(path, "{"+a.kind+"}", things[a.kind])
	}
	path = strings.ReplaceAll(path, "{secret}", "KEY")
	r := httptest.NewRequest(a.method, path+"?"+query.Encode(), strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	if a.id == "execInWorkspace" {
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return r
}

// held sends a request, and says in what its answer is not as expected.
func (c *campus) held(a asked, p person, r *http.Request, want int) string {
	answer := httptest.NewRecorder()
	c.ServeHTTP(answer, r)
	got, body := answer.Code, answer.Body.String()
	// What is let through is done or, without a cluster, tried.
	through := got < http.StatusMultipleChoices || got == http.StatusConflict || got == http.StatusServiceUnavailable ||
		slices.Contains([]string{"pushTemplate", "eraseStudent", "eraseUser"}, a.id) && got == http.StatusBadRequest
	switch {
	case want == 0 && !through, want != 0 && got != want:
		return fmt.Sprintf("got %d, want %d: %s", got, want, body)
	case p.role != lab.RoleAdmin && strings.Contains(body, foreign):
		return fmt.Sprintf("%d tells of what is not theirs: %s", got, body)
	}
	return ""
}

// changes counts the acts on record that were done and changed something: that
// somebody's data were exported is on record too.
func (c *campus) changes() int {
	c.t.Helper()
	done, err := c.store.Audits(c.t.Context(), lab.AuditFilter{Result: lab.AuditDone}, lab.Page{Limit: 1000})
	c.must(err)
	n := 0
	for _, act := range done.Items {
		if act.Action != "student.export" && act.Action != "user.export" {
			n++
		}
	}
	return n
}

func TestTheMatrixOfRightsHolds(t *testing.T) {
	rules := map[string]auth.Rule{}
	for _, rule := range auth.Rules() {
		rules[rule.Operation] = rule
	}
	for driver, cfg := range map[string]func(t *testing.T) store.Config{
		store.SQLite: func(t *testing.T) store.Config {
			return store.Config{Driver: store.SQLite, Path: filepath.Join(t.TempDir(), "bothy.db")}
		},
		store.Postgres: func(t *testing.T) store.Config {
			dsn := postgres.Empty(t)
			return store.Config{Driver: store.Postgres, DSN: func() (string, error) { return dsn, nil }}
		},
	} {
		t.Run(driver, func(t *testing.T) {
			c := newCampus(t, cfg(t))
			recorded := c.changes()
			counts, requests, all := map[int]int{}, 0, c.operations()
			hold := func(a asked, name string, things map[string]string, narrowed url.Values, want int) {
				t.Helper()
				whose := "own"
				if things["class"] == c.foreign["class"] {
					whose = foreign
				}
				if problem := c.held(a, c.who[name], c.request(a, things, name, narrowed), want); problem != "" {
					t.Errorf("%s by %q of %s %v: %s", a.id, name, whose, narrowed, problem)
				}
				counts[want]++
				requests++
			}
			for _, a := range all {
				if ownCredential(a.id) {
					continue
				}
				rule := rules[a.id]
				for _, own := range []bool{true, false} {
					things := c.own
					if !own {
						things = c.foreign
					}
					hold(a, "", things, nil, http.StatusUnauthorized)
					for name, p := range c.who {
						want := expected(rule, p, a.kind, own)
						if a.id == "createClass" && want == 0 && !own && p.role != lab.RoleAdmin {
							want = http.StatusNotFound // its body names the cohort
						}
						hold(a, name, things, nil, want)
						for _, narrow := range []string{"cohort", "course", "class", "student", "workspace"} {
							if a.op.Parameters.GetByInAndName(openapi3.ParameterInQuery, narrow) == nil || a.id == "listOperations" {
								continue
							}
							narrowed := want
							if want == 0 && p.role != lab.RoleAdmin && (!own || !sees(p.role, narrow)) {
								narrowed = http.StatusNotFound
							}
							hold(a, name, things, url.Values{narrow: {things[narrow]}}, narrowed)
						}
					}
				}
			}
			if after := c.changes(); after != recorded {
				t.Errorf("%d acts were recorded as done by dry runs and refusals", after-recorded)
			}
			t.Logf("%d operations, %d callers and nobody: %d requests, of which %d let through, and answers %v", len(all), len(c.who), requests, counts[0], counts)
		})
	}
}

// What is narrowed is not empty.
func TestListsHaveWhatIsOwn(t *testing.T) {
	c := newCampus(t, store.Config{Driver: store.SQLite, Path: filepath.Join(t.TempDir(), "bothy.db")})
	for line, has := range map[string]string{
		"instructor /v1/cohorts": "own-cohort", "instructor /v1/courses": "own-course", "instructor /v1/classes": "own-cohort/own-course",
		"instructor /v1/workspaces": "own-cohort-own-course-own-pupil", "instructor /v1/operations": "own-cohort/own-course",
		"assistant /v1/classes": "own-cohort/own-course", "assistant /v1/workspaces": "own-pupil", "assistant /v1/operations": "own-cohort/own-course",
		"student /v1/workspaces": "own-pupil", "admin /v1/workspaces": foreign, "admin /v1/users": foreign, "student /v1/me": "own-pupil@example.edu",
	} {
		who, path, _ := strings.Cut(line, " ")
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+who)
		answer := httptest.NewRecorder()
		c.ServeHTTP(answer, r)
		if !strings.Contains(answer.Body.String(), has) {
			t.Errorf("%s: %d lacks %s: %s", line, answer.Code, has, answer.Body)
		}
	}
}

func TestAnInstructorMakesAClassOfTheirOwnFromNothing(t *testing.T) {
	c := newCampus(t, store.Config{Driver: store.SQLite, Path: filepath.Join(t.TempDir(), "bothy.db")})
	for _, step := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodPost, "/v1/classes", `{"cohort":"New cohort","course":"New course","template":"shell","students":[{"name":"N","email":"n@example.edu"}]}`, http.StatusCreated},
		{http.MethodGet, "/v1/cohorts/new-cohort/students", "", http.StatusOK},
		{http.MethodGet, "/v1/classes/new-cohort~new-course", "", http.StatusOK},
		{http.MethodPatch, "/v1/courses/new-course", `{"name":"Newer"}`, http.StatusOK},
		{http.MethodPost, "/v1/classes", `{"cohort":"new-cohort","course":"outland-course"}`, http.StatusNotFound},
		{http.MethodPost, "/v1/classes", `{"cohort":"Outland cohort","course":"new-course"}`, http.StatusNotFound},
		{http.MethodPost, "/v1/cohorts", `{"name":"Outland cohort"}`, http.StatusConflict},
	} {
		r := httptest.NewRequest(step.method, step.path, strings.NewReader(step.body))
		r.Header.Set("Authorization", "Bearer instructor")
		if step.body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		answer := httptest.NewRecorder()
		c.ServeHTTP(answer, r)
		if answer.Code != step.want {
			t.Errorf("%s %s: got %d, want %d: %s", step.method, step.path, answer.Code, step.want, answer.Body)
		}
	}
}
