package metainfo

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// A Guard says which addresses we talk to when a stranger names them: in a torrent's trackers, a
// peer list, a redirect. The zero Guard allows the public internet and nothing else, so that
// nobody can use us to reach a router's page or a cloud's metadata service.
type Guard struct {
	Loopback bool // also this machine: for a devnet and tests
	Private  bool // also private networks: for containers and test labs
}

// notPublic are the networks that no stranger may send us to, beside what net/netip knows.
var notPublic = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

// globalV6 is all of IPv6 that is routed between networks today; NAT64, IPv4 in IPv6 and the like
// are outside and would hide an address that is refused by itself.
var globalV6 = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// Allows says whether we may talk to ip.
func (g Guard) Allows(ip netip.Addr) bool {
	ip = ip.Unmap()
	switch {
	case !ip.IsValid() || ip.Zone() != "" || ip.IsUnspecified():
		return false
	case ip.IsLoopback():
		return g.Loopback
	case ip.IsPrivate():
		return g.Private
	case ip.IsMulticast() || ip.IsLinkLocalUnicast():
		return false
	case ip.Is6() && !globalV6.Contains(ip):
		return false
	}
	for _, p := range notPublic {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}

// Check returns a refusal unless we may talk to addr.
func (g Guard) Check(addr netip.AddrPort) error {
	if addr.Port() == 0 || !g.Allows(addr.Addr()) {
		return marketplace.Invalid.Errorf("address %s is not on the public internet", addr)
	}
	return nil
}

// Dialer returns a dialer that refuses forbidden addresses after names are resolved, at the
// moment of connecting: a name that changes its mind in between gains nothing.
func (g Guard) Dialer(timeout time.Duration) *net.Dialer {
	check := func(_ context.Context, _, address string, _ syscall.RawConn) error {
		addr, err := netip.ParseAddrPort(address)
		if err != nil {
			return marketplace.Invalid.Errorf("address %q is not ip:port", address)
		}
		return g.Check(addr)
	}
	return &net.Dialer{Timeout: timeout, ControlContext: check}
}

// Transport returns an HTTP transport over Dialer. Redirects dial anew and so are checked too. It
// ignores proxies of the environment: a proxy would do what we refuse.
func (g Guard) Transport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		DialContext:           g.Dialer(timeout).DialContext,
		TLSHandshakeTimeout:   timeout,
		ResponseHeaderTimeout: timeout,
		MaxIdleConns:          16,
		MaxConnsPerHost:       4,
		IdleConnTimeout:       30 * time.Second,
	}
}
