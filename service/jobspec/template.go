// Package jobspec reads templates (Nomad job files with HCL2 variable blocks)
// and renders them for one student by writing the values in. It needs no
// server: what it accepts, Nomad's own parser is asked about later.
package jobspec

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/bothylabs/bothy/service/lab"
)

// MaxSource is the largest template, in bytes. (Nomad keeps at most 1 MB of a job's source by default.)
const MaxSource = 512 << 10

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
}

// Suffix is how a template's file name ends; what stands before it is the template's name.
const Suffix = ".nomad.hcl"

// Parse reads a template. File is its path, which gives the template its name
// and errors their place: what is wrong is CodeInvalid, with a field
// "file:line:column" for each problem.
func Parse(file string, source []byte) (*Template, error) {
	if len(source) > MaxSource {
		return nil, lab.Invalid("the template cannot be used", lab.Field{
			Name: file, Problem: fmt.Sprintf("is larger than %d KB", MaxSource>>10), Remedy: "a job file is a few KB of text",
		})
	}
	parsed, diags := hclsyntax.ParseConfig(source, file, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, invalid("the template is not HCL", diags)
	}
	body, ok := parsed.Body.(*hclsyntax.Body)
	if !ok {
		return nil, fmt.Errorf("template %s: body is a %T", file, parsed.Body)
	}
	variables, diags := readVariables(body)
	if diags.HasErrors() {
		return nil, invalid("the template's variables cannot be used", diags)
	}
	sum := sha256.Sum256(source)
	return &Template{
		Name:        strings.TrimSuffix(path.Base(filepath.ToSlash(file)), Suffix),
		Description: leadingComment(source),
		file:        file,
		source:      source,
		digest:      hex.EncodeToString(sum[:]),
		variables:   variables,
		body:        body,
	}, nil
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
			f.Name = fmt.Sprintf("%s:%d:%d", d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column)
		}
		fields = append(fields, f)
	}
	return lab.Invalid(message, fields...)
}
