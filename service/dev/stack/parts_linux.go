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
	if err := s.writeConfig(partConsul, "consul.hcl"); err != nil {
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
	if s.consul, err = newConsul(s.cfg, s.secrets, management); err != nil {
		return err
	}
	// The agent registers itself once its token is there, and the token can be made
	// once the server leads: both are tried until both work.
	if err := s.await(ctx, p, func(ctx context.Context) error {
		if err := s.consul.setUpTokens(ctx); err != nil {
			return err
		}
		return s.consul.ready(ctx)
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
	if err := s.writeConfig(partVault, "vault.hcl"); err != nil {
		return err
	}
	p, err := s.launch(command{part: partVault, path: s.cfg.Binaries.Vault, args: []string{
		"server", "-config=" + s.layout.config("vault.hcl"),
	}})
	if err != nil {
		return err
	}
	if s.vault, err = newVault(s.cfg, s.secrets); err != nil {
		return err
	}
	if err := s.await(ctx, p, s.vault.answers); err != nil {
		return err
	}
	if err := s.vault.unseal(ctx); err != nil {
		return s.failed(p, err)
	}
	if err := s.await(ctx, p, s.vault.active); err != nil {
		return err
	}
	if err := s.vault.setUp(ctx); err != nil {
		return s.failed(p, err)
	}
	s.report(partVault, "started and unsealed", began)
	return nil
}

func (s *Stack) startNomad(ctx context.Context) error {
	began := s.cfg.Now()
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
	p, err := s.launchNomad(partNomad)
	if err != nil {
		return err
	}
	for _, check := range []func(context.Context) error{s.nomad.leads, s.nomad.signs} {
		if err := s.await(ctx, p, check); err != nil {
			return err
		}
	}
	if err := s.nomad.bootstrap(ctx, management); err != nil {
		return s.failed(p, err)
	}
	if err := s.nomad.setUp(ctx); err != nil {
		return s.failed(p, err)
	}
	// Both fetch Nomad's keys when they are told of it.
	if err := s.consul.trustNomad(ctx); err != nil {
		return s.failed(p, err)
	}
	if err := s.vault.trustNomad(ctx); err != nil {
		return s.failed(p, err)
	}
	s.report(partNomad, "started", began)
	return nil
}

// launchNomad runs one of Nomad's two agents.
func (s *Stack) launchNomad(part string) (*process, error) {
	file := part + ".hcl"
	if err := s.writeConfig(part, file); err != nil {
		return nil, err
	}
	return s.launch(command{part: part, path: s.cfg.Binaries.Nomad, args: []string{
		"agent", "-config=" + s.layout.config(file), "-config=" + s.secrets.path(nomadConsulConfig),
	}})
}

func (s *Stack) startClient(ctx context.Context) error {
	began := s.cfg.Now()
	if err := buildSkeleton(s.layout.chroot()); err != nil {
		return err
	}
	if err := s.giveUpLost(ctx); err != nil {
		return err
	}
	// From now on allocations may be running.
	if err := removeIfThere(s.layout.drained()); err != nil {
		return err
	}
	p, err := s.launchNomad(partClient)
	if err != nil {
		return err
	}
	if err := s.await(ctx, p, s.nomad.registered); err != nil {
		return err
	}
	if s.node, err = s.nodeID(); err != nil {
		return err
	}
	if err := s.await(ctx, p, func(ctx context.Context) error { return s.nomad.clientReady(ctx, s.node) }); err != nil {
		return err
	}
	if err := s.nomad.admit(ctx, s.node); err != nil {
		return s.failed(p, err)
	}
	s.report(partClient, "ready for workspaces", began)
	return nil
}

// nodeID reads the id that the client has given itself, "" before its first start.
func (s *Stack) nodeID() (string, error) {
	text, err := os.ReadFile(filepath.Join(s.layout.data(partClient), "client", "client-id"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the node's id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// giveUpLost deals with allocations that ran when the last run was killed. Their
// processes, mounts and networks are gone, and the client would bring them back
// without their secrets' tmpfs and their shared folder. So the server is told,
// before the client comes, that they are over; their jobs are placed anew, with
// their volumes, once the node is there.
func (s *Stack) giveUpLost(ctx context.Context) error {
	node, err := s.nodeID()
	if err != nil || node == "" || exists(s.layout.drained()) {
		return err
	}
	if known, err := s.nomad.known(ctx, node); err != nil || !known {
		return err
	}
	began := s.cfg.Now()
	if err := s.nomad.startDrain(ctx, node); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StartTimeout)
	defer cancel()
	if err := poll(ctx, nil, func(ctx context.Context) error { return s.nomad.given(ctx, node) }); err != nil {
		return err
	}
	s.report(partNomad, "gave up the allocations of a killed run", began)
	return nil
}

// startRouter starts Fabio or Traefik.
func (s *Stack) startRouter(ctx context.Context) error {
	began := s.cfg.Now()
	r := routerFor(s.cfg)
	part := string(s.cfg.Router)
	if err := s.writeConfig(part, r.config); err != nil {
		return err
	}
	token, err := s.secrets.get(r.token)
	if err != nil {
		return err
	}
	p, err := s.launch(command{
		part: part, path: r.path, args: []string{r.flag + s.layout.config(r.config)},
		// Both have Consul's own client, which finds it here.
		env: []string{"CONSUL_HTTP_TOKEN=" + token},
	})
	if err != nil {
		return err
	}
	if err := s.await(ctx, p, func(ctx context.Context) error { return r.ready(ctx, s.cfg.Ports) }); err != nil {
		return err
	}
	s.report(part, "started", began)
	return nil
}

// writeConfig renders a server's configuration into its file.
func (s *Stack) writeConfig(part, file string) error {
	chroot, err := chrootEntries(s.layout.chroot(), s.cfg.ChrootEnv)
	if err != nil {
		return err
	}
	conf := configFor(s.cfg, part, chroot)
	conf.Docker = exists(s.cfg.DockerSocket)
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
