package jobspec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/bothylabs/bothy/service/lab"
)

// Rendered is everything that one workspace needs, as files that Nomad's own commands take.
type Rendered struct {
	JobID string
	// Job is the job file: what Bothy submits is this, byte for byte.
	Job []byte
	// VolumeName is the home's name (host) or id (CSI).
	VolumeName string
	// Volume is the file for "nomad volume create".
	Volume []byte
}

// Render writes one student's values into a template as its variables'
// defaults; comments and layout stay. The same input gives the same bytes.
// Parameters or settings that do not fit are CodeInvalid.
func Render(t *Template, settings Settings, subject Subject, params Params) (*Rendered, error) {
	values, err := t.values(params)
	if err != nil {
		return nil, err
	}
	filled, err := t.fill(settings, subject)
	if err != nil {
		return nil, err
	}
	maps.Copy(values, filled)
	job, err := t.write(values)
	if err != nil {
		return nil, err
	}
	volume, err := homeFile(settings, subject)
	if err != nil {
		return nil, err
	}
	return &Rendered{JobID: subject.Slug.JobID(), Job: job, VolumeName: subject.Slug.HomeVolume(), Volume: volume}, nil
}

// fill gives the reserved values that the template declares, in its own types.
func (t *Template) fill(settings Settings, subject Subject) (map[string]cty.Value, error) {
	if _, err := lab.ParseSlug(string(subject.Slug)); err != nil {
		return nil, fmt.Errorf("render %s: %w", t.Name, err)
	}
	out := make(map[string]cty.Value)
	var fields []lab.Field
	for name, value := range vocabulary(settings, subject) {
		v := t.variable(name)
		if v == nil {
			continue
		}
		if f := valueTextProblem(value); f != nil {
			f.Name = "settings." + name
			fields = append(fields, *f)
			continue
		}
		converted, err := convert.Convert(value, v.typ)
		if err != nil {
			fields = append(fields, lab.Field{
				Name:    fmt.Sprintf("%s:%d:%d", t.file, v.at.Start.Line, v.at.Start.Column),
				Problem: fmt.Sprintf("the reserved variable %q is declared as %s", name, article(v.typ)),
				Remedy:  "declare it as docs/templates.md has it",
			})
			continue
		}
		out[name] = converted
	}
	if len(fields) == 0 {
		fields = t.checkRules(out, "settings.")
	}
	if len(fields) > 0 {
		return nil, lab.Invalid(fmt.Sprintf("the template %q cannot be filled in", t.Name), fields...)
	}
	return out, nil
}

// write gives the template's text with the values as defaults.
func (t *Template) write(values map[string]cty.Value) ([]byte, error) {
	file, diags := hclwrite.ParseConfig(t.source, t.file, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("parse template %s again: %w", t.Name, diags)
	}
	for _, block := range file.Body().Blocks() {
		if block.Type() != "variable" || len(block.Labels()) != 1 {
			continue
		}
		if value, ok := values[block.Labels()[0]]; ok {
			block.Body().SetAttributeValue("default", value)
		}
	}
	return bytes.Clone(file.Bytes()), nil
}

// Fingerprint identifies everything that determines a rendering beside its
// subject: template, settings and parameters. Equal inputs have equal
// fingerprints, whatever the order of their keys; it is cheap enough to ask
// for every workspace on every pass.
func Fingerprint(t *Template, settings Settings, params Params) string {
	if params == nil {
		params = Params{}
	}
	sum := sha256.New()
	// Parameters that are not JSON are refused by Render, so it does not matter
	// that the hash then ends before them.
	_ = json.NewEncoder(sum).Encode([]any{t.digest, settings, params})
	return hex.EncodeToString(sum.Sum(nil))
}
