// Package toolchain finds or makes the programs that a development stack runs:
// HashiCorp's servers, Fabio and Traefik from the Go modules pinned below tools/, Debian's
// NGINX, CNI plugins, iptables, nftables and ripgrep, code-server from npm, and a packaged
// web terminal.
//
// For each the order is the same: what a setting names, what PATH has in an
// accepted version, what the cache has, and only then installing or building it.
// The cache lies outside the source tree; an entry appears in it whole or not at
// all, and two processes never make the same entry at once.
package toolchain
