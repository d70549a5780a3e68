package dev

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/lab"
)

// house knows people by their logins.
type house struct {
	passwords map[string]string
	err       error
}

func (h *house) SetUpPeople(_ context.Context, people []app.Person) ([]bool, error) {
	good := make([]bool, len(people))
	for i, p := range people {
		if _, there := h.passwords[p.Login]; !there || p.Renew {
			h.passwords[p.Login] = p.Password.Reveal()
		}
		good[i] = h.passwords[p.Login] == p.Password.Reveal()
	}
	return good, h.err
}

func TestTheDemosPeopleKeepTheirPasswords(t *testing.T) {
	ctx, file := t.Context(), filepath.Join(t.TempDir(), "passwords")
	h := &house{passwords: map[string]string{}, err: errors.New("sealed")}
	if _, err := ensurePeople(ctx, h, file, "http://b"); err == nil {
		t.Fatal("Vault was away")
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Error("there is a file with passwords that may not be theirs")
	}

	h.err = nil
	first, err := ensurePeople(ctx, h, file, "http://b")
	if err != nil {
		t.Fatal(err)
	}
	roles := map[lab.Role]int{}
	different := map[string]bool{}
	for _, p := range first {
		roles[p.Role]++
		different[p.Password.Reveal()] = true
		if h.passwords[p.Login] != p.Password.Reveal() || len(p.Password.Reveal()) != 19 {
			t.Errorf("%s has the password %q, not %q", p.Login, h.passwords[p.Login], p.Password.Reveal())
		}
	}
	if len(first) != 5 || roles[lab.RoleAdmin] != 1 || roles[lab.RoleInstructor] != 1 || roles[lab.RoleStudent] != 3 || len(different) != 5 {
		t.Errorf("got %v, with %d passwords", first, len(different))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(string(text), "http://b") {
		t.Errorf("%v, %v: %s", info.Mode(), err, text)
	}

	h.passwords[demoAdmin] = "one of their own"
	again, err := ensurePeople(ctx, h, file, "http://b")
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range again {
		want := first[i].Password.Reveal()
		if p.Login == demoAdmin {
			want = ""
		}
		if p.Password.Reveal() != want {
			t.Errorf("%s is told %q, not %q", p.Login, p.Password.Reveal(), want)
		}
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	others, err := ensurePeople(ctx, h, file, "http://b")
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range others {
		if p.Password.Reveal() == first[i].Password.Reveal() || h.passwords[p.Login] != p.Password.Reveal() {
			t.Errorf("without the file, %s has no new password", p.Login)
		}
	}
}
