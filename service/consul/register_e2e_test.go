//go:build e2e

package consul

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// With Bothy's own token: the policy file grants the service by this name.
func TestAServiceIsRegisteredForAsLongAsItRuns(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer server.Close()
	operator, err := api.NewClient(&api.Config{Address: os.Getenv("CONSUL_HTTP_ADDR"), Token: os.Getenv("OPERATOR_CONSUL_TOKEN")})
	if err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf("bothy-e2e-%x", time.Now().UnixNano())
	r, err := NewRegistrar(Config{
		Address: os.Getenv("CONSUL_HTTP_ADDR"), Logger: slog.New(slog.DiscardHandler),
		Token: func() (string, error) { return os.Getenv("CONSUL_HTTP_TOKEN"), nil },
	}, Registration{Name: "bothy", ID: id, Address: server.Listener.Addr().String(), Tags: []string{"e2e"}, CheckPath: "/"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	defer cancel()
	passes := func() bool {
		status, info, err := operator.Agent().AgentHealthServiceByID(id)
		return err == nil && status == api.HealthPassing && len(info.Service.Tags) == 1 && info.Service.Port == r.service.Port
	}
	awaitService(t, "it passes", passes)
	if err := operator.Agent().ServiceDeregister(id); err != nil {
		t.Fatal(err)
	}
	awaitService(t, "it is there again", passes)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, info, err := operator.Agent().AgentHealthServiceByID(id); err == nil && info != nil {
		t.Errorf("it is left behind: %+v", info)
	}
}

func awaitService(t *testing.T, what string, is func() bool) {
	t.Helper()
	limit := time.After(2*lookAfter + 10*time.Second)
	for !is() {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-limit:
			t.Fatalf("it does not come about that %s", what)
		}
	}
}
