package api

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/gin-gonic/gin"
	swaggerui "github.com/swaggest/swgui/v5/static"
	"github.com/vearutop/statigz"
)

// referenceFiles are the page at /docs and what starts it.
//
//go:embed reference.html reference.js
var referenceFiles embed.FS

// referencePolicy lets the reference read the contract and try operations out on
// this server, and reach no other host. Swagger UI sets style attributes itself.
const referencePolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// reference is the contract as a page: Swagger UI, out of the binary.
type reference struct {
	page   []byte
	script []byte
	assets http.Handler
}

func newReference() (*reference, error) {
	page, err := fs.ReadFile(referenceFiles, "reference.html")
	if err != nil {
		return nil, fmt.Errorf("read the reference's page: %w", err)
	}
	script, err := fs.ReadFile(referenceFiles, "reference.js")
	if err != nil {
		return nil, fmt.Errorf("read the reference's script: %w", err)
	}
	return &reference{
		page: page, script: script,
		assets: http.StripPrefix("/docs", statigz.FileServer(swaggerui.FS)),
	}, nil
}

func (h *handler) getReference(c *gin.Context) {
	c.Header("Content-Security-Policy", referencePolicy)
	c.Data(http.StatusOK, "text/html; charset=utf-8", h.reference.page)
}

func (h *handler) getReferenceAsset(c *gin.Context) {
	c.Header("Cache-Control", "public, max-age=3600")
	switch name := c.Param("asset"); name {
	case "/reference.js":
		c.Data(http.StatusOK, "text/javascript; charset=utf-8", h.reference.script)
	case "/swagger-ui.css", "/swagger-ui-bundle.js":
		h.reference.assets.ServeHTTP(c.Writer, c.Request)
	default:
		c.Header("Cache-Control", "no-store")
		h.noRoute(c)
	}
}
