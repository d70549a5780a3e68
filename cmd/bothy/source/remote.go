package source

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

var (
	// scp is Git's short form of an address over SSH: "git@example.org:labs/templates.git".
	scp = regexp.MustCompile(`^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^:]+$`)
	// revision is what a branch, a tag or a commit may be called here.
	revision = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+-]*$`)
	// helper is how Git names a helper program, "ext::…", which would run what it is told.
	helper = regexp.MustCompile(`^[A-Za-z0-9+.-]+::`)
)

// remote is a Git repository and what is wanted of it.
type remote struct {
	// url is as git takes it, without a password.
	url string
	// path is the folder or file in it, "" for the top; ref the branch, tag or commit, "" for the default.
	path, ref string
}

// parseRemote reads "https://git.example.edu/labs.git//templates?ref=main"; nil
// for what names a file or folder of this machine. It never repeats a password.
func parseRemote(text string) (*remote, error) {
	address, query, hasQuery := strings.Cut(text, "?")
	scheme, _, isURL := strings.Cut(address, "://")
	inside := strings.Contains(strings.TrimPrefix(address, scheme+"://"), "//")
	isGit := isURL || scp.MatchString(address) || helper.MatchString(address) || hasQuery ||
		strings.HasSuffix(strings.TrimRight(address, "/"), ".git") || inside
	if !isGit {
		return nil, nil //nolint:nilnil // what is no repository is an answer
	}
	wrong := func(problem, remedy string) (*remote, error) {
		return nil, lab.Invalid("the repository can't be used", lab.Field{Name: "repository", Problem: problem, Remedy: remedy})
	}
	if helper.MatchString(address) || isURL && !slices.Contains([]string{"https", "ssh", "file"}, scheme) {
		return wrong("is not reached over https, ssh or a file", "write it as https://…, ssh://…, user@host:path or as a path")
	}
	r := &remote{url: address}
	if inside {
		start := 0
		if isURL {
			start = len(scheme) + len("://")
		}
		at := start + strings.Index(address[start:], "//")
		r.url, r.path = address[:at], path.Clean(strings.Trim(address[at:], "/"))
	}
	if strings.HasPrefix(r.path, "..") {
		return wrong("names a folder outside of it", "name a folder of the repository after //")
	}
	if r.path == "." {
		r.path = ""
	}
	if strings.HasPrefix(r.url, "-") || r.url == "" {
		return wrong("begins with a hyphen or is empty", "name a repository")
	}
	if isURL {
		u, err := url.Parse(r.url)
		if err != nil {
			return wrong("is no URL", "write it as https://git.example.edu/labs.git")
		}
		if _, password := u.User.Password(); password || u.User != nil && scheme != "ssh" {
			return wrong("holds a user name or a password, which other programs of this machine could see", "leave them out; Git's credential helpers keep them")
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return wrong("has a query that can't be read", "write ?ref=<branch, tag or commit>")
	}
	for name := range values {
		if name != "ref" {
			return wrong("has a query with something else than ref", "write ?ref=<branch, tag or commit>")
		}
	}
	r.ref = values.Get("ref")
	if hasQuery && (!revision.MatchString(r.ref) || strings.Contains(r.ref, "..")) {
		return wrong("has no usable ref", "write ?ref=<branch, tag or commit>")
	}
	return r, nil
}

// String gives the repository as it is shown.
func (r remote) String() string {
	text := r.url
	if r.path != "" {
		text += "//" + r.path
	}
	if r.ref != "" {
		text += "?ref=" + r.ref
	}
	return text
}

// public gives a repository's address without whatever could be a secret: people
// keep tokens in the addresses of their remotes.
func public(address string) string {
	if scp.MatchString(address) {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	switch {
	case u.User == nil:
	case u.Scheme == "ssh":
		u.User = url.User(u.User.Username())
	default:
		u.User = nil
	}
	if strings.Contains(u.Opaque, "@") {
		return ""
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String()
}
