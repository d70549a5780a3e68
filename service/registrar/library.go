package registrar

import (
	"context"
	"errors"
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// libraryTemplates is how many parsed templates are kept. One is some 20 KB of
// text, 256 KiB at most, and a few times that when it is parsed.
const libraryTemplates = 128

// TemplateVersions has the registered versions of templates.
type TemplateVersions interface {
	// TemplateVersion gives one with its source, the newest for 0; CodeNotFound when there is none.
	TemplateVersion(ctx context.Context, name string, version int64) (lab.TemplateVersion, error)
}

// Library gives registered templates in parsed form. Those that were asked for
// last are kept: a version never changes, so its name and number say it all. Its
// methods may be called at the same time.
type Library struct {
	versions TemplateVersions
	parsed   *lru.Cache[libraryKey, *jobspec.Template]
}

type libraryKey struct {
	name    string
	version int64
}

// NewLibrary makes a library of registered versions.
func NewLibrary(versions TemplateVersions) (*Library, error) {
	parsed, err := lru.New[libraryKey, *jobspec.Template](libraryTemplates)
	if err != nil {
		return nil, fmt.Errorf("make the library of templates: %w", err)
	}
	return &Library{versions: versions, parsed: parsed}, nil
}

// Template gives a version of a template. CodeNotFound when it is not registered,
// CodeConflict when this program does not read it any more.
func (l *Library) Template(ctx context.Context, name string, version int64) (*jobspec.Template, error) {
	if t, ok := l.parsed.Get(libraryKey{name, version}); ok {
		return t, nil
	}
	v, err := l.versions.TemplateVersion(ctx, name, version)
	if err != nil {
		return nil, err
	}
	return l.parse(v)
}

// parse gives a version, which comes with its source, in parsed form.
func (l *Library) parse(v lab.TemplateVersion) (*jobspec.Template, error) {
	key := libraryKey{v.Name, v.Version}
	if t, ok := l.parsed.Get(key); ok {
		return t, nil
	}
	t, err := jobspec.Parse(v.Name+jobspec.Suffix, []byte(v.Source))
	var unread *lab.Error
	if errors.As(err, &unread) {
		return nil, &lab.Error{
			Code:    lab.CodeConflict,
			Message: fmt.Sprintf("version %d of the template %q can't be used by this version of Bothy", v.Version, v.Name),
			Hint:    "push a corrected version, and move the courses to it",
			Fields:  unread.Fields, Cause: err,
		}
	}
	if err != nil {
		return nil, fmt.Errorf("parse version %d of template %s: %w", v.Version, v.Name, err)
	}
	l.parsed.Add(key, t)
	return t, nil
}
