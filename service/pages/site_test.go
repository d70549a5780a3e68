package pages_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/pages"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/store"
)

const (
	temporary = "temp-orary-pass"
	own       = "a very long password"
	ada       = "ada@example.org"
)

// passwords stands for Vault.
type passwords map[string]string

func (p passwords) SetPassword(_ context.Context, id, password string) error {
	p[id] = password
	return nil
}

func (p passwords) CheckPassword(_ context.Context, id, password string) error {
	if p[id] == "" || p[id] != password {
		return lab.Errorf(lab.CodeUnauthenticated, "wrong")
	}
	return nil
}

// workspaces are those of one student.
type workspaces struct {
	views []registrar.WorkspaceView
	acts  []string
}

func (w *workspaces) Workspaces(_ context.Context, f registrar.WorkspaceFilter, _ lab.Page) (lab.List[registrar.WorkspaceView], error) {
	var list lab.List[registrar.WorkspaceView]
	for _, v := range w.views {
		if v.StudentID == f.Student {
			list.Items = append(list.Items, v)
		}
	}
	return list, nil
}

func (w *workspaces) Workspace(_ context.Context, ref string) (registrar.WorkspaceView, error) {
	for _, v := range w.views {
		if string(v.Slug) == ref {
			return v, nil
		}
	}
	return registrar.WorkspaceView{}, lab.NotFound("workspace", ref)
}

func (w *workspaces) ActOnWorkspace(_ context.Context, intent lab.Intent, ref string, act registrar.Act) (registrar.WorkspaceView, error) {
	w.acts = append(w.acts, fmt.Sprint(intent.Actor.Name, " ", act, " ", ref))
	return registrar.WorkspaceView{}, nil
}

// site is a server of the pages over a real store.
type site struct {
	t          *testing.T
	store      *store.Store
	people     *auth.People
	passwords  passwords
	workspaces *workspaces
	server     *httptest.Server
	ids        int
	at         time.Time
	student    lab.Student
	user       lab.User
}

