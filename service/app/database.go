package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

func (a *App) openStore(ctx context.Context, deps Deps) (err error) {
	cfg := a.cfg.Store
	cfg.Path = a.cfg.StorePath()
	what := cfg.Driver
	if cfg.Driver == store.SQLite {
		what = cfg.Path
		if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o700); err != nil {
			return lab.Wrap(lab.CodeUnavailable, err, "the folder of the database cannot be made").WithHint("correct data_dir or store.path, or its permissions")
		}
	}
	settings := storeConfig(cfg)
	settings.Now, settings.Traces = deps.Now, deps.traces
	if a.store, err = store.Open(ctx, settings); err != nil {
		return fmt.Errorf("open the database %s: %w", what, err)
	}
	return nil
}

func storeConfig(c config.Store) store.Config {
	return store.Config{
		Driver: c.Driver,
		Path:   c.Path,
		DSN:    tokenOf(c.DSN),
		Pool:   store.Pool{MaxOpen: c.MaxConnections, MaxIdle: c.MaxIdleConnections, MaxLifetime: c.ConnectionLifetime},
	}
}

// CopyStore fills an empty database with all that another holds, as store.Copy says.
func CopyStore(ctx context.Context, from, to config.Store, report func(table string, done, all int64)) ([]store.CopiedTable, error) {
	tables, err := store.Copy(ctx, storeConfig(from), storeConfig(to), report)
	if err != nil {
		return nil, fmt.Errorf("copy the store: %w", err)
	}
	return tables, nil
}
