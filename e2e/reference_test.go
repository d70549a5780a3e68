package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// reference: the contract can be read in a browser, out of the server alone.
func reference(t *testing.T, d *dev, root string) {
	at := d.env["BOTHY_ADDR"] + "/docs"
	seen, err := newBrowser(t, root).play(t, "reference.mjs", "reference", at, []step{
		{Do: "count"}, {Do: "open", Name: "Create a cohort"},
	})
	if err != nil {
		t.Fatalf("%s: %v", seen.Problem, err)
	}
	origin, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"http://" + origin.Host}; !slices.Equal(seen.Origins, want) {
		t.Errorf("the page asked %v, not %v alone", seen.Origins, want)
	}
	if len(seen.Failures) > 0 || len(seen.Complaints) > 0 {
		t.Errorf("failed: %v; the console complains: %q", seen.Failures, seen.Complaints)
	}
	if want := strconv.Itoa(d.operations(t)); seen.Results[0] != want {
		t.Errorf("%s operations are shown, not %s", seen.Results[0], want)
	}
	for _, text := range []string{"Idempotency-Key", "201", "The new cohort.", "fall-26"} {
		if !strings.Contains(seen.Results[1], text) {
			t.Errorf("the operation does not show %q:\n%s", text, seen.Results[1])
		}
	}
}

// operations counts those of the contract that the server gives out.
func (d *dev) operations(t *testing.T) int {
	t.Helper()
	var contract struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.env["BOTHY_ADDR"]+"/v1/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&contract); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, item := range contract.Paths {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if item[strings.ToLower(method)] != nil {
				n++
			}
		}
	}
	if n == 0 {
		t.Fatal("the contract has no operations")
	}
	return n
}
