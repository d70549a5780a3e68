package jobspec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Fingerprint identifies what determines a job beside its subject: the
// template, the settings that the template takes, and the parameters that say
// something else than its defaults. Where fingerprints are equal, renderings
// for the same subject are; it is cheap enough to ask for every workspace on
// every pass.
func Fingerprint(t *Template, settings Settings, params Params) string {
	values, refused := t.convert(params)
	words := vocabulary(settings, Subject{})
	given := make(map[string]json.RawMessage, len(t.variables))
	for _, v := range t.variables {
		value, ok := values[v.name]
		switch {
		case v.reserved:
			given[v.name] = asJSON(words[v.name])
		case ok && !v.isDefault(value):
			given[v.name] = asJSON(value)
		}
	}
	parts := []any{"v1", t.digest, given}
	if len(refused) > 0 {
		// Render refuses these; until somebody corrects them they are what they are.
		parts = append(parts, params)
	}
	sum := sha256.New()
	// What has no form in JSON is refused by Render as well; the hash then ends before it.
	_ = json.NewEncoder(sum).Encode(parts)
	return hex.EncodeToString(sum.Sum(nil))
}

// asJSON writes a known value.
func asJSON(v cty.Value) json.RawMessage {
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return json.RawMessage("null")
	}
	return raw
}
