package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"testing"
)

// A house is a server of its own with its own door, to which people come in by its
// own pages.
type house struct {
	*server
	// dev is the stack with this house's API in the place of its own Bothy's.
	dev *dev
	folk
}

// newHouse starts one; the zero value of origins for those that a server has.
func newHouse(t *testing.T, d *dev, name, door string, at origins) house {
	t.Helper()
	mail := filepath.Join(d.dir, name, "mail")
	if err := os.MkdirAll(mail, 0o700); err != nil {
		t.Fatal(err)
	}
	if at.port == 0 {
		port, err := freePort(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at.port = port
		at.console, at.labs = fmt.Sprintf("http://bothy.localhost:%d", at.port), "http://"+d.labsHost()
	}
	// The exec driver runs workspaces as this one of the machine's users.
	coder, err := user.Lookup("coder")
	if err != nil {
		t.Fatal(err)
	}
	more := door + fmt.Sprintf("\nmail {\n  folder = %q\n  from   = \"Bothy <bothy@localhost>\"\n}\n\nhome {\n  uid = %s\n  gid = %s\n}\n", mail, coder.Uid, coder.Gid)
	s := newServerAt(t, d, name, more, filepath.Join(d.state(), "secrets", "nomad-bothy.token"), at)
	own := *d
	own.api, own.passes, own.mailbox = s.api, &passes{byDoor: map[string][]*http.Cookie{}}, mail
	return house{server: s, dev: &own, folk: folk{console: at.console, d: &own}}
}
