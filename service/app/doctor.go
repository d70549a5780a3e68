package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/doctor"
)

// Doctor looks at everything that a server with these settings depends on, and
// changes nothing. invalid is what is wrong with the settings, if anything is.
func Doctor(ctx context.Context, cfg config.Config, invalid error) doctor.Report {
	parts := doctor.Parts{Config: cfg, Invalid: invalid, Now: time.Now}
	if invalid == nil {
		parts.Invalid = doctorParts(cfg, &parts)
	}
	return doctor.Examine(ctx, parts)
}

func doctorParts(cfg config.Config, parts *doctor.Parts) error {
	made, err := newAdapters(cfg, Deps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	parts.Nomad, parts.Consul, parts.Vault = made.nomad, made.consul, made.vault
	if cfg.OIDC.IsSet() {
		if parts.OIDC, err = newProvider(cfg, Deps{Now: time.Now}); err != nil {
			return err
		}
	}
	catalog, err := Templates(cfg.TemplateDir)
	if err != nil {
		return err
	}
	for _, entry := range catalog.Templates() {
		parts.Templates = append(parts.Templates, entry.Template)
	}
	database := cfg.Store
	database.Path = cfg.StorePath()
	parts.Store = storeConfig(database)
	return nil
}
