package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
)

// The things of the walk through the contract.
const (
	termCohort  = "contract"
	termCourse  = "contract-shell"
	termClass   = termCohort + "~" + termCourse
	emptyCohort = "contract-empty"
	emptyClass  = emptyCohort + "~" + termCourse
)

// Parameters that a class can't run with.
var (
	// hugeJob is more than any node has.
	hugeJob = client.Parameters{"memory": 8_000_000}
	// refusedJob is a job that Bothy's contract allows and Nomad does not: at most
	// less memory than is reserved.
	refusedJob = client.Parameters{"memory": 256, "memory_max": 64}
)

// on is a call on things by their names in the path: "class", "fall~py101".
func on(names ...string) call {
	c := call{path: map[string]string{}}
	for i := 0; i < len(names); i += 2 {
		c.path[names[i]] = names[i+1]
	}
	return c
}

func (c call) with(body any) call {
	c.body = body
	return c
}

func (c call) asking(query url.Values) call {
	c.query = query
	return c
}

// under is the call with a header.
func (c call) under(name, value string) call {
	header := c.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set(name, value)
	c.header = header
	return c
}

// dry is the call as a dry run.
func (c call) dry() call {
	query := url.Values{"dry_run": {"true"}}
	for name, values := range c.query {
		query[name] = values
	}
	return c.asking(query)
}

// member is a text of an answer.
func (a answer) member(member string) string {
	object, _ := a.value.(map[string]any)
	text, _ := object[member].(string)
	return text
}

// change makes a change in every way that its operation offers: of something
// that has changed since (412), as a dry run, and twice under one key.
func (e endpoint) change(t *testing.T, id string, c call, status int) answer {
	t.Helper()
	op := e.operations[id]
	if op.has("header", "If-Match") {
		stale := e.expect(t, id, c.under("If-Match", `"999999"`), http.StatusPreconditionFailed)
		problem, _ := stale.value.(map[string]any)
		if current, _ := problem["current"].(map[string]any); len(current) == 0 {
			t.Errorf("%s: 412 without what is current: %s", id, stale.text)
		}
	}
	if op.has("query", "dry_run") {
		rehearsal := e.expect(t, id, c.dry(), status)
		if rehearsal.header.Get("Bothy-Dry-Run") != "true" {
			t.Errorf("%s: a dry run is not called one", id)
		}
	}
	if !op.has("header", "Idempotency-Key") {
		return e.expect(t, id, c, status)
	}
	c = c.under("Idempotency-Key", rand.Text())
	first, again := e.expect(t, id, c, status), e.expect(t, id, c, status)
	if again.header.Get("Idempotency-Replayed") != "true" || first.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("%s: the second answer under one key is not called a replay, or the first is", id)
	}
	for _, name := range []string{"ETag", "Location"} {
		if first.header.Get(name) != again.header.Get(name) {
			t.Errorf("%s: a replay has the %s %q, not %q", id, name, again.header.Get(name), first.header.Get(name))
		}
	}
	if diff := cmp.Diff(first.text, again.text); diff != "" {
		t.Errorf("%s: a replay is another answer: %s", id, diff)
	}
	return first
}

// set gives the course other parameters.
func (e endpoint) set(t *testing.T, parameters client.Parameters) {
	t.Helper()
	e.expect(t, "updateCourse", on("course", termCourse).with(map[string]any{"parameters": parameters}), http.StatusOK)
}

// term is what people do with a class from its first day to its last, and what
// is refused to them on the way.
func (e endpoint) term(t *testing.T, d *dev) {
	d.classReady(t, demoClass) // two cores start one class at a time
	e.people(t)
	e.teaching(t)
	e.launching(t)
	list := d.classReady(t, termCohort+"/"+termCourse)
	if len(list) != 1 {
		t.Fatalf("the class has %d workspaces, not 1", len(list))
	}
	d.tasksRun(t, list[0].Slug)
	e.reading(t, list[0].Slug)
	e.restarting(t, list[0].Slug)
	e.stopping(t, list[0].Slug)
	e.ending(t, d, list)
}

