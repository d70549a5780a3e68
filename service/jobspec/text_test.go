package jobspec_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bothylabs/bothy/service/jobspec"
)

func TestValidateTextRefusesWhatIsInterpreted(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"Nomad or HCL interpolation": {"a${attr.unique.hostname}b", `contains "${"`},
		"escaped interpolation":      {"$${x}", `contains "${"`},
		"HCL directive":              {"%{ if true }x%{ endif }", `contains "%{"`},
		"consul-template":            {`{{ env "VAULT_TOKEN" }}`, `contains "{{"`},
		"first half of an opening":   {"price in $", `ends in "$"`},
		"other half of an opening":   {"{attr.x}", `begins with "{"`},
		"a brace for the next text":  {"x{", `ends in "$" or "{"`},
		"line break":                 {"a\nb", "U+000A"},
		"carriage return":            {"a\rb", "U+000D"},
		"tab":                        {"a\tb", "U+0009"},
		"NUL":                        {"a\x00b", "U+0000"},
		"escape":                     {"\x1b[31m", "U+001B"},
		"DEL":                        {"a\x7fb", "U+007F"},
		"C1 control":                 {"a\u0085b", "U+0085"},
		"line separator":             {"a\u2028b", "U+2028"},
		"paragraph separator":        {"a\u2029b", "U+2029"},
		"right-to-left override":     {"a\u202eb", "U+202E"},
		"first strong isolate":       {"a\u2068b", "U+2068"},
		"right-to-left mark":         {"a\u200fb", "U+200F"},
		"Arabic letter mark":         {"a\u061cb", "U+061C"},
		"byte order mark":            {"a\ufeffb", "U+FEFF"},
		"lost character":             {"M\ufffdller", "a character was lost"},
		"not UTF-8":                  {"M\xfcller", "is not UTF-8"},
		"very long":                  {strings.Repeat("a", jobspec.MaxText+1), "is longer than 4096 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			got := fieldsOf(t, jobspec.ValidateText("rows[3].name", tc.text))
			if !strings.HasPrefix(got, "rows[3].name: ") || !strings.Contains(got, tc.want) {
				t.Errorf("refused with %q, want %q in the field rows[3].name", got, tc.want)
			}
		})
	}
}

func TestValidateTextTakesWhatPeopleWrite(t *testing.T) {
	for _, text := range []string{
		"", "Ada Lovelace", "Zoë Müller-Łukaszewicz", "O'Brien", `Ana "Ani" Ruiz`, "李小龙", "محمد", "נועה",
		"می\u200cخواهم", // Persian needs the zero-width non-joiner
		"👩\u200d🔬",      // and some emoji the joiner
		"50 %", "100%", "$5", "a {b} c", "a; b", "C:\\dir", "a&b|c>d", "`whoami`", "$(id)", "<script>", "//", "#", "{ b }x"[1:],
		strings.Repeat("a", jobspec.MaxText),
	} {
		if err := jobspec.ValidateText("name", text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTextsSideBySideAreNotInterpreted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.StringOfN(rapid.SampledFrom([]rune("${%} a")), 0, 4, -1)
		joined := ""
		for _, text := range rapid.SliceOfN(piece, 2, 4).Draw(t, "texts") {
			if jobspec.ValidateText("text", text) != nil {
				return
			}
			joined += text
		}
		for _, opening := range []string{"${", "%{", "{{"} {
			if strings.Contains(joined, opening) {
				t.Fatalf("%q has %q", joined, opening)
			}
		}
	})
}
