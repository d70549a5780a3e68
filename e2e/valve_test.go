package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// A valve stands between a client and a server's port, so that a test can take
// the server away from this one client and give it back.
type valve struct {
	address string // where the client connects to
	target  string

	mu       sync.Mutex
	listener net.Listener // nil while shut
	conns    map[net.Conn]struct{}
	running  sync.WaitGroup
}

// newValve gives an open valve before the target; the test's end shuts it.
func newValve(t *testing.T, target string) *valve {
	t.Helper()
	v := &valve{target: target, address: "127.0.0.1:0", conns: map[net.Conn]struct{}{}}
	v.open(t)
	t.Cleanup(v.shut)
	return v
}

// open lets connections through.
func (v *valve) open(t *testing.T) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", v.address)
	if err != nil {
		t.Fatalf("open the valve: %v", err)
	}
	v.mu.Lock()
	v.listener, v.address = listener, listener.Addr().String()
	v.mu.Unlock()
	v.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // shut
			}
			v.running.Go(func() { v.carry(listener, conn) })
		}
	})
}

// shut refuses connections and cuts those that are open.
func (v *valve) shut() {
	v.mu.Lock()
	if v.listener != nil {
		_ = v.listener.Close()
		v.listener = nil
	}
	for conn := range v.conns {
		_ = conn.Close()
	}
	v.mu.Unlock()
	v.running.Wait()
}

// keep remembers a connection for shut, unless the listener that took it is shut already.
func (v *valve) keep(listener net.Listener, conn net.Conn) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.listener != listener {
		return errors.Join(errors.New("shut"), conn.Close())
	}
	v.conns[conn] = struct{}{}
	return nil
}

func (v *valve) forget(conn net.Conn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.conns, conn)
	_ = conn.Close()
}

func (v *valve) carry(listener net.Listener, from net.Conn) {
	if v.keep(listener, from) != nil {
		return
	}
	defer v.forget(from)
	to, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", v.target)
	if err != nil || v.keep(listener, to) != nil {
		return
	}
	defer v.forget(to)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	both.Wait()
}

// freePort gives a port of loopback that nobody listens on.
func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("%s is no TCP address", listener.Addr())
	}
	return address.Port, nil
}
