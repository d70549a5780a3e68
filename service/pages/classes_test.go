package pages_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// audit is a row that nobody looks at.
func (s *site) audit() lab.Audit {
	s.ids++
	return lab.Audit{ID: fmt.Sprintf("audit-%04d", s.ids), At: s.at, Action: "x", Target: "x", Detail: map[string]any{}}
}

// staff is the browser of somebody who teaches.
func (s *site) staff(login string, role lab.Role) (lab.User, *browser) {
	s.t.Helper()
	user := lab.User{ID: login, Login: login, Name: "Grace Hopper", Role: role, Password: lab.PasswordOwn, Revision: 1, CreatedAt: s.at, UpdatedAt: s.at}
	s.must(s.store.CreateUser(s.t.Context(), lab.Intent{}, user, s.audit()))
	s.passwords[user.ID] = own
	b := s.browser()
	b.post("/sign-in", "login", login, "password", own).goes(s.t, "/")
	return user, b
}

// class makes one that is a minute newer than the one before, with a workspace in
// each of some phases; those that are seen stopped are wanted so.
func (s *site) class(cohort lab.Cohort, key string, phases ...lab.Phase) lab.Class {
	s.t.Helper()
	s.at = s.at.Add(time.Minute)
	ctx := s.t.Context()
	course := lab.Course{ID: "course-" + key, Key: key, Name: key, Template: "code-server", TemplateVersion: 1, Revision: 1, CreatedAt: s.at, UpdatedAt: s.at}
	class := lab.NewClass{
		Class:  lab.Class{ID: "class-" + key, CohortID: cohort.ID, CourseID: course.ID, CohortKey: cohort.Key, CourseKey: key, Revision: 1, CreatedAt: s.at, UpdatedAt: s.at},
		Course: &course, Audit: s.audit(),
	}
	var add []lab.Workspace
	seen := map[string]lab.Status{}
	s.must(s.store.CreateClass(ctx, lab.Intent{}, class, func([]lab.Student) (students []lab.Student, _ error) {
		for i, phase := range phases {
			id := fmt.Sprintf("%s-%d", key, i)
			students = append(students, lab.Student{ID: id, CohortID: cohort.ID, Name: id, Email: id + "@example.org", Revision: 1, CreatedAt: s.at, UpdatedAt: s.at})
			w := lab.Workspace{
				ID: id, ClassID: class.ID, StudentID: id, Slug: lab.Slug(cohort.Key + "-" + id), Desired: lab.DesiredRunning,
				Status: lab.Status{Phase: lab.PhaseUnknown}, Revision: 1, CreatedAt: s.at, UpdatedAt: s.at,
			}
			if phase == lab.PhaseStopped {
				w.Desired = lab.DesiredStopped
			}
			add, seen[id] = append(add, w), lab.Status{Phase: phase, Since: s.at}
		}
		return students, nil
	}))
	if len(add) == 0 {
		return class.Class
	}
	_, err := s.store.ChangeClass(ctx, lab.Intent{}, class.ID, func(lab.ClassState) (lab.ClassChange, error) {
		return lab.ClassChange{Add: add, Audit: s.audit()}, nil
	})
	s.must(err)
	epoch, err := s.store.ClaimEpoch(ctx)
	s.must(err)
	s.must(s.store.RecordStatuses(ctx, epoch, seen))
	return class.Class
}

func (s *site) cohortOf(key string) lab.Cohort {
	s.t.Helper()
	cohort := lab.Cohort{ID: key, Key: key, Name: key, Revision: 1, CreatedAt: s.at, UpdatedAt: s.at}
	s.must(s.store.CreateCohort(s.t.Context(), lab.Intent{}, cohort, s.audit()))
	return cohort
}

func (s *site) appoint(to lab.Trust, id string, user lab.User) {
	s.t.Helper()
	_, err := s.store.Appoint(s.t.Context(), lab.Intent{}, to, id, []string{user.ID}, s.audit())
	s.must(err)
}

// lacks wants none of some texts.
func (a answer) lacks(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			t.Errorf("the page has %q\n%s", text, a.body)
		}
	}
}

