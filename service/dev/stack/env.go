package stack

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/bothylabs/bothy/service/config"
)

// Env is what programs need to use a running stack. Addresses are URLs with
// 127.0.0.1, because programs do not resolve names under .localhost.
type Env struct {
	NomadAddr, ConsulAddr, VaultAddr string
	// LabsAddr is the router: workspaces answer at <LabsAddr>/<slug>/.
	LabsAddr string
	// RouterUIAddr shows the router's routes: Fabio's UI, or Traefik's API below
	// /api.
	RouterUIAddr string
	// Gateway is the host's address on the workspaces' network.
	Gateway netip.Addr
	// NodeID is the id of the one Nomad node.
	NodeID string
	// Bothy are the tokens of the Bothy server: no more than it needs.
	Bothy Tokens
	// VaultRoleID and VaultSecretID are what it logs in with at Vault; its token in
	// Bothy ends after an hour.
	VaultRoleID   string
	VaultSecretID config.Secret
	// Operator are the management tokens and Vault's root token. The Bothy server
	// must not get them.
	Operator Tokens
}

// Tokens are one token for each server.
type Tokens struct {
	Nomad, Consul, Vault config.Secret
}

// PartExit tells of a part that ended although nobody had asked it to.
type PartExit struct {
	Part    string
	Status  string   // "exit status 1", "signal: killed"
	LogFile string   // absolute
	Last    []string // the last lines of the log
}

// addressOf is the address of a listener of the stack.
func addressOf(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