func newSite(t *testing.T, change ...func(*pages.Config)) *site {
	t.Helper()
	s := &site{t: t, passwords: passwords{}, workspaces: &workspaces{}}
	var err error
	s.store, err = store.Open(t.Context(), store.Config{Driver: store.SQLite, Path: filepath.Join(t.TempDir(), "bothy.db")})
	s.must(err)
	t.Cleanup(func() { s.must(s.store.Close()) })
	id := func() string { s.ids++; return fmt.Sprintf("id-%04d", s.ids) }
	s.people, err = auth.NewPeople(auth.Config{
		Store: s.store, Passwords: s.passwords, Idle: time.Hour, Lifetime: 24 * time.Hour, Log: slog.New(slog.DiscardHandler), NewID: id,
		After: func(time.Duration) <-chan time.Time {
			now := make(chan time.Time, 1)
			now <- time.Time{}
			return now
		},
	})
	s.must(err)
	cfg := pages.Config{
		People: s.people, Workspaces: s.workspaces, Classes: registrar.New(registrar.Config{Store: s.store}), Mail: true, ConsoleURL: "http://bothy.localhost:8080", LabsURL: "http://labs.localhost:9999",
		Version: "1.2.3", Log: slog.New(slog.DiscardHandler),
		LookIns: func(context.Context, string) ([]pages.LookIn, error) {
			return []pages.LookIn{{Slug: "fall-26-py101-ada", Name: "Grace Hopper", How: "terminal", At: time.Date(2026, 9, 1, 9, 5, 0, 0, time.UTC)}}, nil
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	handler, err := pages.New(cfg)
	s.must(err)
	s.server = httptest.NewServer(handler)
	t.Cleanup(s.server.Close)

	at := time.Now().UTC().Truncate(time.Microsecond)
	s.at = at
	audit := func() lab.Audit { return lab.Audit{ID: id(), At: at, Action: "x", Target: "x"} }
	s.user = lab.User{ID: id(), Login: ada, Name: "Ada Lovelace", Email: ada, Role: lab.RoleStudent, Password: lab.PasswordTemporary, Revision: 1, CreatedAt: at, UpdatedAt: at}
	s.must(s.store.CreateUser(t.Context(), lab.Intent{}, s.user, audit()))
	s.passwords[s.user.ID] = temporary
	cohort := lab.Cohort{ID: id(), Key: "fall-26", Name: "Fall 26", Revision: 1, CreatedAt: at, UpdatedAt: at}
	s.must(s.store.CreateCohort(t.Context(), lab.Intent{}, cohort, audit()))
	s.student = lab.Student{ID: id(), CohortID: cohort.ID, UserID: s.user.ID, Name: "Ada Lovelace", Email: ada, Revision: 1, CreatedAt: at, UpdatedAt: at}
	_, err = s.store.Enroll(t.Context(), lab.Intent{}, cohort.ID, func([]lab.Student) ([]lab.Student, lab.Audit, error) {
		return []lab.Student{s.student}, audit(), nil
	})
	s.must(err)
	s.workspaces.views = []registrar.WorkspaceView{
		s.workspace("fall-26-py101-ada", "py101", s.student.ID, lab.DesiredRunning, lab.PhaseReady),
		s.workspace("fall-26-go102-ada", "go102", s.student.ID, lab.DesiredStopped, lab.PhaseStopped),
		s.workspace("fall-26-db103-ada", "db103", s.student.ID, lab.DesiredRunning, lab.PhaseStarting),
		s.workspace("fall-26-sh104-ada", "sh104", s.student.ID, lab.DesiredRunning, lab.PhaseFailed),
		s.workspace("fall-26-py101-bob", "py101", "somebody else", lab.DesiredRunning, lab.PhaseReady),
	}
	return s
}

func (*site) workspace(slug, course, student string, desired lab.Desired, phase lab.Phase) registrar.WorkspaceView {
	return registrar.WorkspaceView{
		Workspace: lab.Workspace{ID: "id-" + slug, Slug: lab.Slug(slug), StudentID: student, ClassID: "class", Desired: desired, Status: lab.Status{Phase: phase}},
		CohortKey: "fall-26", CourseKey: course,
	}
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// browser keeps cookies and follows no redirects.
type browser struct {
	s       *site
	cookies map[string]string
	headers map[string]string
}

func (s *site) browser() *browser {
	return &browser{s, map[string]string{}, map[string]string{"Sec-Fetch-Site": "same-origin"}}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) do(method, path string, form url.Values) answer {
	b.s.t.Helper()
	r, err := http.NewRequestWithContext(b.s.t.Context(), method, b.s.server.URL+path, strings.NewReader(form.Encode()))
	b.s.must(err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.headers {
		r.Header.Set(name, value)
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	got, err := client.Do(r)
	b.s.must(err)
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	b.s.must(err)
	for _, c := range got.Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return answer{got.StatusCode, got.Header, string(body)}
}

func (b *browser) get(path string) answer { b.s.t.Helper(); return b.do(http.MethodGet, path, nil) }

func (b *browser) post(path string, pairs ...string) answer {
	b.s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.do(http.MethodPost, path, form)
}

// goes wants a redirect.
func (a answer) goes(t *testing.T, to string) {
	t.Helper()
	if a.status != http.StatusSeeOther || a.header.Get("Location") != to {
		t.Fatalf("got %d to %q, not to %q\n%s", a.status, a.header.Get("Location"), to, a.body)
	}
}

// says wants a status and texts.
func (a answer) says(t *testing.T, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d, not %d\n%s", a.status, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("the page lacks %q\n%s", text, a.body)
		}
	}
}

// in is a browser of somebody with a password of their own.
func (s *site) in() *browser {
	s.t.Helper()
	b := s.browser()
	b.post("/sign-in", "login", ada, "password", temporary).goes(s.t, "/password?to=%2F")
	b.post("/password", "password", own, "again", own).goes(s.t, "/?done=password")
	return b
}
