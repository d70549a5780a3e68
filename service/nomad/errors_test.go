package nomad

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

// answering gives a client of a Nomad that answers everything in the same way.
func answering(t *testing.T, status int, body string) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return clientOf(t, server.URL)
}

func clientOf(t *testing.T, address string) *Client {
	t.Helper()
	c, err := New(Config{Address: address, Namespace: "bothy", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatNomadSaysIsTranslated(t *testing.T) {
	const validation = "1 error occurred:\n\t* Task group g validation failed: 1 error occurred:\n\t* Task t validation failed: 1 error occurred:\n\t* Missing task driver\n\n\n\n"
	tests := []struct {
		status int
		body   string
		code   lab.Code
		says   string
	}{
		{http.StatusForbidden, "Permission denied", lab.CodeRefused, `lacks submit-job in namespace "bothy"`},
		{http.StatusInternalServerError, "No cluster leader", lab.CodeUnavailable, "No cluster leader"},
		{http.StatusTooManyRequests, "too many", lab.CodeUnavailable, "too many"},
		{http.StatusInternalServerError, "rpc error: EOF", lab.CodeUnavailable, "failed"},
		{http.StatusInternalServerError, validation, lab.CodeRefused, "Nomad refused: Task group g validation failed: Task t validation failed: Missing task driver"},
		{http.StatusInternalServerError, "Enforcing job modify index 7: job exists with conflicting job modify index: 31", lab.CodeConflict, "changed by another hand"},
		{http.StatusInternalServerError, "1 error occurred:\n\t* job \"y\" is in nonexistent node pool \"nope\"\n\n", lab.CodeRefused, `nonexistent node pool "nope"`},
	}
	for _, test := range tests {
		c := answering(t, test.status, test.body)
		_, err := c.plan(t.Context(), someJob())
		if lab.CodeOf(err) != test.code || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%d %q: %v\nwant %s saying %q", test.status, test.body, err, test.code, test.says)
		}
	}
}

func TestAJobFileThatNomadCannotReadIsLocated(t *testing.T) {
	tests := []struct{ body, field, problem string }{
		{"Failed to parse job: input.hcl:3,28-4,1: Invalid block; It must be closed.", "job.nomad.hcl:3:28", "Invalid block; It must be closed"},
		{"Failed to parse job: input.hcl:2,3-8: Argument required.", "job.nomad.hcl:2:3", "Argument required"},
		{`Failed to parse job: <nil>: Unset variable "a"; It must be set.`, "job.nomad.hcl", `Unset variable "a"; It must be set`},
	}
	for _, test := range tests {
		_, err := answering(t, http.StatusBadRequest, test.body).parse(t.Context(), []byte("job"))
		var coded *lab.Error
		if !errors.As(err, &coded) || coded.Code != lab.CodeInvalid || len(coded.Fields) != 1 {
			t.Errorf("%q: %v", test.body, err)
			continue
		}
		if f := coded.Fields[0]; f.Name != test.field || f.Problem != test.problem {
			t.Errorf("%q: field %+v", test.body, f)
		}
	}
}

func TestANomadThatIsAwayIsUnavailable(t *testing.T) {
	err := clientOf(t, "http://127.0.0.1:1").Ready(t.Context())
	if lab.CodeOf(err) != lab.CodeUnavailable || !strings.Contains(err.Error(), "http://127.0.0.1:1") {
		t.Errorf("%v, want unavailable, with the address", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := clientOf(t, "http://127.0.0.1:1").Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the canceled context", err)
	}
}

func TestAMissingNamespaceIsNamed(t *testing.T) {
	err := answering(t, http.StatusNotFound, "namespace not found").Ready(t.Context())
	if lab.CodeOf(err) != lab.CodeRefused || !strings.Contains(err.Error(), `no namespace "bothy"`) {
		t.Errorf("%v", err)
	}
}

func TestABadAddressIsNamed(t *testing.T) {
	if _, err := New(Config{Address: "127.0.0.1:4646"}); lab.CodeOf(err) != lab.CodeInvalid {
		t.Errorf("%v, want invalid", err)
	}
}

func TestAVolumeFileIsReadOrLocated(t *testing.T) {
	v, err := parseVolume([]byte(`
type      = "host"
name      = "home-ada"
namespace = "bothy"
node_pool = "default"
plugin_id = "mkdir"
capability {
  access_mode     = "single-node-single-writer"
  attachment_mode = "file-system"
}
parameters {
  mode = "0700"
  uid  = "1000"
}
`))
	if err != nil {
		t.Fatal(err)
	}
	host := v.host("node-1")
	if host.NodeID != "node-1" || host.PluginID != "mkdir" || host.Parameters["uid"] != "1000" || len(host.RequestedCapabilities) != 1 {
		t.Errorf("volume %+v", host)
	}
	for text, place := range map[string]string{
		"type = \"host\"\nname = \"x\"\nsize = 3": "home.volume.hcl:3:1",
		"type = \"nfs\"\nname = \"x\"":            "home.volume.hcl: type",
		"type = ":                                 "home.volume.hcl:1:",
	} {
		if _, err := parseVolume([]byte(text)); lab.CodeOf(err) != lab.CodeInvalid || !strings.Contains(err.Error(), place) {
			t.Errorf("%q: %v, want it invalid at %s", text, err, place)
		}
	}
}
