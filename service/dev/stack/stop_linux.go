package stack

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// settleTimeout bounds how long Nomad may take to remove the networks and cgroups
// of allocations that have ended.
const settleTimeout = 10 * time.Second

// Stop ends the stack and removes everything that it has made on the machine
// outside of its directory. Allocations are drained first, so that the next Start
// places their jobs again; then the router, Nomad's client and server, Vault
// and Consul end, in this order. When ctx ends, what is left of the waiting is skipped and
// what still runs is killed; the removal is done all the same. A second call does
// nothing.
func (s *Stack) Stop(ctx context.Context) error {
	s.mu.Lock()
	done := s.stopped
	s.stopped = true
	s.mu.Unlock()
	if done {
		return nil
	}
	defer s.unlock()
	errs := []error{s.drain(ctx)}
	for _, part := range []string{string(s.cfg.Router), partClient, partNomad, partVault, partConsul} {
		errs = append(errs, s.stopPart(ctx, part))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepTimeout)
	defer cancel()
	began := s.cfg.Now()
	found, err := clean(ctx, s.cfg, s.layout)
	if len(found) > 0 {
		s.report(partStack, "cleaned up", began)
	}
	return errors.Join(append(errs, err)...)
}

func (s *Stack) stopPart(ctx context.Context, part string) error {
	s.mu.Lock()
	parts := s.parts
	s.mu.Unlock()
	for _, p := range parts {
		if p.part != part {
			continue
		}
		began := s.cfg.Now()
		if err := p.stop(ctx, s.cfg.StopTimeout); err != nil {
			return err
		}
		s.report(part, "ended", began)
	}
	return nil
}

// drain ends all allocations and waits until Nomad has taken down what belongs to
// them. A drain that does not come to its end is not an error: what is left is
// swept, and the next Start gives those allocations up.
func (s *Stack) drain(ctx context.Context) error {
	if s.node == "" || s.partEnded(partNomad) || s.partEnded(partClient) {
		return nil
	}
	began := s.cfg.Now()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.DrainTimeout)
	defer cancel()
	if err := s.nomad.startDrain(ctx, s.node); err != nil {
		s.report(partNomad, "not drained: "+err.Error(), began)
		return nil
	}
	if err := poll(ctx, nil, func(ctx context.Context) error { return s.nomad.ended(ctx, s.node) }); err != nil {
		s.report(partNomad, "not drained: "+err.Error(), began)
		return nil
	}
	settle, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := poll(settle, nil, s.settled); err != nil {
		s.report(partNomad, "drained; "+err.Error(), began)
	} else {
		s.report(partNomad, "drained", began)
	}
	return writeFile(s.layout.drained(), nil)
}

// settled asks whether Nomad has removed what belonged to allocations: their
// processes, network namespaces and cgroups. Mounts stay until Nomad collects an
// allocation as garbage.
func (s *Stack) settled(ctx context.Context) error {
	inv, err := take(ctx, s.cfg, s.layout, record{BridgeName: s.cfg.BridgeName, BridgeSubnet: s.cfg.BridgeSubnet})
	if err != nil {
		return err
	}
	if n := len(inv.helpers) + len(inv.tasks) + len(inv.netns) + len(inv.cni); n > 0 {
		return fmt.Errorf("%d processes, network namespaces or addresses are left", n)
	}
	return nil
}

func (s *Stack) partEnded(part string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if p.part == part && !p.ended() {
			return false
		}
	}
	return true
}
