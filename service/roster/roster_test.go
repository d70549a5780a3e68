package roster_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

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
		"an empty file":           {"", []string{"students.csv:1:1: the file is empty"}},
		"blank lines alone":       {"\n \n", []string{"students.csv:1:1: the file is empty"}},
		"a mark alone":            {"\ufeff", []string{"students.csv:1:1: the file is empty"}},
		"a header alone":          {"name,email\n", []string{"students.csv:1:1: the roster names no student"}},
		"no header":               {"Ada,ada@example.org\n", []string{`students.csv:1:1: the column "name" is missing (the first line names the columns: name,email; it names "Ada", "ada@example.org")`, `students.csv:1:1: the column "email" is missing`}},
		"a column twice":          {"größe,name,email,Name\n", []string{`students.csv:1:18: the columns "name" and "Name" both hold the name`}},
		"two columns alike":       {"student;E-Mail;Mail address\n", []string{`students.csv:1:16: the columns "E-Mail" and "Mail address" both hold the email`}},
		"half a name":             {"first name,email\nAda,a@b.c\n", []string{`students.csv:1:1: the column "name" is missing`}},
		"a column missing":        {"name\nAda\n", []string{`students.csv:1:1: the column "email" is missing`}},
		"a value too many":        {"name,email\nLovelace, Ada,ada@example.org\n", []string{"students.csv:2:1: 3 values where the header names 2 columns (a value with a comma stands in quotes)"}},
		"a value missing":         {"name,email\nAda\n", []string{"students.csv:2:1: 1 values where the header names 2 columns"}},
		"no name":                 {"name,email\n,ada@example.org\n", []string{"students.csv:2:1: the name is empty"}},
		"no address":              {"name,email\nAda,\n", []string{"students.csv:2:5: the e-mail address is empty"}},
		"address without at":      {"name,email\nAda,ada.example.org\n", []string{`students.csv:2:5: "ada.example.org" is not an e-mail address`}},
		"address without host":    {"name,email\nAda,ada@\n", []string{`students.csv:2:5: "ada@" is not an e-mail address`}},
		"address with a name":     {"name,email\nAda,Ada <ada@example.org>\n", []string{`students.csv:2:5: "Ada <ada@example.org>" is not an e-mail address`}},
		"address with a space":    {"name,email\nAda,a da@example.org\n", []string{`students.csv:2:5: "a da@example.org" is not an e-mail address`}},
		"two addresses":           {"name,email\nAda,\"a@example.org,b@example.org\"\n", []string{`students.csv:2:5: "a@example.org,b@example.org" is not an e-mail address`}},
		"a comment":               {"name,email\nAda,ada@example.org (work)\n", []string{`students.csv:2:5: "ada@example.org (work)" is not an e-mail address`}},
		"a long address":          {"name,email\nAda," + strings.Repeat("a", 243) + "@example.org\n", []string{"students.csv:2:5: the e-mail address is longer than 254 bytes"}},
		"interpolated address":    {"name,email\nAda,a${x}@example.org\n", []string{"students.csv:2:5: "}},
		"a duplicate":             {"name,email\nAda,ada@example.org\nBob,b@example.org\nLovelace,ADA@example.ORG\n", []string{`students.csv:4:10: the address "ADA@example.ORG" of line 4 is in line 2 already (keep one of the two lines)`}},
		"Unicode duplicate":       {"name,email\nAda,å@example.org\nBob,Å@example.org\n", []string{`students.csv:3:5: the address "Å@example.org" of line 3 is in line 2 already`}},
		"interpolation":           {"name,email\nÅda ${attr.x},ada@example.org\n", []string{`students.csv:2:1: contains "${"`}},
		"a template":              {"name,email\nAda {{ x }},ada@example.org\n", []string{`students.csv:2:1: contains "{{"`}},
		"a line break":            {"name,email\n\"Ada\nLovelace\",ada@example.org\n", []string{"students.csv:2:1: contains the control character U+000A"}},
		"reordered text":          {"name,email\nAda \u202eecalevoL,ada@example.org\n", []string{"students.csv:2:1: contains the control character U+202E"}},
		"a lost character":        {"name,email\nM\ufffdller,m@example.org\n", []string{"students.csv:2:1: contains U+FFFD"}},
		"a long name":             {"name,email\n" + strings.Repeat("a", 201) + ",a@example.org\n", []string{"students.csv:2:1: the name is longer than 200 characters"}},
		"Latin-1":                 {"name,email\nAda,a@example.org\nZo\xeb,z@example.org\n", []string{"students.csv:3:3: the file is not UTF-8: the byte 0xEB here is not (save it as \"CSV UTF-8\" in Excel, or convert it: iconv -f WINDOWS-1252 -t UTF-8; or say its encoding"}},
		"UTF-16 cut in the midst": {utf16File("name,email\nÄda,ada@example.org\n")[:29], []string{`students.csv:2:3: the file is not UTF-16: half a character is here`}},
		"half a pair":             {utf16File("name,email\nA") + "\x00\xd8" + utf16File(",a@b.c")[2:], []string{`students.csv:2:2: the file is not UTF-16: half a character is here`}},
		"a spreadsheet":           {"PK\x03\x04\n\x00\x00", []string{"students.csv:2:1: the file holds a NUL character"}},
		"a stray quote":           {"name,email\nAda \"A\" Lovelace,ada@example.org\n", []string{"students.csv:2:5: not CSV: bare"}},
		"an open quote":           {"name,email\n\"Ada,ada@example.org\n", []string{"students.csv:2:22: not CSV: extraneous or missing"}},
		"several at once":         {"name,email\n,\"x\"\nAda,\nBob,bob\n", []string{"students.csv:2:1: the name is empty", `students.csv:2:2: "x" is not`, "students.csv:3:5: the e-mail address is empty", `students.csv:4:5: "bob" is not`}},
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

