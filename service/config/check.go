package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// minToken is the least length of the API's bearer token, in characters.
const minToken = 16

// check looks at what only shows across settings, or on this machine's disk.
func (l *loader) check() {
	c := l.config
	l.checkJob()
	l.checkDisk()
	l.checkStore()
	if c.Door.URL == "" {
		l.fail(l.at("door.url"), "door.url", "is empty: workspaces would be open to whoever has their address", "write where workspaces reach door.listen")
	}
	l.checkToken("api", c.API.Token)
	l.checkSession()
	l.checkMail()
	l.checkOIDC()
	l.checkToken("nomad", c.Nomad.Token)
	l.checkToken("consul", c.Consul.Token)
	l.checkToken("vault", c.Vault.Token)
	l.checkVaultLogin()
	l.checkPair("tls", c.TLS.CertFile, c.TLS.KeyFile)
	l.checkTLS("nomad.tls", c.Nomad.TLS)
	l.checkTLS("consul.tls", c.Consul.TLS)
	l.checkTLS("vault.tls", c.Vault.TLS)
}

// checkJob looks at what is written into jobs.
func (l *loader) checkJob() {
	l.checkOrigins()
	l.checkDoor()
	l.checkHome()
}

func (l *loader) checkTLS(block string, t TLS) {
	l.checkPair(block, t.CertFile, t.KeyFile)
	l.checkFile(block+".ca_file", t.CAFile)
	l.checkFile(block+".ca_path", t.CAPath)
}

// checkMail looks at what mail needs, where it is sent at all.
func (l *loader) checkMail() {
	m := l.config.Mail
	if m.Address != "" && m.Folder != "" {
		l.fail(l.at("mail.folder"), "mail.folder", "is set beside mail.address", "name the server or the folder, not both")
	}
	if m.IsSet() && m.From == "" {
		l.fail(l.at("mail.address", "mail.folder"), "mail.from", "is missing", "name the sender of mails, such as \"Bothy <bothy@example.edu>\"")
	}
	if m.Username != "" && !m.Password.IsSet() {
		l.fail(l.at("mail.username"), "mail.password_file", "is missing while mail.username is set", "put the password into a file with mode 0600 and name it here, or set BOTHY_MAIL_PASSWORD")
	}
	if !m.Password.IsSet() {
		return
	}
	given := "mail.password_file"
	if m.Password.File == "" {
		given = "mail.password"
	}
	if _, err := m.Password.Read(); err != nil {
		l.fail(l.at(given), given, err.Error(), "put the password alone into the file, with mode 0600")
	}
	if m.Security == "none" {
		l.fail(l.at("mail.security"), "mail.security", "is none while a password would be sent", "use starttls or tls")
	}
}

// checkSession looks at the two limits together.
func (l *loader) checkSession() {
	if l.config.Session.Idle > l.config.Session.Lifetime {
		l.fail(l.at("session.idle", "session.lifetime"), "session.idle", "is longer than session.lifetime", "choose a shorter one")
	}
}

// at gives the place that a setting came from; "" for a default.
func (l *loader) at(names ...string) string {
	for _, n := range names {
		if place := l.origins[n]; place != "" {
			return place
		}
	}
	return ""
}

// checkOrigins holds the two origins apart: a cookie is sent to a host whatever its port.
func (l *loader) checkOrigins() {
	console, consoleErr := url.Parse(l.config.ConsoleURL)
	labs, labsErr := url.Parse(l.config.LabsURL)
	if consoleErr != nil || labsErr != nil {
		return // both were read as URLs before
	}
	if console.Hostname() == labs.Hostname() && !l.config.Labs.SameHost {
		l.fail(l.at("labs_url", "console_url"), "labs_url", fmt.Sprintf("has the same host as console_url (%s)", labs.Hostname()),
			"give workspaces a host name of their own: what students run there must not see the console's cookies; labs.same_host admits the risk")
	}
}

