package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

//go:embed landing.html
var landingHTML string

// landing is the page at the root, ready to be sent.
type landing struct {
	page []byte
	// policy is its Content-Security-Policy: nothing but its own style.
	policy string
}

func newLanding(version string) (*landing, error) {
	_, rest, opened := strings.Cut(landingHTML, "<style>")
	style, _, closed := strings.Cut(rest, "</style>")
	if !opened || !closed {
		return nil, errors.New("the landing page has no style")
	}
	page, err := template.New("landing").Parse(landingHTML)
	if err != nil {
		return nil, fmt.Errorf("read the landing page: %w", err)
	}
	var text bytes.Buffer
	if err := page.Execute(&text, struct{ Version string }{version}); err != nil {
		return nil, fmt.Errorf("fill in the landing page: %w", err)
	}
	sum := sha256.Sum256([]byte(style))
	return &landing{
		page: text.Bytes(),
		policy: "default-src 'none'; img-src data:; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}, nil
}

func (h *handler) getLanding(c *gin.Context) {
	c.Header("Content-Security-Policy", h.landing.policy)
	c.Data(http.StatusOK, "text/html; charset=utf-8", h.landing.page)
}
