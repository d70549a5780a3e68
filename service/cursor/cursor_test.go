package cursor_test

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bothylabs/bothy/service/cursor"
	"github.com/bothylabs/bothy/service/lab"
)

func TestACursorGivesItsPlaceBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scope := []any{"students", rapid.String().Draw(t, "filter")}
		at := []any{rapid.StringMatching(`[^\x00]{0,200}`).Draw(t, "name"), rapid.Int64().Draw(t, "moment"), "id"}
		text, err := cursor.Encode(scope, at)
		if err != nil {
			t.Fatal(err)
		}
		got, err := cursor.Decode(scope, text, []any{"", int64(0), ""})
		if err != nil || !cmp.Equal(got, at) {
			t.Fatalf("got %v, %v, want %v", got, err, at)
		}
	})
}

// sealed is a cursor that somebody made up, with a check that is right.
func sealed(text string) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32([]byte(text), crc32.ChecksumIEEE([]byte(text))))
}

func TestACursorThatCannotBeUsedSaysSo(t *testing.T) {
	scope, like := []any{"students", "name"}, []any{"", int64(0)}
	good, err := cursor.Encode(scope, []any{"Ada", int64(7)})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := cursor.Encode([]any{"students", "-name"}, []any{"Ada", int64(7)})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	body := string(raw[:len(raw)-4])
	mark := body[12:24] // {"v":1,"s":"…
	const damaged = "is damaged, or none that Bothy gave"
	for name, test := range map[string]struct{ text, problem string }{
		"nonsense":               {"next", damaged},
		"not base64":             {"%%%", damaged},
		"cut short":              {good[:len(good)-3], damaged},
		"one character changed":  {"f" + good[1:], damaged},
		"padded":                 {good + "=", damaged},
		"another list's":         {foreign, "belongs to another list, or to other filters or another sort"},
		"of another version":     {sealed(`{"v":2,"s":"` + mark + `","a":["Ada",7]}`), "is of another version of Bothy"},
		"of another type":        {sealed(`{"v":1,"s":"` + mark + `","a":[7,"Ada"]}`), damaged},
		"a fraction":             {sealed(`{"v":1,"s":"` + mark + `","a":["Ada",7.5]}`), damaged},
		"a NUL":                  {sealed(`{"v":1,"s":"` + mark + `","a":["\u0000",7]}`), damaged},
		"too few keys":           {sealed(`{"v":1,"s":"` + mark + `","a":["Ada"]}`), damaged},
		"more than is known":     {sealed(`{"v":1,"s":"` + mark + `","a":["Ada",7],"x":1}`), damaged},
		"two values":             {sealed(body + body), damaged},
		"nothing but a checksum": {sealed(""), damaged},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cursor.Decode(scope, test.text, like)
			var coded *lab.Error
			if !errors.As(err, &coded) || coded.Code != lab.CodeInvalid || len(coded.Fields) != 1 {
				t.Fatalf("got %v", err)
			}
			if f := coded.Fields[0]; f.Name != "cursor" || f.Problem != test.problem || f.Remedy == "" {
				t.Errorf("got %+v", f)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("next")
	f.Add(sealed(`{"v":1,"s":"","a":[]}`))
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := cursor.Decode([]any{"x"}, text, []any{""}); lab.CodeOf(err) != lab.CodeInvalid {
			t.Fatalf("took %q: %v", text, err)
		}
	})
}
