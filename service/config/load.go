package config

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/bothylabs/bothy/service/lab"
)

// Sources are where settings come from, the weakest first.
type Sources struct {
	// File is the path of a configuration file in HCL; "" for that in BOTHY_CONFIG.
	File string
	// LookupEnv reads the environment (os.LookupEnv); nil for none.
	LookupEnv func(name string) (string, bool)
	// Flags are what the command line says.
	Flags Flags
}

// FileVariable is the environment variable that names the file where no flag does.
const FileVariable = "BOTHY_CONFIG"

// Path gives the path of the file, and whether the environment names it; "" for none.
func (s Sources) Path() (path string, named bool) {
	if s.File != "" || s.LookupEnv == nil {
		return s.File, false
	}
	path, _ = s.LookupEnv(FileVariable)
	return path, path != ""
}

// Flags are settings from a command line, by setting name.
type Flags map[string]string

// Register declares a flag for each setting on set, to be read into f.
func (f Flags) Register(set *flag.FlagSet) {
	f.register(set, setting.flagName, func(s setting) bool { return !s.envOnly })
}

// RegisterJob declares flags for the settings that are written into every job;
// LoadJob reads them.
func (f Flags) RegisterJob(set *flag.FlagSet) {
	f.register(set, setting.jobFlagName, func(s setting) bool { return s.inJobs })
}

func (f Flags) register(set *flag.FlagSet, flagName func(setting) string, wanted func(setting) bool) {
	var unused Config
	for _, s := range settings(&unused) {
		if !wanted(s) {
			continue
		}
		keep := func(text string) error {
			f[s.name] = text
			return nil
		}
		if s.isBool {
			set.BoolFunc(flagName(s), s.usage, keep)
		} else {
			set.Func(flagName(s), s.usage, keep)
		}
	}
}

// Load reads all sources over the defaults and checks the result. Its error is a
// lab.Error with CodeInvalid that names everything that is wrong: the place
// ("bothy.hcl:3:13", "environment variable NOMAD_ADDR", "flag -listen"), the
// setting, the problem and the remedy.
func Load(src Sources) (Config, error) {
	c := Default()
	l := &loader{config: &c, settings: settings(&c), origins: map[string]string{}, flagName: setting.flagName}
	if path, _ := src.Path(); path != "" {
		l.file(path)
	}
	if src.LookupEnv != nil {
		l.environment(src.LookupEnv)
	}
	l.flags(src.Flags)
	return l.result((*loader).check)
}

// LoadServers reads all sources as Load does, for a program that sets the servers up
// with tokens of its own: how they are reached is checked, and no credential.
func LoadServers(src Sources) (Config, error) {
	c := Default()
	l := &loader{config: &c, settings: settings(&c), origins: map[string]string{}, flagName: setting.flagName}
	if path, _ := src.Path(); path != "" {
		l.file(path)
	}
	if src.LookupEnv != nil {
		l.environment(src.LookupEnv)
	}
	l.flags(src.Flags)
	return l.result(func(l *loader) {
		l.checkTLS("nomad.tls", l.config.Nomad.TLS)
		l.checkTLS("consul.tls", l.config.Consul.TLS)
		l.checkTLS("vault.tls", l.config.Vault.TLS)
	})
}

// LoadJob reads what is written into every job, from the environment and the
// flags that RegisterJob declared; all else is default.
func LoadJob(lookup func(string) (string, bool), flags Flags) (Config, error) {
	c := Default()
	l := partLoader(&c, func(s setting) bool { return s.inJobs })
	l.flagName = setting.jobFlagName
	l.environment(lookup)
	l.flags(flags)
	return l.result((*loader).checkJob)
}

// LoadNomad reads how to reach Nomad from the environment, for a program that
// talks to nothing else.
func LoadNomad(lookup func(string) (string, bool)) (Nomad, error) {
	c := Default()
	l := partLoader(&c, func(s setting) bool { return strings.HasPrefix(s.name, "nomad.") })
	l.environment(lookup)
	c, err := l.result(func(l *loader) {
		l.checkToken("nomad", l.config.Nomad.Token)
		l.checkTLS("nomad.tls", l.config.Nomad.TLS)
	})
	return c.Nomad, err
}

