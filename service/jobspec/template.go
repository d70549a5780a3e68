// Package jobspec reads templates (Nomad job files with HCL2 variable blocks)
// and renders them for one student by writing the values in. It needs no
// server: what it accepts, Nomad's own parser is asked about later.
package jobspec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/bothylabs/bothy/service/lab"
)

// MaxSource is the largest template, in bytes. (Nomad keeps at most 1 MB of a job's source by default.)
const MaxSource = 256 << 10

// Suffix is how a template's file name ends; what stands before it is the template's name.
const Suffix = ".nomad.hcl"

// Template is a parsed job file. It is read-only and may be shared.
type Template struct {
	// Name is what a course calls the template by.
	Name string
	// Description is the first paragraph of the comment that the file begins with.
	Description string

	file      string
	source    []byte
	digest    string
	variables []*variable // in the order of the file
	body      *hclsyntax.Body
	functions map[string]function.Function
}

// Parse reads a template. File is its path, which gives the template its name
// and errors their place: what is wrong is CodeInvalid, with a field
// "file:line:column" for each problem. It does not judge the job itself: Check
// does.
func Parse(file string, source []byte) (*Template, error) {
	if f := notText(source); f != nil {
		f.Name = file + f.Name
		return nil, lab.Invalid("the template cannot be used", *f)
	}
	body, err := parseHCL(file, source)
	if err != nil {
		return nil, err
	}
	diags := topLevel(body)
	variables, more := readVariables(source, body)
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, invalid(fmt.Sprintf("the template %s cannot be used", file), diags)
	}
	sum := sha256.Sum256(source)
	return &Template{
		Name:        strings.TrimSuffix(path.Base(filepath.ToSlash(file)), Suffix),
		Description: leadingComment(source),
		file:        file,
		source:      slices.Clone(source),
		digest:      hex.EncodeToString(sum[:]),
		variables:   variables,
		body:        body,
		functions:   functions(),
	}, nil
}

// notText says why a source is no text of a template's size. The field's name is what follows the file's.
func notText(source []byte) *lab.Field {
	if len(source) > MaxSource {
		return &lab.Field{Problem: fmt.Sprintf("is larger than %d KiB", MaxSource>>10), Remedy: "a job file is a few KiB of text"}
	}
	for i := 0; i < len(source); {
		r, size := utf8.DecodeRune(source[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return &lab.Field{Name: after(source[:i]), Problem: "is not UTF-8", Remedy: "save the file as UTF-8"}
		case r == 0:
			return &lab.Field{Name: after(source[:i]), Problem: "is a NUL character, which no text has", Remedy: "remove it"}
		}
		i += size
	}
	return nil
}

// after gives the place of what follows a text, as ":line:column".
func after(text []byte) string {
	line := text[bytes.LastIndexByte(text, '\n')+1:]
	return fmt.Sprintf(":%d:%d", bytes.Count(text, []byte("\n"))+1, utf8.RuneCount(line)+1)
}

func parseHCL(file string, source []byte) (*hclsyntax.Body, error) {
	parsed, diags := hclsyntax.ParseConfig(source, file, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, invalid(fmt.Sprintf("the template %s is not HCL", file), diags)
	}
	body, ok := parsed.Body.(*hclsyntax.Body)
	if !ok {
		return nil, fmt.Errorf("template %s: HCL's body is a %T", file, parsed.Body)
	}
	return body, nil
}

// topLevel refuses what a job file does not have, or Bothy does not take, beside its blocks.
func topLevel(body *hclsyntax.Body) hcl.Diagnostics {
	const has = "a template has variable, locals and job blocks"
	var diags hcl.Diagnostics
	for _, attr := range attributes(body) {
		diags = append(diags, problem(attr.NameRange, fmt.Sprintf("a job file has no %q outside its blocks", attr.Name), has))
	}
	for _, block := range body.Blocks {
		switch block.Type {
		case "variable", "locals", "job":
		case "variables":
			diags = append(diags, problem(block.DefRange(), `a "variables" block has no types, descriptions or validations`, "write a variable block for each"))
		default:
			diags = append(diags, problem(block.DefRange(), fmt.Sprintf("a job file has no %q block", block.Type), has))
		}
	}
	return diags
}

// Source is the file, byte for byte.
func (t *Template) Source() string { return string(t.source) }

// Digest is the SHA-256 of the source, in hex.
func (t *Template) Digest() string { return t.digest }

// Variables are the template's variables, in the order of the file.
func (t *Template) Variables() []Variable {
	out := make([]Variable, 0, len(t.variables))
	for _, v := range t.variables {
		out = append(out, v.public())
	}
	return out
}

func (t *Template) variable(name string) *variable {
	for _, v := range t.variables {
		if v.name == name {
			return v
		}
	}
	return nil
}

// leadingComment gives the text of the first paragraph of #-comments.
func leadingComment(source []byte) string {
	var words []string
	for line := range strings.Lines(string(source)) {
		text, isComment := strings.CutPrefix(strings.TrimSpace(line), "#")
		text = strings.TrimSpace(text)
		if !isComment || text == "" {
			break
		}
		words = append(words, text)
	}
	return strings.Join(words, " ")
}

// invalid turns HCL's diagnostics into a coded error with a field for each.
func invalid(message string, diags hcl.Diagnostics) *lab.Error {
	fields := make([]lab.Field, 0, len(diags))
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		f := lab.Field{Problem: d.Summary, Remedy: d.Detail}
		if d.Subject != nil {
			f.Name = place(*d.Subject)
		}
		fields = append(fields, f)
	}
	return lab.Invalid(message, fields...)
}

// place gives where something stands, as "file:line:column".
func place(at hcl.Range) string {
	return fmt.Sprintf("%s:%d:%d", at.Filename, at.Start.Line, at.Start.Column)
}
