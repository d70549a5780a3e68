package roster_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/roster"
	"github.com/bothylabs/bothy/service/slug"
)

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		want []roster.Row
	}{
		"two students": {
			"name,email\nAda Lovelace,ada@example.org\nGrace Hopper,grace@example.org\n",
			[]roster.Row{{"Ada Lovelace", "ada@example.org", 2}, {"Grace Hopper", "grace@example.org", 3}},
		},
		"columns the other way round":  {"email,name\nada@example.org,Ada\n", []roster.Row{{"Ada", "ada@example.org", 2}}},
		"header in capitals, padded":   {" Name , EMAIL \nAda,ada@example.org\n", []roster.Row{{"Ada", "ada@example.org", 2}}},
		"byte order mark":              {"\ufeffname,email\nAda,ada@example.org\n", []roster.Row{{"Ada", "ada@example.org", 2}}},
		"byte order mark and quotes":   {"\ufeff\"name\",\"email\"\nAda,ada@example.org\n", []roster.Row{{"Ada", "ada@example.org", 2}}},
		"Windows line ends":            {"name,email\r\nAda,ada@example.org\r\n", []roster.Row{{"Ada", "ada@example.org", 2}}},
		"no last line end":             {"name,email\nAda,ada@example.org", []roster.Row{{"Ada", "ada@example.org", 2}}},
		"empty lines":                  {"name,email\n\nAda,ada@example.org\n\n,\n", []roster.Row{{"Ada", "ada@example.org", 3}}},
		"quotes":                       {"name,email\n\"Hopper, Grace \"\"Amazing\"\"\",grace@example.org\n", []roster.Row{{`Hopper, Grace "Amazing"`, "grace@example.org", 2}}},
		"spaces around":                {"name,email\n  Ada  , ada@example.org \n", []roster.Row{{"Ada", "ada@example.org", 2}}},
		"names of the world":           {"name,email\n李小龙,li@example.org\nZoë Łukaszewicz,z@example.org\n", []roster.Row{{"李小龙", "li@example.org", 2}, {"Zoë Łukaszewicz", "z@example.org", 3}}},
		"one name, two addresses":      {"name,email\nAda,a1@example.org\nAda,a2@example.org\n", []roster.Row{{"Ada", "a1@example.org", 2}, {"Ada", "a2@example.org", 3}}},
		"an address in capitals stays": {"name,email\nAda,Ada@Example.org\n", []roster.Row{{"Ada", "Ada@Example.org", 2}}},
		"addresses of all kinds":       {"name,email\nA,first.last+tag@sub.example.org\nB,x@localhost\n", []roster.Row{{"A", "first.last+tag@sub.example.org", 2}, {"B", "x@localhost", 3}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := roster.Parse(strings.NewReader(tc.file), "students.csv")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		want []string // every problem, whole or its beginning
	}{
		"an empty file":         {"", []string{"students.csv:1:1: the file is empty"}},
		"blank lines alone":     {"\n \n", []string{"students.csv:1:1: the file is empty"}},
		"a mark alone":          {"\ufeff", []string{"students.csv:1:1: the file is empty"}},
		"a header alone":        {"name,email\n", []string{"students.csv:1:1: the roster names no student"}},
		"no header":             {"Ada,ada@example.org\n", []string{`students.csv:1:1: unknown column "Ada"`, `students.csv:1:5: unknown column "ada@example.org"`, `students.csv:1:1: the column "name" is missing`, `students.csv:1:1: the column "email" is missing`}},
		"a column too many":     {"name,email,phone\nAda,ada@example.org,1\n", []string{`students.csv:1:12: unknown column "phone" (remove it: the columns are name and email)`}},
		"columns in characters": {"name,größe,email\n", []string{`students.csv:1:6: unknown column "größe"`}},
		"a column twice":        {"name,email,Name\n", []string{`students.csv:1:12: the column "name" is there twice`}},
		"a column missing":      {"name\nAda\n", []string{`students.csv:1:1: the column "email" is missing`}},
		"semicolons":            {"name;email\nAda;ada@example.org\n", []string{"students.csv:1:1: the columns are not separated by commas"}},
		"tabs":                  {"name\temail\nAda\tada@example.org\n", []string{"students.csv:1:1: the columns are not separated by commas"}},
		"a value too many":      {"name,email\nLovelace, Ada,ada@example.org\n", []string{"students.csv:2:1: 3 values where the header names 2 columns (a value with a comma stands in quotes)"}},
		"a value missing":       {"name,email\nAda\n", []string{"students.csv:2:1: 1 values where the header names 2 columns"}},
		"no name":               {"name,email\n,ada@example.org\n", []string{"students.csv:2:1: the name is empty"}},
		"no address":            {"name,email\nAda,\n", []string{"students.csv:2:5: the e-mail address is empty"}},
		"address without at":    {"name,email\nAda,ada.example.org\n", []string{`students.csv:2:5: "ada.example.org" is not an e-mail address`}},
		"address without host":  {"name,email\nAda,ada@\n", []string{`students.csv:2:5: "ada@" is not an e-mail address`}},
		"address with a name":   {"name,email\nAda,Ada <ada@example.org>\n", []string{`students.csv:2:5: "Ada <ada@example.org>" is not an e-mail address`}},
		"address with a space":  {"name,email\nAda,a da@example.org\n", []string{`students.csv:2:5: "a da@example.org" is not an e-mail address`}},
		"two addresses":         {"name,email\nAda,\"a@example.org,b@example.org\"\n", []string{`students.csv:2:5: "a@example.org,b@example.org" is not an e-mail address`}},
		"a comment":             {"name,email\nAda,ada@example.org (work)\n", []string{`students.csv:2:5: "ada@example.org (work)" is not an e-mail address`}},
		"a long address":        {"name,email\nAda," + strings.Repeat("a", 243) + "@example.org\n", []string{"students.csv:2:5: the e-mail address is longer than 254 bytes"}},
		"interpolated address":  {"name,email\nAda,a${x}@example.org\n", []string{"students.csv:2:5: "}},
		"a duplicate":           {"name,email\nAda,ada@example.org\nBob,b@example.org\nLovelace,ADA@example.ORG\n", []string{`students.csv:4:10: the address "ADA@example.ORG" is in line 2 already (keep one of the two lines)`}},
		"Unicode duplicate":     {"name,email\nAda,å@example.org\nBob,Å@example.org\n", []string{`students.csv:3:5: the address "Å@example.org" is in line 2 already`}},
		"interpolation":         {"name,email\nÅda ${attr.x},ada@example.org\n", []string{`students.csv:2:1: contains "${"`}},
		"a template":            {"name,email\nAda {{ x }},ada@example.org\n", []string{`students.csv:2:1: contains "{{"`}},
		"a line break":          {"name,email\n\"Ada\nLovelace\",ada@example.org\n", []string{"students.csv:2:1: contains the control character U+000A"}},
		"reordered text":        {"name,email\nAda \u202eecalevoL,ada@example.org\n", []string{"students.csv:2:1: contains the control character U+202E"}},
		"a lost character":      {"name,email\nM\ufffdller,m@example.org\n", []string{"students.csv:2:1: contains U+FFFD"}},
		"a long name":           {"name,email\n" + strings.Repeat("a", 201) + ",a@example.org\n", []string{"students.csv:2:1: the name is longer than 200 bytes"}},
		"Latin-1":               {"name,email\nAda,a@example.org\nZo\xeb,z@example.org\n", []string{`students.csv:3:3: the file is not UTF-8 from here on (save it as "CSV UTF-8")`}},
		"UTF-16":                {utf16File("name,email\nAda,ada@example.org\n"), []string{`students.csv:1:1: the file is UTF-16 (save it as "CSV UTF-8")`}},
		"a spreadsheet":         {"PK\x03\x04\n\x00\x00", []string{"students.csv:2:1: the file holds a NUL character"}},
		"a stray quote":         {"name,email\nAda \"A\" Lovelace,ada@example.org\n", []string{"students.csv:2:5: not CSV: bare"}},
		"an open quote":         {"name,email\n\"Ada,ada@example.org\n", []string{"students.csv:2:22: not CSV: extraneous or missing"}},
		"several at once":       {"name,email\n,\"x\"\nAda,\nBob,bob\n", []string{"students.csv:2:1: the name is empty", `students.csv:2:2: "x" is not`, "students.csv:3:5: the e-mail address is empty", `students.csv:4:5: "bob" is not`}},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := roster.Parse(strings.NewReader(tc.file), "students.csv")
			if rows != nil {
				t.Errorf("gave rows as well: %v", rows)
			}
			got := refusal(t, err).Fields
			if len(got) != len(tc.want) {
				t.Fatalf("named %d problems, want %d: %v", len(got), len(tc.want), err)
			}
			for i, want := range tc.want {
				if !strings.HasPrefix(got[i].String(), want) {
					t.Errorf("problem %d is\n%s\nwant\n%s", i, got[i], want)
				}
			}
		})
	}
}

func TestProblemsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("name,email\n")
	for range 100 {
		b.WriteString("Ada,nobody\n")
	}
	_, err := roster.Parse(strings.NewReader(b.String()), "students.csv")
	refused := refusal(t, err)
	if len(refused.Fields) != roster.MaxProblems || !strings.Contains(refused.Message, "80 more") {
		t.Errorf("%d problems and the message %q; want %d and the other 80 counted", len(refused.Fields), refused.Message, roster.MaxProblems)
	}
}

func TestRostersAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("name,email\n")
	for i := range roster.MaxRows + 1 {
		fmt.Fprintf(&b, "S,s%d@example.org\n", i)
	}
	_, err := roster.Parse(strings.NewReader(b.String()), "students.csv")
	if got := refusal(t, err).Fields[0].String(); !strings.HasPrefix(got, "students.csv:50002:1: a roster has at most 50000 students") {
		t.Error(got)
	}
	_, err = roster.Parse(strings.NewReader(strings.Repeat("x", roster.MaxSize+1)), "students.csv")
	if got := refusal(t, err).Fields[0].String(); !strings.HasPrefix(got, "students.csv:1:1: the file is larger than 16 MB") {
		t.Error(got)
	}
}

func TestAnUnreadableFileIsNoRefusal(t *testing.T) {
	_, err := roster.Parse(iotest.ErrReader(errors.New("disk on fire")), "students.csv")
	if lab.CodeOf(err) != lab.CodeInternal || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("error %v: want the cause, and no refusal", err)
	}
}

