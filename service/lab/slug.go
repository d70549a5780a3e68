package lab

import (
	"fmt"
	"regexp"
)

// MaxSlug is the longest slug in characters: a slug is a DNS label.
const MaxSlug = 63

var slugPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Slug is the unique name of a workspace, made of its cohort, course and
// student. It is a DNS label, a Consul service name, a path segment and the
// end of a Nomad job id at once, and the only thing that stands for a student
// outside Bothy's database. The store gives each slug once and never again.
type Slug string

// ParseSlug takes a slug that Bothy gave earlier. Anything else is CodeInvalid.
func ParseSlug(s string) (Slug, error) {
	switch {
	case len(s) > MaxSlug:
		return "", Invalid("not a workspace name", Field{
			Name:    "slug",
			Problem: fmt.Sprintf("has %d characters, more than %d", len(s), MaxSlug),
			Remedy:  "use the name as Bothy lists it",
		})
	case !slugPattern.MatchString(s):
		return "", Invalid("not a workspace name", Field{
			Name:    "slug",
			Problem: fmt.Sprintf("%q is not made of lower-case letters, digits and single hyphens between them", s),
			Remedy:  "use the name as Bothy lists it",
		})
	}
	return Slug(s), nil
}

// String gives the slug as text.
func (s Slug) String() string { return string(s) }

// JobID is the id of the workspace's Nomad job.
func (s Slug) JobID() string { return "bothy-" + string(s) }

// HomeVolume is the name of the workspace's home: a host volume's name, or a
// CSI volume's id.
func (s Slug) HomeVolume() string { return "home-" + string(s) }
