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

	"golang.org/x/sys/unix"
)

// allocLabel is what Nomad's docker driver labels containers with.
const allocLabel = "com.hashicorp.nomad.alloc_id"

// dockerEngine is the socket of a Docker engine, which need not be there.
type dockerEngine string

// container is one of Docker's, started by Nomad.
type container struct {
	ID     string `json:"Id"`
	Labels map[string]string
}

// list lists the containers of some allocations. Without an engine there are none.
func (d dockerEngine) list(ctx context.Context, allocs map[string]bool) ([]container, error) {
	filter := url.QueryEscape(`{"label":["` + allocLabel + `"]}`)
	var all []container
	err := d.ask(ctx, http.MethodGet, "/containers/json?all=true&filters="+filter, &all)
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
func (d dockerEngine) remove(ctx context.Context, id string) error {
	if err := d.ask(ctx, http.MethodDelete, "/containers/"+id+"?force=true", nil); err != nil {
		return fmt.Errorf("remove container %s: %w", id, err)
	}
	return nil
}

// ask asks the engine's API. The answer is decoded into out unless that is nil.
func (d dockerEngine) ask(ctx context.Context, method, path string, out any) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", string(d))
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
