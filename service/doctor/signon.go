package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/bothylabs/bothy/service/lab"
)

func (p *patient) signOnChecks() []check {
	return []check{
		{id: "oidc.provider", what: "the OpenID provider answers, and is the one of the settings", run: p.providerAnswers},
		{id: "oidc.redirect", what: "where the provider sends people back to", needs: []string{"oidc.provider"}, run: p.redirect},
	}
}

func (p *patient) providerAnswers(ctx context.Context) verdict {
	if p.OIDC == nil {
		return skipped("oidc.issuer is not set: people sign in with passwords")
	}
	err := p.OIDC.Ready(ctx)
	var coded *lab.Error
	switch {
	case errors.As(err, &coded) && coded.Code == lab.CodeRefused:
		return failed("write into oidc.issuer what the discovery document has as issuer, to the last slash", "%v", err)
	case err != nil:
		return failed(fmt.Sprintf("correct oidc.issuer, or oidc.ca_file; until it answers people sign in with passwords alone; try: curl %s/.well-known/openid-configuration",
			p.Config.OIDC.Issuer), "%v", err)
	default:
		return good("%s", p.Config.OIDC.Issuer)
	}
}

// redirect names the URI: whether the provider has it, it tells nobody.
func (p *patient) redirect(context.Context) verdict {
	return good("the client %q must have this redirect URI at the provider: %s", p.Config.OIDC.ClientID, p.Config.RedirectURI())
}
