package auth

import (
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// LinkPolicy says which accounts become a provider's person's by their address.
type LinkPolicy string

// The policies.
const (
	// LinkNobody: accounts are of those alone whom the provider has made.
	LinkNobody LinkPolicy = "nobody"
	// LinkNoAdmins: of everybody but admins.
	LinkNoAdmins LinkPolicy = "no_admins"
	// LinkEverybody: of admins too.
	LinkEverybody LinkPolicy = "everybody"
)

// ClaimRule holds for whoever has one of the values in a claim.
type ClaimRule struct {
	// Claim is its name; what has objects in it is reached by dots.
	Claim  string
	Values []string
}

// RoleRule gives a role.
type RoleRule struct {
	ClaimRule
	Role lab.Role
}

// CohortRule gives a membership in the cohort with a key.
type CohortRule struct {
	ClaimRule
	Cohort string
}

// ProviderRules say what a provider's claims mean here.
type ProviderRules struct {
	// LoginClaim and NameClaim are what a new user is made of.
	LoginClaim, NameClaim string
	// UnverifiedEmail takes addresses for the person's own that the provider has not verified.
	UnverifiedEmail bool
	Link            LinkPolicy
	Roles           []RoleRule
	Cohorts         []CohortRule
}

// emailClaim is the address; it counts only where it is verified.
const emailClaim = "email"

// The longest texts that users have, as the registrar holds them.
const (
	maxEmail = 254
	maxName  = 200
)

// meaning is what claims say of somebody; "" for nothing.
type meaning struct {
	email, login, name string
	// unverified: there is an address, but it may be anybody's.
	unverified bool
	role       lab.Role
	// cohorts are keys.
	cohorts []string
}

// wanted are the claims that the rules look at, by the names that a provider has for them.
func (r ProviderRules) wanted() []string {
	names := []string{r.LoginClaim, r.NameClaim, emailClaim}
	for _, rule := range r.Roles {
		names = append(names, rule.Claim)
	}
	for _, rule := range r.Cohorts {
		names = append(names, rule.Claim)
	}
	for i, name := range names {
		if !strings.Contains(name, "://") { // namespaces of claims have dots of their own
			names[i], _, _ = strings.Cut(name, ".")
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// read gives what claims mean. The most powerful role counts.
func (r ProviderRules) read(claims map[string]any) meaning {
	var m meaning
	if email := one(claims, emailClaim); isAddress(email) {
		if m.unverified = !verified(claims) && !r.UnverifiedEmail; !m.unverified {
			m.email = email
		}
	}
	if m.login = m.email; r.LoginClaim != emailClaim {
		m.login = one(claims, r.LoginClaim)
	}
	// Whoever is enrolled with an address gets the account with that login: only its
	// owner may have taken it.
	another := strings.Contains(m.login, "@") && !strings.EqualFold(m.login, m.email)
	if !isLogin(m.login) || another {
		m.login = ""
	}
	if m.name = one(claims, r.NameClaim); !isName(m.name) {
		m.name, _, _ = strings.Cut(m.login, "@")
	}
	for _, role := range lab.Roles() {
		if m.role == "" && slices.ContainsFunc(r.Roles, func(rule RoleRule) bool { return rule.Role == role && m.has(claims, rule.ClaimRule) }) {
			m.role = role
		}
	}
	for _, rule := range r.Cohorts {
		if m.has(claims, rule.ClaimRule) && !slices.Contains(m.cohorts, rule.Cohort) {
			m.cohorts = append(m.cohorts, rule.Cohort)
		}
	}
	return m
}

func (m meaning) has(claims map[string]any, rule ClaimRule) bool {
	if rule.Claim == emailClaim {
		return m.email != "" && slices.ContainsFunc(rule.Values, func(v string) bool { return strings.EqualFold(v, m.email) })
	}
	return slices.ContainsFunc(texts(find(claims, rule.Claim)), func(v string) bool { return slices.Contains(rule.Values, v) })
}

// verified says whether the address among claims is the person's own. Some providers
// write it as a text.
func verified(claims map[string]any) bool {
	return claims["email_verified"] == true || claims["email_verified"] == "true"
}

// find gives a claim by its name, or by the path to it.
func find(claims map[string]any, name string) any {
	if value, ok := claims[name]; ok {
		return value
	}
	first, rest, nested := strings.Cut(name, ".")
	inner, ok := claims[first].(map[string]any)
	if !nested || !ok {
		return nil
	}
	return find(inner, rest)
}

// one gives a claim that is one text.
func one(claims map[string]any, name string) string {
	text, _ := find(claims, name).(string)
	return strings.TrimSpace(text)
}

// texts gives the values of a claim.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case bool:
		return []string{strconv.FormatBool(v)}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case []any:
		var all []string
		for _, item := range v {
			if _, nested := item.([]any); !nested {
				all = append(all, texts(item)...)
			}
		}
		return all
	default:
		return nil
	}
}

func isAddress(text string) bool {
	parsed, err := mail.ParseAddress(text)
	return err == nil && parsed.Address == text && len(text) <= maxEmail
}

func isLogin(text string) bool {
	return text != "" && len(text) <= maxEmail && !strings.ContainsAny(text, " /\t\n") && jobspec.ValidateText("login", text) == nil
}

func isName(text string) bool {
	return text != "" && utf8.RuneCountInString(text) <= maxName && jobspec.ValidateText("name", text) == nil
}
