//go:build e2e

package consul

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/bothylabs/bothy/service/lab"
)

// TestAServiceOfARealConsul needs a real Consul at CONSUL_HTTP_ADDR, Bothy's own
// token in CONSUL_HTTP_TOKEN, and in OPERATOR_CONSUL_TOKEN one that may register
// services.
func TestAServiceOfARealConsul(t *testing.T) {
	for _, name := range []string{"CONSUL_HTTP_ADDR", "CONSUL_HTTP_TOKEN", "OPERATOR_CONSUL_TOKEN"} {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set: this test needs a real Consul", name)
		}
	}
	w, err := New(Config{
		Address: os.Getenv("CONSUL_HTTP_ADDR"), Logger: slog.New(slog.DiscardHandler),
		Token: func() (string, error) { return os.Getenv("CONSUL_HTTP_TOKEN"), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})

	operator, err := api.NewClient(&api.Config{Address: os.Getenv("CONSUL_HTTP_ADDR"), Token: os.Getenv("OPERATOR_CONSUL_TOKEN")})
	if err != nil {
		t.Fatal(err)
	}
	agent := operator.Agent()
	name := fmt.Sprintf("e2e-%x", time.Now().UnixNano())
	if err := agent.ServiceRegister(&api.AgentServiceRegistration{
		Name: name, Tags: []string{"bothy"}, Port: 1,
		Check: &api.AgentServiceCheck{CheckID: name, TTL: "10m", Status: api.HealthCritical},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.ServiceDeregister(name) })
	other := name + "-untagged"
	if err := agent.ServiceRegister(&api.AgentServiceRegistration{
		Name: other, Port: 1, Check: &api.AgentServiceCheck{TTL: "10m", Status: api.HealthPassing},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.ServiceDeregister(other) })

	awaitHealth(t, w, name, lab.HealthCritical)
	if err := agent.UpdateTTL(name, "", api.HealthPassing); err != nil {
		t.Fatal(err)
	}
	awaitHealth(t, w, name, lab.HealthPassing)
	if err := agent.ServiceDeregister(name); err != nil {
		t.Fatal(err)
	}
	awaitHealth(t, w, name, "")
	if services, unread := w.Services(); services[other] != "" || unread != "" {
		t.Errorf("a service without the tag is watched: %v, %q", services, unread)
	}
}

func awaitHealth(t *testing.T, w *Watcher, name string, want lab.Health) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		services, unread := w.Services()
		if unread == "" && services[name] == want {
			return
		}
		select {
		case <-w.Changed():
		case <-limit:
			t.Fatalf("%s is %q (unread %q), want %q", name, services[name], unread, want)
		}
	}
}
