package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheReferenceIsServedFromHere(t *testing.T) {
	b := newBench(t)
	for target, mediaType := range map[string]string{
		"/docs":                      "text/html",
		"/docs/reference.js":         "text/javascript",
		"/docs/swagger-ui.css":       "text/css",
		"/docs/swagger-ui-bundle.js": "javascript",
	} {
		t.Run(target, func(t *testing.T) {
			got := b.do(httptest.NewRequest(http.MethodGet, target, nil))
			if got.StatusCode != http.StatusOK || !strings.Contains(got.Header.Get("Content-Type"), mediaType) || got.Body == "" {
				t.Fatalf("got %d, %s, %d bytes; want %s", got.StatusCode, got.Header.Get("Content-Type"), len(got.Body), mediaType)
			}
		})
	}
	page := b.do(httptest.NewRequest(http.MethodGet, "/docs", nil))
	for _, part := range []string{"script-src 'self'", "connect-src 'self'", "default-src 'none'"} {
		if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(policy, part) {
			t.Errorf("the policy %q does not hold %q", policy, part)
		}
	}
	if strings.Contains(page.Body, "//") && strings.Contains(strings.ReplaceAll(page.Body, "http://www.w3.org/2000/svg", ""), "://") {
		t.Error("the page names another host")
	}
}

func TestTheReferenceServesNothingElse(t *testing.T) {
	b := newBench(t)
	for _, target := range []string{"/docs/", "/docs/../api.go", "/docs/favicon-16x16.png", "/docs/oauth2-redirect.html", "/docs/nothing"} {
		problem(t, b.do(httptest.NewRequest(http.MethodGet, target, nil)), http.StatusNotFound)
	}
}

func TestTheReferenceIsSentToThoseWhoTakeNoGzip(t *testing.T) {
	b := newBench(t)
	packed := httptest.NewRequest(http.MethodGet, "/docs/swagger-ui-bundle.js", nil)
	packed.Header.Set("Accept-Encoding", "gzip")
	if got := b.do(packed); got.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("asked with gzip: the encoding is %q", got.Header.Get("Content-Encoding"))
	}
	plain := b.do(httptest.NewRequest(http.MethodGet, "/docs/swagger-ui-bundle.js", nil))
	if plain.Header.Get("Content-Encoding") != "" || !strings.Contains(plain.Body, "SwaggerUIBundle") {
		t.Errorf("asked without gzip: the encoding is %q", plain.Header.Get("Content-Encoding"))
	}
}
