// Package e2e holds the end-to-end tests: `bothy dev` as a user runs it, on the
// real Nomad, Consul, Vault, Fabio and Traefik, with a real browser. See README.md.
package e2e
