package stack

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
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
