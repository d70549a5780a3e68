//go:build e2e

package jobspecs_test

import (
	"encoding/binary"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// nameServer answers every question with one address, with "no such name", or not at all.
type nameServer struct {
	conn net.PacketConn
	mu   sync.Mutex
	// address is nil for "no such name".
	address net.IP
	silent  bool
	asked   int
}

func newNameServer(t *testing.T, address string) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &nameServer{conn: conn, address: net.ParseIP(address)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.serve()
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return n
}

// serve answers until the connection is closed (RFC 1035, section 4).
func (n *nameServer) serve() {
	const header, pointerToName = 12, 0xc00c
	packet := make([]byte, 512)
	for {
		size, from, err := n.conn.ReadFrom(packet)
		if err != nil {
			return
		}
		n.mu.Lock()
		address, silent := n.address, n.silent
		n.asked++
		n.mu.Unlock()
		if silent || size < header {
			continue
		}
		answer := append([]byte{}, packet[:size]...)
		binary.BigEndian.PutUint16(answer[2:], 0x8180) // an answer, recursion available
		clear(answer[6:header])
		if address == nil {
			answer[3] |= 3 // NXDOMAIN
		} else {
			answer[7] = 1
			answer = binary.BigEndian.AppendUint16(answer, pointerToName)
			answer = append(answer, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4) // A, IN, a second, four bytes
			answer = append(answer, address.To4()...)
		}
		_, _ = n.conn.WriteTo(answer, from)
	}
}

func (n *nameServer) set(address string, silent bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.address, n.silent = net.ParseIP(address), silent
}

// A door that is known by a name moves to another address, and NGINX follows without
// a reload; where the name is nothing's any more, or nobody answers for it, the door is
// as good as away: who has been in stays in.
func TestTheDoorHasAName(t *testing.T) {
	d := newDoor(t)
	_, port, err := net.SplitHostPort(d.address)
	if err != nil {
		t.Fatal(err)
	}
	names := newNameServer(t, "127.0.0.1")
	settings := deployment()
	settings.DoorURL, settings.DoorResolver = "http://bothy-door.test:"+port, names.conn.LocalAddr().String()
	job, refusal := parse(t, renderFor(t, settings, templates(t)["shell"], nil))
	if refusal != "" {
		t.Fatal(refusal)
	}
	server := httptest.NewServer(tellingWorkspace())
	t.Cleanup(server.Close)
	p := startNGINX(t, job, server.Listener.Addr().String())
	open := func(who string) int { return p.get(t, labsHost, "/"+slug+"/", pass(who)).status }
	if got := open(good); got != 200 {
		t.Fatalf("by its name: %d", got)
	}

	d.goAway()
	d.address = "127.0.0.2:" + port
	d.comeBack()
	names.set("127.0.0.2", false)
	d.set(other, 204)
	eventually(t, "the door is asked at its new address", func() bool { return open(other) == 200 })

	for what, silent := range map[string]bool{"there is no such name": false, "nobody answers for names": true} {
		t.Run(what, func(t *testing.T) {
			names.set("127.0.0.2", false)
			eventually(t, "the visitor is in", func() bool { return open(good) == 200 })
			d.goAway()
			names.set("", silent)
			waitFor(t, "the yes and the name are stale", 11*time.Second)
			for range 3 {
				began := time.Now()
				if got, took := open(good), time.Since(began); got != 200 || took > time.Second {
					t.Errorf("who has been in gets %d after %s", got, took)
				}
			}
			got := p.get(t, labsHost, "/"+slug+"/", pass("NEVERNEVERNEVERNEVERSEEN"), isPage)
			if got.status != 503 || !strings.Contains(got.body, "refresh") {
				t.Errorf("who was never in gets %d %q", got.status, got.body)
			}
			if got := p.get(t, labsHost, "/"+slug+"/-/enter?ticket=T", isPage); got.status != 503 {
				t.Errorf("the way in gives %d", got.status)
			}
			d.comeBack()
			names.set("127.0.0.2", false)
			eventually(t, "the door is found again", func() bool {
				return p.get(t, labsHost, "/"+slug+"/-/enter?ticket=T", isPage).status == 303
			})
		})
	}
}
