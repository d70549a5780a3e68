package registrar

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// The longest texts of a template's version, in characters.
const (
	MaxTemplateName = 128
	MaxMessage      = 1000
	MaxOrigin       = 1000
)

var (
	templateName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	// scpAddress is Git's short form of an address over SSH: "git@example.org:labs/templates.git".
	scpAddress = regexp.MustCompile(`^([A-Za-z0-9._-]+@)?[A-Za-z0-9._-]+:[^@?#]+$`)
)

// TemplateParser is the cluster's own reader of job files.
type TemplateParser interface {
	// Parse reads a job file with a file of values for its variables. CodeInvalid,
	// with fields "job.nomad.hcl:line:column", when it can't be read; another code
	// when nobody could be asked.
	Parse(ctx context.Context, source, variables []byte) error
}

// TemplateInput is a template to be registered. What it says of origin and author is believed.
type TemplateInput struct {
	Name string
	// Source is the job file.
	Source  string
	Message string
	Author  lab.Author
	// Origin's kind is git or upload; upload where it is "".
	Origin lab.TemplateOrigin
}

// RegisteredTemplate is what became of a push.
type RegisteredTemplate struct {
	TemplateView
	// New says that it was made just now; else it was the newest version already.
	New bool
	// Unasked says why Nomad's own parser was not asked; "" when it was, or did not have to be.
	Unasked string
}

// TemplateView is a version of a template as people see it.
type TemplateView struct {
	lab.TemplateVersion
	Variables []jobspec.Variable
}

// Templates gives a page of the newest versions of the templates that a filter
// chooses, without their sources; by name where no other order is asked for.
func (r *Registrar) Templates(ctx context.Context, filter lab.TemplateFilter, page lab.Page) (lab.List[lab.TemplateVersion], error) {
	page, err := checkList(filter.Search, page)
	if err != nil {
		return lab.List[lab.TemplateVersion]{}, err
	}
	return r.Store.Templates(ctx, filter, page)
}

// TemplateVersions gives a page of the versions of a template, without their
// sources; the newest first where no other order is asked for.
func (r *Registrar) TemplateVersions(ctx context.Context, name string, page lab.Page) (lab.List[lab.TemplateVersion], error) {
	page, err := checkList("", page)
	if err != nil {
		return lab.List[lab.TemplateVersion]{}, err
	}
	return r.Store.TemplateVersions(ctx, name, page)
}

// Template gives a version of a template, the newest for 0.
func (r *Registrar) Template(ctx context.Context, name string, version int64) (TemplateView, error) {
	v, err := r.Store.TemplateVersion(ctx, name, version)
	if err != nil {
		return TemplateView{}, err
	}
	t, err := r.Library.parse(v)
	if err != nil {
		return TemplateView{}, err
	}
	return TemplateView{TemplateVersion: v, Variables: t.Variables()}, nil
}

// PushTemplate registers a template's source as its next version, or does nothing
// when it is the newest version's. Courses stay with the version that they have.
// A source that can't be read or does not keep the contract is CodeInvalid, with a
// field for each line and column; so is one that Nomad's parser refuses. A Nomad
// that can't be asked stands in nobody's way: it is asked before anything runs.
func (r *Registrar) PushTemplate(ctx context.Context, intent lab.Intent, in TemplateInput) (RegisteredTemplate, error) {
	t, err := r.readInput(in)
	if err != nil {
		return RegisteredTemplate{}, err
	}
	unasked, err := r.askParser(ctx, t)
	if err != nil {
		return RegisteredTemplate{}, err
	}
	version := r.newVersion(t, in)
	version.RegisteredBy = intent.Actor.Name
	isNew, err := r.register(ctx, intent, &version, "template.push", func(state lab.TemplateState) bool {
		return state.Newest.Digest == version.Digest
	})
	if err != nil {
		return RegisteredTemplate{}, err
	}
	if isNew && !intent.DryRun {
		r.Notify() // a course may have waited for it
	}
	version.Source = t.Source()
	return RegisteredTemplate{
		TemplateView: TemplateView{TemplateVersion: version, Variables: t.Variables()}, New: isNew, Unasked: unasked,
	}, nil
}

