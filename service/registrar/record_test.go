package registrar_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// recorded wants what the newest row says of before and after.
func (o *office) recorded(action string, before, after map[string]any) {
	o.t.Helper()
	act := o.lastAct()
	if act.Action != action || act.Result != lab.AuditDone {
		o.t.Errorf("the newest act is %s, %s", act.Action, act.Result)
	}
	if diff := cmp.Diff([]map[string]any{before, after}, []map[string]any{act.Before, act.After}); diff != "" {
		o.t.Errorf("%s, before and after: %s", action, diff)
	}
}

func TestTheRecordSaysWhatWasAndWhatIs(t *testing.T) {
	o := open(t)
	ctx := t.Context()
	cohort, err := o.CreateCohort(ctx, lab.Intent{}, registrar.CohortInput{Name: "Fall 26"})
	o.must(err)
	o.recorded("cohort.create", nil, map[string]any{"key": "fall-26", "name": "Fall 26"})

	student, err := o.EnrollStudent(ctx, lab.Intent{}, cohort.ID, registrar.StudentInput{Name: "Ada", Email: "ada@example.edu"})
	o.must(err)
	o.recorded("student.enroll", nil, map[string]any{"name": "Ada", "email": "ada@example.edu"})

	_, err = o.WithdrawStudent(ctx, lab.Intent{}, student.ID)
	o.must(err)
	if act := o.lastAct(); act.Before != nil || act.After["withdrawn_at"] == nil || len(act.After) != 1 {
		t.Errorf("of a withdrawal: %v, %v", act.Before, act.After)
	}
	o.must(o.DeleteCohort(ctx, lab.Intent{}, cohort.ID))
	o.recorded("cohort.delete", map[string]any{"key": "fall-26", "name": "Fall 26"}, nil)

	class := o.launched("Bo")
	workspaces, err := o.Workspaces(ctx, registrar.WorkspaceFilter{})
	o.must(err)
	_, err = o.ActOnWorkspace(ctx, lab.Intent{}, workspaces[0].ID, registrar.ActStop)
	o.must(err)
	o.recorded("workspace.stop", map[string]any{"desired": "running"}, map[string]any{"desired": "stopped"})
	_, err = o.ActOnClass(ctx, lab.Intent{}, class.ID, registrar.ActStart)
	o.must(err)
	o.recorded("class.start", map[string]any{"running": 0.0, "stopped": 1.0}, map[string]any{"running": 1.0, "stopped": 0.0})
	_, err = o.UpdateClass(ctx, lab.Intent{}, class.ID, map[string]any{"cpu": 512.0})
	o.must(err)
	o.recorded("class.update", map[string]any{"parameters": map[string]any{}}, map[string]any{"parameters": map[string]any{"cpu": 512.0}})
}

func TestACommandByAnybodyButTheStudentIsALookIn(t *testing.T) {
	o := open(t)
	o.launched("Ada", "Bob")
	ws, err := o.Workspace(t.Context(), "fall-26-py101-ada")
	o.must(err)
	student, err := o.Student(t.Context(), ws.StudentID)
	o.must(err)
	var want []string
	for _, who := range []lab.Actor{
		{Name: "user:ada", UserID: student.UserID, Role: lab.RoleStudent},
		{Name: "token:ada/script", UserID: student.UserID, Role: lab.RoleStudent},
		{Name: "user:grace", UserID: "u-grace", Role: lab.RoleInstructor},
		{Name: "token:operator", Role: lab.RoleAdmin},
	} {
		o.must(o.RecordExec(t.Context(), lab.Intent{Actor: who}, ws, lab.ExecRequest{TaskRef: lab.TaskRef{Task: "editor"}, Command: []string{"sh"}}))
		if act := o.lastAct(); act.Action != "workspace.exec" || act.Actor != who {
			t.Errorf("the newest act is %+v", act)
		}
		if who.UserID != student.UserID {
			want = append([]string{who.Name + " as " + string(who.Role) + " by terminal"}, want...)
		}
	}
	seen, err := o.store.LookIns(t.Context(), student.UserID, 10)
	o.must(err)
	var got []string
	for _, l := range seen {
		got = append(got, l.Name+" as "+string(l.Role)+" by "+string(l.How))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNobodyFillsTheRecordWithWhatTheyAreRefused(t *testing.T) {
	o := open(t)
	bo, eve := lab.Actor{Name: "user:bo", UserID: "u7", Role: lab.RoleStudent}, lab.Actor{Name: "user:eve", UserID: "u8", Role: lab.RoleStudent}
	token := bo
	token.Name = "token:bo/script" // is no other person
	refused := func(who lab.Actor, target string) {
		t.Helper()
		o.must(o.RecordRefused(t.Context(), who, "getWorkspace", target))
	}
	for i := range 300 {
		refused([]lab.Actor{bo, token}[i%2], "a guess")
	}
	refused(eve, "another's")
	if act := o.lastAct(); act.Actor != eve {
		t.Errorf("the newest is %+v", act)
	}
	count := func() int {
		list, err := o.Audits(t.Context(), lab.AuditFilter{Result: lab.AuditRefused}, lab.Page{Limit: 1000})
		o.must(err)
		return len(list.Items)
	}
	if n := count(); n != 101 {
		t.Errorf("%d rows", n)
	}
	o.now = o.now.Add(time.Minute)
	refused(bo, "later")
	if act := o.lastAct(); act.Target != "later" || act.Detail["left_out"] != 200.0 {
		t.Errorf("the next row is %+v", act)
	}
}

func TestWhatIsRefusedIsRecordedToo(t *testing.T) {
	o := open(t)
	who := lab.Actor{Name: "bo", UserID: "u7", Role: lab.RoleStudent, Remote: "192.0.2.9"}
	o.must(o.RecordRefused(t.Context(), who, "launchClass", "fall-26~py101"))
	act := o.lastAct()
	if act.Actor != who || act.Action != "launchClass" || act.Target != "fall-26~py101" || act.Result != lab.AuditRefused {
		t.Errorf("%+v", act)
	}
	list, err := o.Audits(t.Context(), lab.AuditFilter{Result: lab.AuditRefused}, lab.Page{})
	o.must(err)
	if len(list.Items) != 1 {
		t.Errorf("%d refused acts", len(list.Items))
	}
	_, err = o.Audits(t.Context(), lab.AuditFilter{From: act.At, To: act.At}, lab.Page{})
	if lab.CodeOf(err) != lab.CodeInvalid {
		t.Errorf("an empty span of time: %v", err)
	}
}
