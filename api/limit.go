package api

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// A Rate is how often something may be done: a bucket of Burst that fills by PerSecond. The zero
// Rate limits nothing.
type Rate struct{ PerSecond, Burst float64 }

// Limits bound what one caller may ask for.
type Limits struct {
	Reads      Rate // per network address
	Writes     Rate // per account's key, or per address without one
	Knocks     Rate // per agent, those of auditors not counted
	Carries    Rate // per auditor and lease
	StreamsMax int  // event streams at a time, all callers together; zero: no limit
}

// DefaultLimits are those of a public market.
func DefaultLimits() Limits {
	return Limits{Reads: Rate{20, 40}, Writes: Rate{10, 20}, Knocks: Rate{2, 10},
		Carries: Rate{3.0 / 1200, 9}, StreamsMax: 10_000} // three for each try, as auditors ask
}

// bucketsMax bounds what a limiter remembers.
const bucketsMax = 100_000

// A limiter gives every caller a token bucket.
type limiter struct {
	name string
	rate Rate

	mu      sync.Mutex // guards buckets
	buckets map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(name string, r Rate) *limiter {
	return &limiter{name: name, rate: r, buckets: map[string]bucket{}}
}

// take takes n tokens of a caller. It returns how many are left and, when there were too few,
// how long to wait; n zero only looks.
func (l *limiter) take(who string, n float64, now time.Time) (left float64, wait time.Duration) {
	if l.rate.PerSecond <= 0 {
		return math.Inf(1), 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[who]
	if !ok {
		l.makeRoom(now)
		b = bucket{l.rate.Burst, now}
	}
	b.tokens = l.full(b, now)
	b.at = now
	if need := max(n, 1) - b.tokens; need > 0 {
		l.buckets[who] = b
		return b.tokens, time.Duration(need / l.rate.PerSecond * float64(time.Second))
	}
	b.tokens -= n
	l.buckets[who] = b
	return b.tokens, 0
}

func (l *limiter) full(b bucket, now time.Time) float64 {
	return min(l.rate.Burst, b.tokens+max(0, now.Sub(b.at).Seconds())*l.rate.PerSecond)
}

// makeRoom forgets callers whose bucket is full again; if that frees nothing, it forgets some
// others, who thereby get a full bucket.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.buckets) < bucketsMax {
		return
	}
	for who, b := range l.buckets {
		if l.full(b, now) >= l.rate.Burst {
			delete(l.buckets, who)
		}
	}
	for who := range l.buckets {
		if len(l.buckets) < bucketsMax*9/10 {
			return
		}
		delete(l.buckets, who)
	}
}

// spend takes one token and says so in the headers. It returns a refusal when there is none.
func (l *limiter) spend(h http.Header, who string, now time.Time) error {
	left, wait := l.take(who, 1, now)
	if math.IsInf(left, 1) {
		return nil
	}
	h.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%.0f;w=%.0f", l.name, l.rate.Burst,
		math.Ceil(l.rate.Burst/l.rate.PerSecond)))
	h.Set("RateLimit", fmt.Sprintf("%q;r=%.0f;t=%.0f", l.name, math.Floor(left),
		math.Ceil((l.rate.Burst-left)/l.rate.PerSecond)))
	if wait > 0 {
		h.Set("Retry-After", fmt.Sprintf("%.0f", math.Ceil(wait.Seconds())))
		return marketplace.TooMany.Errorf("too many %s: %g a second, %g at once; wait %s", l.name,
			l.rate.PerSecond, l.rate.Burst, wait.Round(10*time.Millisecond))
	}
	return nil
}

// remote returns the caller's address. A proxy that is ours is believed about the one before it.
func remote(r *http.Request, proxies []netip.Prefix) netip.Addr {
	hop, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip := hop.Addr().Unmap()
	before := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(before) - 1; i >= 0 && ours(ip, proxies); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(before[i]))
		if err != nil {
			break
		}
		ip = next.Unmap()
	}
	return ip
}

func ours(ip netip.Addr, proxies []netip.Prefix) bool {
	for _, p := range proxies {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// neighbours is what shares a bucket: an IPv4 address, or the /64 that a line of IPv6 is.
func neighbours(ip netip.Addr) string {
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}
