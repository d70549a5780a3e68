package stack

import (
	"context"
	"fmt"
	"net/http"
)

// router is how one of the routers is run.
type router struct {
	path   string // the program
	config string // its configuration's file
	token  string // the secret with its Consul token
	flag   string // names the configuration on the command line
	health string // a path of its UI's port
}

func routerFor(cfg Config) router {
	if cfg.Router == Traefik {
		return router{
			path: cfg.Binaries.Traefik, config: "traefik.yml", token: consulTraefik, flag: "--configFile=", health: "/ping",
		}
	}
	return router{
		path: cfg.Binaries.Fabio, config: "fabio.properties", token: consulFabio, flag: "-cfg=", health: "/health",
	}
}

// ready asks whether the router's UI and the workspaces' origin answer. What the
// second says depends on the routes that are there.
func (r router) ready(ctx context.Context, ports Ports) error {
	for _, url := range []string{addressOf(ports.RouterUI) + r.health, addressOf(ports.Labs) + "/"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+url, http.NoBody)
		if err != nil {
			return fmt.Errorf("ask the router: %w", err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return fmt.Errorf("ask the router: %w", err)
		}
		_ = resp.Body.Close()
	}
	return nil
}
