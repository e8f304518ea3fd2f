package swarm

import "net/netip"

// The library bans who sent wrong bytes, by IP address. On a devnet every peer is 127.0.0.1, so
// one bad replica would take all others with it. Therefore the library never hears of 127.0.0.1:
// each port there is shown to it as an address of its own in 127.128.0.0/9, and the door
// translates when it dials. Peers elsewhere keep their addresses.

var local = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// alias returns the address by which the library knows a peer.
func alias(peer netip.AddrPort) netip.AddrPort {
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	if peer.Addr() != local {
		return peer
	}
	p := peer.Port()
	// #nosec G115 -- bits of a port
	ip := [4]byte{127, 128 | byte(p>>9), byte(p >> 1), 1 + byte(p&1)}
	return netip.AddrPortFrom(netip.AddrFrom4(ip), p)
}

// unalias returns where to dial.
func unalias(peer netip.AddrPort) netip.AddrPort {
	plain := netip.AddrPortFrom(local, peer.Port())
	if alias(plain) == peer {
		return plain
	}
	return peer
}
