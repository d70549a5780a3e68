package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func (s *Stack) startConsul(ctx context.Context) error {
	began := s.cfg.Now()
	management, err := s.secrets.ensure(consulManagement)
	if err != nil {
		return err
	}
	agent, err := s.secrets.ensure(consulAgent)
	if err != nil {
		return err
	}
	if err := s.writeConfig(partConsul, "consul.hcl", nil); err != nil {
		return err
	}
	tokens := struct{ Management, Agent string }{management, agent}
	if err := s.writeSecretConfig(consulACLConfig, tokens); err != nil {
		return err
	}
	p, err := s.launch(command{part: partConsul, path: s.cfg.Binaries.Consul, args: []string{
		"agent", "-config-file=" + s.layout.config("consul.hcl"), "-config-file=" + s.secrets.path(consulACLConfig),
	}})
	if err != nil {
		return err
	}
	consul, err := newConsul(s.cfg, s.secrets, management)
	if err != nil {
		return err
	}
	// The agent registers itself once its token is there, and the token can be made
	// once the server leads: both are tried until both work.
	if err := s.await(ctx, p, func(ctx context.Context) error {
		if err := consul.setUpTokens(ctx); err != nil {
			return err
		}
		return consul.ready(ctx)
	}); err != nil {
		return err
	}
	s.report(partConsul, "started", began)
	return nil
}

func (s *Stack) startVault(ctx context.Context) error {
	began := s.cfg.Now()
	if err := forgetHalfMade(s.layout, s.secrets); err != nil {
		return err
	}
	if err := s.writeConfig(partVault, "vault.hcl", nil); err != nil {
		return err
	}
	p, err := s.launch(command{part: partVault, path: s.cfg.Binaries.Vault, args: []string{
		"server", "-config=" + s.layout.config("vault.hcl"),
	}})
	if err != nil {
		return err
	}
	vault, err := newVault(s.cfg, s.secrets)
	if err != nil {
		return err
	}
	if err := s.await(ctx, p, vault.answers); err != nil {
		return err
	}
	if err := vault.unseal(ctx); err != nil {
		return s.failed(p, err)
	}
	if err := s.await(ctx, p, vault.active); err != nil {
		return err
	}
	if err := vault.setUpSecrets(ctx); err != nil {
		return s.failed(p, err)
	}
	s.report(partVault, "started and unsealed", began)
	return nil
}

func (s *Stack) startNomad(ctx context.Context) error {
	began := s.cfg.Now()
	if err := buildSkeleton(s.layout.chroot()); err != nil {
		return err
	}
	management, err := s.secrets.ensure(nomadManagement)
	if err != nil {
		return err
	}
	token, err := s.secrets.get(consulNomad)
	if err != nil {
		return err
	}
	if err := s.writeSecretConfig(nomadConsulConfig, struct{ Token string }{token}); err != nil {
		return err
	}
	if s.nomad, err = newNomad(s.cfg, s.secrets, management); err != nil {
		return err
	}
	if err := s.stopLostAllocs(ctx); err != nil {
		return err
	}
	p, err := s.launchNomad(true)
	if err != nil {
		return err
	}
	if err := s.await(ctx, p, s.nomad.leads); err != nil {
		return err
	}
	if err := s.nomad.bootstrap(ctx, management); err != nil {
		return s.failed(p, err)
	}
	s.report(partNomad, "started", began)

	began = s.cfg.Now()
	if err := s.nomad.setUp(ctx); err != nil {
		return s.failed(p, err)
	}
	if err := s.trustNomad(ctx, p); err != nil {
		return err
	}
	if err := s.await(ctx, p, s.nomad.clientReady); err != nil {
		return err
	}
	if s.node, err = s.nomad.nodeID(ctx); err != nil {
		return s.failed(p, err)
	}
	if err := s.nomad.admit(ctx); err != nil {
		return s.failed(p, err)
	}
	s.report(partNomad, "ready for workspaces", began)
	return nil
}

