package registrar

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode/utf8"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/slug"
)

// The longest texts: names in characters, addresses in bytes (RFC 5321).
const (
	MaxName  = 200
	MaxEmail = 254
)

// problems collects all that is wrong with an input.
type problems struct {
	fields []lab.Field
}

func (p *problems) add(field, problem, remedy string) {
	p.fields = append(p.fields, lab.Field{Name: field, Problem: problem, Remedy: remedy})
}

// take adds the fields of a CodeInvalid error; any other error comes back.
func (p *problems) take(err error) error {
	var coded *lab.Error
	if errors.As(err, &coded) && coded.Code == lab.CodeInvalid && len(coded.Fields) > 0 {
		p.fields = append(p.fields, coded.Fields...)
		return nil
	}
	return err
}

// err is CodeInvalid with everything that was collected, nil when nothing was.
func (p *problems) err(message string) error {
	if len(p.fields) == 0 {
		return nil
	}
	return lab.Invalid(message, p.fields...)
}

// name checks a name for people and gives it without surrounding space.
func (p *problems) name(field, value string) string {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		p.add(field, "is empty", "give a name")
	case utf8.RuneCountInString(value) > MaxName:
		p.add(field, fmt.Sprintf("is longer than %d characters", MaxName), "shorten it")
	default:
		p.text(field, value)
	}
	return value
}

// text refuses what an interpreter further down could take for program.
func (p *problems) text(field, value string) {
	if err := p.take(jobspec.ValidateText(field, value)); err != nil {
		p.add(field, "can't be used as text", "use letters, digits and punctuation")
	}
}

// key checks a key that was chosen, or makes one from the name.
func (p *problems) key(value, name string) string {
	if value == "" {
		return slug.Key(name)
	}
	if slug.Key(value) != value {
		p.add("key", fmt.Sprintf("%.40q is not a key: at most %d lower-case letters, digits and single hyphens between them", value, slug.MaxKey),
			fmt.Sprintf("use %q, or leave it out", slug.Key(value)))
	}
	return value
}

// email checks a bare address and gives it without surrounding space.
func (p *problems) email(field, value string) string {
	value = strings.TrimSpace(value)
	parsed, err := mail.ParseAddress(value)
	switch {
	case value == "":
		p.add(field, "is empty", "give an e-mail address")
	case len(value) > MaxEmail:
		p.add(field, fmt.Sprintf("is longer than %d bytes", MaxEmail), "use a shorter address")
	case err != nil || parsed.Address != value:
		p.add(field, fmt.Sprintf("%q is not an e-mail address", value), "write it as in ada@example.org")
	default:
		p.text(field, value)
	}
	return value
}

// people checks a list of students, whose addresses must differ.
func (p *problems) people(list string, students []StudentInput) []StudentInput {
	checked := make([]StudentInput, len(students))
	first := make(map[string]int, len(students))
	for i, s := range students {
		field := fmt.Sprintf("%s[%d].", list, i)
		before := len(p.fields)
		checked[i] = StudentInput{Name: p.name(field+"name", s.Name), Email: p.email(field+"email", s.Email)}
		if len(p.fields) > before {
			continue
		}
		folded := foldEmail(checked[i].Email)
		if j, ok := first[folded]; ok {
			p.add(field+"email", fmt.Sprintf("is the address of %s[%d] too", list, j), "list each student once")
			continue
		}
		first[folded] = i
	}
	return checked
}

// foldEmail is an address as addresses are compared; the store holds the same to be unique.
func foldEmail(email string) string { return strings.ToLower(email) }
