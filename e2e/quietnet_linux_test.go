package e2e

import (
	"encoding/binary"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/inetaf/tcpproxy"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A quietNetwork is one that a browser has to itself. Chromium gives up what it asks
// for whenever an interface of its machine comes or goes (net::ERR_NETWORK_CHANGED),
// and every workspace that starts or stops, in whichever test, makes one come or go.
// In here nothing does; what is asked of its loopback the machine's answers.
type quietNetwork struct {
	ns netns.NsHandle
}

// redirectAll sends what is asked of any port of loopback to the one that is relayed.
const redirectAll = `table ip quiet {
	chain output {
		type nat hook output priority -100
		ip daddr 127.0.0.0/8 tcp dport != %[1]d redirect to :%[1]d
	}
}
`

// newQuietNetwork makes one; it ends with the test.
func newQuietNetwork(t *testing.T) quietNetwork {
	t.Helper()
	var n quietNetwork
	var listener net.Listener
	err := onOwnThread(func() (err error) {
		if n.ns, err = netns.New(); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		if err := interfaces(); err != nil {
			return err
		}
		if listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("listen in it: %w", err)
		}
		rules := exec.CommandContext(t.Context(), "nft", "-f", "-")
		rules.Stdin = strings.NewReader(fmt.Sprintf(redirectAll, listener.Addr().(*net.TCPAddr).Port))
		if out, err := rules.CombinedOutput(); err != nil {
			return fmt.Errorf("its rules: %w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("a network for browsers: %v", err)
	}
	var relays sync.WaitGroup
	relays.Go(func() { relayAll(listener, &relays) })
	t.Cleanup(func() {
		_ = listener.Close()
		relays.Wait()
		_ = n.ns.Close()
	})
	return n
}

// onOwnThread runs what changes the network namespace of its thread, which ends with it.
func onOwnThread(do func() error) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: Go ends such a thread
		ended <- do()
	}()
	return <-ended
}

// interfaces gives the thread's network a loopback, and one link by which browsers
// take themselves for online.
func interfaces() error {
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "online"}, PeerName: "peer"}
	if err := netlink.LinkAdd(link); err != nil {
		return fmt.Errorf("add a link: %w", err)
	}
	for _, name := range []string{"lo", "online", "peer"} {
		up, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(up)
		}
		if err != nil {
			return fmt.Errorf("bring %s up: %w", name, err)
		}
	}
	address, err := netlink.ParseAddr("192.0.2.1/24")
	if err == nil {
		err = netlink.AddrAdd(link, address)
	}
	if err != nil {
		return fmt.Errorf("give the link an address: %w", err)
	}
	return nil
}

// start starts a program in the network.
func (n quietNetwork) start(cmd *exec.Cmd) error {
	return onOwnThread(func() error {
		if err := netns.Set(n.ns); err != nil {
			return fmt.Errorf("enter the network namespace: %w", err)
		}
		return cmd.Start()
	})
}

// relayAll connects what comes in with the same port of the machine's loopback.
func relayAll(listener net.Listener, relays *sync.WaitGroup) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // it is closed
		}
		relays.Go(func() {
			port, err := askedPort(conn.(*net.TCPConn))
			if err != nil {
				_ = conn.Close()
				return
			}
			(&tcpproxy.DialProxy{
				Addr: fmt.Sprintf("127.0.0.1:%d", port), DialTimeout: time.Minute,
				OnDialError: func(src net.Conn, _ error) { _ = src.Close() },
			}).HandleConn(conn)
		})
	}
}

// askedPort is the port that a redirected connection was for.
func askedPort(conn *net.TCPConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("the connection's socket: %w", err)
	}
	port := 0
	var asked error
	err = raw.Control(func(fd uintptr) {
		// A sockaddr_in has 16 octets, as many as this option's type, which the package has no better one for.
		var address *unix.IPv6Mreq
		address, asked = unix.GetsockoptIPv6Mreq(int(fd), syscall.IPPROTO_IP, unix.SO_ORIGINAL_DST)
		if asked == nil {
			port = int(binary.BigEndian.Uint16(address.Multiaddr[2:4]))
		}
	})
	if err == nil {
		err = asked
	}
	if err != nil {
		return 0, fmt.Errorf("where a connection was for: %w", err)
	}
	return port, nil
}