// readInput checks what is pushed, without asking anybody.
func (r *Registrar) readInput(in TemplateInput) (*jobspec.Template, error) {
	var p problems
	checkTemplateName(&p, "template", in.Name)
	p.line("author.name", in.Author.Name, MaxName)
	p.line("author.email", in.Author.Email, MaxEmail)
	p.line("origin.path", in.Origin.Path, MaxOrigin)
	p.line("origin.revision", in.Origin.Revision, MaxOrigin)
	p.lines("message", in.Message, MaxMessage)
	p.repository("origin.url", in.Origin.URL)
	switch in.Origin.Kind {
	case "", lab.OriginGit, lab.OriginUpload:
	case lab.OriginBuiltin, lab.OriginFolder:
		p.add("origin.kind", fmt.Sprintf("%q is what the server itself found", in.Origin.Kind), "use git or upload")
	default:
		p.add("origin.kind", "is not a kind of origin", "use git or upload")
	}
	t, err := readSource(in.Name+jobspec.Suffix, []byte(in.Source))
	if err := p.take(err); err != nil {
		return nil, err
	}
	return t, p.err(fmt.Sprintf("the template %.*q can't be registered", MaxTemplateName, in.Name))
}

// askParser has Nomad read a template. It gives the reason where nobody could be asked.
func (r *Registrar) askParser(ctx context.Context, t *jobspec.Template) (unasked string, err error) {
	variables, ok := t.Trial()
	if !ok {
		return "a parameter without a default has a validation, and only a course knows its value", nil
	}
	err = r.Parser.Parse(ctx, []byte(t.Source()), variables)
	var coded *lab.Error
	switch {
	case err == nil:
		return "", nil
	case ctx.Err() != nil:
		return "", err
	case !errors.As(err, &coded):
		return "", fmt.Errorf("have Nomad read template %s: %w", t.Name, err)
	case coded.Code != lab.CodeInvalid:
		return coded.Message, nil
	}
	refused := lab.Invalid(fmt.Sprintf("Nomad can't read the template %q", t.Name))
	refused.Cause = err
	for _, f := range coded.Fields {
		if place, ok := strings.CutPrefix(f.Name, "job"+jobspec.Suffix); ok {
			f.Name = t.Name + jobspec.Suffix + place
		}
		refused.Fields = append(refused.Fields, f)
	}
	if len(refused.Fields) == 0 {
		refused.Fields = []lab.Field{{Name: t.Name + jobspec.Suffix, Problem: coded.Message, Remedy: "correct the template"}}
	}
	return "", refused
}

func (r *Registrar) newVersion(t *jobspec.Template, in TemplateInput) lab.TemplateVersion {
	if in.Origin.Kind == "" {
		in.Origin.Kind = lab.OriginUpload
	}
	return lab.TemplateVersion{
		ID: r.NewID(), Name: t.Name, Digest: t.Digest(), Description: t.Description, Source: t.Source(),
		Origin: in.Origin, Author: in.Author, Message: strings.TrimSpace(in.Message), CreatedAt: r.now(),
	}
}

// register writes a version with the next number, unless known says that it need
// not be: then version becomes the one that is there.
func (r *Registrar) register(
	ctx context.Context, intent lab.Intent, version *lab.TemplateVersion, action string, known func(lab.TemplateState) bool,
) (isNew bool, err error) {
	first := *version
	err = r.Store.RegisterTemplate(ctx, intent, first.Name, first.Digest, func(state lab.TemplateState) (*lab.TemplateVersion, lab.Audit, error) {
		if isNew = !known(state); !isNew {
			*version = state.Same
			return nil, lab.Audit{}, nil
		}
		next := first
		next.Version = state.Newest.Version + 1
		*version = next
		made := map[string]any{
			"name": next.Name, "version": next.Version, "digest": next.Digest, "origin": string(next.Origin.Kind),
			"revision": next.Origin.Revision, "dirty": next.Origin.Dirty, "message": next.Message,
		}
		return &next, came(r.audit(intent, action, next.ID, map[string]any{"name": next.Name, "version": next.Version}), made), nil
	})
	return isNew, err
}

// TakeUpTemplates registers what was found in folders, as far as it is no version
// yet, not even an old one: a server of another version beside this one brings its
// own templates, and the two must not push each other's away for ever.
func (r *Registrar) TakeUpTemplates(ctx context.Context, catalog *Catalog) error {
	intent := lab.Intent{Actor: lab.Actor{Name: "server"}}
	for _, found := range catalog.Templates() {
		version := r.newVersion(found.Template, TemplateInput{Origin: found.Origin})
		version.RegisteredBy = intent.Actor.Name
		_, err := r.register(ctx, intent, &version, "template.register", func(state lab.TemplateState) bool {
			return state.Same.Version > 0
		})
		if err != nil {
			return fmt.Errorf("register template %s: %w", found.Name, err)
		}
	}
	return nil
}