// partLoader reads some settings only.
func partLoader(c *Config, wanted func(setting) bool) *loader {
	l := &loader{config: c, origins: map[string]string{}, flagName: setting.flagName}
	for _, s := range settings(c) {
		if wanted(s) {
			l.settings = append(l.settings, s)
		}
	}
	return l
}

// result gives the configuration, or all that is wrong with it.
func (l *loader) result(check func(*loader)) (Config, error) {
	if len(l.problems) == 0 {
		// Checks across settings would only repeat what is wrong with a single one.
		check(l)
	}
	if len(l.problems) > 0 {
		return Config{}, lab.Invalid("the configuration is not valid", l.problems...)
	}
	return *l.config, nil
}

type loader struct {
	config   *Config
	settings []setting
	// origins says where each setting that was given came from last.
	origins  map[string]string
	flagName func(setting) string
	problems []lab.Field
}

func (l *loader) fail(place, setting, what, remedy string) {
	field := setting
	switch {
	case place != "" && setting != "":
		field = place + ": " + setting
	case place != "":
		field = place
	}
	l.problems = append(l.problems, lab.Field{Name: field, Problem: what, Remedy: remedy})
}

// take reads one setting's value from one place.
func (l *loader) take(s setting, place string, texts []string) {
	l.origins[s.name] = place
	var before Credential
	if s.secret != nil {
		before = *s.secret
	}
	err := s.read(texts)
	if err == nil {
		if s.secret != nil {
			s.secret.From, s.secret.Passed = place, cmp.Or(before.File, before.Passed)
		}
		return
	}
	var p valueError
	if !errors.As(err, &p) {
		p = valueError{what: err.Error()}
	}
	l.fail(place, s.name, p.what, p.remedy)
}

// environment reads Bothy's own variables after those of other programs, because
// two settings may be about one credential: a shell's NOMAD_TOKEN is whoever's who
// works in it, BOTHY_NOMAD_TOKEN_FILE names what is Bothy's.
func (l *loader) environment(lookup func(string) (string, bool)) {
	given := func(v variable) bool {
		text, _ := lookup(v.name)
		return text != ""
	}
	own := func(s setting) variable { return variable{name: s.envName()} }
	read := func(s setting, v variable) {
		text, _ := lookup(v.name)
		if v.translate != nil {
			text = v.translate(text)
		}
		l.take(s, "environment variable "+v.name, s.split(text))
	}
	for _, s := range l.settings {
		if i := slices.IndexFunc(s.env, given); i >= 0 && !given(own(s)) {
			read(s, s.env[i])
		}
	}
	for _, s := range l.settings {
		if given(own(s)) {
			read(s, own(s))
		}
	}
}

func (l *loader) flags(flags Flags) {
	for _, s := range l.settings {
		if text, ok := flags[s.name]; ok {
			l.take(s, "flag -"+l.flagName(s), s.split(text))
		}
	}
}

