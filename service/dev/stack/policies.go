package stack

import (
	"embed"
	"fmt"
)

//go:embed policies/*.hcl
var policyFiles embed.FS

// Policy gives the text of one of the policies that the stack installs, such as
// "bothy.nomad.hcl". Production installs the same files.
func Policy(file string) (string, error) {
	text, err := policyFiles.ReadFile("policies/" + file)
	if err != nil {
		return "", fmt.Errorf("find policy %s: %w", file, err)
	}
	return string(text), nil
}
