package marketplace

import (
	"net/netip"
	"strings"
)

// KnockKind is the kind of the event that tells an agent of a knock. Nobody else is told, and it is
// in no list of events.
const KnockKind = "knock"

// A Knock asks an agent to connect to an address for a torrent that it is paid for, because nobody
// can connect to the agent. Downloaders and auditors knock alike.
type Knock struct {
	Infohash Infohash `json:"infohash"`
	Agent    Address  `json:"agent" doc:"Who shall connect"`
	Address  string   `json:"address" doc:"Where the caller listens for BitTorrent peers, ip:port; without ip: at the address that the market sees"`
}

// A Door is where somebody listens for agents that it knocks for.
type Door struct {
	Address string `json:"address" doc:"Where the caller listens, as in a knock"`
}

// A DoorState is what came of connecting to a door.
type DoorState struct {
	Reached bool   `json:"reached" doc:"The market could connect to it"`
	Detail  string `json:"detail,omitempty" doc:"Why not"`
}

// From returns where a knock leads that came from an address. It must lead to the caller's own
// network, or agents could be sent against anybody.
func (k Knock) From(r Rules, ip netip.Addr) (netip.AddrPort, error) {
	ip = ip.Unmap()
	text := k.Address
	if strings.HasPrefix(text, ":") && ip.IsValid() {
		text = strings.TrimSuffix(netip.AddrPortFrom(ip, 0).String(), ":0") + text
	}
	to, err := netip.ParseAddrPort(text)
	if err != nil || to.Port() == 0 {
		return to, field("address", "is %.60q; it must be ip:port, or :port", k.Address)
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	near := ip.IsValid() && r.Network(to.Addr()) == r.Network(ip)
	if !near && !(to.Addr().IsLoopback() && ip.IsLoopback()) {
		return to, field("address", "%s is not in the network that you ask from, %s", to, ip)
	}
	return to, nil
}
