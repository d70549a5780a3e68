// Package slug makes the names that stand for people and classes wherever only
// letters, digits and hyphens are safe: in Nomad job ids, Consul service
// names, DNS labels, paths and volumes.
package slug

import (
	"crypto/sha256"
	"encoding/base32"
	"iter"
	"strconv"
	"strings"

	"github.com/gosimple/slug"
	"golang.org/x/text/unicode/norm"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// MaxKey is the longest cohort or course key. Two of them and two hyphens
	// leave 13 of a slug's 63 characters for the student.
	MaxKey = 24
	// MaxCandidates is how many slugs Candidates offers for one student.
	MaxCandidates = 99_999

	hashLength = 6
)

// Key gives the short form of a cohort's or a course's name: a valid slug of
// at most MaxKey characters, the same for the same name. Different names may
// share a key ("Fall 26" and "fall-26"); the store refuses the second.
// Key(Key(name)) is Key(name).
func Key(name string) string {
	return foldName(name).within(MaxKey)
}

// Candidates offers slugs for a student of a class in the order of preference:
// cohort-course-student, then the same with -2, -3 and so on, MaxCandidates in
// all and none twice. Each is a valid slug. A slug is never given twice, which
// only the store can know: its caller takes the first candidate that is free.
//
// The keys come from Key; other text is put into that form first.
func Candidates(cohortKey, courseKey, studentName string) iter.Seq[lab.Slug] {
	prefix := Prefix(cohortKey, courseKey)
	student := foldName(studentName)
	room := lab.MaxSlug - len(prefix)
	return func(yield func(lab.Slug) bool) {
		if !yield(lab.Slug(prefix + student.within(room))) {
			return
		}
		for n := 2; n <= MaxCandidates; n++ {
			suffix := "-" + strconv.Itoa(n)
			if !yield(lab.Slug(prefix + student.within(room-len(suffix)) + suffix)) {
				return
			}
		}
	}
}

// Prefix is what all slugs of one class begin with, the last hyphen included.
func Prefix(cohortKey, courseKey string) string {
	return Key(cohortKey) + "-" + Key(courseKey) + "-"
}

// Assign gives each of a class's students the first candidate that no earlier
// one in the list has, in the list's order. It is for files rendered by hand;
// a server asks its store, which also knows the slugs given in the past.
func Assign(cohortKey, courseKey string, studentNames []string) []lab.Slug {
	taken := make(map[lab.Slug]bool, len(studentNames))
	slugs := make([]lab.Slug, 0, len(studentNames))
	for _, name := range studentNames {
		for s := range Candidates(cohortKey, courseKey, name) {
			if !taken[s] {
				taken[s] = true
				slugs = append(slugs, s)
				break
			}
		}
	}
	return slugs
}

// folded is a name as slug characters, never empty, with the hash that stands
// in for what does not fit.
type folded struct {
	text, hash string
}

// foldName folds a whole name. A name with nothing to keep (an emoji) becomes
// a hash of itself.
func foldName(name string) folded {
	name = norm.NFKC.String(strings.ToValidUTF8(name, ""))
	text := fold(name)
	if text == "" {
		text = "x" + hash(name)
	}
	return folded{text: text, hash: hash(text)}
}

// within gives the name in at most room characters: whole, or its beginning
// and the hash of the whole, so that names that begin alike stay different.
func (f folded) within(room int) string {
	if len(f.text) <= room {
		return f.text
	}
	keep := room - len(f.hash) - 1
	if keep <= 0 {
		return f.hash[:min(room, len(f.hash))]
	}
	return strings.TrimRight(f.text[:keep], "-") + "-" + f.hash
}

// fold turns a name into lower-case ASCII letters, digits and single hyphens
// between them. The library does the letters; that nothing else is left does
// not depend on its settings, which any package of the program could change.
func fold(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(slug.Make(name)) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:hashLength]
}
