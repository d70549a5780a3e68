package jobspec

import (
	"fmt"
	"maps"

	"github.com/zclconf/go-cty/cty"

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
// Parameters, settings or a subject that do not fit are CodeInvalid.
func Render(t *Template, settings Settings, subject Subject, params Params) (*Rendered, error) {
	if fields := append(settings.problems(), subject.problems()...); len(fields) > 0 {
		return nil, lab.Invalid(fmt.Sprintf("no job can be made from the template %q", t.Name), fields...)
	}
	values, err := t.values(params)
	if err != nil {
		return nil, err
	}
	reserved, err := t.reserved(settings, subject)
	if err != nil {
		return nil, err
	}
	maps.Copy(values, reserved)
	volume, err := homeFile(settings, subject)
	if err != nil {
		return nil, err
	}
	return &Rendered{
		JobID:      subject.Slug.JobID(),
		Job:        t.write(values),
		VolumeName: subject.Slug.HomeVolume(),
		Volume:     volume,
	}, nil
}

// reserved gives the values of the reserved variables that the template
// declares. The template's own validation judges them as well.
func (t *Template) reserved(settings Settings, subject Subject) (map[string]cty.Value, error) {
	words := vocabulary(settings, subject)
	out := make(map[string]cty.Value, len(words))
	var fields []lab.Field
	for _, v := range t.variables {
		if !v.reserved {
			continue
		}
		if f := v.refuses(words[v.name], t.functions); f != nil {
			f.Name = "settings." + v.name
			fields = append(fields, *f)
			continue
		}
		out[v.name] = words[v.name]
	}
	if len(fields) > 0 {
		return nil, lab.Invalid(fmt.Sprintf("the template %q does not take this deployment's settings", t.Name), fields...)
	}
	return out, nil
}
