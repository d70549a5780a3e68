package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// OIDC is the OpenID Connect provider that people may sign in with; without an
// Issuer there is none.
type OIDC struct {
	// Issuer is the provider's, exactly as it writes it, also a slash at the end.
	Issuer   string
	ClientID string
	// ClientSecret may be missing for a public client.
	ClientSecret Credential
	Scopes       []string
	// DisplayName is what people call the provider; "" for the issuer's host.
	DisplayName string
	// CAFile has the CA certificates that the provider's certificate is checked with; ""
	// for the system's.
	CAFile string
	// LoginClaim and NameClaim are what new users are made of.
	LoginClaim, NameClaim string
	// UnverifiedEmail believes addresses that the provider has not verified.
	UnverifiedEmail bool
	// Link says whose existing account becomes a person's by their address: "nobody",
	// "no_admins" or "everybody".
	Link string
	// Roles and Cohorts say what claims give.
	Roles   []ClaimRule
	Cohorts []ClaimRule
}

// ClaimRule gives a role or a membership to whoever has one of the values in a claim.
type ClaimRule struct {
	// Gives is the role, or the key of the cohort.
	Gives string
	Claim string
	// Values are compared exactly.
	Values []string
}

// IsSet says whether there is a provider.
func (o OIDC) IsSet() bool { return o.Issuer != "" }

// Name is what people call the provider.
func (o OIDC) Name() string {
	if o.DisplayName != "" {
		return o.DisplayName
	}
	if u, err := url.Parse(o.Issuer); err == nil && u.Host != "" {
		return u.Hostname()
	}
	return o.Issuer
}

// CallbackPath is where the provider sends browsers back to, on the console's origin.
const CallbackPath = "/sign-in/provider/callback"

// RedirectURI is what the provider must know of this Bothy.
func (c Config) RedirectURI() string { return c.ConsoleURL + CallbackPath }

func oidcSettings(o *OIDC) []setting {
	return []setting{
		{name: "oidc.issuer", usage: "Issuer of the OpenID Connect provider for single sign-on, exactly as its discovery document has it (default none); see docs/single-sign-on.md.", read: issuer(&o.Issuer)},
		{name: "oidc.client_id", usage: "Bothy's client id at the provider.", read: text(&o.ClientID)},
		{name: "oidc.client_secret_file", usage: "File with the client secret (none for a public client).", secret: &o.ClientSecret, read: secretFile(&o.ClientSecret)},
		{name: "oidc.client_secret", usage: "The client secret itself.", envOnly: true, secret: &o.ClientSecret, read: secretValue(&o.ClientSecret)},
		{name: "oidc.scopes", usage: "Scopes that are asked for, openid among them.", isList: true, read: list(&o.Scopes)},
		{name: "oidc.display_name", usage: "What people call the provider: \"Sign in with …\" (default the issuer's host).", read: text(&o.DisplayName)},
		{name: "oidc.ca_file", usage: "CA certificates (PEM) that the provider's certificate is checked with (default the system's).", read: text(&o.CAFile)},
		{name: "oidc.login_claim", usage: "Claim that new users get their login from; email counts only where it is verified.", read: claim(&o.LoginClaim)},
		{name: "oidc.name_claim", usage: "Claim that new users get their name from.", read: claim(&o.NameClaim)},
		{name: "oidc.unverified_email", usage: "Believe e-mail addresses that the provider does not call verified; a risk where people choose theirs.", isBool: true, read: boolean(&o.UnverifiedEmail)},
		{name: "oidc.link", usage: "Whose existing account is opened by their verified address at the first sign-in: nobody, no_admins or everybody.", read: oneOf(&o.Link, "nobody", "no_admins", "everybody")},
	}
}

// issuer takes a URL as it is: it is compared byte by byte.
func issuer(target *string) value {
	return scalar(func(s string) error {
		u, err := webURL(s)
		if err != nil {
			return err
		}
		if u.Scheme == "http" && !loopback(u.Hostname()) {
			return valueError{"begins with http://", "write https://: whoever is on the way could sign in as anybody"}
		}
		*target = s
		return nil
	})
}

// loopback says whether a host is this machine.
func loopback(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}

// claimForm is a claim's name, or the path to it by dots; some are URLs.
var claimForm = regexp.MustCompile(`^[!-~]{1,256}$`)

func claim(target *string) value {
	return scalar(func(s string) error {
		if !claimForm.MatchString(s) {
			return valueError{fmt.Sprintf("%q is not the name of a claim", s), `write for example "groups", or "realm_access.roles" for one inside another`}
		}
		*target = s
		return nil
	})
}

var cohortForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// cohortKey takes a cohort's key.
func cohortKey(target *string) value {
	return scalar(func(s string) error {
		if !cohortForm.MatchString(s) {
			return valueError{fmt.Sprintf("%q is not the key of a cohort", s), "write it as bothy cohort list shows it"}
		}
		*target = s
		return nil
	})
}

// A labelledBlock may be written often, each time about what its label names. It is
// in the file alone: it has no variable and no flag.
type labelledBlock struct {
	// name is the block's, label what its label is.
	name, label string
	// begin reads the label into a new rule, and gives what reads its attributes.
	begin func(label string) ([]setting, error)
}

// labelledBlocks are those that stand below prefix ("", "nomad.").
func labelledBlocks(c *Config, prefix string) []labelledBlock {
	if prefix != "oidc." {
		return nil
	}
	rule := func(rules *[]ClaimRule, gives func(*string) value) func(string) ([]setting, error) {
		return func(label string) ([]setting, error) {
			*rules = append(*rules, ClaimRule{})
			r := &(*rules)[len(*rules)-1]
			return []setting{
				{name: "claim", read: claim(&r.Claim)},
				{name: "values", isList: true, read: list(&r.Values)},
			}, gives(&r.Gives)([]string{label})
		}
	}
	role := func(target *string) value { return oneOf(target, "admin", "instructor", "assistant", "student") }
	return []labelledBlock{
		{name: "role", label: "role", begin: rule(&c.OIDC.Roles, role)},
		{name: "cohort", label: "key", begin: rule(&c.OIDC.Cohorts, cohortKey)},
	}
}

// labelled reads one such block. All of its attributes are needed.
func (l *loader) labelled(prefix string, known labelledBlock, block *hcl.Block) {
	name := fmt.Sprintf("%s%s %q", prefix, block.Type, block.Labels[0])
	attributes, err := known.begin(block.Labels[0])
	var wrong valueError
	if errors.As(err, &wrong) {
		l.fail(place(block.LabelRanges[0]), name, wrong.what, wrong.remedy)
	}
	schema := &hcl.BodySchema{}
	for _, s := range attributes {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: s.name})
	}
	content, diags := block.Body.Content(schema)
	l.diagnostics(name, diags)
	if content == nil {
		return
	}
	for _, s := range attributes {
		attribute, ok := content.Attributes[s.name]
		if !ok {
			l.fail(place(block.DefRange), name, s.name+" is missing", `name a claim and its values, as claim = "groups" and values = ["teachers"]`)
			continue
		}
		s.name = name + "." + s.name
		l.attribute(s, attribute)
	}
}

// checkOIDC looks at what single sign-on needs, where there is any.
func (l *loader) checkOIDC() {
	o := l.config.OIDC
	if !o.IsSet() {
		l.checkNoOIDC()
		return
	}
	if o.ClientID == "" {
		l.fail(l.at("oidc.issuer"), "oidc.client_id", "is missing", "name the client that the provider has for Bothy")
	}
	if !slices.Contains(o.Scopes, "openid") {
		l.fail(l.at("oidc.scopes"), "oidc.scopes", `lacks "openid"`, "add it: without it the provider says nothing of who somebody is")
	}
	l.checkFile("oidc.ca_file", o.CAFile)
	if !o.ClientSecret.IsSet() {
		return
	}
	given := "oidc.client_secret_file"
	if o.ClientSecret.File == "" {
		given = "oidc.client_secret"
	}
	switch _, err := o.ClientSecret.Read(); {
	case errors.Is(err, errTooOpen):
		l.fail(l.at(given), given, "is "+err.Error(), "chmod 600 "+o.ClientSecret.File)
	case err != nil:
		l.fail(l.at(given), given, err.Error(), "put the client secret alone into the file, with mode 0600")
	}
}

// checkNoOIDC refuses what means that somebody believes single sign-on to be set up.
func (l *loader) checkNoOIDC() {
	for _, name := range []string{"oidc.client_id", "oidc.client_secret_file", "oidc.client_secret"} {
		if place := l.at(name); place != "" {
			l.fail(place, name, "is set while oidc.issuer is not", "name the provider's issuer, or leave it out")
			return
		}
	}
	if o := l.config.OIDC; len(o.Roles)+len(o.Cohorts) > 0 {
		l.fail("", "oidc.issuer", "is missing while claims are given a meaning", "name the provider's issuer")
	}
}
