package command

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

// bareNomad has neither namespace nor policy until it is told. The real Nomad is
// asked in service/nomad.
type bareNomad struct{ told map[string]bool }

func (n *bareNomad) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Nomad-Token") != "the-operators" {
		http.Error(w, "Permission denied", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodGet {
		n.told[r.URL.Path] = true
		_, _ = w.Write([]byte("{}"))
		return
	}
	http.Error(w, "not found", http.StatusNotFound)
}

func TestSetupShowsWhatDiffersAndAppliesItWhenToldTo(t *testing.T) {
	nomad := &bareNomad{told: map[string]bool{}}
	server := httptest.NewServer(nomad)
	defer server.Close()
	w := newWorld(t)
	w.vars["NOMAD_ADDR"], w.vars["NOMAD_TOKEN"] = server.URL, "the-operators"
	w.run("setup", "nomad", "-dry-run").fails(exitLocal).
		says("namespace bothy", "policy bothy", `+namespace "bothy" {`, "2 differences; nothing was changed.")
	w.run("setup", "nomad").fails(exitLocal, "Error: nothing was changed")
	if len(nomad.told) != 0 {
		t.Errorf("it told %v", nomad.told)
	}
	w.run("setup", "nomad", "-yes").ok().says("policy bothy: done")
	if len(nomad.told) != 2 {
		t.Errorf("it told %v", nomad.told)
	}
	w.vars["NOMAD_TOKEN"] = "another"
	w.run("setup", "nomad", "-dry-run").fails(exitRemote, "Error: ")
}

func TestWhatANewAdminsPasswordHasEndedIsSaid(t *testing.T) {
	for want, ended := range map[string]lab.Ended{
		"2 sessions and 1 API token":    {Sessions: 2, Tokens: 1},
		"no sessions and no API tokens": {},
	} {
		if got := held(ended); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
