// Package policies holds what Bothy and the servers beside it may do at Nomad, Consul
// and Vault. `bothy dev` and `bothy setup` install the same files.
package policies

import (
	"embed"
	"fmt"
)

//go:embed *.hcl
var files embed.FS

// Read gives the text of one of the policies, such as "bothy.nomad.hcl".
func Read(file string) (string, error) {
	text, err := files.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("find policy %s: %w", file, err)
	}
	return string(text), nil
}
