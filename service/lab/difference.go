package lab

import "context"

// Difference is one thing at a server that is not as Bothy needs it.
type Difference struct {
	// Subject names it in the server's terms: "policy bothy", "auth method jwt-nomad/".
	Subject string
	// Before is what there is, "" for nothing, and After what should be; lines of text for people.
	Before, After string
	// Apply makes it so. What comes earlier in a list must be applied before it.
	Apply func(context.Context) error
}
