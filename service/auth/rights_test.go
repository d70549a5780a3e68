package auth_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
)

var update = flag.Bool("update", false, "write the matrix of rights into docs/rights.md")

const (
	contractFile = "../api/openapi.yaml"
	matrixFile   = "../../docs/rights.md"
	// The matrix stands between these.
	matrixBegins = "<!-- made from service/auth/rights.go: go test ./service/auth -run Matrix -update -->\n"
	matrixEnds   = "<!-- end -->\n"
)

func TestEveryOperationOfTheContractHasARuleAndEveryRuleAnOperation(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromFile(contractFile)
	if err != nil {
		t.Fatal(err)
	}
	without := map[string]bool{auth.OpenWorkspace: true, auth.LookIn: true}
	for _, item := range doc.Paths.Map() {
		for _, operation := range item.Operations() {
			without[operation.OperationID] = true
		}
	}
	for _, rule := range auth.Rules() {
		if !without[rule.Operation] {
			t.Errorf("%s has a rule, and is twice in the table or nothing that there is", rule.Operation)
		}
		delete(without, rule.Operation)
		for _, reach := range []auth.Reach{rule.Admin, rule.Instructor, rule.Assistant, rule.Student} {
			if reach != auth.Never && reach != auth.Own && reach != auth.Any {
				t.Errorf("%s: the reach %q", rule.Operation, reach)
			}
		}
		if rule.Student == auth.Any && rule.Assistant != auth.Any || rule.Assistant == auth.Any && rule.Instructor != auth.Any {
			t.Errorf("%s reaches further for who is trusted with less", rule.Operation)
		}
	}
	for operation := range without {
		t.Errorf("%s has no rule: add one to service/auth/rights.go", operation)
	}
}

func TestATokenThatOpensAShellIsGoodForWriting(t *testing.T) {
	student := lab.Caller{UserID: "s", Role: lab.RoleStudent, Scope: lab.Scope{Students: []string{"me"}}}
	teacher := lab.Caller{UserID: "i", Role: lab.RoleInstructor, Scope: lab.Scope{Classes: []string{"class"}}}
	on := lab.Belonging{ClassID: "class", StudentID: "me"}
	for operation, caller := range map[string]lab.Caller{
		"execInWorkspace": student, "linkWorkspace": student, auth.OpenWorkspace: student, auth.LookIn: teacher,
	} {
		for scope, want := range map[lab.TokenScope]lab.Code{lab.TokenRead: lab.CodeForbidden, lab.TokenOperate: lab.CodeForbidden, lab.TokenWrite: ""} {
			caller.Token = scope
			if got := lab.CodeOf(auth.Allows(operation, caller, on)); got != want {
				t.Errorf("%s with %s: %q, want %q", operation, scope, got, want)
			}
		}
	}
}

func TestTheMatrixOfTheDocsIsTheTable(t *testing.T) {
	text, err := os.ReadFile(matrixFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), matrixBegins)
	_, after, ends := strings.Cut(rest, matrixEnds)
	if !begins || !ends {
		t.Fatalf("%s has no place for the matrix", matrixFile)
	}
	want := before + matrixBegins + matrix() + matrixEnds + after
	if *update {
		if err := os.WriteFile(matrixFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("the matrix is another: go test ./service/auth -run Matrix -update\n%s", diff)
	}
}

func matrix() string {
	var b strings.Builder
	b.WriteString("| operation | admin | instructor | assistant | student | token |\n|---|---|---|---|---|---|\n")
	for _, r := range auth.Rules() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", r.Operation, shown(r.Admin), shown(r.Instructor), shown(r.Assistant), shown(r.Student), r.Token)
	}
	return b.String()
}

func shown(r auth.Reach) string {
	if r == auth.Never {
		return "–"
	}
	return string(r)
}