// tasksRun waits until Nomad's servers know that all tasks run: Consul may see that
// a workspace answers some moments earlier.
func (d *dev) tasksRun(t *testing.T, slug string) {
	t.Helper()
	eventually(t, readyLimit, "the tasks of "+slug+" to run", func(ctx context.Context) error {
		alloc, err := d.alloc(ctx, slug)
		if err != nil {
			return err
		}
		for name, task := range alloc.TaskStates {
			if task.State != "running" {
				return fmt.Errorf("%s is %s", name, task.State)
			}
		}
		return nil
	})
}

// people: cohorts and their students.
func (e endpoint) people(t *testing.T) {
	cohort := on("cohort", termCohort)
	input := call{}.with(map[string]any{"name": "Contract", "key": termCohort})
	e.change(t, "createCohort", input, http.StatusCreated)
	e.expect(t, "createCohort", input, http.StatusConflict)
	e.expect(t, "createCohort", call{}.with(map[string]any{"name": "Nobody", "key": emptyCohort}), http.StatusCreated)
	e.expect(t, "getCohort", cohort, http.StatusOK)
	e.expect(t, "listCohorts", call{}, http.StatusOK)

	e.users(t, cohort)
	e.credentials(t)

	ada := cohort.with(map[string]any{"name": "Ada Contract", "email": "ada.contract@example.edu"})
	student := e.change(t, "enrollStudent", ada, http.StatusCreated).member("id")
	e.expect(t, "enrollStudent", ada, http.StatusConflict)
	e.expect(t, "getStudent", on("student", student), http.StatusOK)
	e.change(t, "importRoster", cohort.with("name,email\nBo Contract,bo.contract@example.edu\n"), http.StatusOK)
	e.change(t, "inviteCohort", cohort, http.StatusOK)
	e.change(t, "inviteCohort", cohort.asking(url.Values{"student": {student}}), http.StatusOK)
	e.expect(t, "listStudents", cohort, http.StatusOK)
	e.change(t, "withdrawStudent", on("student", student), http.StatusOK)
	e.expect(t, "inviteCohort", cohort.asking(url.Values{"student": {student}}), http.StatusNotFound)
	e.expect(t, "exportStudent", on("student", student), http.StatusOK)
	e.expect(t, "eraseStudent", on("student", student).with(map[string]any{"email": "somebody.else@example.edu"}), http.StatusBadRequest)
	erase := on("student", student).with(map[string]any{"email": "ada.contract@example.edu"})
	e.change(t, "eraseStudent", erase, http.StatusOK)
	e.expect(t, "eraseStudent", on("student", student).with(map[string]any{"email": student + "@erased.invalid"}), http.StatusConflict)
}

// users: who may sign in, and what they are given.
func (e endpoint) users(t *testing.T, cohort call) {
	e.expect(t, "getMe", call{}, http.StatusOK)
	input := call{}.with(map[string]any{"login": "grace.contract@example.edu", "name": "Grace Contract", "role": "assistant"})
	user := on("user", e.change(t, "createUser", input, http.StatusCreated).member("id"))
	e.expect(t, "createUser", input, http.StatusConflict)
	e.change(t, "updateUser", user.with(map[string]any{"role": "instructor"}), http.StatusOK)
	e.expect(t, "getUser", on("user", "GRACE.contract@example.edu"), http.StatusOK)
	e.expect(t, "listUsers", call{}.asking(url.Values{"role": {"instructor"}}), http.StatusOK)
	e.change(t, "setCohortInstructors", cohort.with(map[string]any{"users": []string{"grace.contract@example.edu"}}), http.StatusOK)
	e.expect(t, "getCohortInstructors", cohort, http.StatusOK)
	e.change(t, "inviteUser", user, http.StatusOK)
	e.change(t, "disableUser", user, http.StatusOK)
	e.expect(t, "inviteUser", user, http.StatusConflict)
	e.expect(t, "eraseUser", user.with(map[string]any{"login": "grace.contract@example.edu"}), http.StatusConflict) // an instructor

	input = call{}.with(map[string]any{"login": "gone.contract@example.edu", "name": "Gone Contract", "role": "assistant"})
	gone := on("user", e.expect(t, "createUser", input, http.StatusCreated).member("id"))
	e.change(t, "updateUser", gone.with(map[string]any{"role": "student"}), http.StatusOK)
	e.expect(t, "exportUser", gone, http.StatusOK)
	e.expect(t, "eraseUser", gone.with(map[string]any{"login": "somebody.else@example.edu"}), http.StatusBadRequest)
	e.change(t, "eraseUser", gone.with(map[string]any{"login": "gone.contract@example.edu"}), http.StatusOK)
}

