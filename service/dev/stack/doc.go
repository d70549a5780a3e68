// Package stack starts, wires and cleans up a complete HashiCorp stack on this
// machine: Consul, Vault, Nomad and a router
// (Fabio or Traefik) with access control on, as `bothy dev`
// and the end-to-end tests need it.
//
// The servers are ordinary single-node agents with their state below one
// directory, so that a second Start brings back the same cluster: the same
// tokens, the same node, its jobs and its volumes. Everything listens on
// 127.0.0.1. What a stack creates outside its directory (processes, mounts,
// network namespaces, a bridge, firewall rules, cgroups) can be told apart from
// what others own on the machine; Stop and Clean remove exactly that.
package stack
