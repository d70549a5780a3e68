package stack

import (
	"context"
	"fmt"
	"net/http"
)

// fabioReady asks whether Fabio's UI and its proxy answer. What the proxy says
// depends on the routes that are there.
func fabioReady(ctx context.Context, ports Ports) error {
	for _, port := range []int{ports.FabioUI, ports.Labs} {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+addressOf(port)+"/health", http.NoBody)
		if err != nil {
			return fmt.Errorf("ask Fabio: %w", err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return fmt.Errorf("ask Fabio: %w", err)
		}
		_ = resp.Body.Close()
	}
	return nil
}
