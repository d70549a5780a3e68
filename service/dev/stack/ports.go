package stack

import (
	"fmt"

	"github.com/bothylabs/bothy/service/lab"
)

// Ports are the TCP ports of a stack, all on 127.0.0.1. Serf's ports are UDP as
// well.
type Ports struct {
	NomadHTTP, NomadRPC, NomadSerf int
	// NomadClientHTTP is the API of the client's agent; programs use NomadHTTP.
	NomadClientHTTP                   int
	ConsulHTTP, ConsulRPC, ConsulSerf int
	VaultHTTP, VaultCluster           int
	// Labs is the router: the origin of all workspaces.
	Labs int
	// RouterUI is Fabio's UI or Traefik's API.
	RouterUI int
	// DynamicMin and DynamicMax bound, inclusively, the ports that Nomad gives to
	// workspaces.
	DynamicMin, DynamicMax int
}

// DefaultPorts are the servers' usual ports.
func DefaultPorts() Ports {
	return Ports{
		NomadHTTP: 4646, NomadRPC: 4647, NomadSerf: 4648, NomadClientHTTP: 4649,
		ConsulHTTP: 8500, ConsulRPC: 8300, ConsulSerf: 8301,
		VaultHTTP: 8200, VaultCluster: 8201,
		Labs: 9999, RouterUI: 9998,
		DynamicMin: 20000, DynamicMax: 25999,
	}
}

// neighbourStep is the offset between stacks that run side by side: the default
// ports differ modulo 1000, so that no port of one is a port of another.
const neighbourStep = 1000

// Neighbours share the dynamic ports above the default range.
const (
	neighbourFirst = 26000
	neighbourPorts = 600
)

func (p Ports) withDefaults() Ports {
	d := DefaultPorts()
	own, defaults := p.fields(), d.fields()
	for i := range own {
		setDefault(own[i].value, *defaults[i].value)
	}
	setDefault(&p.DynamicMin, d.DynamicMin)
	setDefault(&p.DynamicMax, d.DynamicMax)
	return p
}

func (p Ports) offset(n int) Ports {
	for _, f := range p.fields() {
		*f.value += n
	}
	p.DynamicMin = neighbourFirst + n/neighbourStep%10*neighbourPorts
	p.DynamicMax = p.DynamicMin + neighbourPorts - 1
	return p
}

// portField is one port with what it is for and the setting that changes it.
type portField struct {
	value   *int
	setting string
	purpose string
	udp     bool // also used over UDP
}

// fields lists every listening port, in the order in which they are reported.
func (p *Ports) fields() []portField {
	return []portField{
		{&p.ConsulHTTP, "-consul-port", "Consul's API and UI", false},
		{&p.ConsulRPC, "-consul-rpc-port", "Consul's server RPC", false},
		{&p.ConsulSerf, "-consul-serf-port", "Consul's gossip", true},
		{&p.VaultHTTP, "-vault-port", "Vault's API and UI", false},
		{&p.VaultCluster, "-vault-cluster-port", "Vault's cluster traffic", false},
		{&p.NomadHTTP, "-nomad-port", "Nomad's API and UI", false},
		{&p.NomadRPC, "-nomad-rpc-port", "Nomad's server RPC", false},
		{&p.NomadSerf, "-nomad-serf-port", "Nomad's gossip", true},
		{&p.NomadClientHTTP, "-nomad-client-port", "the API of Nomad's client", false},
		{&p.Labs, "-labs-port", "the workspaces (the router)", false},
		{&p.RouterUI, "-router-ui-port", "the router's UI", false},
	}
}

// validate finds ports that are no ports, and ports that two parts would share.
func (p Ports) validate() []lab.Field {
	var fields []lab.Field
	byPort := map[int]portField{}
	for _, f := range p.fields() {
		port := *f.value
		if port < 1 || port > 65535 {
			fields = append(fields, lab.Field{
				Name: f.setting, Problem: fmt.Sprintf("%d is not a port", port), Remedy: "use 1 to 65535",
			})
			continue
		}
		if other, taken := byPort[port]; taken {
			fields = append(fields, lab.Field{
				Name:    f.setting,
				Problem: fmt.Sprintf("%d is also the port of %s (%s)", port, other.purpose, other.setting),
				Remedy:  "choose two different ports",
			})
			continue
		}
		if port >= p.DynamicMin && port <= p.DynamicMax {
			fields = append(fields, lab.Field{
				Name:    f.setting,
				Problem: fmt.Sprintf("%d lies in the range that Nomad gives to workspaces, %d to %d", port, p.DynamicMin, p.DynamicMax),
				Remedy:  "choose one outside, or another -dynamic-ports",
			})
		}
		byPort[port] = f
	}
	if p.DynamicMin < 1024 || p.DynamicMax > 65535 || p.DynamicMax-p.DynamicMin < 20 {
		fields = append(fields, lab.Field{
			Name:    "-dynamic-ports",
			Problem: fmt.Sprintf("%d-%d is not a range of at least 20 ports from 1024 to 65535", p.DynamicMin, p.DynamicMax),
			Remedy:  "for example 20000-25999",
		})
	}
	return fields
}

// holder is a process that listens on a port.
type holder struct {
	PID     int
	Command string
}

// portConflicts words the refusal for ports that others hold. held maps a port to
// who holds it; a nil holder is one that cannot be seen.
func portConflicts(ports Ports, held map[int]*holder) error {
	var fields []lab.Field
	for _, f := range ports.fields() {
		by, taken := held[*f.value]
		if !taken {
			continue
		}
		problem := fmt.Sprintf("port %d, meant for %s, is taken", *f.value, f.purpose)
		if by != nil {
			problem += fmt.Sprintf(" by %s (pid %d)", by.Command, by.PID)
		}
		fields = append(fields, lab.Field{
			Name: f.setting, Problem: problem, Remedy: "end that program, or choose another port with " + f.setting,
		})
	}
	if len(fields) == 0 {
		return nil
	}
	return &lab.Error{Code: lab.CodeConflict, Message: "ports are taken", Fields: fields}
}
