// Package cursor writes and reads the places in lists that callers hold between
// two pages. To them a cursor is opaque. It carries the sort keys of the last
// item that was seen, and a mark of the list, sort and filters that it belongs to.
// It is no secret and grants nothing; what it holds is a value to compare with.
package cursor

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// version is raised when what a cursor holds changes its meaning.
const version = 1

const checkBytes = 4

// place is what a cursor holds.
type place struct {
	Version int    `json:"v"`
	Scope   string `json:"s"`
	At      []any  `json:"a"`
}

// Encode gives the cursor of a place: at are the sort keys of the last item that
// was seen, each a string or an int64. Scope is all that the order and the choice
// of the items depend on, in values that JSON can write.
func Encode(scope, at []any) (string, error) {
	mark, err := markOf(scope)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(place{Version: version, Scope: mark, At: at})
	if err != nil {
		return "", fmt.Errorf("write a cursor: %w", err)
	}
	text = binary.BigEndian.AppendUint32(text, crc32.ChecksumIEEE(text))
	return base64.RawURLEncoding.EncodeToString(text), nil
}

// Decode gives the sort keys of a cursor, which are of the types of like. A
// cursor that is damaged, of another version, or of another scope is CodeInvalid
// with the field "cursor".
func Decode(scope []any, text string, like []any) ([]any, error) {
	mark, err := markOf(scope)
	if err != nil {
		return nil, err
	}
	p, ok := read(text)
	switch {
	case !ok:
		return nil, invalid("is damaged, or none that Bothy gave")
	case p.Version != version:
		return nil, invalid("is of another version of Bothy")
	case p.Scope != mark:
		return nil, invalid("belongs to another list, or to other filters or another sort")
	}
	at, ok := typed(p.At, like)
	if !ok {
		return nil, invalid("is damaged, or none that Bothy gave")
	}
	return at, nil
}

func invalid(problem string) error {
	return lab.Invalid("the cursor can't be used", lab.Field{
		Name: "cursor", Problem: problem,
		Remedy: "send the next_cursor of the page before with the same filters and sort, or leave it out to begin again",
	})
}

// markOf is a short name of a scope.
func markOf(scope []any) (string, error) {
	text, err := json.Marshal(scope)
	if err != nil {
		return "", fmt.Errorf("name the scope of a cursor: %w", err)
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:9]), nil
}

func read(text string) (place, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) <= checkBytes {
		return place{}, false
	}
	raw, check := raw[:len(raw)-checkBytes], raw[len(raw)-checkBytes:]
	if crc32.ChecksumIEEE(raw) != binary.BigEndian.Uint32(check) {
		return place{}, false
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	var p place
	if err := decoder.Decode(&p); err != nil {
		return place{}, false
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return place{}, false
	}
	return p, true
}

// typed gives values the types of like. Whoever makes up a cursor must not reach
// the database with what it does not take.
func typed(values, like []any) ([]any, bool) {
	if len(values) != len(like) {
		return nil, false
	}
	at := make([]any, len(values))
	for i, value := range values {
		switch like[i].(type) {
		case string:
			text, ok := value.(string)
			if !ok || strings.ContainsRune(text, 0) {
				return nil, false
			}
			at[i] = text
		case int64:
			number, ok := value.(json.Number)
			if !ok {
				return nil, false
			}
			n, err := number.Int64()
			if err != nil {
				return nil, false
			}
			at[i] = n
		default:
			return nil, false
		}
	}
	return at, true
}
