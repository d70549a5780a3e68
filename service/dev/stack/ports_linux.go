package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// checkPorts finds ports that something listens on already.
func checkPorts(ctx context.Context, ports Ports) error {
	held := map[int]*holder{}
	for _, f := range ports.fields() {
		free, err := portFree(ctx, *f.value, f.udp)
		if err != nil {
			return fmt.Errorf("try port %d: %w", *f.value, err)
		}
		if !free {
			held[*f.value] = nil
		}
	}
	if len(held) == 0 {
		return nil
	}
	for port, by := range portHolders() {
		if _, ok := held[port]; ok {
			held[port] = &by
		}
	}
	return portConflicts(ports, held)
}

// portFree tries to listen.
func portFree(ctx context.Context, port int, udp bool) (bool, error) {
	var lc net.ListenConfig
	address := net.JoinHostPort(loopback, strconv.Itoa(port))
	l, err := lc.Listen(ctx, "tcp4", address)
	if err == nil {
		err = l.Close()
	}
	if err == nil && udp {
		var c net.PacketConn
		if c, err = lc.ListenPacket(ctx, "udp4", address); err == nil {
			err = c.Close()
		}
	}
	if errors.Is(err, unix.EADDRINUSE) {
		return false, nil
	}
	return err == nil, err
}

// portHolders finds who listens on which port, as far as /proc shows it.
func portHolders() map[int]holder {
	inodes := map[string]int{}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		f, err := os.Open("/proc/net/" + table)
		if err != nil {
			continue
		}
		for scan := bufio.NewScanner(f); scan.Scan(); {
			if port, inode, ok := parseSocket(scan.Text()); ok {
				inodes["socket:["+inode+"]"] = port
			}
		}
		_ = f.Close()
	}
	holders := map[int]holder{}
	procs, err := listProcs()
	if err != nil {
		return holders
	}
	for _, p := range procs {
		fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.PID))
		if err != nil {
			continue
		}
		for _, fd := range fds {
			target, err := os.Readlink(fd)
			if err != nil {
				continue
			}
			if port, ok := inodes[target]; ok {
				holders[port] = holder{PID: p.PID, Command: p.Comm}
			}
		}
	}
	return holders
}

// parseSocket reads a line of /proc/net/{tcp,udp}: port and inode of a socket
// that listens (or, for UDP, is bound and not connected).
func parseSocket(line string) (port int, inode string, ok bool) {
	const (
		fieldLocal, fieldState, fieldInode = 1, 3, 9

		tcpListen, udpUnconnected = "0A", "07"
	)
	fields := strings.Fields(line)
	if len(fields) <= fieldInode || (fields[fieldState] != tcpListen && fields[fieldState] != udpUnconnected) {
		return 0, "", false
	}
	_, hex, found := strings.Cut(fields[fieldLocal], ":")
	n, err := strconv.ParseUint(hex, 16, 16)
	if !found || err != nil {
		return 0, "", false
	}
	return int(n), fields[fieldInode], true
}