// teaching: templates, courses and classes, and keys that were used.
func (e endpoint) teaching(t *testing.T) {
	e.expect(t, "getStatus", call{}, http.StatusOK)
	e.expect(t, "listAudit", call{}, http.StatusOK)
	e.expect(t, "listTemplates", call{}, http.StatusOK)
	shell := on("template", "shell")
	source := e.expect(t, "getTemplate", shell, http.StatusOK).member("source")
	e.expect(t, "listTemplateVersions", shell, http.StatusOK)
	e.expect(t, "pushTemplate", shell.with(map[string]any{"source": source}), http.StatusOK)
	e.change(t, "pushTemplate", on("template", termCourse).with(map[string]any{"source": source}), http.StatusCreated)

	course := on("course", termCourse)
	input := call{}.with(map[string]any{"name": "Contract shell", "key": termCourse, "template": "shell"})
	e.change(t, "createCourse", input, http.StatusCreated)
	e.expect(t, "createCourse", input, http.StatusConflict)
	e.expect(t, "createCourse", call{}.with(map[string]any{"name": "Nothing", "template": "no-such"}), http.StatusBadRequest)
	e.expect(t, "getCourse", course, http.StatusOK)
	e.expect(t, "listCourses", call{}, http.StatusOK)
	e.change(t, "setCourseInstructors", course.with(map[string]any{"users": []string{"grace.contract@example.edu"}}), http.StatusOK)
	e.expect(t, "getCourseInstructors", course, http.StatusOK)
	e.change(t, "updateCourse", course.with(map[string]any{"name": "Contract Shell"}), http.StatusOK)

	class := call{}.with(map[string]any{"cohort": termCohort, "course": termCourse})
	e.change(t, "createClass", class, http.StatusCreated)
	e.expect(t, "createClass", class, http.StatusConflict)
	e.expect(t, "createClass", call{}.with(map[string]any{"cohort": termCohort, "course": "no-such"}), http.StatusBadRequest)
	e.expect(t, "createClass", call{}.with(map[string]any{"cohort": emptyCohort, "course": termCourse}), http.StatusCreated)
	e.change(t, "updateClass", on("class", termClass).with(map[string]any{"parameters": map[string]any{"cpu": 150}}), http.StatusOK)
	e.change(t, "setClassAssistants", on("class", termClass).with(map[string]any{"users": []string{}}), http.StatusOK)
	e.expect(t, "getClassAssistants", on("class", termClass), http.StatusOK)
	e.expect(t, "getClass", on("class", termClass), http.StatusOK)
	e.expect(t, "listClasses", call{}, http.StatusOK)
	e.expect(t, "listClasses", call{}.asking(url.Values{"cohort": {"no-such"}}), http.StatusNotFound)
	e.expect(t, "deleteCohort", on("cohort", termCohort), http.StatusConflict)
	e.expect(t, "deleteCourse", course, http.StatusConflict)

	e.secrets(t)

	e.expect(t, "streamEvents", call{}, http.StatusOK)
	e.expect(t, "streamEvents", call{}.asking(url.Values{"cohort": {"no-such"}}), http.StatusNotFound)

	used := rand.Text()
	e.expect(t, "createCohort", call{}.with(map[string]any{"name": "Used", "key": "contract-used"}).under("Idempotency-Key", used), http.StatusCreated)
	e.change(t, "deleteCohort", on("cohort", "contract-used"), http.StatusNoContent)
	for _, id := range e.ids() {
		if op := e.operations[id]; op.has("header", "Idempotency-Key") {
			e.expect(t, id, sample(op).under("Idempotency-Key", used), http.StatusConflict)
		}
	}
}

