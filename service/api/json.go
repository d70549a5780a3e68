package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/bothylabs/bothy/service/lab"
)

// maxDepth is how many levels of arrays and objects a JSON body may have.
const maxDepth = 32

// decodeJSON decodes a body that is exactly one JSON value, in UTF-8, without
// duplicate members and not deeper than maxDepth. Anything else is CodeInvalid
// with the place as its field.
func decodeJSON(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, invalidBody("body", "is not UTF-8 text", "send JSON in UTF-8")
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return nil, notJSON(data, err)
	}
	walk := &jsonWalk{decoder: json.NewDecoder(bytes.NewReader(data))}
	walk.decoder.UseNumber()
	if err := walk.value("", 0); err != nil {
		return nil, err
	}
	return value, nil
}

// notJSON says where and why data is no JSON value.
func notJSON(data []byte, err error) error {
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
		offset = int64(len(data))
		why    = err.Error()
	)
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset, why = kind.Offset, kind.Value+" is out of range"
	}
	line, column := position(data, offset)
	return invalidBody(fmt.Sprintf("body:%d:%d", line, column), "is not JSON: "+why, "send one JSON object and nothing after it")
}

// position turns an offset of one past a byte into that byte's line and column, from 1.
func position(data []byte, offset int64) (line, column int) {
	before := data[:max(0, min(int(offset)-1, len(data)))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

// jsonWalk looks over JSON that is known to be well formed for what decoding it passes over.
type jsonWalk struct{ decoder *json.Decoder }

func (w *jsonWalk) value(path string, depth int) error {
	token, err := w.decoder.Token()
	if err != nil {
		return wrapWalk(err)
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return invalidBody(orBody(path), fmt.Sprintf("is nested deeper than %d levels", maxDepth), "send a flatter value")
	}
	if delim == '{' {
		err = w.object(path, depth+1)
	} else {
		err = w.array(path, depth+1)
	}
	if err != nil {
		return err
	}
	_, err = w.decoder.Token() // the closing delimiter
	return wrapWalk(err)
}

func (w *jsonWalk) object(path string, depth int) error {
	seen := map[string]bool{}
	for w.decoder.More() {
		token, err := w.decoder.Token()
		if err != nil {
			return wrapWalk(err)
		}
		name, _ := token.(string) // in well-formed JSON a member's name is a string
		at := member(path, name)
		if seen[name] {
			return invalidBody(at, "is given twice", "give it once")
		}
		seen[name] = true
		if err := w.value(at, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *jsonWalk) array(path string, depth int) error {
	for i := 0; w.decoder.More(); i++ {
		if err := w.value(path+"["+strconv.Itoa(i)+"]", depth); err != nil {
			return err
		}
	}
	return nil
}

func wrapWalk(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("walk a JSON body: %w", err)
}

func invalidBody(name, problem, remedy string) *lab.Error {
	return lab.Invalid("the body is not valid", lab.Field{Name: name, Problem: problem, Remedy: remedy})
}

// member gives the path of an object's member: "students[0].email".
func member(path, name string) string {
	name = shorten(name)
	if path == "" {
		return name
	}
	return path + "." + name
}

// orBody names the whole body where a path is empty.
func orBody(path string) string {
	if path == "" {
		return "body"
	}
	return path
}

// shorten keeps a name that the caller chose from filling an answer or the log.
func shorten(name string) string {
	const longest = 64
	if len(name) <= longest {
		return name
	}
	end := longest
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + "…"
}
