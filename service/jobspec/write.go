package jobspec

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// slot is where a variable's value goes in the source.
type slot struct {
	// start and end enclose the text to replace; they are equal where there is no default yet.
	start, end int
	// before and after stand around the value.
	before, after string
}

// write gives the template's text with the values as defaults. The text is
// cut at the places that parsing found, and the quoting is hclwrite's: all else
// stays as it is, byte for byte.
func (t *Template) write(values map[string]cty.Value) []byte {
	var out bytes.Buffer
	from := 0
	for _, v := range t.variables { // in the order of the file
		value, ok := values[v.name]
		if !ok {
			continue
		}
		out.Write(t.source[from:v.slot.start])
		out.WriteString(v.slot.before)
		out.WriteString(literalOf(value))
		out.WriteString(v.slot.after)
		from = v.slot.end
	}
	out.Write(t.source[from:])
	return out.Bytes()
}

// literalOf gives a value as HCL, its further lines indented for a variable block.
func literalOf(value cty.Value) string {
	const argument = "default = "
	text := hclwrite.Format(append([]byte(argument), tokensOf(value).Bytes()...))
	return strings.ReplaceAll(strings.TrimPrefix(string(text), argument), "\n", "\n  ")
}

// tokensOf is hclwrite.TokensForValue, but with the names in maps in quotes:
// hclwrite leaves out those of what looks like a name, and HCL reads a first
// name "for" as the beginning of an expression.
func tokensOf(value cty.Value) hclwrite.Tokens {
	t := value.Type()
	switch {
	case value.IsNull():
		return hclwrite.TokensForValue(value)
	case t.IsMapType(), t.IsObjectType():
		elements := value.AsValueMap()
		attributes := make([]hclwrite.ObjectAttrTokens, 0, len(elements))
		for _, name := range slices.Sorted(maps.Keys(elements)) {
			attributes = append(attributes, hclwrite.ObjectAttrTokens{
				Name:  hclwrite.TokensForValue(cty.StringVal(name)),
				Value: tokensOf(elements[name]),
			})
		}
		return hclwrite.TokensForObject(attributes)
	case t.IsListType(), t.IsSetType(), t.IsTupleType():
		elements := make([]hclwrite.Tokens, 0, value.LengthInt())
		for _, element := range value.AsValueSlice() {
			elements = append(elements, tokensOf(element))
		}
		return hclwrite.TokensForTuple(elements)
	}
	return hclwrite.TokensForValue(value)
}

// findSlot finds where the value of a variable block goes: in the place of its
// default or, where it has none, below its arguments and in line with them.
func findSlot(source []byte, block *hclsyntax.Block) slot {
	if def, ok := block.Body.Attributes["default"]; ok {
		at := def.Expr.Range()
		s := slot{start: at.Start.Byte, end: at.End.Byte}
		if bytes.HasSuffix(source[s.start:s.end], []byte("\n")) { // a heredoc owns its line's end
			s.after = "\n"
		}
		return s
	}
	start, end := block.OpenBraceRange.End.Byte, block.CloseBraceRange.Start.Byte
	if block.OpenBraceRange.Start.Line == block.CloseBraceRange.Start.Line {
		inner := strings.TrimSpace(string(source[start:end]))
		if inner != "" {
			inner = "  " + inner + "\n"
		}
		return slot{start: start, end: end, before: "\n" + inner + "  default = ", after: "\n"}
	}
	above, width := start, len("default")
	for _, attr := range attributes(block.Body) {
		above = attr.SrcRange.End.Byte
		width = max(width, attr.EqualsRange.Start.Column-attr.NameRange.Start.Column-1)
	}
	if i := bytes.IndexByte(source[above:], '\n'); above > 0 && source[above-1] != '\n' && i >= 0 {
		above += i + 1
	}
	name := "  default" + strings.Repeat(" ", width-len("default"))
	return slot{start: above, end: above, before: name + " = ", after: "\n"}
}