func TestARightReachesAsFarAsItsRuleSays(t *testing.T) {
	scope := lab.Scope{Classes: []string{"class"}, Cohorts: []string{"cohort"}, Courses: []string{"course"}}
	instructor := lab.Caller{UserID: "i", Role: lab.RoleInstructor, Scope: scope}
	assistant := lab.Caller{UserID: "a", Role: lab.RoleAssistant, Scope: lab.Scope{Classes: []string{"class"}, Students: []string{"me"}}}
	student := lab.Caller{UserID: "s", Role: lab.RoleStudent, Scope: lab.Scope{Students: []string{"me"}}}
	learning := instructor
	learning.Scope.Students = []string{"me"}
	reading := instructor
	reading.Token = lab.TokenRead
	odd := instructor
	odd.Token = "odd"

	own := lab.Belonging{ClassID: "class", CohortID: "cohort", CourseID: "course", StudentID: "other"}
	foreign := lab.Belonging{ClassID: "class-2", CohortID: "cohort-2", CourseID: "course", StudentID: "other"}
	mine := lab.Belonging{ClassID: "class-2", CohortID: "cohort-2", CourseID: "course-2", StudentID: "me"}
	nothing := lab.Belonging{}
	for name, c := range map[string]struct {
		operation string
		caller    lab.Caller
		on        lab.Belonging
		want      lab.Code
	}{
		"an instructor, own":                              {"resetWorkspace", instructor, own, ""},
		"an instructor, foreign":                          {"resetWorkspace", instructor, foreign, lab.CodeNotFound},
		"an instructor, a class that is gone":             {"getOperation", instructor, lab.Belonging{ClassID: "gone", CohortID: "cohort"}, ""},
		"an instructor, a list":                           {"listWorkspaces", instructor, nothing, ""},
		"an instructor, what only admins may":             {"pushTemplate", instructor, nothing, lab.CodeForbidden},
		"an instructor, what all see":                     {"getTemplate", instructor, nothing, ""},
		"an instructor, a foreign workspace as a student": {"startWorkspace", learning, mine, ""},
		"an instructor has no more there than a student":  {"resetWorkspace", learning, mine, lab.CodeForbidden},
		"an instructor opens no workspace of a student":   {auth.OpenWorkspace, instructor, own, lab.CodeForbidden},
		"an instructor looks in":                          {auth.LookIn, instructor, own, ""},
		"an instructor looks in elsewhere":                {auth.LookIn, instructor, foreign, lab.CodeNotFound},
		"an instructor does not look in where they learn": {auth.LookIn, learning, mine, lab.CodeForbidden},
		"an assistant, what instructors may":              {"resetWorkspace", assistant, own, lab.CodeForbidden},
		"an assistant starts":                             {"startWorkspace", assistant, own, ""},
		"an assistant does not run commands":              {"execInWorkspace", assistant, own, lab.CodeForbidden},
		"an assistant who learns opens their own":         {auth.OpenWorkspace, assistant, mine, ""},
		"an assistant, foreign":                           {"startWorkspace", assistant, foreign, lab.CodeNotFound},
		"a student, own":                                  {"execInWorkspace", student, mine, ""},
		"a student, what is theirs and not for them":      {"deleteWorkspace", student, mine, lab.CodeForbidden},
		"a student, another's":                            {"getWorkspace", student, own, lab.CodeNotFound},
		"a student, a list that is not for them":          {"listCohorts", student, nothing, lab.CodeForbidden},
		"an admin, anything":                              {"deleteWorkspace", lab.Caller{Role: lab.RoleAdmin, Scope: lab.Scope{All: true}}, foreign, ""},
		"an admin opens nothing as a student":             {auth.OpenWorkspace, lab.Caller{Role: lab.RoleAdmin, Scope: lab.Scope{All: true}}, foreign, lab.CodeForbidden},
		"a token that only reads, reading":                {"getWorkspace", reading, own, ""},
		"a token that only reads, starting":               {"startWorkspace", reading, own, lab.CodeForbidden},
		"a token that only reads, foreign":                {"startWorkspace", reading, foreign, lab.CodeNotFound},
		"a token of a scope that is none":                 {"getWorkspace", odd, own, lab.CodeForbidden},
		"an operation without a rule, for an admin":       {"doMagic", lab.Caller{Role: lab.RoleAdmin, Scope: lab.Scope{All: true}}, nothing, lab.CodeForbidden},
		"nobody":            {"getStatus", lab.Caller{}, nothing, lab.CodeForbidden},
		"nobody, something": {"getWorkspace", lab.Caller{}, own, lab.CodeNotFound},
		"a role that there is not, with all to be seen":    {"getWorkspace", lab.Caller{Role: "king", Scope: lab.Scope{All: true}}, own, lab.CodeForbidden},
		"what belongs to nobody is not a student's":        {"getWorkspace", lab.Caller{Role: lab.RoleStudent, Scope: lab.Scope{Students: []string{""}}}, lab.Belonging{ClassID: "x"}, lab.CodeNotFound},
		"a course of one's own does not open its classes":  {"getClass", instructor, foreign, lab.CodeNotFound},
		"a cohort of one's own opens classes made since":   {"getClass", instructor, lab.Belonging{ClassID: "new", CohortID: "cohort"}, ""},
		"an assistant's class does not open its cohort":    {"getCohort", assistant, lab.Belonging{CohortID: "cohort"}, lab.CodeNotFound},
		"an assistant does not see students by themselves": {"getStudent", assistant, lab.Belonging{CohortID: "cohort", StudentID: "other"}, lab.CodeNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lab.CodeOf(auth.Allows(c.operation, c.caller, c.on)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestOnlyAdminsRegisterTemplates(t *testing.T) {
	for _, role := range []lab.Role{lab.RoleAdmin, lab.RoleInstructor, lab.RoleAssistant, lab.RoleStudent} {
		err := auth.Allows("pushTemplate", lab.Caller{Role: role}, lab.Belonging{})
		if allowed := err == nil; allowed != (role == lab.RoleAdmin) {
			t.Errorf("%s: %v", role, err)
		}
	}
}
