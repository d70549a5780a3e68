package jobspec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

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
	sum := sha256.New()
	fmt.Fprintln(sum, "v1", t.digest)
	for _, v := range t.variables {
		value, ok := values[v.name]
		switch {
		case v.reserved:
			fmt.Fprintf(sum, "%s=%s\n", v.name, asJSON(words[v.name]))
		case ok && !v.isDefault(value):
			fmt.Fprintf(sum, "%s=%s\n", v.name, asJSON(value))
		}
	}
	if len(refused) > 0 {
		// Render refuses these; until somebody corrects them they are what they are.
		fmt.Fprintf(sum, "refused=%v\n", params)
	}
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
