package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

func TestOnlyOurProxiesSayWhoCalls(t *testing.T) {
	t.Parallel()
	ours := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct{ from, header, want string }{
		{"198.51.100.7:4000", "", "198.51.100.7"},
		{"198.51.100.7:4000", "203.0.113.1", "198.51.100.7"},
		{"10.0.0.1:4000", "203.0.113.1", "203.0.113.1"},
		{"10.0.0.1:4000", "9.9.9.9, 203.0.113.1", "203.0.113.1"},
		{"10.0.0.1:4000", "9.9.9.9, 203.0.113.1, 10.0.0.2", "203.0.113.1"},
		{"10.0.0.1:4000", "nonsense", "10.0.0.1"},
		{"[2001:db8:1:2:3::4]:4000", "", "2001:db8:1:2::/64"},
		{"[::ffff:198.51.100.7]:4000", "", "198.51.100.7"},
	} {
		r := &http.Request{RemoteAddr: c.from, Header: http.Header{}}
		if c.header != "" {
			r.Header.Set("X-Forwarded-For", c.header)
		}
		if got := neighbours(remote(r, ours)); got != c.want {
			t.Errorf("from %s for %q: %s, want %s", c.from, c.header, got, c.want)
		}
	}
}

func TestABucketFillsAndIsForgotten(t *testing.T) {
	t.Parallel()
	l := newLimiter("x", Rate{PerSecond: 2, Burst: 3})
	now := time.Unix(1000, 0)
	for i := range 3 {
		if _, wait := l.take("a", 1, now); wait != 0 {
			t.Fatalf("refused at %d", i)
		}
	}
	if _, wait := l.take("a", 1, now); wait != 500*time.Millisecond {
		t.Errorf("wait %s", wait)
	}
	if _, wait := l.take("b", 1, now); wait != 0 {
		t.Error("one caller pays for another")
	}
	now = now.Add(500 * time.Millisecond)
	if _, wait := l.take("a", 1, now); wait != 0 {
		t.Errorf("after the wait: %s", wait)
	}
	for i := range bucketsMax + 10 {
		l.take(fmt.Sprint(i), 1, now)
	}
	if len(l.buckets) > bucketsMax {
		t.Errorf("remembers %d callers", len(l.buckets))
	}
}
