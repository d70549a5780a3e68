// Command bothy is the server, the development stack and the client in one.
package main

import (
	"os"

	"github.com/bothylabs/bothy/cmd/bothy/command"
)

func main() {
	os.Exit(command.Run(os.Args[1:], command.System()))
}
