package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

// The least space for the database: below scarce it warns, below full it fails.
const (
	scarce = 1 << 30
	full   = 100 << 20
)

// secretsAreKept looks at files that the configuration's check reads anyway: those
// that everybody can read are refused there.
func (p *patient) secretsAreKept(context.Context) verdict {
	var paths []string
	for _, path := range []string{
		p.Config.API.Token.File, p.Config.Mail.Password.File, p.Config.OIDC.ClientSecret.File, p.Config.Store.DSN.File, p.Config.Nomad.Token.File, p.Config.Consul.Token.File, p.Config.Vault.Token.File,
		p.Config.TLS.KeyFile, p.Config.Nomad.TLS.KeyFile, p.Config.Consul.TLS.KeyFile, p.Config.Vault.TLS.KeyFile,
	} {
		if path != "" {
			paths = append(paths, path)
		}
	}
	var open []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return failed("correct the path, or the rights of the folders above it", "%s can't be looked at", path)
		}
		if info.Mode().Perm()&0o027 != 0 {
			open = append(open, path)
		}
	}
	if len(open) > 0 {
		return warning("chmod 600 "+strings.Join(open, " "), "others can read or change %s", strings.Join(open, ", "))
	}
	return good("%d files, for their owner alone", len(paths))
}

// ofEnvironment adds to a finding about a token that it is one of this shell's: a
// server that is started elsewhere takes another, and that may be as it should.
func ofEnvironment(token config.Credential, v verdict) verdict {
	variable, ok := strings.CutPrefix(token.From, "environment variable ")
	if !ok || token.File != "" || v.state == OK && token.Passed == "" {
		return v
	}
	v.detail += "; it is that of the environment variable " + variable
	if token.Passed == "" {
		return v
	}
	v.detail += ", and the one in " + token.Passed + " is passed over"
	if v.state != OK {
		v.remedy = fmt.Sprintf("if the server is started without %s, look at the token in that file: env -u %s bothy doctor …; else %s", variable, variable, v.remedy)
	}
	return v
}

func (p *patient) storeChecks() []check {
	return []check{
		{id: "store.reachable", what: "the database answers", run: p.storeAnswers},
		{id: "store.schema", what: "the schema's version", needs: []string{"store.reachable"}, run: p.schemaFits},
		{id: "store.writable", what: "the database takes changes", needs: []string{"store.schema"}, run: p.storeWritable},
		{id: "store.disk", what: "space for the database", run: p.diskHasRoom},
	}
}

func (p *patient) storeAnswers(ctx context.Context) verdict {
	found, err := store.Inspect(ctx, p.Store)
	if lab.CodeOf(err) == lab.CodeNotFound {
		return warning("nothing, if the server was never started; else correct data_dir or store.path", "there is no database file %s yet", p.Store.Path)
	}
	if err != nil {
		return broken(err, "")
	}
	p.store = found
	if p.Store.Driver == store.SQLite {
		return good("SQLite, %s", p.Store.Path)
	}
	return good("PostgreSQL")
}

func (p *patient) schemaFits(context.Context) verdict {
	switch found := p.store; {
	case found.Version == 0:
		return skipped("the database is empty; the server fills it at its first start")
	case found.Version < found.Known:
		return warning("back the database up, then start the server: it brings the schema up to date", "version %d, this program writes %d", found.Version, found.Known)
	case found.Version > found.Known:
		return failed("run the newer version of bothy, or restore the backup that was made before it", "version %d, this program knows %d only", found.Version, found.Known)
	default:
		return good("version %d", found.Version)
	}
}

func (p *patient) storeWritable(context.Context) verdict {
	if p.store.ReadOnly == nil {
		return good("a change was tried and rolled back")
	}
	remedy := "let Bothy's user write the file and its folder, on a file system that is not read-only: ls -l " + p.Store.Path
	if p.Store.Driver == store.Postgres {
		remedy = "name the primary, not a replica, and the user who owns the database: ALTER DATABASE bothy OWNER TO bothy"
	}
	return failed(remedy, "nothing can be written: %v", p.store.ReadOnly)
}

func (p *patient) diskHasRoom(context.Context) verdict {
	if p.Store.Driver != store.SQLite {
		return skipped("PostgreSQL keeps the data")
	}
	dir := filepath.Dir(p.Store.Path)
	free, err := freeSpace(dir)
	if err != nil {
		return skipped("the space left in %s is not known", dir)
	}
	detail := fmt.Sprintf("%d MB are free in %s", free>>20, dir)
	switch {
	case free < full:
		return failed("free some, or move data_dir to a larger file system", "%s", detail)
	case free < scarce:
		return warning("free some soon, or move data_dir to a larger file system", "%s", detail)
	default:
		return good("%s", detail)
	}
}
