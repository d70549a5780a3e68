// Package look is what all pages of Bothy have in common to the eye: colours, light
// and dark, type, buttons, cards and the mark. Pages add what they alone have.
package look

import _ "embed" // the style and the mark

//go:embed base.css
var style string

//go:embed bothy.svg
var mark string

// Style is a style sheet that others may follow. It loads nothing.
func Style() string { return style }

// Mark is Bothy's own, as SVG: a file of its own, or part of a page, where readers
// of the screen pass it over.
func Mark() string { return mark }
