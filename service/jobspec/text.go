package jobspec

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bothylabs/bothy/service/lab"
)

// MaxText is the longest text that a person may type, in bytes.
const MaxText = 4096

// ValidateText refuses text that something behind Bothy would interpret. HCL's
// quoting protects text from HCL alone: Nomad ("${") and consul-template ("{{")
// read a job's strings after HCL has been parsed, and configuration files are
// read line by line. Such text is refused where it enters. Field is what the
// caller calls the text; an error is CodeInvalid and names it.
func ValidateText(field, s string) error {
	if f := textProblem(s); f != nil {
		f.Name = field
		return lab.Invalid("this text cannot be used", *f)
	}
	return nil
}

// textProblem says what is wrong with a text, nil when nothing is.
func textProblem(s string) *lab.Field {
	if len(s) > MaxText {
		return &lab.Field{Problem: fmt.Sprintf("is longer than %d bytes", MaxText), Remedy: "shorten it"}
	}
	if !utf8.ValidString(s) {
		return &lab.Field{Problem: "is not UTF-8", Remedy: "save it as UTF-8"}
	}
	for _, opening := range []string{"${", "%{", "{{"} {
		if strings.Contains(s, opening) {
			return &lab.Field{
				Problem: fmt.Sprintf("contains %q, which Nomad or its template engine would interpret", opening),
				Remedy:  "write it without",
			}
		}
	}
	// Two texts that a template puts side by side must not become an opening.
	if strings.HasSuffix(s, "$") || strings.HasSuffix(s, "{") || strings.HasPrefix(s, "{") {
		return &lab.Field{
			Problem: `begins with "{", or ends in "$" or "{", which together with its neighbours Nomad or its template engine could interpret`,
			Remedy:  "write it without",
		}
	}
	for _, r := range s {
		if r == unicode.ReplacementChar {
			return &lab.Field{
				Problem: "contains U+FFFD, which stands where a character was lost",
				Remedy:  "type the character again; the text was once saved in another encoding than UTF-8",
			}
		}
		if hidden(r) {
			return &lab.Field{
				Problem: fmt.Sprintf("contains the control character %U", r),
				Remedy:  "remove it; it may have come along by copy and paste",
			}
		}
	}
	return nil
}

// hidden tells the characters that end lines, steer terminals or change the
// order in which text is shown: C0 and C1 controls, the line and paragraph
// separators, the bidirectional controls, and a byte order mark.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) || r == '\ufeff'
}
