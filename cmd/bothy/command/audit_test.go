package command

import (
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

func TestAuditShowsWhoDidWhat(t *testing.T) {
	w := newWorld(t)
	before, after := map[string]any{"desired": "running", "release_home": false}, map[string]any{"desired": "stopped"}
	row := client.Audit{
		ID: "a1", At: w.clock, Action: "workspace.stop", Target: "id-ana", Result: "done", Detail: map[string]any{"slug": "fall-26-py101-ana"},
		Actor: client.AuditActor{Name: "ada", Role: "instructor", Remote: "192.0.2.7"}, Before: &before, After: &after,
	}
	newFakeAPI(t, w).on("GET /v1/audit", 200, client.AuditList{Items: []client.Audit{row}})
	w.run("audit", "-action", "workspace.", "-from", "2026-09-01").ok().
		says("WHO", "ada", "instructor", "workspace.stop", "done", "slug=fall-26-py101-ana", "desired: running -> stopped")
	w.run("audit", "-json").ok().says(`"action": "workspace.stop"`)
	w.run("audit", "-from", "yesterday").fails(exitLocal, "-from", "yesterday")
	w.run("audit", "-csv", "-ndjson").fails(exitLocal, "exclude")
}

func TestAStudentIsExportedAndErased(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on("GET /v1/students/id-ada/export", 200, client.PersonalExport{StudentIds: []string{"id-ada"}, Records: map[string][]map[string]any{"students": {{"name": "Ada"}}}}).
		on("POST /v1/students/id-ada/erase", 200, client.Erasure{
			StudentID: "id-ada", Erased: []client.ErasedRows{{Table: "students", Rows: 1}}, Kept: []client.KeptData{{What: "slugs", Why: "never given twice"}},
		})
	w.run("student", "export", "id-ada").ok().says(`"name": "Ada"`)
	w.run("student", "erase", "id-ada").fails(exitLocal, "-email")
	w.run("student", "erase", "-email", "ada@example.edu", "id-ada").ok().says("students", "slugs", "never given twice")
}