func TestEveryWayToSaveARoster(t *testing.T) {
	want := []roster.Row{{Name: "Žofie Müller", Email: "z@example.org", Line: 2}, {Name: "Bob; the, \"B\"", Email: "b@example.org", Line: 3}}
	plain := "name,email\nŽofie Müller,z@example.org\n\"Bob; the, \"\"B\"\"\",b@example.org\n"
	semicolons := "name;email\nŽofie Müller;z@example.org\n\"Bob; the, \"\"B\"\"\";b@example.org\n"
	tabs := "name\temail\nŽofie Müller\tz@example.org\n\"Bob; the, \"\"B\"\"\"\tb@example.org\n"
	windows, err := charmap.Windows1252.NewEncoder().String(semicolons)
	if err != nil {
		t.Fatal(err)
	}
	bigEndian, err := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().String(plain)
	if err != nil {
		t.Fatal(err)
	}
	dos := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	for what, test := range map[string]struct {
		file   string
		format roster.Format
		shift  int // lines before the header
	}{
		"UTF-8":                        {file: plain},
		"UTF-8, said":                  {file: plain, format: roster.Format{Encoding: roster.UTF8, Delimiter: roster.Comma}},
		"with a byte order mark":       {file: "\ufeff" + plain},
		"Windows' line ends":           {file: dos(plain)},
		"an old Mac's line ends":       {file: strings.ReplaceAll(plain, "\n", "\r")},
		"no last line end":             {file: strings.TrimSuffix(plain, "\n")},
		"semicolons":                   {file: semicolons},
		"tabs":                         {file: tabs},
		"bars":                         {file: strings.ReplaceAll(tabs, "\t", "|")},
		"UTF-16, little end first":     {file: utf16File(tabs)},
		"UTF-16, said":                 {file: utf16File(tabs), format: roster.Format{Encoding: roster.UTF16}},
		"UTF-16, big end first":        {file: bigEndian},
		"UTF-16 without a mark":        {file: utf16File(tabs)[2:], format: roster.Format{Encoding: roster.UTF16LE}},
		"Windows-1252":                 {file: windows, format: roster.Format{Encoding: roster.Windows1252}},
		"Excel's first line":           {file: "sep=;\r\n" + dos(semicolons), shift: 1},
		"Excel's first line, quoted":   {file: "\"SEP=;\"\n" + semicolons, shift: 1},
		"more columns":                 {file: "id;" + strings.TrimSuffix(strings.ReplaceAll(strings.ReplaceAll(semicolons, "\n", ";x\n9;"), "email;x", "email;section"), "9;")},
		"the heading of a platform":    {file: strings.Replace(plain, "name,email", "Full Name,E-mail Address", 1)},
		"another heading":              {file: strings.Replace(plain, "name,email", "STUDENT_NAME,Mail", 1)},
		"a heading that decides":       {file: semicolons, format: roster.Format{Delimiter: roster.Semicolon}},
		"blank lines and empty values": {file: plain + "\n,,\n  \n"},
	} {
		t.Run(what, func(t *testing.T) {
			got, err := roster.Read([]byte(test.file), "students.csv", test.format)
			if err != nil || len(got.Wrong) > 0 {
				t.Fatalf("got %+v, %v", got.Wrong, err)
			}
			for i := range got.Rows {
				got.Rows[i].Line -= test.shift
			}
			if diff := cmp.Diff(want, got.Rows); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatIsPassedOverIsSaid(t *testing.T) {
	file := "ID,First Name,Surname,Name,Email,,Group\n1,Ada,King,Ada Lovelace,ada@example.org,,\"a\nb\"\n2,,,Bob,bob@example.org\n"
	got, err := roster.Read([]byte(file), "x", roster.Format{})
	if err != nil {
		t.Fatal(err)
	}
	want := roster.Roster{
		Rows:    []roster.Row{{"Ada Lovelace", "ada@example.org", 2}, {"Bob", "bob@example.org", 4}},
		Ignored: []string{"ID", "Group", "First Name", "Surname"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got, err = roster.Read([]byte("Last name\tFirst name\tE-Mail\nLovelace\tAda\tada@example.org\n"), "x", roster.Format{})
	if err != nil || len(got.Rows) != 1 || got.Rows[0].Name != "Ada Lovelace" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAWrongRowStandsInNoOthersWay(t *testing.T) {
	file := "name,email\n=cmd|'/c calc'!A1,a@example.org\n,nobody\nAda {{,A@example.org\nBob,b@example.org,x\nEve,e@example.org\n"
	got, err := roster.Read([]byte(file), "x.csv", roster.Format{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]roster.Row{{"=cmd|'/c calc'!A1", "a@example.org", 2}, {"Eve", "e@example.org", 6}}, got.Rows); diff != "" {
		t.Error(diff)
	}
	var problems []string
	for _, wrong := range got.Wrong {
		for i, f := range wrong.Fields("x.csv") {
			problems = append(problems, wrong.Problems[i].Value+" "+f.Name)
		}
	}
	if diff := cmp.Diff([]string{"name x.csv:3:1", "email x.csv:3:2", "name x.csv:4:1", "email x.csv:4:8", "row x.csv:5:1"}, problems); diff != "" {
		t.Error(diff)
	}
}

func TestAnEncodingThatIsNotTheFiles(t *testing.T) {
	for what, test := range map[string]struct {
		file     string
		encoding roster.Encoding
		want     string
	}{
		"UTF-8 is said to be Latin-1":      {"\ufeffname,email\n", roster.Latin1, "x:1:1: the file begins as utf-8 does, and is said to be latin1"},
		"UTF-16 is said to be UTF-8":       {utf16File("name"), roster.UTF8, "x:1:1: the file begins as utf-16le does"},
		"UTF-16 of the other end":          {utf16File("name"), roster.UTF16BE, "x:1:1: the file begins as utf-16le does"},
		"UTF-16 without a mark":            {utf16File("name")[2:], roster.UTF16, "x:1:1: the file does not begin with a byte order mark"},
		"UTF-16 without a word":            {utf16File("name,email")[2:], "", "x:1:2: the file holds a NUL character"},
		"a byte that Windows does not use": {"name,email\nAda,a@b.c\nB\x81b,b@b.c\n", roster.Windows1252, "x:3:2: a byte here stands for no character"},
		"Windows-1252 is said to be UTF-8": {"name,email\r\nAd\xe9,a@b.c\r\n", roster.UTF8, "x:2:3: the file is not UTF-8: the byte 0xE9"},
		"none that there is":               {"name,email\nA,a@b.c\n", "ebcdic", "x:1:1: the encoding \"ebcdic\" is not known"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := roster.Read([]byte(test.file), "x", roster.Format{Encoding: test.encoding})
			if got := refusal(t, err).Fields[0].String(); !strings.HasPrefix(got, test.want) {
				t.Errorf("got %s", got)
			}
		})
	}
	// Latin-1 has a character for every byte; those that no name has are found there.
	got, err := roster.Read([]byte("name,email\nZo\xeb,z@b.c\nO\x92Neil,o@b.c\n"), "x", roster.Format{Encoding: roster.Latin1})
	if err != nil || len(got.Rows) != 1 || got.Rows[0].Name != "Zoë" || len(got.Wrong) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestNamesOfEncodingsAndDelimiters(t *testing.T) {
	for name, want := range map[string]roster.Encoding{
		"UTF-8": roster.UTF8, "ISO-8859-1": roster.Latin1, "Latin1": roster.Latin1, "CP1252": roster.Windows1252, "utf-16LE": roster.UTF16LE, "koi8-r": "",
	} {
		if got, ok := roster.EncodingOf(name); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v", name, got, ok)
		}
	}
	for name, want := range map[string]roster.Delimiter{
		"comma": roster.Comma, ";": roster.Semicolon, "\t": roster.Tab, `\t`: roster.Tab, "TAB": roster.Tab, "pipe": roster.Pipe, "x": 0,
	} {
		if got, ok := roster.DelimiterOf(name); got != want || ok != (want != 0) {
			t.Errorf("%s: got %q, %v", name, got, ok)
		}
	}
	for _, e := range roster.Encodings() {
		if got, ok := roster.EncodingOf(string(e)); got != e || !ok {
			t.Errorf("%s is not known by its own name", e)
		}
	}
}

// FuzzRead: whatever the file and however it is said to be written, it is refused
// with reasons, or every row is good or wrong; and what was read, written down as
// CSV, reads the same.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"name,email\nAda,ada@example.org\n", "\ufeffemail;name\r\na@b;\"x; y\"\r\n", "sep=\t\nname\temail\n", "Mail|First name|Last name\ra@b|A|B\r",
		utf16File("name,email\n🎉,a@b\n"), "\xfe\xff\x00n", "name,email\n\"a\nb\",c@d\n", "name,email\nA,a@b\nB,A@B\n", "na\xefve,email\n", "\"", "sep=",
	} {
		f.Add([]byte(seed), "", uint8(0))
		f.Add([]byte(seed), "windows-1252", uint8(1))
		f.Add([]byte(seed), "utf-16be", uint8(2))
	}
	f.Fuzz(func(t *testing.T, file []byte, encoding string, delimiter uint8) {
		format := roster.Format{
			Encoding:  roster.Encoding(encoding),
			Delimiter: []roster.Delimiter{0, roster.Comma, roster.Semicolon, roster.Tab, roster.Pipe}[delimiter%5],
		}
		got, err := roster.Read(file, "x", format)
		if err != nil {
			for _, field := range refusal(t, err).Fields {
				if !strings.HasPrefix(field.Name, "x:") || field.Problem == "" || field.Remedy == "" {
					t.Errorf("a problem without place, reason or remedy: %+v", field)
				}
			}
			return
		}
		for _, wrong := range got.Wrong {
			if wrong.Line < 2 || len(wrong.Problems) == 0 {
				t.Errorf("a row is wrong without a reason: %+v", wrong)
			}
		}
		var text strings.Builder
		w := csv.NewWriter(&text)
		_ = w.Write([]string{"name", "email"})
		for _, row := range got.Rows {
			_ = w.Write([]string{row.Name, row.Email})
		}
		w.Flush()
		if len(got.Rows) == 0 {
			return
		}
		again, err := roster.Read([]byte(text.String()), "x", roster.Format{})
		if err != nil || len(again.Wrong) > 0 || len(again.Rows) != len(got.Rows) {
			t.Fatalf("what was read does not read again: %v, %+v\n%s", err, again.Wrong, text.String())
		}
		for i, row := range again.Rows {
			if row.Name != got.Rows[i].Name || row.Email != got.Rows[i].Email {
				t.Errorf("row %d became %+v, was %+v", i, row, got.Rows[i])
			}
		}
	})
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