// split takes a list's text apart at its commas.
func (s setting) split(text string) []string {
	if !s.isList {
		return []string{text}
	}
	items := strings.Split(text, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

func (l *loader) file(path string) {
	source, err := os.ReadFile(path)
	if err != nil {
		l.fail(path, "", "cannot be read: "+trimPath(plainPathError(err), path), "check the path given with -config, or in "+FileVariable)
		return
	}
	file, diags := hclsyntax.ParseConfig(source, path, hcl.InitialPos)
	if diags.HasErrors() {
		l.diagnostics("", diags)
		return
	}
	l.body("", file.Body)
}

// body reads the attributes and blocks under prefix ("", "nomad.", "nomad.tls.").
func (l *loader) body(prefix string, body hcl.Body) {
	schema := &hcl.BodySchema{}
	attributes := map[string]setting{}
	for _, s := range l.settings {
		rest, ok := strings.CutPrefix(s.name, prefix)
		if !ok {
			continue
		}
		block, _, isBlock := strings.Cut(rest, ".")
		switch {
		case isBlock:
			schema.Blocks = appendBlock(schema.Blocks, block)
		default:
			schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: rest})
			attributes[rest] = s
		}
	}
	labelled := labelledBlocks(l.config, prefix)
	for _, block := range labelled {
		schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: block.name, LabelNames: []string{block.label}})
	}
	content, diags := body.Content(schema)
	l.diagnostics(prefix, diags)
	if content == nil {
		return
	}

	// In the order of the table, so that what is reported has an order too.
	for _, known := range schema.Attributes {
		if attribute, ok := content.Attributes[known.Name]; ok {
			l.attribute(attributes[known.Name], attribute)
		}
	}
	first := map[string]hcl.Range{}
	for _, block := range content.Blocks {
		if i := slices.IndexFunc(labelled, func(b labelledBlock) bool { return b.name == block.Type }); i >= 0 {
			l.labelled(prefix, labelled[i], block)
			continue
		}
		if before, twice := first[block.Type]; twice {
			l.fail(place(block.DefRange), prefix+block.Type, fmt.Sprintf("is written a second time, after line %d", before.Start.Line), "put everything into one block")
			continue
		}
		first[block.Type] = block.DefRange
		l.body(prefix+block.Type+".", block.Body)
	}
}

func appendBlock(blocks []hcl.BlockHeaderSchema, name string) []hcl.BlockHeaderSchema {
	for _, b := range blocks {
		if b.Type == name {
			return blocks
		}
	}
	return append(blocks, hcl.BlockHeaderSchema{Type: name})
}

func (l *loader) attribute(s setting, attribute *hcl.Attribute) {
	at := place(attribute.Expr.Range())
	if s.envOnly {
		l.fail(at, s.name, "a secret has no place in this file", fmt.Sprintf("put it into a file of its own and name that with %s_file, or into the environment variable %s", s.name[strings.LastIndex(s.name, ".")+1:], s.envName()))
		return
	}
	v, diags := attribute.Expr.Value(nil)
	if diags.HasErrors() {
		l.diagnostics(s.name, diags)
		return
	}
	texts, err := s.fromCty(v)
	if err != nil {
		l.fail(at, s.name, err.what, err.remedy)
		return
	}
	l.take(s, at, texts)
}

func (s setting) fromCty(v cty.Value) ([]string, *valueError) {
	if v.IsNull() {
		return nil, &valueError{"is null", "give a value, or leave the line out"}
	}
	if !s.isList {
		converted, err := convert.Convert(v, cty.String)
		if err != nil {
			return nil, &valueError{"is " + v.Type().FriendlyName() + ", not a single value", "write one value"}
		}
		return []string{converted.AsString()}, nil
	}
	converted, err := convert.Convert(v, cty.List(cty.String))
	if err != nil {
		return nil, &valueError{"is " + v.Type().FriendlyName() + ", not a list", `write for example ["dc1"]`}
	}
	var texts []string
	for _, item := range converted.AsValueSlice() {
		if item.IsNull() {
			return nil, &valueError{"holds null", "give a value"}
		}
		texts = append(texts, item.AsString())
	}
	return texts, nil
}

// diagnostics takes over what HCL found: its suggestions ("Did you mean …?") become the remedy.
func (l *loader) diagnostics(prefix string, diags hcl.Diagnostics) {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		what, remedy, _ := strings.Cut(d.Detail, " Did you mean ")
		if remedy != "" {
			remedy = "did you mean " + remedy
		}
		at := ""
		if d.Subject != nil {
			at = place(*d.Subject)
		}
		l.fail(at, strings.TrimSuffix(prefix, "."), strings.TrimSuffix(lowerFirst(d.Summary)+": "+what, "."), remedy)
	}
}

func place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d:%d", r.Filename, r.Start.Line, r.Start.Column)
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func trimPath(err error, path string) string {
	return strings.TrimPrefix(err.Error(), path+": ")
}
