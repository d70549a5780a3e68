// Package nomad is Bothy's one way to Nomad, and the only importer of its client
// library. It keeps a picture of one namespace up to date from the event stream,
// makes the changes that the reconciler decides, and translates Nomad's errors
// into coded ones, once, here.
package nomad