// checkDoor holds the door's addresses apart from the workspaces': the door knows by
// them who asks. And it wants a name resolved anew, so that another address needs no
// workspace's restart.
func (l *loader) checkDoor() {
	labs, err := url.Parse(l.config.LabsURL)
	if err != nil {
		return // it was read as a URL before
	}
	workspaces := strings.ToLower(labs.Hostname())
	const remedy = "write another name or address of the same machine: by that of workspaces visitors come"
	if host, _, err := net.SplitHostPort(l.config.Door.Listen); err == nil && l.config.Door.Register && strings.EqualFold(host, workspaces) {
		l.fail(l.at("door.listen", "labs_url"), "door.listen", fmt.Sprintf("has the host of workspaces (%s), where Consul would look for the door", host), remedy)
	}
	u, err := url.Parse(l.config.Door.URL)
	if err != nil || u.Host == "" {
		return
	}
	if host := strings.ToLower(u.Hostname()); host == workspaces || strings.HasSuffix(host, "."+workspaces) {
		l.fail(l.at("door.url", "labs_url"), "door.url", fmt.Sprintf("has a host of workspaces (%s)", u.Hostname()), remedy)
		return
	}
	if l.config.Door.Resolver != "" {
		return
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil {
		l.fail(l.at("door.url"), "door.resolver", fmt.Sprintf("is missing while door.url has a name (%s)", u.Hostname()),
			"name the DNS server that workspaces can ask, or write an address into door.url")
	}
}

func (l *loader) checkHome() {
	if l.config.Home.Type != "csi" {
		return
	}
	if l.config.Home.CSI.PluginID == "" {
		l.fail(l.at("home.type"), "home.csi.plugin_id", "is missing while home.type is csi", "name the CSI plugin")
	}
	if l.config.Home.CSI.FileSystem == "" {
		l.fail(l.at("home.type"), "home.csi.file_system", "is missing while home.type is csi", "name the EFS file system")
	}
}

func (l *loader) checkDisk() {
	c := l.config
	if c.DataDir == "" && c.Store.Path == "" && c.Store.Driver == "sqlite" {
		l.fail(l.at("data_dir"), "data_dir", "is empty", "name the folder that holds the database")
	}
	if c.TemplateDir == "" {
		return
	}
	switch info, err := os.Stat(c.TemplateDir); {
	case err != nil:
		l.fail(l.at("template_dir"), "template_dir", plainPathError(err).Error(), "make the folder, or correct the path")
	case !info.IsDir():
		l.fail(l.at("template_dir"), "template_dir", c.TemplateDir+" is not a folder", "name the folder that holds the job files")
	}
}

// checkStore looks at what belongs to one driver only: a setting of the other
// means that somebody believes the other in use.
func (l *loader) checkStore() {
	s := l.config.Store
	given := "store.dsn_file"
	if s.DSN.File == "" {
		given = "store.dsn"
	}
	switch {
	case s.Driver == "sqlite" && s.DSN.IsSet():
		l.fail(l.at(given), given, "is set while store.driver is sqlite", `set store.driver = "postgres", or leave it out`)
	case s.Driver == "postgres" && s.Path != "":
		l.fail(l.at("store.path"), "store.path", "is set while store.driver is postgres", "leave it out")
	case s.Driver == "postgres" && !s.DSN.IsSet():
		l.fail(l.at("store.driver"), "store.dsn_file", "is not set while store.driver is postgres",
			"put postgres://user:password@host:5432/database into a file with mode 0600 and name it here, or set BOTHY_STORE_DSN")
	case s.Driver == "postgres":
		l.checkDSN(given, s.DSN)
	}
}

func (l *loader) checkDSN(given string, dsn Credential) {
	secret, err := dsn.Read()
	switch {
	case errors.Is(err, errTooOpen):
		l.fail(l.at(given), given, "is "+err.Error(), "chmod 600 "+dsn.File)
	case err != nil:
		l.fail(l.at(given), given, err.Error(), "put the URL of the database alone into the file, with mode 0600")
	case !strings.HasPrefix(secret.Reveal(), "postgres://") && !strings.HasPrefix(secret.Reveal(), "postgresql://"):
		l.fail(l.at(given), given, "does not begin with postgres://", "write postgres://user:password@host:5432/database")
	}
}

func (l *loader) checkToken(block string, token Credential) {
	file, env := block+".token_file", block+".token"
	if !token.IsSet() {
		return
	}
	named, place := file, l.at(file)
	if token.File == "" {
		named, place = env, l.at(env)
	}
	secret, err := token.Read()
	switch {
	case errors.Is(err, errTooOpen):
		l.fail(place, named, "is "+err.Error(), "chmod 600 "+token.File)
	case err != nil:
		l.fail(place, named, err.Error(), "put the token alone into the file, with mode 0600")
	case block == "api" && len(secret.Reveal()) < minToken:
		l.fail(place, named, fmt.Sprintf("is shorter than %d characters", minToken), "use a longer random token")
	}
}

// checkVaultLogin sees to it that Bothy has one way to get a token, not two. A
// shell's VAULT_TOKEN is whoever's who works in it, and none for a Bothy that logs in
// by itself.
func (l *loader) checkVaultLogin() {
	v := &l.config.Vault
	if l.origins["vault.token"] == "environment variable VAULT_TOKEN" && (v.AppRole.RoleID != "" || v.JWT.Role != "") {
		v.Token = Credential{}
	}
	ways := []string{}
	for _, way := range []struct {
		setting string
		set     bool
	}{
		{"vault.token_file", v.Token.File != ""},
		{"vault.token", v.Token.File == "" && v.Token.IsSet()},
		{"vault.app_role.role_id", v.AppRole.RoleID != ""},
		{"vault.jwt.role", v.JWT.Role != ""},
	} {
		if way.set {
			ways = append(ways, way.setting)
		}
	}
	if len(ways) > 1 {
		l.fail(l.at(ways[1]), ways[1], "is set beside "+ways[0], "leave out one of them: Bothy gets its Vault token in one way")
	}
	if v.AppRole.RoleID == "" {
		if v.AppRole.SecretID.IsSet() {
			l.fail(l.at("vault.app_role.secret_id_file", "vault.app_role.secret_id"), "vault.app_role.role_id", "is missing while a secret id is set", "name the role id that it belongs to")
		}
		return
	}
	const file = "vault.app_role.secret_id_file"
	if !v.AppRole.SecretID.IsSet() {
		l.fail(l.at("vault.app_role.role_id"), file, "is not set", "put the secret id alone into a file with mode 0600 and name it here")
		return
	}
	switch _, err := v.AppRole.SecretID.Read(); {
	case errors.Is(err, errTooOpen):
		l.fail(l.at(file), file, "is "+err.Error(), "chmod 600 "+v.AppRole.SecretID.File)
	case err != nil:
		l.fail(l.at(file), file, err.Error(), "put the secret id alone into the file, with mode 0600")
	}
}

func (l *loader) checkPair(block, certFile, keyFile string) {
	switch {
	case certFile != "" && keyFile == "":
		l.fail(l.at(block+".cert_file"), block+".key_file", "is missing while cert_file is set", "name the certificate's private key")
	case certFile == "" && keyFile != "":
		l.fail(l.at(block+".key_file"), block+".cert_file", "is missing while key_file is set", "name the key's certificate")
	}
	l.checkFile(block+".cert_file", certFile)
	l.checkFile(block+".key_file", keyFile)
}

func (l *loader) checkFile(setting, path string) {
	if path == "" {
		return
	}
	if _, err := os.Stat(path); err != nil {
		l.fail(l.at(setting), setting, plainPathError(err).Error(), "correct the path")
	}
}