// trustNomad makes Consul and Vault accept the identities of Nomad's workloads.
func (s *Stack) trustNomad(ctx context.Context, p *process) error {
	management, err := s.secrets.get(consulManagement)
	if err != nil {
		return err
	}
	consul, err := newConsul(s.cfg, s.secrets, management)
	if err != nil {
		return err
	}
	if err := consul.trustNomad(ctx); err != nil {
		return s.failed(p, err)
	}
	vault, err := newVault(s.cfg, s.secrets)
	if err != nil {
		return err
	}
	root, err := s.secrets.get(vaultRoot)
	if err != nil {
		return err
	}
	vault.client.SetToken(root)
	if err := vault.trustNomad(ctx); err != nil {
		return s.failed(p, err)
	}
	return nil
}

// launchNomad runs the agent, with or without its client.
func (s *Stack) launchNomad(client bool) (*process, error) {
	if err := s.writeConfig(partNomad, "nomad.hcl", func(c *serverConfig) { c.Client = client }); err != nil {
		return nil, err
	}
	if client {
		// From now on allocations may be running.
		if err := removeIfThere(s.layout.drained()); err != nil {
			return nil, err
		}
	}
	return s.launch(command{part: partNomad, path: s.cfg.Binaries.Nomad, args: []string{
		"agent", "-config=" + s.layout.config("nomad.hcl"), "-config=" + s.secrets.path(nomadConsulConfig),
	}})
}

// stopLostAllocs deals with allocations that ran when the last run was killed.
// Their processes, mounts and networks are gone, and Nomad's client would bring
// such an allocation back without its secrets' tmpfs and shared folder. So the
// server alone is started first and told that they are over; their jobs are
// placed anew, with their volumes, once the node is there.
func (s *Stack) stopLostAllocs(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.layout.data(partNomad), "client", "client-id"))
	if errors.Is(err, fs.ErrNotExist) || exists(s.layout.drained()) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the node's id: %w", err)
	}
	began := s.cfg.Now()
	node := strings.TrimSpace(string(text))
	p, err := s.launchNomad(false)
	if err != nil {
		return err
	}
	if err := s.await(ctx, p, s.nomad.leads); err != nil {
		return err
	}
	if err := s.nomad.forget(ctx, node, func(check func(context.Context) error) error {
		return s.await(ctx, p, check)
	}); err != nil {
		return s.failed(p, err)
	}
	if err := s.end(ctx, p); err != nil {
		return err
	}
	s.report(partNomad, "gave up the allocations of a killed run", began)
	return nil
}

func (s *Stack) startFabio(ctx context.Context) error {
	began := s.cfg.Now()
	if err := s.writeConfig(partFabio, "fabio.properties", nil); err != nil {
		return err
	}
	token, err := s.secrets.get(consulFabio)
	if err != nil {
		return err
	}
	p, err := s.launch(command{
		part: partFabio, path: s.cfg.Binaries.Fabio, args: []string{"-cfg", s.layout.config("fabio.properties")},
		env: []string{"CONSUL_HTTP_TOKEN=" + token},
	})
	if err != nil {
		return err
	}
	if err := s.await(ctx, p, func(ctx context.Context) error { return fabioReady(ctx, s.cfg.Ports) }); err != nil {
		return err
	}
	s.report(partFabio, "started", began)
	return nil
}

// writeConfig renders a server's configuration into its file.
func (s *Stack) writeConfig(part, file string, change func(*serverConfig)) error {
	var chroot []chrootEntry
	if part == partNomad {
		var err error
		if chroot, err = chrootEntries(s.layout.chroot(), s.cfg.ChrootEnv); err != nil {
			return err
		}
	}
	conf := configFor(s.cfg, part, chroot)
	if change != nil {
		change(&conf)
	}
	text, err := render(file+".tmpl", conf)
	if err != nil {
		return err
	}
	return writeFile(s.layout.config(file), text)
}

// writeSecretConfig renders the part of a configuration that holds secrets.
func (s *Stack) writeSecretConfig(file string, data any) error {
	text, err := render(file+".tmpl", data)
	if err != nil {
		return err
	}
	return writeFile(s.secrets.path(file), text)
}
