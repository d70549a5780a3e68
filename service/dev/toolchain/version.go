package toolchain

import (
	"fmt"
	"regexp"

	"golang.org/x/mod/semver"
)

// versionRange is the versions that are accepted: From, or newer and below Below.
type versionRange struct{ From, Below string }

func (r versionRange) String() string { return fmt.Sprintf("%s or newer, below %s", r.From, r.Below) }

// versionPattern finds a version in what a program prints about itself: "Nomad
// v1.11.3", "Vault v1.21.2+ent, built ...", "1.6.3 go1.26.8".
var versionPattern = regexp.MustCompile(`(?:^|[\s/v])(\d+\.\d+\.\d+)(-[0-9A-Za-z.]+)?(\+[0-9A-Za-z.]+)?`)

// parseVersion gives the first version in a program's output, "" when there is none.
func parseVersion(output string) string {
	m := versionPattern.FindStringSubmatch(output)
	if m == nil {
		return ""
	}
	return m[1] + m[2] + m[3]
}

// reject says why a version is not accepted, "" when it is.
func (r versionRange) reject(version string) string {
	v := "v" + version
	switch {
	case !semver.IsValid(v):
		return "it does not say its version"
	case semver.Prerelease(v) != "":
		return fmt.Sprintf("%s is not a release", version)
	case semver.Compare(v, "v"+r.From) < 0:
		return fmt.Sprintf("%s is older than %s", version, r.From)
	case semver.Compare(v, "v"+r.Below) >= 0:
		return fmt.Sprintf("%s is not below %s", version, r.Below)
	}
	return ""
}
