package stack

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/bothylabs/bothy/service/lab"
)

// makeBridge makes the network bridge before Nomad needs it: the bridge carries
// the stack's name, so that cleaning up knows it, and the host has its address on
// it from the start.
func makeBridge(cfg Config, id string) error {
	subnet, err := parseSubnet(cfg.BridgeSubnet)
	if err != nil {
		return fmt.Errorf("bridge subnet: %w", err)
	}
	if err := networkFree(cfg, subnet); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = cfg.BridgeName
	// A bridge without an address of its own takes on its ports' ones.
	sum := sha256.Sum256([]byte(id))
	attrs.HardwareAddr = append(net.HardwareAddr{0x02}, sum[:5]...)
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("make the bridge %s: %w", cfg.BridgeName, err)
	}
	address := &netlink.Addr{IPNet: &net.IPNet{
		IP:   cfg.gateway().AsSlice(),
		Mask: net.CIDRMask(subnet.Bits(), subnet.Addr().BitLen()),
	}}
	// The name comes first: from then on a sweep removes the bridge.
	err = netlink.LinkSetAlias(bridge, id)
	if err == nil {
		err = netlink.AddrAdd(bridge, address)
	}
	if err == nil {
		err = netlink.LinkSetUp(bridge)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("set up the bridge %s: %w", cfg.BridgeName, err), removeLink(cfg.BridgeName))
	}
	return nil
}

// networkFree refuses a bridge name or a network that somebody else uses.
func networkFree(cfg Config, subnet netip.Prefix) error {
	links, err := complete(netlink.LinkList)
	if err != nil {
		return fmt.Errorf("list network interfaces: %w", err)
	}
	for _, link := range links {
		if link.Attrs().Name == cfg.BridgeName {
			return networkTaken("-bridge", fmt.Sprintf("a network interface %s exists already", cfg.BridgeName),
				"choose another name with -bridge")
		}
		addresses, err := complete(func() ([]netlink.Addr, error) { return netlink.AddrList(link, netlink.FAMILY_V4) })
		if err != nil {
			return fmt.Errorf("list addresses of %s: %w", link.Attrs().Name, err)
		}
		for _, a := range addresses {
			other, ok := prefixOf(a.IPNet)
			if ok && other.Overlaps(subnet) {
				return networkTaken("-bridge-subnet",
					fmt.Sprintf("%s overlaps %s of the network interface %s", subnet, other, link.Attrs().Name),
					"choose another network with -bridge-subnet")
			}
		}
	}
	return nil
}

func networkTaken(setting, problem, remedy string) error {
	return &lab.Error{
		Code: lab.CodeConflict, Message: "the workspaces' network is taken",
		Fields: []lab.Field{{Name: setting, Problem: problem, Remedy: remedy}},
	}
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	a, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	if !ok {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a.Unmap(), bits).Masked(), true
}
