package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const someProvider = `oidc {
  issuer    = "https://sso.example.org/realms/school"
  client_id = "bothy"
`

func TestClaimsAreMappedToRolesAndCohorts(t *testing.T) {
	src := newSources(t)
	src.file(someProvider + `
  scopes = ["openid", "groups"]

  role "instructor" {
    claim  = "groups"
    values = ["teachers", "staff"]
  }

  role "instructor" {
    claim  = "realm_access.roles"
    values = ["teach"]
  }

  role "admin" {
    claim  = "https://example.org/roles"
    values = ["root"]
  }

  cohort "fall-26" {
    claim  = "groups"
    values = ["cs101"]
  }
}
`)
	c := src.mustLoad()
	want := []ClaimRule{
		{"instructor", "groups", []string{"teachers", "staff"}},
		{"instructor", "realm_access.roles", []string{"teach"}},
		{"admin", "https://example.org/roles", []string{"root"}},
	}
	if diff := cmp.Diff(want, c.OIDC.Roles); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]ClaimRule{{"fall-26", "groups", []string{"cs101"}}}, c.OIDC.Cohorts); diff != "" {
		t.Error(diff)
	}
	if c.OIDC.Name() != "sso.example.org" || c.RedirectURI() != "http://bothy.localhost:8080/sign-in/provider/callback" {
		t.Errorf("got %q, %q", c.OIDC.Name(), c.RedirectURI())
	}
}

func TestWhatIsWrongWithSingleSignOnIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		file        string
		name, wrong string
	}{
		"no role": {someProvider + `
  role "teacher" {
    claim  = "groups"
    values = ["t"]
  }
}`, `bothy.hcl:5:8: oidc.role "teacher"`, `"teacher" is not one of the choices`},
		"no claim": {someProvider + `
  role "admin" {
    values = ["t"]
  }
}`, `bothy.hcl:5:3: oidc.role "admin"`, "claim is missing"},
		"no values": {someProvider + `
  cohort "fall-26" {
    claim  = "groups"
    values = []
  }
}`, `bothy.hcl:7:14: oidc.cohort "fall-26".values`, "holds no name, or an empty one"},
		"no list": {someProvider + `
  cohort "fall-26" {
    claim  = "groups"
    values = "one"
  }
}`, `bothy.hcl:7:14: oidc.cohort "fall-26".values`, "is string, not a list"},
		"no key": {someProvider + `
  cohort "Fall 26" {
    claim  = "groups"
    values = ["x"]
  }
}`, `bothy.hcl:5:10: oidc.cohort "Fall 26"`, `"Fall 26" is not the key of a cohort`},
		"an unknown attribute": {someProvider + `
  cohort "fall-26" {
    claims = "groups"
    claim  = "groups"
    values = ["x"]
  }
}`, `bothy.hcl:6:5: oidc.cohort "fall-26"`, `unsupported argument: An argument named "claims" is not expected here`},
		"an open line": {`oidc {
  issuer    = "http://sso.example.org"
  client_id = "bothy"
}`, "bothy.hcl:2:15: oidc.issuer", "begins with http://"},
		"no client": {`oidc {
  issuer = "https://sso.example.org"
}`, "bothy.hcl:2:12: oidc.client_id", "is missing"},
		"no openid": {someProvider + `scopes = ["email"]
}`, "bothy.hcl:4:10: oidc.scopes", `lacks "openid"`},
		"no issuer": {`oidc {
  client_id = "bothy"
}`, "bothy.hcl:2:15: oidc.client_id", "is set while oidc.issuer is not"},
		"rules without an issuer": {`oidc {
  role "admin" {
    claim  = "groups"
    values = ["x"]
  }
}`, "oidc.issuer", "is missing while claims are given a meaning"},
		"a secret in the file": {someProvider + `client_secret = "abc"
}`, "bothy.hcl:4:17: oidc.client_secret", "a secret has no place in this file"},
	} {
		t.Run(name, func(t *testing.T) {
			src := newSources(t)
			src.file(c.file)
			found := src.mustFail()
			if len(found) != 1 || !strings.HasSuffix(found[0].Name, c.name) || found[0].Problem != c.wrong || found[0].Remedy == "" && name != "an unknown attribute" {
				t.Errorf("got %q", found)
			}
		})
	}
}
