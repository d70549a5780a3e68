package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

// passes are cookies that let the tests into workspaces, by host kind and slug.
type passes struct {
	mu     sync.Mutex
	byDoor map[string]*http.Cookie
}

// bearer sends a pass with every request for a workspace that Bothy has, as the
// browser of somebody who has opened it does: its student's on the host that all
// share, a looker-in's on the workspace's own.
type bearer struct {
	d    *dev
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	if r.Header.Get("Cookie") == "" && !strings.Contains(r.URL.Path, "/-/enter") {
		cookie, err := b.d.pass(r.Context(), host, r.URL.Path)
		if err != nil {
			return nil, err
		}
		if cookie != nil {
			r = r.Clone(r.Context())
			r.AddCookie(cookie)
		}
	}
	return b.next.RoundTrip(r) //nolint:wrapcheck // it is passed on
}

// pass gives the pass for what is at a host and path, nil where that is no workspace of Bothy's.
func (d *dev) pass(ctx context.Context, host, path string) (*http.Cookie, error) {
	as, slug := client.WorkspaceLinkInputAs("student"), strings.Split(strings.TrimPrefix(path, "/"), "/")[0]
	if own, ok := strings.CutSuffix(host, "."+d.labsHost()); ok {
		as, slug = "looker_in", own
	} else if host != d.labsHost() || slug == "" {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	d.passes.mu.Lock()
	defer d.passes.mu.Unlock()
	door := string(as) + " " + slug
	if cookie, known := d.passes.byDoor[door]; known {
		return cookie, nil
	}
	link, err := d.api.LinkWorkspace(ctx, slug, as)
	if isNotFound(err) {
		return nil, nil //nolint:nilnil // as above
	}
	if err != nil {
		return nil, fmt.Errorf("make a link: %w", err)
	}
	cookie, err := d.enter(ctx, link.URL)
	if err != nil {
		return nil, err
	}
	d.passes.byDoor[door] = cookie
	return cookie, nil
}

// unguarded says of a workspace that it has no door, so that Bothy is not asked for a pass.
func (d *dev) unguarded(slug string) {
	d.passes.mu.Lock()
	defer d.passes.mu.Unlock()
	d.passes.byDoor["student "+slug] = nil
}

// enter follows a link for the cookie that it gives.
func (d *dev) enter(ctx context.Context, link string) (*http.Cookie, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	answer, err := d.visitor().Do(request)
	if err != nil {
		return nil, fmt.Errorf("enter: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther || len(answer.Cookies()) != 1 {
		return nil, fmt.Errorf("a link gives status %s and %d cookies", answer.Status, len(answer.Cookies()))
	}
	return answer.Cookies()[0], nil
}

// link gives an address that opens a workspace, whose own address is given, as its student does.
func (d *dev) link(t *testing.T, at string) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	link, err := d.api.LinkWorkspace(t.Context(), strings.Trim(u.Path, "/"), "student")
	if err != nil {
		t.Fatalf("a link to %s: %v", at, err)
	}
	return link.URL
}

// doorURL is where the workspaces ask.
func (d *dev) doorURL(t *testing.T) string {
	t.Helper()
	return "http://" + net.JoinHostPort(d.gateway(t).String(), strconv.Itoa(8082+d.offset))
}
