package registrar

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/slug"
)

// register is the slugs given so far, and how often and for how many it was asked.
type register struct {
	given     map[lab.Slug]bool
	questions int
	slugs     int
}

func (r *register) ask(slugs []lab.Slug) (map[lab.Slug]bool, error) {
	r.questions++
	r.slugs += len(slugs)
	found := make(map[lab.Slug]bool)
	for _, s := range slugs {
		if r.given[s] {
			found[s] = true
		}
	}
	return found, nil
}

func named(names ...string) []lab.Student {
	students := make([]lab.Student, len(names))
	for i, name := range names {
		students[i].Name = name
	}
	return students
}

func TestAThousandOfOneNameTakeAHandfulOfQuestions(t *testing.T) {
	t.Parallel()
	class := lab.Class{CohortKey: "fall-26", CourseKey: "py101"}
	r := &register{given: make(map[lab.Slug]bool)}
	for round := range 5 { // as many again each term
		names := make([]string, 1_000)
		for i := range names {
			names[i] = []string{"Ada Lovelace", "ADA LOVELACE", "ada-lovelace"}[i%3]
		}
		r.questions, r.slugs = 0, 0
		slugs, err := allocate(class, named(names...), r.ask)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range slugs {
			if r.given[s] {
				t.Fatalf("%s was given twice", s)
			}
			r.given[s] = true
		}
		if r.questions > 4 || r.slugs > 20_000 {
			t.Errorf("round %d took %d questions for %d slugs", round, r.questions, r.slugs)
		}
	}
}

func TestSlugsAreGivenInTheOrderOfTheList(t *testing.T) {
	t.Parallel()
	class := lab.Class{CohortKey: "fall-26", CourseKey: "py101"}
	r := &register{given: map[lab.Slug]bool{"fall-26-py101-ada": true}}
	slugs, err := allocate(class, named("Ada", "Ada 3", "Bob", "Ada"), r.ask)
	if err != nil {
		t.Fatal(err)
	}
	want := []lab.Slug{"fall-26-py101-ada-2", "fall-26-py101-ada-3", "fall-26-py101-bob", "fall-26-py101-ada-4"}
	for i := range want {
		if slugs[i] != want[i] {
			t.Errorf("got %v, want %v", slugs, want)
			break
		}
	}
}

func TestNamesThatAreUsedUpAreSaidSo(t *testing.T) {
	t.Parallel()
	class := lab.Class{CohortKey: "fall-26", CourseKey: "py101"}
	everything := func(slugs []lab.Slug) (map[lab.Slug]bool, error) {
		found := make(map[lab.Slug]bool, len(slugs))
		for _, s := range slugs {
			found[s] = true
		}
		return found, nil
	}
	if _, err := allocate(class, named("Ada"), everything); lab.CodeOf(err) != lab.CodeConflict {
		t.Errorf("got %v, want a conflict", err)
	}
	no := errors.New("no")
	if _, err := allocate(class, named("Ada"), func([]lab.Slug) (map[lab.Slug]bool, error) { return nil, no }); !errors.Is(err, no) {
		t.Errorf("got %v, want the look-up's own error", err)
	}
}

func TestAllocationGivesEachStudentAFreeSlug(t *testing.T) {
	t.Parallel()
	name := rapid.OneOf(
		rapid.SampledFrom([]string{"Ada", "ada", "Ada 2", "Ada-2", "ada 2 2", "李", "Лев", "🙂", "x", "A"}),
		rapid.StringN(1, 80, -1),
	)
	key := rapid.SampledFrom([]string{"a", "a-b", "b", "b-c", "c", slug.Key("a very long name of a cohort that is cut")})
	rapid.Check(t, func(t *rapid.T) {
		r := &register{given: make(map[lab.Slug]bool)}
		for range rapid.IntRange(1, 4).Draw(t, "launches") {
			class := lab.Class{CohortKey: key.Draw(t, "cohort"), CourseKey: key.Draw(t, "course")}
			students := named(rapid.SliceOfN(name, 0, 12).Draw(t, "names")...)
			slugs, err := allocate(class, students, r.ask)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range slugs {
				if _, err := lab.ParseSlug(s.String()); err != nil {
					t.Fatalf("%q got %q: %v", students[i].Name, s, err)
				}
				if r.given[s] {
					t.Fatalf("%s was given twice", s)
				}
				r.given[s] = true
			}
		}
	})
}

func BenchmarkAllocateOneName(b *testing.B) {
	class := lab.Class{CohortKey: "fall-26", CourseKey: "py101"}
	students := named(make([]string, 1_000)...)
	for i := range students {
		students[i].Name = "Ada Lovelace"
	}
	r := &register{given: make(map[lab.Slug]bool)}
	for i := range 5_000 {
		r.given[lab.Slug(fmt.Sprintf("fall-26-py101-ada-lovelace-%d", i))] = true
	}
	for b.Loop() {
		if _, err := allocate(class, students, r.ask); err != nil {
			b.Fatal(err)
		}
	}
}
