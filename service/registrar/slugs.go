package registrar

import (
	"iter"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/slug"
)

// allocate gives each student of a class a slug that was never given, in the
// order of the list. Students whose names fold alike share one line of
// candidates, and each question to given is twice as long as the one before: a
// thousand students of one name take a handful of questions, not a million.
func allocate(
	class lab.Class, students []lab.Student, given func([]lab.Slug) (map[lab.Slug]bool, error),
) ([]lab.Slug, error) {
	lines := newLines(class, students)
	defer lines.stop()
	slugs := make([]lab.Slug, len(students))
	taken := make(map[lab.Slug]bool)
	for {
		asked, err := lines.draw(students)
		if err != nil {
			return nil, err
		}
		if len(asked) == 0 {
			return slugs, nil
		}
		before, err := given(asked)
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			for _, candidate := range line.drawn {
				if len(line.waiting) == 0 {
					break
				}
				if before[candidate] || taken[candidate] {
					continue
				}
				taken[candidate] = true
				slugs[line.waiting[0]] = candidate
				line.waiting = line.waiting[1:]
			}
		}
	}
}

// line is the candidates of names that fold alike, and who waits for one.
type line struct {
	next    func() (lab.Slug, bool)
	stop    func()
	drawn   []lab.Slug
	waiting []int // indexes of students
}

type lines []*line

func newLines(class lab.Class, students []lab.Student) lines {
	var all lines
	byName := make(map[string]*line, len(students))
	byFirst := make(map[lab.Slug]*line, len(students))
	for i, student := range students {
		l, ok := byName[student.Name]
		if !ok {
			candidates := slug.Candidates(class.CohortKey, class.CourseKey, student.Name)
			first := firstOf(candidates)
			if l, ok = byFirst[first]; !ok {
				l = &line{}
				l.next, l.stop = iter.Pull(candidates)
				byFirst[first] = l
				all = append(all, l)
			}
			byName[student.Name] = l
		}
		l.waiting = append(l.waiting, i)
	}
	return all
}

func firstOf(candidates iter.Seq[lab.Slug]) lab.Slug {
	for candidate := range candidates {
		return candidate
	}
	return ""
}

// draw takes the next candidates of every line that still has someone waiting.
func (all lines) draw(students []lab.Student) ([]lab.Slug, error) {
	var drawn []lab.Slug
	for _, l := range all {
		if len(l.waiting) == 0 {
			continue
		}
		n := max(len(l.waiting), 2*len(l.drawn))
		l.drawn = l.drawn[:0]
		for range n {
			candidate, ok := l.next()
			if !ok {
				break
			}
			l.drawn = append(l.drawn, candidate)
		}
		if len(l.drawn) == 0 {
			return nil, lab.Errorf(lab.CodeConflict, "all workspace names for students called %q are used up in this class", students[l.waiting[0]].Name).
				WithHint("change the student's name, or make a new course")
		}
		drawn = append(drawn, l.drawn...)
	}
	return drawn, nil
}

func (all lines) stop() {
	for _, l := range all {
		l.stop()
	}
}
