package lab

// Actor is who makes a change, for the audit.
type Actor struct {
	// Name is the credential's name: "token:dev", later a user.
	Name string
	// Remote is the address that the request came from.
	Remote string
}

// Intent is a change that somebody asks for: who, and on which conditions. Its
// conditions are held in the transaction of the change.
type Intent struct {
	Actor Actor
	// DryRun: decide and check everything, answer as if it were done, write nothing.
	DryRun bool
	// Match, where not nil, are the revisions that the changed thing may have;
	// CodeStale when it has another.
	Match []int64
	// Key, where not "", names this request among the actor's own: the same key
	// again changes nothing and gives the first answer.
	Key string
}
