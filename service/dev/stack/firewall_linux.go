package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/bothylabs/bothy/service/firewall"
)

// readTables reads the tables of the packet filter that CNI and Nomad write to.
func readTables(ctx context.Context) ([]ruleset, error) {
	var out []ruleset
	for _, table := range []string{"nat", "filter"} {
		saved, err := runTool(ctx, "", "iptables-save", "-t", table)
		if err != nil {
			return nil, err
		}
		out = append(out, parseRules(saved))
	}
	return out, nil
}

// apply takes rules and chains out, all or nothing.
func (r removal) apply(ctx context.Context) error {
	_, err := runTool(ctx, r.script(), "iptables-restore", "--noflush", "--wait", "5")
	return err
}

func runTool(ctx context.Context, stdin, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// resolvers gives the name servers that Nomad hands on to tasks.
func resolvers() ([]netip.Addr, error) {
	for _, path := range firewall.ResolvConfs() {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find the machine's name servers: %w", err)
		}
		if found := firewall.Resolvers(string(text)); len(found) > 0 {
			return found, nil
		}
	}
	return nil, nil
}

// separate separates the workspaces on the bridge from each other and from
// everything else that is none of theirs, before there is any.
func separate(ctx context.Context, cfg Config) error {
	subnet, err := parseSubnet(cfg.BridgeSubnet)
	if err != nil {
		return fmt.Errorf("bridge subnet: %w", err)
	}
	// Of this bridge alone: frames between its ports pass the rules.
	for _, family := range []string{"iptables", "ip6tables"} {
		path := "/sys/class/net/" + cfg.BridgeName + "/bridge/nf_call_" + family
		if err := os.WriteFile(path, []byte("1"), 0); err != nil {
			return fmt.Errorf("let the firewall see what passes the bridge (is br_netfilter loaded?): %w", err)
		}
	}
	set := firewall.Set{Bridge: cfg.BridgeName, Subnet: subnet, Gateway: cfg.gateway(), Ports: cfg.GatewayPorts}
	if set.Resolvers, err = resolvers(); err != nil {
		return err
	}
	script, err := set.Script()
	if err != nil {
		return err
	}
	_, err = runTool(ctx, script, "nft", "-f", "-")
	return err
}

// ownTables lists the table of the bridge's rules, if it is there. Who has a bridge
// of that name that is not the stack's has the rules as well.
func ownTables(ctx context.Context, bridge, id string) ([]string, error) {
	if foreign, err := foreignLink(bridge, id); err != nil || foreign {
		return nil, err
	}
	if _, err := exec.LookPath("nft"); err != nil {
		return nil, nil //nolint:nilerr // without the program there is no table either
	}
	listed, err := runTool(ctx, "", "nft", "list", "tables", "inet")
	if err != nil {
		return nil, err
	}
	line := "table inet " + firewall.Table(bridge)
	if slices.Contains(strings.Split(listed, "\n"), line) {
		return []string{line}, nil
	}
	return nil, nil
}

// removeTable takes a table and its rules out.
func removeTable(ctx context.Context, table string) error {
	_, err := runTool(ctx, "delete "+table+"\n", "nft", "-f", "-")
	return err
}
