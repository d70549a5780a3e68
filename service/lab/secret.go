package lab

import "time"

// SecretKind says what kind of thing has secrets.
type SecretKind string

// The kinds. Where the same name is given to several, that of the last one holds.
const (
	SecretOfCourse  SecretKind = "course"
	SecretOfClass   SecretKind = "class"
	SecretOfStudent SecretKind = "student"
)

// SecretOwner is a course, class or student that has secrets, by its id.
type SecretOwner struct {
	Kind SecretKind
	ID   string
}

// Secret is what is known of a secret: everything but its value, which is Vault's.
// Written by the registrar.
type Secret struct {
	Name string
	// Bytes is the size of name and value.
	Bytes int
	// SetAt is when it got its value, SetBy the name of who gave it.
	SetAt time.Time
	SetBy string
	// Revision is 1 at first; every value raises it.
	Revision int64
	// Version names the value among those that Vault holds under the secret's name.
	Version string
}

// SecretKey is under what Vault holds one version of a secret's value. Names have no
// dots.
func SecretKey(name, version string) string {
	if version == "" {
		return name
	}
	return name + "." + version
}

// Bounds of secrets, that keep a workspace's path in Vault, and the environment of
// its task, far below their limits.
const (
	MaxSecretName    = 128
	MaxSecretValue   = 16 << 10
	MaxSecrets       = 64
	MaxSecretsOfKind = 128 << 10
)

// PersonToSettle is a user of whom Vault has to be told.
type PersonToSettle struct {
	ID string
	// Disabled is what Vault should hold.
	Disabled bool
}

// SecretsToPrune is an owner of whose secrets Vault may hold more than there are.
type SecretsToPrune struct {
	Owner SecretOwner
	// Gone says that the owner is, and nothing is to be left.
	Gone bool
	// Changes is the owner's count of them, Pruned what was last settled; below 0 what
	// was dropped since.
	Changes, Pruned int64
}

// WorkspaceSecrets says which secrets a workspace gets.
type WorkspaceSecrets struct {
	WorkspaceID string
	Slug        Slug
	// Owners are those of its secrets, the weakest first.
	Owners [3]SecretOwner
	// Names are those that may be in the workspace's path by now.
	Names []string
	// Changes of the owners are wanted in the workspace's path, Done are there.
	Changes, Done int64
}