func TestAnInstructorSeesHowFarTheirClassesAre(t *testing.T) {
	s := newSite(t)
	grace, b := s.staff("grace@example.org", lab.RoleInstructor)
	cohort := s.cohortOf("spring-27")
	s.appoint(lab.TrustCohort, cohort.ID, grace)
	for _, class := range []struct {
		key     string
		phases  []lab.Phase
		state   string
		text    string
		command string
	}{
		{"all", []lab.Phase{lab.PhaseReady, lab.PhaseReady}, `good">Ready`, "2 of 2 workspaces ready.", "bothy status spring-27/all"},
		{"some", []lab.Phase{lab.PhaseReady, lab.PhaseStarting, lab.PhaseStopped}, `busy">Starting`, "1 of 3 workspaces ready, 1 stopped.", "bothy status spring-27/some"},
		{"bad", []lab.Phase{lab.PhaseReady, lab.PhaseFailed, lab.PhaseLost}, `bad">Trouble`, "1 of 3 workspaces ready, 2 failed or lost.", "bothy status -phase failed,lost spring-27/bad"},
		{"off", []lab.Phase{lab.PhaseStopped}, `off">Stopped`, "0 of 1 workspace ready, 1 stopped.", "bothy status spring-27/off"},
		{"new", nil, `off">Not launched`, "Nobody has a workspace yet.", "bothy run spring-27/new"},
	} {
		s.class(cohort, class.key, class.phases...)
		page := b.get("/")
		page.says(t, 200, "<h1>Your classes</h1>", "<h2>"+class.key+" <small>spring-27</small></h2>")
		// The newest is the first.
		_, first, _ := strings.Cut(page.body, "<h2>")
		first, _, _ = strings.Cut(first, "</li>")
		for _, text := range []string{class.key, class.state, class.text, "<code>" + class.command + "</code>"} {
			if !strings.Contains(first, text) {
				t.Errorf("%s lacks %q\n%s", class.key, text, first)
			}
		}
	}
	s.class(s.cohortOf("elsewhere"), "other", lab.PhaseReady)
	page := b.get("/")
	page.says(t, 200, "bothy login -address http://bothy.localhost:8080", `href="/docs"`, ">Classes</a>")
	page.lacks(t, "elsewhere", "no classes yet", "workspaces for you", "newest")

	_, err := s.store.ChangeClass(t.Context(), lab.Intent{}, "class-all", func(state lab.ClassState) (lab.ClassChange, error) {
		for i := range state.Workspaces {
			state.Workspaces[i].Desired = lab.DesiredDeleted
		}
		return lab.ClassChange{Delete: true, Update: state.Workspaces, Audit: s.audit()}, nil
	})
	s.must(err)
	b.get("/").says(t, 200, `off">Going</span> It is being deleted.`)
}

func TestAnAssistantSeesTheClassesThatTheyAssist(t *testing.T) {
	s := newSite(t)
	helper, b := s.staff("h@example.org", lab.RoleAssistant)
	b.get("/").says(t, 200, "<h1>Your classes</h1>", "You assist in no class yet.", "bothy class assistants")
	cohort := s.cohortOf("spring-27")
	mine := s.class(cohort, "mine")
	s.class(cohort, "other")
	s.appoint(lab.TrustClass, mine.ID, helper)
	page := b.get("/")
	page.says(t, 200, "<h2>mine", "an instructor launches it", "bothy status spring-27/mine")
	page.lacks(t, "<h2>other", "bothy run", "bothy class create")
}

func TestAnAdminSeesTheNewestClassesOfAll(t *testing.T) {
	s := newSite(t)
	_, b := s.staff("root@example.org", lab.RoleAdmin)
	b.get("/").says(t, 200, "<h1>All classes</h1>", "There are no classes yet.", "bothy class create")
	cohort := s.cohortOf("spring-27")
	for i := range 51 {
		s.class(cohort, fmt.Sprintf("c%02d", i))
	}
	page := b.get("/")
	page.says(t, 200, "<h2>c50 ", "<h2>c01 ", "These are the newest 50.", "bothy class list")
	page.lacks(t, "<h2>c00 ")
}

func TestWhoTeachesAndLearnsSeesBoth(t *testing.T) {
	s := newSite(t)
	grace, b := s.staff("grace@example.org", lab.RoleInstructor)
	b.get("/").says(t, 200, "You have no classes yet.", "bothy cohort instructors", "bothy class create")
	cohort := s.cohortOf("spring-27")
	s.appoint(lab.TrustCohort, cohort.ID, grace)
	s.class(cohort, "taught")
	student := lab.Student{ID: "learner", CohortID: s.cohortOf("summer-27").ID, UserID: grace.ID, Name: grace.Name, Email: "grace@example.org", Revision: 1, CreatedAt: s.at, UpdatedAt: s.at}
	_, err := s.store.Enroll(t.Context(), lab.Intent{}, student.CohortID, func([]lab.Student) ([]lab.Student, lab.Audit, error) {
		return []lab.Student{student}, s.audit(), nil
	})
	s.must(err)
	s.workspaces.views = append(s.workspaces.views, s.workspace("summer-27-rust-grace", "rust", student.ID, lab.DesiredRunning, lab.PhaseReady))
	b.get("/").says(t, 200, "<h2>taught", "Your own workspaces", `href="/open/summer-27-rust-grace"`)
}

func TestAStudentSeesNoClasses(t *testing.T) {
	s := newSite(t)
	s.class(s.cohortOf("spring-27"), "py101", lab.PhaseReady)
	s.in().get("/").lacks(t, "spring-27", "Your classes", "How to go on", "bothy login")
}