// secrets: those of a course, a class and a student.
func (e endpoint) secrets(t *testing.T) {
	student := e.expect(t, "enrollStudent", on("cohort", termCohort).with(map[string]any{
		"name": "Secret Contract", "email": "secret.contract@example.edu",
	}), http.StatusCreated).member("id")
	for kind, ref := range map[string]string{"Course": termCourse, "Class": termClass, "Student": student} {
		owner := on(strings.ToLower(kind), ref)
		one := func(name string) call { return on(strings.ToLower(kind), ref, "secret", name) }
		value := map[string]any{"value": "a-value-of-the-contract"}
		e.expect(t, "set"+kind+"Secret", one("TERM_KEY").with(value), http.StatusOK)
		e.change(t, "set"+kind+"Secret", one("TERM_KEY").with(value), http.StatusOK)
		e.expect(t, "list"+kind+"Secrets", owner, http.StatusOK)
		e.expect(t, "set"+kind+"Secret", one("TERM_BIG").with(map[string]any{"value": "x"}), http.StatusOK)
		for i := range 62 {
			e.expect(t, "set"+kind+"Secret", one(fmt.Sprintf("TERM_%d", i)).with(value), http.StatusOK)
		}
		e.expect(t, "set"+kind+"Secret", one("TERM_MORE").with(value), http.StatusConflict)
		e.change(t, "delete"+kind+"Secret", one("TERM_KEY"), http.StatusNoContent)
	}
	e.expect(t, "withdrawStudent", on("student", student), http.StatusOK)
}

// launching: what a class must have to be launched.
func (e endpoint) launching(t *testing.T) {
	class, empty := on("class", termClass), on("class", emptyClass)
	for _, id := range []string{"startClass", "restartClass", "resetClass", "launchClass", "planClass"} {
		e.expect(t, id, empty, http.StatusConflict)
	}
	e.change(t, "deleteClass", empty, http.StatusAccepted)
	e.change(t, "deleteCohort", on("cohort", emptyCohort), http.StatusNoContent)

	e.set(t, hugeJob)
	e.expect(t, "launchClass", class, http.StatusUnprocessableEntity)
	e.set(t, refusedJob)
	e.expect(t, "launchClass", class, http.StatusBadGateway)
	e.set(t, client.Parameters{})
	e.expect(t, "planClass", class, http.StatusOK)
	started := e.change(t, "launchClass", class, http.StatusAccepted).member("id")
	e.expect(t, "getOperation", on("operation", started), http.StatusOK)
	e.expect(t, "listOperations", call{}.asking(url.Values{"class": {termClass}}), http.StatusOK)
	e.expect(t, "listOperationItems", on("operation", started), http.StatusOK)
}

// reading: what there is to be seen of a workspace that runs.
func (e endpoint) reading(t *testing.T, slug string) {
	workspace := on("workspace", slug)
	e.expect(t, "listWorkspaces", call{}.asking(url.Values{"class": {termClass}}), http.StatusOK)
	e.expect(t, "listWorkspaces", call{}.asking(url.Values{"class": {"no-such~class"}}), http.StatusNotFound)
	e.expect(t, "getWorkspace", workspace, http.StatusOK)
	e.expect(t, "planWorkspace", workspace, http.StatusOK)
	e.expect(t, "linkWorkspace", workspace, http.StatusOK)
	e.expect(t, "linkWorkspace", workspace.with(map[string]any{"as": "student", "path": "/?folder=/home"}), http.StatusOK)
	e.expect(t, "getWorkspaceLogs", workspace.asking(url.Values{"task": {"nginx"}}), http.StatusOK)
	e.expect(t, "execInWorkspace", socket(workspace), http.StatusSwitchingProtocols)
}

