package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"

	"golang.org/x/sys/unix"
)

const (
	dockerSocket = "/var/run/docker.sock"
	// allocLabel is what Nomad's docker driver labels containers with.
	allocLabel = "com.hashicorp.nomad.alloc_id"
)

// container is one of Docker's, started by Nomad.
type container struct {
	ID     string `json:"Id"`
	Labels map[string]string
}

// listContainers lists the containers of some allocations. Without a Docker
// engine there are none.
func listContainers(ctx context.Context, allocs map[string]bool) ([]container, error) {
	if _, err := os.Stat(dockerSocket); err != nil {
		return nil, nil //nolint:nilerr // no Docker here
	}
	filter := url.QueryEscape(`{"label":["` + allocLabel + `"]}`)
	var all []container
	err := docker(ctx, http.MethodGet, "/containers/json?all=true&filters="+filter, &all)
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var out []container
	for _, c := range all {
		if allocs[c.Labels[allocLabel]] {
			out = append(out, c)
		}
	}
	return out, nil
}

// remove kills and removes a container.
func (c container) remove(ctx context.Context) error {
	if err := docker(ctx, http.MethodDelete, "/containers/"+c.ID+"?force=true", nil); err != nil {
		return fmt.Errorf("remove container %s: %w", c.ID, err)
	}
	return nil
}

// docker asks the engine's API. The answer is decoded into out unless that is nil.
func docker(ctx context.Context, method, path string, out any) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", dockerSocket)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask docker: %w", err)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("ask docker: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case method == http.MethodDelete && resp.StatusCode == http.StatusNotFound:
		return nil
	case resp.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("ask docker: %s", resp.Status)
	case out == nil:
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read docker's answer: %w", err)
	}
	return nil
}
