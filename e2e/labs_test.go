package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// maxPage is how much of an answer is read, in bytes.
const maxPage = 4 << 20

// labsHost is the origin's host that browsers send.
func (d *dev) labsHost() string { return "labs.localhost:" + strconv.Itoa(d.labsPort()) }

// A page is one answer of the labs origin.
type page struct {
	status int
	header http.Header
	body   string
}

// visitor gives an HTTP client that finds every name under .localhost where
// browsers do, on loopback at the router, and follows no redirect.
func (d *dev) visitor() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Client{
		Transport: bearer{d, &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", strconv.Itoa(d.labsPort())))
			},
			DisableKeepAlives: true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// get asks the labs origin for one page, on a host as a browser would name it.
func (d *dev) get(ctx context.Context, host, path string) (page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		return page{}, fmt.Errorf("make request: %w", err)
	}
	return d.do(request)
}

func (d *dev) do(request *http.Request) (page, error) { return ask(d.visitor().Transport, request) }

// ask sends a request and reads the whole answer.
func ask(by http.RoundTripper, request *http.Request) (page, error) {
	answer, err := by.RoundTrip(request)
	if err != nil {
		return page{}, fmt.Errorf("ask for %s: %w", request.URL, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxPage))
	if err != nil {
		return page{}, fmt.Errorf("read the answer to %s: %w", request.URL, err)
	}
	return page{status: answer.StatusCode, header: answer.Header, body: string(body)}, nil
}

// open follows redirects, as a browser does, and gives the last page.
func (d *dev) open(ctx context.Context, host, path string) (page, error) {
	const most = 5
	for range most {
		p, err := d.get(ctx, host, path)
		if err != nil || p.status < 300 || p.status >= 400 {
			return p, err
		}
		at := url.URL{Scheme: "http", Host: host, Path: "/"}
		from, err := at.Parse(path)
		if err != nil {
			return page{}, fmt.Errorf("path %s: %w", path, err)
		}
		to, err := from.Parse(p.header.Get("Location"))
		if err != nil {
			return page{}, fmt.Errorf("redirected to %q: %w", p.header.Get("Location"), err)
		}
		if to.Host != host {
			return page{}, fmt.Errorf("%s redirects to another host, %s", path, to)
		}
		path = to.RequestURI()
	}
	return page{}, fmt.Errorf("more than %d redirects", most)
}

// answers waits until the path gives a page that holds the text.
func (d *dev) answers(t *testing.T, host, path, text string) page {
	t.Helper()
	var p page
	eventually(t, time.Minute, "http://"+host+path, func(ctx context.Context) error {
		var err error
		if p, err = d.open(ctx, host, path); err != nil {
			return err
		}
		if p.status != http.StatusOK || !strings.Contains(p.body, text) {
			return fmt.Errorf("status %d, and a page of %d bytes that should hold %q", p.status, len(p.body), text)
		}
		return nil
	})
	return p
}
