package metainfo

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

func TestGuardAllowsOnlyThePublicInternet(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]bool{
		"1.1.1.1": true, "93.184.216.34": true, "2606:4700::1111": true, "::ffff:1.1.1.1": true,
		"127.0.0.1": false, "::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "::": false,
		"10.0.0.1": false, "172.16.3.4": false, "192.168.1.1": false, "fc00::1": false,
		"100.64.0.1": false, "169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false,
		"224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false,
		"192.0.2.1": false, "198.18.0.1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false,
		"2001:db8::1": false, "::7f00:1": false, "2001::1": false,
	} {
		if got := (Guard{}).Allows(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s allowed: %v, want %v", ip, got, want)
		}
	}
	devnet := Guard{Loopback: true}
	if !devnet.Allows(netip.MustParseAddr("127.0.0.1")) || devnet.Allows(netip.MustParseAddr("10.0.0.1")) {
		t.Error("a devnet's guard must allow this machine and no private network")
	}
}

func TestGuardRefusesANameThatLeadsHome(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_, err = Guard{}.Dialer(time.Second).DialContext(t.Context(), "tcp", "localhost:"+port)
	if !errors.Is(err, marketplace.Invalid) {
		t.Fatalf("dialling localhost gave %v", err)
	}
	c, err := Guard{Loopback: true}.Dialer(time.Second).DialContext(t.Context(), "tcp", "localhost:"+port)
	if err != nil {
		t.Fatalf("a devnet's guard refused loopback: %v", err)
	}
	c.Close()
}
