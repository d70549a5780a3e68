package command

import (
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

func TestPeopleAreInvitedAgain(t *testing.T) {
	w := newWorld(t)
	ana := client.Student{ID: "id-ana", CohortID: "id-fall", Name: "Ana", Email: "ana@b.c"}
	api := newFakeAPI(t, w).
		on("POST /v1/users/grace@b.c/invite", 200, client.Invited{Invited: 1}).
		on("GET /v1/students/id-ana", 200, ana).
		on("POST /v1/cohorts/id-fall/invite", 200, client.Invited{Invited: 1}).
		on("POST /v1/cohorts/fall-26/invite", 200, client.Invited{Invited: 12, PassedOver: 1})
	w.run("user", "invite", "grace@b.c").ok().says("grace@b.c is mailed an invitation.")
	w.run("student", "invite", "id-ana").ok().says("Ana <ana@b.c> is mailed an invitation.")
	if asked := api.asked[len(api.asked)-1]; !strings.HasSuffix(asked, "/invite?student=id-ana") {
		t.Errorf("asked %s", asked)
	}
	w.run("cohort", "invite", "fall-26").ok().says("fall-26: an invitation is mailed to 12 students; 1 more")
	w.run("cohort", "invite", "-dry-run", "fall-26").ok().says("fall-26: an invitation would be mailed to 12 students")
	if asked := api.asked[len(api.asked)-1]; !strings.Contains(asked, "dry_run=true") {
		t.Errorf("asked %s", asked)
	}
}
