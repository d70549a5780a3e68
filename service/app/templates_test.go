package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/jobspecs"
	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/store/storetest"
)

// versions lists a template's versions as "2 folder", newest first.
func (s *running) versions(name string) string {
	s.t.Helper()
	all, err := s.client.TemplateVersions(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	var kinds []string
	for _, v := range all {
		kinds = append(kinds, string(v.Origin.Kind))
	}
	return strings.Join(kinds, " ")
}

func (s *running) courseVersion(ref string) int64 {
	s.t.Helper()
	course, err := s.client.Course(s.t.Context(), ref)
	if err != nil {
		s.t.Fatal(err)
	}
	return course.TemplateVersion
}

func TestAnUpgradeKeepsCoursesAsTheyAre(t *testing.T) {
	cfg := settings(t)
	storetest.Older(t, filepath.Join(cfg.DataDir, "bothy.db"), "../store/migrations", 1, // of the first release
		`INSERT INTO courses VALUES ('id-course', 'linux', 'Linux', 'shell', '{"memory":300}', 1, 2)`,
		`INSERT INTO cohorts VALUES ('id-cohort', 'fall-26', 'Fall 26', 1, 2)`,
		`INSERT INTO classes VALUES ('id-class', 'id-cohort', 'id-course', FALSE, 1, 2)`)
	s := start(t, cfg)
	if got := s.versions("shell"); got != "builtin" || s.courseVersion("linux") != 1 {
		t.Errorf("versions %q, the course has %d", got, s.courseVersion("linux"))
	}
	memory := client.Overrides{"memory": 400}
	class, err := s.client.UpdateClass(t.Context(), "fall-26/linux", client.ClassPatch{Parameters: &memory})
	if err != nil || class.Parameters["memory"] != 400.0 {
		t.Errorf("got %+v, %v", class, err)
	}
	s.stop()

	// The operator's own takes the place of what is built in, and nothing moves.
	source, err := jobspecs.FS.ReadFile("shell.nomad.hcl")
	if err != nil {
		t.Fatal(err)
	}
	cfg.TemplateDir = t.TempDir()
	if err := os.WriteFile(filepath.Join(cfg.TemplateDir, "shell.nomad.hcl"), append([]byte("# Ours.\n"), source...), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = start(t, cfg)
		if got := s.versions("shell"); got != "folder builtin" || s.courseVersion("linux") != 1 {
			t.Errorf("versions %q, the course has %d", got, s.courseVersion("linux"))
		}
		s.stop()
	}
	cfg.TemplateDir = "" // and an instance that has no such folder changes nothing either
	s = start(t, cfg)
	if got := s.versions("shell"); got != "folder builtin" {
		t.Errorf("versions %q", got)
	}
	if _, err := s.client.CreateCourse(t.Context(), client.CourseInput{Name: "New", Template: "shell"}); err != nil {
		t.Fatal(err)
	}
	if got := s.courseVersion("new"); got != 2 {
		t.Errorf("a new course has version %d", got)
	}
}
