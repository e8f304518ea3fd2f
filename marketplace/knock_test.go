package marketplace

import (
	"net/netip"
	"testing"
)

func TestAKnockStaysInItsNetwork(t *testing.T) {
	t.Parallel()
	for from, tell := range map[string]map[string]bool{
		"203.0.113.7":     {"203.0.113.200:1": true, "203.0.114.7:1": false, ":9": true, "[::1]:9": false},
		"2001:db8:1:2::3": {"[2001:db8:1:9::1]:1": true, "[2001:db8:2::1]:1": false, ":9": true},
		"127.0.0.1":       {"127.9.8.7:1": true, "[::1]:1": true, "203.0.113.7:1": false},
	} {
		for address, ok := range tell {
			to, err := Knock{Address: address}.From(DefaultRules(),
				netip.MustParseAddr(from))
			if (err == nil) != ok {
				t.Errorf("from %s to %s: %s, %v", from, address, to, err)
			}
		}
	}
}
