package command

import (
	"crypto/tls"
	"errors"
	"flag"
	"io"
	"strings"

	"github.com/hashicorp/go-rootcerts"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
)

// defaultAddress is an address and no name: only browsers resolve bothy.localhost everywhere.
const defaultAddress = "http://127.0.0.1:8080"

// maxToken bounds what is read of a token on standard input, in bytes.
const maxToken = 4 << 10

// remoteFlags say which Bothy a command talks to, and as whom.
type remoteFlags struct {
	address       string
	context       string
	tokenFile     string
	caCert        string
	tlsServerName string
}

func (r *remoteFlags) flags(f *flags) {
	f.group("Client Options", func(set *flag.FlagSet) {
		set.StringVar(&r.address, "address", "", "`URL` of Bothy's API. Also by BOTHY_ADDR. Default: that of the current context, else "+defaultAddress+".")
		set.StringVar(&r.context, "context", "", "`Name` of a context that `bothy login` made. Also by BOTHY_CONTEXT.")
		set.StringVar(&r.tokenFile, "token-file", "", "`File` with the token to use; not for others to read; \"-\" reads standard input. Also by BOTHY_TOKEN_FILE, or BOTHY_TOKEN for the token itself.")
		set.StringVar(&r.caCert, "ca-cert", "", "`File` of certificates in PEM that the server's is checked against. Also by BOTHY_CACERT.")
		set.StringVar(&r.tlsServerName, "tls-server-name", "", "`Name` that the server's certificate is for, where it is not the address's. Also by BOTHY_TLS_SERVER_NAME.")
	})
}

// origin is where a value of the client's configuration came from.
type origin string

const (
	fromFlag    origin = "flag"
	fromEnv     origin = "environment"
	fromContext origin = "context"
	fromDefault origin = "default"
	fromNowhere origin = "not set"
)

// value is a value and its origin.
type value struct {
	text string
	from origin
}

// target is a server as the flags, the environment and the contexts name it.
type target struct {
	context       value
	address       value
	caCert        value
	tlsServerName value
	// token says where the token comes from; its text is the file's name, or "".
	token  value
	stored string
}

// target puts together what is known of the server. A context that a flag names
// goes before the environment.
func (r *remoteFlags) target(e *Env) (target, error) {
	t := target{context: firstValue(value{r.context, fromFlag}, value{e.getenv("BOTHY_CONTEXT"), fromEnv})}
	all, err := e.contexts()
	if err != nil {
		// Whoever says which server it is, and as whom, needs no contexts.
		if t.context.text != "" || !errors.Is(err, errNoContexts) && r.address == "" && e.getenv("BOTHY_ADDR") == "" {
			return target{}, err
		}
		all = &contexts{}
	}
	if t.context.text == "" && all.Current != "" {
		t.context = value{all.Current, fromDefault}
	}
	var found serverContext
	if t.context.text != "" {
		if found, err = all.named(t.context.text); err != nil {
			return target{}, err
		}
	}
	pick := func(flag, variable, stored string) value {
		if t.context.from == fromFlag {
			return firstValue(value{flag, fromFlag}, value{stored, fromContext}, value{e.getenv(variable), fromEnv})
		}
		return firstValue(value{flag, fromFlag}, value{e.getenv(variable), fromEnv}, value{stored, fromContext})
	}
	t.address = pick(r.address, "BOTHY_ADDR", found.Address)
	if t.address.text == "" {
		t.address = value{defaultAddress, fromDefault}
	}
	t.caCert = pick(r.caCert, "BOTHY_CACERT", found.CACert)
	t.tlsServerName = pick(r.tlsServerName, "BOTHY_TLS_SERVER_NAME", found.TLSServerName)
	t.token, t.stored = r.tokenOf(e, t, found)
	return t, nil
}

// tokenOf finds where the token is. A context's token goes to that context's
// server alone: an address from elsewhere does not get it.
func (r *remoteFlags) tokenOf(e *Env, t target, found serverContext) (token value, stored string) {
	own := found.Token != "" && strings.TrimRight(t.address.text, "/") == strings.TrimRight(found.Address, "/")
	switch {
	case r.tokenFile != "":
		return value{r.tokenFile, fromFlag}, ""
	case own && t.context.from == fromFlag:
		return value{"", fromContext}, found.Token
	case e.getenv("BOTHY_TOKEN") != "":
		return value{"", fromEnv}, e.getenv("BOTHY_TOKEN")
	case e.getenv("BOTHY_TOKEN_FILE") != "":
		return value{e.getenv("BOTHY_TOKEN_FILE"), fromEnv}, ""
	case own:
		return value{"", fromContext}, found.Token
	default:
		return value{"", fromNowhere}, ""
	}
}

func firstValue(values ...value) value {
	for _, v := range values {
		if v.text != "" {
			return v
		}
	}
	return value{"", fromNowhere}
}

// connect makes the client; nothing is sent yet.
func (r *remoteFlags) connect(e *Env) (*client.Client, error) {
	t, err := r.target(e)
	if err != nil {
		return nil, err
	}
	token, err := t.secret(e)
	if err != nil {
		return nil, err
	}
	return t.client(token)
}

// client makes the client with a token.
func (t target) client(token config.Secret) (*client.Client, error) {
	if t.caCert.text == "" && t.tlsServerName.text == "" {
		return client.New(t.address.text, token.Reveal())
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.tlsServerName.text}
	if err := rootcerts.ConfigureTLS(settings, &rootcerts.Config{CAFile: t.caCert.text}); err != nil {
		return nil, &lab.Error{Code: lab.CodeInvalid, Message: "the server's certificate cannot be checked", Cause: err, Fields: []lab.Field{
			{Name: "-ca-cert", Problem: t.caCert.text + " holds no certificates that can be used", Remedy: "name a file of certificates in PEM"},
		}}
	}
	return client.New(t.address.text, token.Reveal(), client.WithTLS(settings))
}

// at is the address that is talked to, for people.
func (r *remoteFlags) at(e *Env) string {
	t, err := r.target(e)
	if err != nil {
		return defaultAddress
	}
	return t.address.text
}

// secret reads the token.
func (t target) secret(e *Env) (config.Secret, error) {
	credential := config.Credential{File: t.token.text}
	switch {
	case t.token.from == fromNowhere:
		return config.Secret{}, lab.Errorf(lab.CodeUnauthenticated, "no token is set for %s", t.address.text).
			WithHint("sign in with `bothy login`, set BOTHY_TOKEN, or give -token-file; for the stack of `bothy dev`: . .dev/env")
	case t.token.text == "-":
		return e.tokenFromStdin()
	case t.stored != "":
		credential = config.Credential{Value: config.NewSecret(t.stored)}
	}
	secret, err := credential.Read()
	if err != nil {
		return config.Secret{}, lab.Wrap(lab.CodeInvalid, err, "the token cannot be used").WithHint("the file holds the token alone, with mode 0600")
	}
	return secret, nil
}

func (e *Env) tokenFromStdin() (config.Secret, error) {
	text, err := io.ReadAll(io.LimitReader(e.Stdin, maxToken))
	if err != nil {
		return config.Secret{}, unreadable("standard input", err)
	}
	return config.NewSecret(strings.TrimSpace(string(text))), nil
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
