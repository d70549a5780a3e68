package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/bothylabs/bothy/service/lab"
)

// maxFields is how many wrong values one answer names.
const maxFields = 20

// checkSchema holds a decoded body against its schema. What does not match is
// CodeInvalid with a field per wrong value.
func checkSchema(schema *openapi3.Schema, value any) error {
	err := schema.VisitJSON(value, openapi3.VisitAsRequest(), openapi3.MultiErrors(), openapi3.DisableSchemaErrorDetails())
	if err == nil {
		return nil
	}
	var fields []lab.Field
	for _, schemaErr := range schemaErrors(err) {
		for _, field := range schemaFields(value, schemaErr) {
			if !slices.Contains(fields, field) {
				fields = append(fields, field)
			}
		}
	}
	message := "the body is not valid"
	if len(fields) > maxFields {
		message = fmt.Sprintf("the body is not valid: %d values are wrong, of which %d are named", len(fields), maxFields)
		fields = fields[:maxFields]
	}
	return lab.Invalid(message, fields...)
}

// schemaErrors takes apart what the validation gives back.
func schemaErrors(err error) []*openapi3.SchemaError {
	var many openapi3.MultiError
	if errors.As(err, &many) {
		var all []*openapi3.SchemaError
		for _, one := range many {
			all = append(all, schemaErrors(one)...)
		}
		return all
	}
	var one *openapi3.SchemaError
	if errors.As(err, &one) {
		return []*openapi3.SchemaError{one}
	}
	return nil
}

// schemaFields names the values that an error is about: every unknown member of
// an object, or the one value.
func schemaFields(body any, err *openapi3.SchemaError) []lab.Field {
	path := pathOf(body, err.JSONPointer())
	object, ok := err.Value.(map[string]any)
	if err.SchemaField != "properties" || !ok {
		return []lab.Field{schemaField(path, err.Value, err)}
	}
	var fields []lab.Field
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if _, known := err.Schema.Properties[name]; !known {
			fields = append(fields, lab.Field{
				Name:    member(path, name),
				Problem: "is not known here",
				Remedy:  "leave it out, or use one of " + strings.Join(slices.Sorted(maps.Keys(err.Schema.Properties)), ", "),
			})
		}
	}
	return fields
}

// schemaField says what is wrong with one value and what would be right.
func schemaField(path string, value any, err *openapi3.SchemaError) lab.Field {
	schema := err.Schema
	field := lab.Field{Name: orBody(path), Problem: err.Reason, Remedy: "give " + kindOf(schema)}
	switch err.SchemaField {
	case "type":
		field.Problem = "is " + kindOfValue(err.Value) + ", not " + kindOf(schema)
	case "nullable":
		field.Problem, field.Remedy = "is null", "leave it out, or give "+kindOf(schema)
	case "required":
		field.Problem, field.Remedy = "is missing", "give it"
	case "pattern":
		field.Problem, field.Remedy = "is not written as it has to be", "match "+schema.Pattern
	case "enum":
		field.Problem, field.Remedy = "is not one of the values that are taken", "use one of "+listed(schema.Enum)
	case "minLength":
		field.Problem, field.Remedy = tooShort(value), fmt.Sprintf("write at least %s", count(schema.MinLength, "character"))
	case "maxLength":
		field.Problem, field.Remedy = fmt.Sprintf("is longer than %s", count(*schema.MaxLength, "character")), "shorten it"
	case "minProperties":
		field.Problem, field.Remedy = "has no members", "give at least "+count(schema.MinProps, "member")
	case "maxProperties":
		field.Problem, field.Remedy = fmt.Sprintf("has more than %s", count(*schema.MaxProps, "member")), "give fewer"
	case "maxItems":
		field.Problem, field.Remedy = fmt.Sprintf("has more than %s", count(*schema.MaxItems, "item")), "give fewer"
	}
	if remedy, ok := schema.Extensions["x-remedy"].(string); ok {
		field.Remedy = remedy
	}
	return field
}

func tooShort(value any) string {
	if value == "" {
		return "is empty"
	}
	return "is too short"
}

func count(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func listed(values []any) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = fmt.Sprint(value)
	}
	return strings.Join(texts, ", ")
}

// pathOf writes a JSON pointer as callers write a path: "students[0].email".
func pathOf(body any, pointer []string) string {
	path := ""
	for _, part := range pointer {
		switch parent := body.(type) {
		case []any:
			path += "[" + part + "]"
			body = nil
			if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(parent) {
				body = parent[i]
			}
		case map[string]any:
			path = member(path, part)
			body = parent[part]
		default:
			path = member(path, part)
		}
	}
	return path
}

// kindOf names what a schema wants.
func kindOf(schema *openapi3.Schema) string {
	switch {
	case schema.Type.Is(openapi3.TypeString):
		return "a string"
	case schema.Type.Is(openapi3.TypeBoolean):
		return "true or false"
	case schema.Type.Is(openapi3.TypeInteger):
		return "a whole number"
	case schema.Type.Is(openapi3.TypeNumber):
		return "a number"
	case schema.Type.Is(openapi3.TypeArray):
		return "an array"
	case schema.Type.Is(openapi3.TypeObject):
		return "an object"
	default:
		return "a value"
	}
}

// kindOfValue names what was given.
func kindOfValue(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "true or false"
	case float64, json.Number:
		return "a number"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	default:
		return "of another type"
	}
}