func checkTemplateName(p *problems, field, name string) {
	if len(name) > MaxTemplateName || !templateName.MatchString(name) {
		p.add(field, "is not named as a template is", fmt.Sprintf("use at most %d letters, digits, dots, underscores and hyphens, and begin with a letter or digit", MaxTemplateName))
	}
}

// versionOf finds the version that a course is to be made from, the newest for 0,
// and collects what is wrong with the names.
func (r *Registrar) versionOf(
	p *problems, name string, version int64, find func(name string, version int64) (lab.TemplateVersion, error),
) (lab.TemplateVersion, *jobspec.Template, error) {
	v, err := find(name, version)
	if lab.CodeOf(err) == lab.CodeNotFound {
		newest, err := find(name, 0)
		switch {
		case lab.CodeOf(err) == lab.CodeNotFound:
			p.add("template", fmt.Sprintf("there is no template %q", name), "use one that GET /v1/templates or `bothy template list -server` shows")
			return lab.TemplateVersion{}, nil, nil
		case err != nil:
			return lab.TemplateVersion{}, nil, err
		}
		p.add("template_version", fmt.Sprintf("the template %q has no version %d", name, version), fmt.Sprintf("use 1 to %d", newest.Version))
		return lab.TemplateVersion{}, nil, nil
	}
	if err != nil {
		return lab.TemplateVersion{}, nil, err
	}
	t, err := r.Library.parse(v)
	return v, t, err
}

// checkTemplate finds the version for a new course and collects what is wrong with it and the parameters.
func (r *Registrar) checkTemplate(ctx context.Context, p *problems, name string, version int64, parameters map[string]any) (int64, error) {
	v, t, err := r.versionOf(p, name, version, func(name string, version int64) (lab.TemplateVersion, error) {
		return r.Store.TemplateVersion(ctx, name, version)
	})
	if err != nil || t == nil {
		return 0, err
	}
	return v.Version, p.take(t.CheckParams(parameters))
}

// overrides collects what is wrong with a class's parameters in the place of its
// course's, each named after prefix. What is wrong with the course's own is not the class's.
func (p *problems) overrides(t *jobspec.Template, prefix string, course, class map[string]any) error {
	var all problems
	if err := all.take(t.CheckParams(lab.MergeParameters(course, class))); err != nil {
		return err
	}
	for _, f := range all.fields {
		name := strings.TrimPrefix(f.Name, "parameters.")
		if _, overridden := class[name]; overridden {
			f.Name = prefix + f.Name
			p.fields = append(p.fields, f)
		}
	}
	return nil
}

// line checks a text of one line that nothing interprets; it may be empty.
func (p *problems) line(field, value string, most int) {
	p.shown(field, value, most, unicode.IsControl, "line breaks or other control characters")
}

// lines checks a text that may have several lines.
func (p *problems) lines(field, value string, most int) {
	p.shown(field, value, most, func(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\t' }, "control characters")
}

func (p *problems) shown(field, value string, most int, bad func(rune) bool, what string) {
	switch {
	case utf8.RuneCountInString(value) > most:
		p.add(field, fmt.Sprintf("is longer than %d characters", most), "shorten it")
	case !utf8.ValidString(value) || strings.ContainsFunc(value, bad):
		p.add(field, "has "+what, "remove them")
	}
}

// repository checks where a repository is. What it refuses it does not repeat: it may be a secret.
func (p *problems) repository(field, value string) {
	p.line(field, value, MaxOrigin)
	u, err := url.Parse(value)
	if err != nil {
		if !scpAddress.MatchString(value) {
			p.add(field, "is not the address of a repository", "write it as git clone takes it, without a password")
		}
		return
	}
	_, password := u.User.Password()
	switch {
	case password, u.User != nil && u.Scheme != "ssh", strings.Contains(u.Opaque, "@"):
		p.add(field, "holds a user name or a password", "leave them out; Git's credential helpers keep them")
	case u.RawQuery != "" || u.Fragment != "":
		p.add(field, "has a query or a fragment", "leave it out")
	}
}
