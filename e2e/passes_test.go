package e2e

import (
	"context"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

// passes are cookies that let the tests into workspaces, by host kind and slug: the
// pass, and what stands for the browser that it is for.
type passes struct {
	mu     sync.Mutex
	byDoor map[string][]*http.Cookie
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
		cookies, err := b.d.pass(r.Context(), host, r.URL.Path)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		for _, c := range cookies {
			r.AddCookie(c)
		}
	}
	return b.next.RoundTrip(r) //nolint:wrapcheck // it is passed on
}

// pass gives the pass for what is at a host and path, and its browser; nil where that is no workspace of Bothy's.
func (d *dev) pass(ctx context.Context, host, path string) ([]*http.Cookie, error) {
	as, slug := client.WorkspaceLinkInputAs("student"), strings.Split(strings.TrimPrefix(path, "/"), "/")[0]
	if own, ok := strings.CutSuffix(host, "."+d.labsHost()); ok {
		as, slug = "looker_in", own
	} else if host != d.labsHost() || slug == "" {
		return nil, nil
	}
	d.passes.mu.Lock()
	defer d.passes.mu.Unlock()
	door := string(as) + " " + slug
	if cookies, known := d.passes.byDoor[door]; known {
		return cookies, nil
	}
	link, err := d.api.LinkWorkspace(ctx, slug, as)
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("make a link: %w", err)
	}
	cookies, err := d.enter(ctx, link.URL)
	if err != nil {
		return nil, err
	}
	d.passes.byDoor[door] = cookies
	return cookies, nil
}

// unguarded says of a workspace that it has no door, so that Bothy is not asked for a pass.
func (d *dev) unguarded(slug string) {
	d.passes.mu.Lock()
	defer d.passes.mu.Unlock()
	d.passes.byDoor["student "+slug] = nil
}

// button is the form of the page that a link leads to.
var button = regexp.MustCompile(`<form method="post" action="([^"]+)">`)

// enter follows a link and presses the button that it leads to, for the cookies that
// this gives: the browser's and the pass.
func (d *dev) enter(ctx context.Context, link string) ([]*http.Cookie, error) {
	asked, err := d.entrance(ctx, http.MethodGet, link)
	if err != nil {
		return nil, err
	}
	found := button.FindStringSubmatch(asked.body)
	if asked.status != http.StatusOK || found == nil || len(asked.cookies) != 1 {
		return nil, fmt.Errorf("a link gives status %d and %d cookies: %s", asked.status, len(asked.cookies), asked.body)
	}
	at, err := asked.url.Parse(html.UnescapeString(found[1]))
	if err != nil {
		return nil, fmt.Errorf("the form's address: %w", err)
	}
	in, err := d.entrance(ctx, http.MethodPost, at.String(), asked.cookies...)
	if err != nil {
		return nil, err
	}
	if in.status != http.StatusSeeOther || len(in.cookies) != 1 {
		return nil, fmt.Errorf("the button gives status %d and %d cookies: %s", in.status, len(in.cookies), in.body)
	}
	return append(asked.cookies, in.cookies...), nil
}

// entered is what an entrance answers.
type entered struct {
	status  int
	url     *url.URL
	cookies []*http.Cookie
	body    string
}

func (d *dev) entrance(ctx context.Context, method, at string, cookies ...*http.Cookie) (entered, error) {
	request, err := http.NewRequestWithContext(ctx, method, at, nil)
	if err != nil {
		return entered{}, fmt.Errorf("make request: %w", err)
	}
	for _, c := range cookies {
		request.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	answer, err := d.visitor().Do(request)
	if err != nil {
		return entered{}, fmt.Errorf("enter: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return entered{}, fmt.Errorf("enter: %w", err)
	}
	return entered{answer.StatusCode, request.URL, answer.Cookies(), string(body)}, nil
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
