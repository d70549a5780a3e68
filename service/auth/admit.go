package auth

import (
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// refusal is why somebody whom the provider knows is not let in.
type refusal string

// The reasons, as the record of changes has them.
const (
	// refusedUnknown: they have no account, and no claim gives them one.
	refusedUnknown refusal = "no_claim"
	// refusedUnverified: they have no account, and no address of theirs is known.
	refusedUnverified refusal = "email_not_verified"
	// refusedNameless: they have no account, and the claims have no login in them.
	refusedNameless refusal = "no_login"
	// refusedTaken: the account with their address, or login, is somebody else's there.
	refusedTaken refusal = "account_taken"
	// refusedLink: the account with their address is of those that are not linked by it.
	refusedLink refusal = "account_not_linked"
	// refusedDisabled: they may not sign in any more.
	refusedDisabled refusal = "disabled"
)

// decision is what becomes of somebody who comes from the provider.
type decision struct {
	// user is who they are here from now on; the zero value for nobody.
	user lab.User
	// act is the change as the record has it; "" for none.
	act string
	// why is "" for who is let in.
	why refusal
	// enroll are the ids of cohorts that they are to become a student of.
	enroll []string
}

// admit decides it. cohorts are the ids of those that the claims name; an id is there
// for a user who is made.
func (r ProviderRules) admit(who lab.Identity, m meaning, cohorts []string, known lab.Acquaintance, id string, now time.Time) decision {
	d := decision{enroll: without(cohorts, known.Cohorts)}
	means := m.role != "" || len(cohorts) > 0
	if known.User == nil {
		return r.make(d, who, m, means, id, now)
	}
	d.user = *known.User
	switch {
	case !known.Linked && d.user.Issuer == who.Issuer && d.user.Subject != "":
		d.why = refusedTaken
	case !known.Linked && (r.Link == LinkNobody || d.user.Role == lab.RoleAdmin && r.Link != LinkEverybody):
		d.why = refusedLink
	case !d.user.Active() && (!known.Lapsed || len(d.enroll) == 0):
		d.why = refusedDisabled
	case !known.Linked:
		d.user.Issuer, d.user.Subject, d.user.UpdatedAt = who.Issuer, who.Subject, now
		if d.user.RoleByProvider { // of a provider that Bothy had before
			r.follow(&d, m, means, known.LastAdmin, now)
		}
		d.act = "user.link"
	case d.user.RoleByProvider:
		r.follow(&d, m, means, known.LastAdmin, now)
	}
	if d.why != "" {
		d.enroll = nil
	}
	return d
}

// make decides about somebody who has no account.
func (ProviderRules) make(d decision, who lab.Identity, m meaning, means bool, id string, now time.Time) decision {
	switch {
	case !means:
		d.why = refusedUnknown
	case m.login == "" && m.unverified:
		d.why = refusedUnverified
	case m.login == "":
		d.why = refusedNameless
	}
	if d.why != "" {
		return decision{why: d.why}
	}
	role := m.role
	if role == "" {
		role = lab.RoleStudent
	}
	d.act = "user.create"
	d.user = lab.User{
		ID: id, Login: m.login, Name: m.name, Email: m.email, Role: role, Password: lab.PasswordNone,
		Issuer: who.Issuer, Subject: who.Subject, RoleByProvider: true, Revision: 1, CreatedAt: now, UpdatedAt: now,
	}
	return d
}

// follow gives somebody whose role is the provider's the one that the claims say now.
// Whom they say nothing of is a student, and not let in.
func (ProviderRules) follow(d *decision, m meaning, means, lastAdmin bool, now time.Time) {
	role := m.role
	if role == "" {
		role = lab.RoleStudent
	}
	// Who is to be enabled by being enrolled must still be what they lapsed as.
	if role != d.user.Role && !lastAdmin && d.user.Active() {
		d.user.Role, d.user.UpdatedAt, d.act = role, now, "user.update"
	}
	if !means {
		d.why = refusedUnknown
	}
}

// without gives those of a list that are not in another.
func without(list, other []string) []string {
	var rest []string
	for _, item := range list {
		if !slices.Contains(other, item) {
			rest = append(rest, item)
		}
	}
	return rest
}
