package lab

import (
	"maps"
	"time"
)

// TemplateVersion is one version of a template as it was registered. It never
// changes: another source is another version. Written by the registrar.
type TemplateVersion struct {
	ID string
	// Name is what courses call the template by.
	Name string
	// Version counts from 1 for each name.
	Version int64
	// Digest is the SHA-256 of Source, in hex.
	Digest      string
	Description string
	// Source is the job file, byte for byte. Lists leave it out.
	Source string
	Origin TemplateOrigin
	// Author is who wrote it, as whoever registered it says.
	Author Author
	// RegisteredBy is the name of the credential that it was registered with, or
	// of the server where that took it up by itself.
	RegisteredBy string
	Message      string
	CreatedAt    time.Time
}

// OriginKind says where a template's source was taken from.
type OriginKind string

// The kinds. The server itself registers what is built in or in its folder;
// what is pushed was in a Git work tree or was not.
const (
	OriginBuiltin OriginKind = "builtin"
	OriginFolder  OriginKind = "folder"
	OriginGit     OriginKind = "git"
	OriginUpload  OriginKind = "upload"
)

// TemplateOrigin is where a template's source was taken from, as whoever
// registered it says; "" is not known.
type TemplateOrigin struct {
	Kind OriginKind
	// URL is the Git repository's, without a password.
	URL string
	// Path is the file's, within the repository or the folder.
	Path string
	// Revision is the commit.
	Revision string
	// Dirty says that the work tree had changes that are in no commit.
	Dirty bool
}

// Author is a person as Git names people.
type Author struct {
	Name  string
	Email string
}

// TemplateState is what a new version of a template is decided from, read in the
// transaction that registers it. The versions are without their source; Version
// is 0 where there is none.
type TemplateState struct {
	Newest TemplateVersion
	// Same is the newest version with the digest that is to be registered.
	Same TemplateVersion
}

// CourseState is what a change of a course is decided from, read in the change's own transaction.
type CourseState struct {
	Course
	// Classes are those that take the course, by their keys.
	Classes []Class
	// Lookup gives a version of a template, with its source; 0 is the newest.
	// CodeNotFound when there is none.
	Lookup func(name string, version int64) (TemplateVersion, error)
}

// MergeParameters gives a course's parameters with a class's overrides in their
// place. Neither is changed; the answer may be one of them.
func MergeParameters(course, class map[string]any) map[string]any {
	if len(class) == 0 {
		return course
	}
	merged := make(map[string]any, len(course)+len(class))
	maps.Copy(merged, course)
	maps.Copy(merged, class)
	return merged
}