// socket is the call of a command, as a WebSocket begins.
func socket(c call) call {
	return c.asking(url.Values{"command": {`["true"]`}}).
		under("Connection", "Upgrade").under("Upgrade", "websocket").
		under("Sec-WebSocket-Version", "13").under("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

// restarting: a class that runs, with parameters that can't, and then that can.
func (e endpoint) restarting(t *testing.T, slug string) {
	class, workspace := on("class", termClass), on("workspace", slug)
	e.set(t, hugeJob)
	e.expect(t, "restartClass", class, http.StatusUnprocessableEntity)
	e.expect(t, "resetClass", class, http.StatusUnprocessableEntity)
	e.expect(t, "restartWorkspace", workspace, http.StatusUnprocessableEntity)
	e.expect(t, "resetWorkspace", workspace, http.StatusUnprocessableEntity)
	e.set(t, refusedJob)
	e.expect(t, "restartClass", class, http.StatusBadGateway)
	e.expect(t, "resetClass", class, http.StatusBadGateway)
	e.expect(t, "restartWorkspace", workspace, http.StatusBadGateway)
	e.expect(t, "resetWorkspace", workspace, http.StatusBadGateway)
	e.expect(t, "planWorkspace", workspace, http.StatusBadGateway)
	e.expect(t, "planClass", class, http.StatusBadGateway)
	e.set(t, client.Parameters{})
	e.change(t, "restartWorkspace", workspace, http.StatusAccepted)
	e.change(t, "restartClass", class, http.StatusAccepted)
	e.change(t, "resetWorkspace", workspace, http.StatusAccepted)
	e.change(t, "resetClass", class, http.StatusAccepted)
}

// stopping: a class that is stopped, with parameters that can't run, and then that can.
func (e endpoint) stopping(t *testing.T, slug string) {
	class, workspace := on("class", termClass), on("workspace", slug)
	e.change(t, "stopWorkspace", workspace, http.StatusAccepted)
	e.change(t, "stopClass", class, http.StatusAccepted)
	e.expect(t, "restartWorkspace", workspace, http.StatusConflict)
	e.set(t, hugeJob)
	e.expect(t, "startWorkspace", workspace, http.StatusUnprocessableEntity)
	e.expect(t, "startClass", class, http.StatusUnprocessableEntity)
	e.set(t, refusedJob)
	e.expect(t, "startWorkspace", workspace, http.StatusBadGateway)
	e.expect(t, "startClass", class, http.StatusBadGateway)
	e.set(t, client.Parameters{})
	e.change(t, "startWorkspace", workspace, http.StatusAccepted)
	e.change(t, "startClass", class, http.StatusAccepted)
}

// ending: everything is deleted again.
func (e endpoint) ending(t *testing.T, d *dev, list []client.Workspace) {
	class, workspace := on("class", termClass), on("workspace", list[0].Slug)
	e.change(t, "deleteWorkspace", workspace.asking(url.Values{"release_home": {"true"}}), http.StatusAccepted)
	d.gone(t, list[0].Slug)
	// Nomad keeps the job and its logs for a while. That time is over:
	if _, _, err := d.nomad.Jobs().Deregister(jobID(list[0].Slug), true, nil); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"startWorkspace", "stopWorkspace", "resetWorkspace", "planWorkspace", "linkWorkspace", "getWorkspaceLogs"} {
		e.expect(t, id, workspace, http.StatusConflict)
	}
	e.expect(t, "execInWorkspace", socket(workspace), http.StatusConflict)

	e.change(t, "deleteClass", class.asking(url.Values{"release_homes": {"true"}}), http.StatusAccepted)
	classGone(t, d.api, termCohort+"/"+termCourse)
	e.change(t, "deleteCourse", on("course", termCourse), http.StatusNoContent)
	e.change(t, "deleteCohort", on("cohort", termCohort), http.StatusNoContent)
}

// credentials: API tokens and sessions of somebody, whom the operator names.
func (e endpoint) credentials(t *testing.T) {
	const login = "contract.credentials@example.edu"
	nobody := url.Values{"user": {"nobody-at-all@example.edu"}}
	e.expect(t, "createUser", call{}.with(map[string]any{"login": login, "name": "Contract Credentials", "role": "assistant"}), http.StatusCreated)
	input := call{}.with(map[string]any{"name": "contract", "user": login})
	e.expect(t, "createToken", input.dry(), http.StatusCreated)
	made := e.expect(t, "createToken", input, http.StatusCreated).member("id") // a repetition has no token in it
	e.expect(t, "createToken", call{}.with(map[string]any{"name": "contract"}), http.StatusBadRequest)
	e.expect(t, "createToken", call{}.with(map[string]any{"name": "contract", "user": "nobody-at-all@example.edu"}), http.StatusNotFound)
	e.expect(t, "listTokens", call{}.asking(url.Values{"user": {login}}), http.StatusOK)
	e.expect(t, "listTokens", call{}.asking(nobody), http.StatusNotFound)
	e.expect(t, "getToken", on("token", made), http.StatusOK)
	e.change(t, "revokeToken", on("token", made), http.StatusNoContent)
	e.expect(t, "revokeToken", on("token", made), http.StatusNotFound)

	e.expect(t, "listSessions", call{}, http.StatusOK)
	e.expect(t, "listSessions", call{}.asking(nobody), http.StatusNotFound)
	e.change(t, "endSessions", call{}.asking(url.Values{"user": {login}}), http.StatusNoContent)
	e.expect(t, "endSessions", call{}.asking(nobody), http.StatusNotFound)
}