func TestEmailProblem(t *testing.T) {
	if got := roster.EmailProblem("ada@example.org"); got != "" {
		t.Errorf("a good address is refused: %q", got)
	}
	if got, want := roster.EmailProblem("ada"), `"ada" is not an e-mail address`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// FuzzParse holds any file to: refused with reasons, or rows that name their
// lines, whose students get slugs of their own, and which make jobs in which
// nothing of the file is but the slug.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"name,email\nAda,ada@example.org\n", "\ufeffemail,name\r\na@b,\"x, y\"\r\n", "name,email\n${x},a@b\n", "name;email\n", "",
		"name,email\n🎉,a@b\n🎉,c@d\n", "name,email\n\"a\nb\",c@d\n", "\xff\xfe", "name,email\nA,a@b\nB,A@B\n", "name,email\n<script>\"; drop,a@b\n",
	} {
		f.Add([]byte(seed))
	}
	template, err := jobspec.Parse("lab.nomad.hcl", []byte("variable \"slug\" {\n  type = string\n}\njob \"lab\" {\n  id = \"bothy-${var.slug}\"\n}\n"))
	if err != nil {
		f.Fatal(err)
	}
	settings := jobspec.Settings{
		Namespace: "bothy", NodePool: "default", Datacenters: []string{"dc1"},
		HomeType: jobspec.HomeHost, HomeUID: 1000, HomeGID: 1000, LabsURL: "http://labs.localhost:9999",
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		rows, err := roster.Parse(strings.NewReader(string(file)), "students.csv")
		if err != nil {
			for _, field := range refusal(t, err).Fields {
				if !strings.HasPrefix(field.Name, "students.csv:") || field.Problem == "" || field.Remedy == "" {
					t.Errorf("a problem without place, reason or remedy: %+v", field)
				}
			}
			return
		}
		names := make([]string, len(rows))
		for i, row := range rows {
			names[i] = row.Name
			if row.Line < 2 || row.Name == "" || roster.EmailProblem(row.Email) != "" || jobspec.ValidateText("name", row.Name) != nil {
				t.Errorf("row %+v", row)
			}
		}
		seen := map[lab.Slug]bool{}
		for _, s := range slug.Assign("fall-26", "py101", names) {
			if seen[s] {
				t.Errorf("the slug %q is given twice", s)
			}
			seen[s] = true
			rendered, err := jobspec.Render(template, settings, jobspec.Subject{Slug: s, CohortKey: "fall-26", CourseKey: "py101"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := "variable \"slug\" {\n  type = string\n  default = \"" + s.String() + "\"\n}\njob \"lab\" {\n  id = \"bothy-${var.slug}\"\n}\n"
			if string(rendered.Job) != want {
				t.Errorf("the job is\n%s", rendered.Job)
			}
		}
	})
}

func refusal(t *testing.T, err error) *lab.Error {
	t.Helper()
	var refused *lab.Error
	if !errors.As(err, &refused) || refused.Code != lab.CodeInvalid || len(refused.Fields) == 0 {
		t.Fatalf("error %v: want a refusal with fields", err)
	}
	return refused
}

func utf16File(s string) string {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(s)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return string(out)
}
