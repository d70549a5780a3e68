package client_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// numbered serves any list as one of n items whose keys are numbers, and fails
// when the item broken is to be read.
func numbered(t *testing.T, n, broken int) (*client.Client, *[]string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		first, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		last := min(first+limit, n)
		if broken >= first && broken < last {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"status": 503, "code": "unavailable", "detail": "not now"}`))
			return
		}
		var items []string
		for i := first; i < last; i++ {
			items = append(items, fmt.Sprintf(`{"key": "%d", "name": "%d", "slug": "%d"}`, i, i, i))
		}
		next := "null"
		if last < n {
			next = fmt.Sprintf("%q", strconv.Itoa(last))
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"items": [%s], "next_cursor": %s}`, strings.Join(items, ","), next)
	}))
	t.Cleanup(server.Close)
	return connect(t, server.URL), &asked
}

func TestAListIsReadPageByPage(t *testing.T) {
	c, asked := numbered(t, 2500, -1)
	cohorts, err := c.Cohorts(t.Context())
	if err != nil || len(cohorts) != 2500 || cohorts[2499].Key != "2499" {
		t.Fatalf("got %d, %v", len(cohorts), err)
	}
	want := []string{"limit=1000", "limit=1000&cursor=1000", "limit=1000&cursor=2000"}
	if diff := cmp.Diff(want, *asked); diff != "" {
		t.Error(diff)
	}
}

func TestNoMoreIsReadThanIsTaken(t *testing.T) {
	for name, test := range map[string]struct {
		limit, take int
		want        []string
	}{
		"a limit":                    {1200, 5000, []string{"limit=1000", "limit=200&cursor=1000"}},
		"a limit of one page":        {3, 5000, []string{"limit=3"}},
		"a limit beyond the end":     {9000, 5000, []string{"limit=1000", "limit=1000&cursor=1000", "limit=1000&cursor=2000"}},
		"whoever stops in the midst": {0, 7, []string{"limit=1000"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, asked := numbered(t, 2500, -1)
			taken := 0
			for _, err := range c.AllWorkspaces(t.Context(), client.WorkspaceFilter{ListOptions: client.ListOptions{Limit: test.limit}}) {
				if err != nil {
					t.Fatal(err)
				}
				if taken++; taken == test.take {
					break
				}
			}
			if test.limit > 0 && taken != min(test.limit, 2500) {
				t.Errorf("took %d", taken)
			}
			if diff := cmp.Diff(test.want, *asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnErrorEndsAListAndLosesNothingBeforeIt(t *testing.T) {
	c, _ := numbered(t, 2500, 1500)
	taken, failed := 0, error(nil)
	for _, err := range c.AllTemplates(t.Context(), client.ListOptions{}) {
		if err != nil {
			failed = err
			continue
		}
		taken++
	}
	if taken != 1000 || lab.CodeOf(failed) != lab.CodeUnavailable {
		t.Errorf("took %d, %v", taken, failed)
	}
	if all, err := c.Templates(t.Context()); err == nil || all != nil {
		t.Errorf("got half a list: %d, %v", len(all), err)
	}
}

func TestFiltersBecomeQueries(t *testing.T) {
	yes := true
	c, asked := numbered(t, 1, -1)
	ctx := t.Context()
	options := client.ListOptions{Search: "a b", Sort: "-name", Limit: 5}
	for _, read := range []func() error{
		func() error { return only(client.Collect(c.AllCohorts(ctx, options))) },
		func() error {
			return only(client.Collect(c.AllStudents(ctx, "fall-26", client.StudentFilter{ListOptions: options, Withdrawn: &yes})))
		},
		func() error {
			return only(client.Collect(c.AllCourses(ctx, client.CourseFilter{ListOptions: options, Template: "shell"})))
		},
		func() error {
			return only(client.Collect(c.AllClasses(ctx, client.ClassFilter{ListOptions: options, Cohort: "f", Course: "p", Deleting: &yes})))
		},
		func() error { return only(client.Collect(c.AllTemplates(ctx, options))) },
		func() error {
			return only(client.Collect(c.AllWorkspaces(ctx, client.WorkspaceFilter{
				ListOptions: client.ListOptions{Sort: "since"}, Class: "f/p", Cohort: "f", Course: "p", Student: "s", Desired: "running",
				Phases: []client.Phase{"failed", "lost"}, Drifted: &yes, Outdated: &yes, IncludeDeleted: true,
			})))
		},
	} {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	got := slices.Clone(*asked)
	for i, query := range got {
		parts := strings.Split(query, "&")
		slices.Sort(parts)
		got[i] = strings.Join(parts, "&")
	}
	want := []string{
		"limit=5&search=a+b&sort=-name",
		"limit=5&search=a+b&sort=-name&withdrawn=true",
		"limit=5&search=a+b&sort=-name&template=shell",
		"cohort=f&course=p&deleting=true&limit=5&search=a+b&sort=-name",
		"limit=5&search=a+b&sort=-name",
		"class=f~p&cohort=f&course=p&desired=running&drifted=true&include_deleted=true&limit=1000&outdated=true&phase=failed,lost&sort=since&student=s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func only[T any](_ T, err error) error { return err }
