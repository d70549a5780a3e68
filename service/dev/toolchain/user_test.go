package toolchain

import (
	"errors"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/google/go-cmp/cmp"
)

const rootLine = "root:x:0:0:root:/root:/bin/bash\n"

func TestEnsureUserFindsTheAccount(t *testing.T) {
	h := bareDebian()
	h.files["/etc/passwd"] = rootLine + "coder:x:1234:1235::/home/coder:/bin/bash\n"
	got, err := ensureUser(t.Context(), h, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(User{Name: "coder", UID: 1234, GID: 1235, Home: "/home/coder"}, got); diff != "" {
		t.Error(diff)
	}
	if len(h.ran) > 0 {
		t.Errorf("ran %v", h.ran)
	}
}

func TestEnsureUserMakesTheAccount(t *testing.T) {
	for name, test := range map[string]struct{ passwd, group, want string }{
		"with the usual id": {
			rootLine, "root:x:0:\n",
			"useradd --no-create-home --home-dir /home/coder --shell /bin/bash --user-group --uid 1000 coder",
		},
		"with another where somebody has it": {
			rootLine + "ana:x:1000:1000::/home/ana:/bin/bash\n", "ana:x:1000:\n",
			"useradd --no-create-home --home-dir /home/coder --shell /bin/bash --user-group coder",
		},
		"in a group that is there already": {
			rootLine, "coder:x:2000:\n",
			"useradd --no-create-home --home-dir /home/coder --shell /bin/bash --gid coder --uid 1000 coder",
		},
	} {
		h := bareDebian()
		h.install("useradd")
		h.files["/etc/passwd"], h.files["/etc/group"] = test.passwd, test.group
		h.runs["useradd"] = func(command) error {
			h.files["/etc/passwd"] += "coder:x:1001:1001::/home/coder:/bin/bash\n"
			return nil
		}
		u, err := ensureUser(t.Context(), h, func(Event) {})
		if err != nil || u.UID != 1001 {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
		if diff := cmp.Diff([]string{test.want}, h.ran); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestEnsureUserRefusesAnAccountThatWorkspacesCannotUse(t *testing.T) {
	for name, line := range map[string]string{
		"another home": "coder:x:1000:1000::/srv/coder:/bin/bash\n",
		"no shell":     "coder:x:1000:1000::/home/coder:/usr/sbin/nologin\n",
		"the root":     "coder:x:0:0::/home/coder:/bin/bash\n",
	} {
		h := bareDebian()
		h.files["/etc/passwd"] = rootLine + line
		_, err := ensureUser(t.Context(), h, nil)
		if lab.CodeOf(err) != lab.CodeConflict {
			t.Errorf("%s: error %v, want a conflict", name, err)
		}
	}
}

func TestEnsureUserSaysWhatToRunWithoutRoot(t *testing.T) {
	h := bareDebian()
	h.install("useradd")
	h.root = false
	h.files["/etc/passwd"], h.files["/etc/group"] = rootLine, ""
	_, err := ensureUser(t.Context(), h, nil)
	var coded *lab.Error
	if !errors.As(err, &coded) || !strings.HasPrefix(coded.Hint, "run: sudo useradd --no-create-home") {
		t.Errorf("error %v", err)
	}
}
