package lab

// Identity is who an OpenID provider says that somebody is.
type Identity struct {
	// Issuer and Subject together are one person, and are never given to another.
	Issuer  string
	Subject string
	// Claims are what else it says, as JSON has it.
	Claims map[string]any
}

// Acquaintance is what is known here of somebody whom an OpenID provider names.
type Acquaintance struct {
	// User is who that is here; nil for nobody. Linked says that the identity is
	// theirs: without it they have its address as their login, and no more.
	User   *User
	Linked bool
	// Lapsed: the user is disabled because their last membership ended; enrolling them
	// enables again.
	Lapsed bool
	// LastAdmin: there is no other active admin.
	LastAdmin bool
	// Cohorts are the ids of those that the user is, or ever was, a student of.
	Cohorts []string
}
