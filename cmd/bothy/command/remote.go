package command

import (
	"flag"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
)

// defaultAddress is an address and no name: only browsers resolve bothy.localhost everywhere.
const defaultAddress = "http://127.0.0.1:8080"

// remoteFlags say which Bothy a command talks to, and as whom.
type remoteFlags struct {
	address   string
	tokenFile string
}

func (r *remoteFlags) flags(f *flags) {
	f.group("Client Options", func(set *flag.FlagSet) {
		set.StringVar(&r.address, "address", "", "`URL` of Bothy's API. Also by BOTHY_ADDR. Default: "+defaultAddress+".")
		set.StringVar(&r.tokenFile, "token-file", "", "`File` with the token to use; not for others to read. Also by BOTHY_TOKEN_FILE, or BOTHY_TOKEN for the token itself.")
	})
}

// connect makes the client; nothing is sent yet.
func (r *remoteFlags) connect(e *Env) (*client.Client, error) {
	token, err := r.token(e)
	if err != nil {
		return nil, err
	}
	return client.New(r.at(e), token.Reveal())
}

// at is the address that is talked to.
func (r *remoteFlags) at(e *Env) string {
	return firstOf(r.address, e.getenv("BOTHY_ADDR"), defaultAddress)
}

func (r *remoteFlags) token(e *Env) (config.Secret, error) {
	var credential config.Credential
	switch {
	case r.tokenFile != "":
		credential.File = r.tokenFile
	case e.getenv("BOTHY_TOKEN") != "":
		credential.Value = config.NewSecret(e.getenv("BOTHY_TOKEN"))
	case e.getenv("BOTHY_TOKEN_FILE") != "":
		credential.File = e.getenv("BOTHY_TOKEN_FILE")
	default:
		return config.Secret{}, lab.Errorf(lab.CodeUnauthenticated, "no token is set").
			WithHint("set BOTHY_TOKEN or give -token-file; for the stack of `bothy dev`: . .dev/env")
	}
	secret, err := credential.Read()
	if err != nil {
		return config.Secret{}, lab.Wrap(lab.CodeInvalid, err, "the token cannot be used").WithHint("the file holds the token alone, with mode 0600")
	}
	return secret, nil
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
