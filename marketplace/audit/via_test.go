package audit_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
)

// proxyAt is a SOCKS5 proxy (RFC 1928) that calls from an address of its own, for who knows that its password
// is "secret".
func proxyAt(t *testing.T, from, password string) audit.Via {
	t.Helper()
	at := peer(t, func(c net.Conn) {
		read := func(n int) []byte {
			b := make([]byte, n)
			_, _ = io.ReadFull(c, b)
			return b
		}
		read(int(read(2)[1])) // the ways of signing in that it knows
		_, _ = c.Write([]byte{5, 2})
		user := read(int(read(2)[1]))
		given := read(int(read(1)[0]))
		if string(user) != "me" || string(given) != "secret" {
			_, _ = c.Write([]byte{1, 1})
			return
		}
		_, _ = c.Write([]byte{1, 0})
		read(4) // version, connect, -, IPv4
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte(read(4))), binary.BigEndian.Uint16(read(2)))
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		out, err := dialer.Dial("tcp", to.String())
		answer := []byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0}
		if err != nil {
			answer[1] = 5 // connection refused
		}
		if _, _ = c.Write(answer); err == nil {
			between(c, out, false)
		}
	})
	return via(t, fmt.Sprintf("socks5://me:%s@%s", password, at))
}

func via(t *testing.T, text string) audit.Via {
	t.Helper()
	v, err := audit.NewVia(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestHalfOfTheVisitsThatAreNotItsOwnComeByAProxy(t *testing.T) {
	t.Parallel()
	c := aCarried(t, &porter{address: marketplace.Address{6}, from: "127.0.0.6"})
	c.twelve()
	c.vias = []audit.Via{proxyAt(t, "127.0.0.9", "secret")}
	for _, r := range c.reports(12) {
		if r.Outcome != pass {
			t.Errorf("lease %d: %+v", r.Lease, r)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	from := map[string]int{}
	for _, seen := range c.seen {
		from[seen.Addr().String()]++
	}
	if len(from) != 2 || from["127.0.0.6"] == 0 || from["127.0.0.9"] == 0 {
		t.Errorf("the agent saw %v", from)
	}
}

// twelve makes twelve leases of the one, so that chance has something to draw from.
func (c *carried) twelve() {
	for id := int64(2); id <= 12; id++ {
		l := c.leases[0]
		l.ID = id
		c.leases = append(c.leases, l)
	}
}

func TestAProxyIsNoFaultOfTheAgent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		via  audit.Via
		want marketplace.Outcome
	}{
		"the agent refuses":          {proxyAt(t, "127.0.0.9", "secret"), away},
		"the proxy is gone":          {via(t, "socks5://"+nobody(t)), marketplace.AuditorFault},
		"the proxy refuses to serve": {proxyAt(t, "127.0.0.9", "wrong"), marketplace.AuditorFault},
	} {
		c := aCarried(t)
		c.vias = []audit.Via{tc.via}
		c.rules.Attempts = 1
		c.leases[0].Peer = nobody(t)
		c.twelve()
		found := map[marketplace.Outcome]int{}
		for _, r := range c.reports(12) {
			found[r.Outcome]++
		}
		// Half of them come by their own line, to where nobody is.
		by := found[tc.want]
		if delete(found, tc.want); by == 0 || tc.want == away && len(found) > 0 || by+found[away] < 12 {
			t.Errorf("%s: %d of %s, and %v", name, by, tc.want, found)
		}
	}
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestWhereAProxyIs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"socks5://192.0.2.1:1080", "socks5://a:b@proxy.example:1080"} {
		if _, err := audit.NewVia(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"", "192.0.2.1:1080", "http://a:geheim@192.0.2.1:1080", "socks5://a:geheim@host",
		"socks5://a:geheim@h:1/x", "socks5://a:geheim%@h:1"} {
		_, err := audit.NewVia(text)
		if !errors.Is(err, marketplace.Invalid) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
