package jobspec

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/bothylabs/bothy/service/lab"
)

// ValidateText refuses text that something behind Bothy would interpret: HCL
// and Nomad ("${", "%{"), consul-template ("{{"), or a parser of lines
// (control characters). No quoting protects text from Nomad and
// consul-template, which read it after HCL has been parsed, so such text is
// refused where it enters. The error is CodeInvalid and names field.
func ValidateText(field, s string) error {
	if f := textProblem(field, s); f != nil {
		return lab.Invalid("text that a program would interpret", *f)
	}
	return nil
}

func textProblem(field, s string) *lab.Field {
	for _, opening := range []string{"${", "%{", "{{"} {
		if strings.Contains(s, opening) {
			return &lab.Field{
				Name:    field,
				Problem: fmt.Sprintf("contains %q, which Nomad or its template engine would interpret", opening),
				Remedy:  "write it without",
			}
		}
	}
	for _, r := range s {
		if hidden(r) {
			return &lab.Field{
				Name:    field,
				Problem: fmt.Sprintf("contains the control character U+%04X", r),
				Remedy:  "remove it; it may have come along by copy and paste",
			}
		}
	}
	return nil
}

// hidden tells the characters that end lines, steer terminals or reorder text:
// C0 and C1 controls, the line and paragraph separators, the bidirectional
// controls, and what was not UTF-8.
func hidden(r rune) bool {
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029', r == unicode.ReplacementChar:
		return true
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\u200e', r == '\u200f', r == '\u061c':
		return true
	}
	return false
}
