package e2e

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listeners gives the addresses of the listening TCP sockets of one network
// namespace from its folder below /proc ("/proc/123/net").
func listeners(procNet string) ([]string, error) {
	var list []string
	for _, file := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(filepath.Join(procNet, file))
		if os.IsNotExist(err) && file == "tcp6" {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list listening sockets: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			const listen = "0A" // TCP_LISTEN of the kernel's include/net/tcp_states.h
			fields := strings.Fields(line)
			if len(fields) < 4 || fields[3] != listen {
				continue
			}
			address, err := socketAddress(fields[1])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			list = append(list, address.String())
		}
	}
	return list, nil
}

// socketAddress reads "0100007F:1F90" as 127.0.0.1:8080. The kernel prints an
// address as 32 bit words in the machine's own byte order (proc_net_tcp).
func socketAddress(text string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(text, ":")
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("socket address %q has no port", text)
	}
	raw, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("socket address %q: %w", text, err)
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		word := binary.BigEndian.Uint32(raw[i:])
		binary.NativeEndian.PutUint32(raw[i:], word)
	}
	address, ok := netip.AddrFromSlice(raw)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("socket address %q has %d bytes", text, len(raw))
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("socket address %q: %w", text, err)
	}
	return netip.AddrPortFrom(address, uint16(number)), nil
}
