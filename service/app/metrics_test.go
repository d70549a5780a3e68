package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bothylabs/bothy/service/config"
)

// docs/observability.md has a row for each metric, with its labels, and for no other.
func TestEveryMetricIsDocumented(t *testing.T) {
	c := config.Default()
	c.Listen, c.Door.Listen, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", t.TempDir()
	c.API.Token = config.Credential{Value: config.NewSecret("the-bearer-token-of-the-tests")}
	a, err := New(t.Context(), c, Deps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	described := make(chan *prometheus.Desc)
	go func() {
		a.metrics.Describe(described)
		close(described)
	}()
	parts := regexp.MustCompile(`fqName: "(bothy_[^"]*)".*variableLabels: \{([^}]*)\}`)
	var registered []string
	for desc := range described {
		if found := parts.FindStringSubmatch(desc.String()); found != nil {
			registered = append(registered, strings.TrimSpace(found[1]+" "+found[2]))
		}
	}
	slices.Sort(registered)

	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "observability.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `(bothy_[a-z_]+)` \\| (?:counter|gauge|histogram) \\| ([^|]*) \\|")
	var documented []string
	for _, found := range row.FindAllStringSubmatch(string(page), -1) {
		labels := strings.ReplaceAll(strings.ReplaceAll(found[2], "`", ""), " ", "")
		documented = append(documented, strings.TrimSpace(found[1]+" "+labels))
	}
	slices.Sort(documented)
	if diff := cmp.Diff(registered, documented); diff != "" {
		t.Errorf("the page is not of these metrics (-registered +page):\n%s", diff)
	}
}
