package matcher

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// randomBook draws a small book in which everything collides: few prices, few owners, few
// networks, little room.
func randomBook(t *rapid.T) Frozen {
	var f Frozen
	n := func(lo, hi int, what string) int { return rapid.IntRange(lo, hi).Draw(t, what) }
	price := func() marketplace.Amount { return marketplace.Tick.MulDiv(uint64(n(1, 9, "price")), 1) }
	some := func(percent int, what string) bool { return n(1, 100, what) <= percent }
	for id := range n(0, 12, "offers") {
		o := offer(int64(id+1), "0")
		o.PostedAt = start.Add(time.Duration(n(0, 3, "posted")) * time.Second)
		o.Agent, o.Terms.Payee = who(id), who(payees+n(0, 8, "payee"))
		if some(10, "paid itself") {
			o.Terms.Payee = who(n(0, 11, "agent"))
		}
		o.Terms.PriceMin, o.Terms.Storage = price(), int64(n(1, 8, "storage"))
		o.Used, o.Leases = int64(n(0, 2, "used")), n(0, 1, "leases")
		o.Terms.LeasesMax, o.Terms.TorrentMax = n(1, 8, "leases max"), int64(n(2, 4, "torrent max"))
		o.Terms.Region = marketplace.Regions[n(0, 2, "region")]
		o.Terms.UploadRate = int64(n(1, 3, "rate"))
		o.Terms.TermMin = marketplace.Span(n(0, 2, "term min")) * 20 * marketplace.Span(marketplace.Day)
		o.Terms.Peer = fmt.Sprintf("10.0.%d.%d:1", n(0, 9, "network"), id+1)
		if some(20, "ipv6") {
			o.Terms.Peer = fmt.Sprintf("[2001:db8:%d::%d]:1", n(0, 4, "network6"), id+1)
		}
		o.Standing = rapid.SampledFrom([]marketplace.Standing{marketplace.New, marketplace.New,
			marketplace.Vetted, marketplace.Vetted, marketplace.Suspended,
			marketplace.Disqualified}).Draw(t, "standing")
		if some(10, "denies") {
			o.Terms.DenyPoster = []marketplace.Address{who(posters + n(0, 5, "denied"))}
		}
		f.Offers = append(f.Offers, o)
	}
	for id := range n(0, 10, "bounties") {
		f.Bounties = append(f.Bounties, randomBounty(t, &f, int64(id+1)))
	}
	return f
}

func randomBounty(t *rapid.T, f *Frozen, id int64) marketplace.Bounty {
	n := func(lo, hi int, what string) int { return rapid.IntRange(lo, hi).Draw(t, what) }
	b := bounty(id, n(1, 4, "replicas"), "1")
	b.PostedAt = start.Add(time.Duration(n(0, 3, "posted")) * time.Second)
	b.Poster = who(posters + n(0, 5, "poster"))
	if len(f.Offers) > 0 && n(1, 10, "own") == 1 {
		b.Poster = rapid.SampledFrom(f.Offers).Draw(t, "owner").Terms.Payee
	}
	for range n(0, 2, "funders") {
		b.Funders = append(b.Funders, pledgeOf(who(posters+n(0, 5, "funder"))))
	}
	b.Terms.PriceMax = marketplace.Tick.MulDiv(uint64(n(1, 9, "price")), 1)
	b.Size, b.Terms.RateMin = int64(n(1, 4, "size")), int64(n(0, 1, "rate")*2)
	b.Terms.KeepFor = marketplace.Span(n(1, 2, "term")) * 25 * marketplace.Span(marketplace.Day)
	b.Terms.Infohash[0] = byte(n(0, 3, "torrent"))
	b.Terms.Regions = rapid.SampledFrom([][]string{nil, nil, {"africa"}, {"asia", "africa"},
		{"africa", "asia"}}).Draw(t, "regions")
	if n(1, 3, "degraded") == 1 {
		b.State = marketplace.Degraded
	}
	for range n(0, b.Terms.Replicas-1, "leased") {
		if len(f.Offers) == 0 {
			break
		}
		o := rapid.SampledFrom(f.Offers).Draw(t, "holder")
		f.Replicas, b.Leased = append(f.Replicas, replicaOf(id, o)), b.Leased+1
	}
	if len(f.Offers) > 0 && n(1, 4, "barred") == 1 {
		barred := rapid.SampledFrom(f.Offers).Draw(t, "bar").Agent
		f.Barred = append(f.Barred, Bar{Bounty: id, Agent: barred})
	}
	return b
}

func checkCall(t *rapid.T) {
	f := randomBook(t)
	call, why := Clear(f, rules)
	ref := &reference{book: f, rules: rules}
	ref.run()
	var got []string
	for _, fill := range call.Fills {
		got = append(got, fmt.Sprint(fill.Bounty, "←", fill.Offer, "@", fill.Price))
	}
	slices.Sort(got)
	if want := ref.fills(); !slices.Equal(got, want) {
		t.Fatalf("cleared %v\nreference %v", got, want)
	}
	checkPrices(t, f, call)
	checkRoom(t, f, call)
	checkLeftOver(t, ref)
	checkReasons(t, f, ref, why)
	shuffled := shuffle(f, rapid.Uint64().Draw(t, "seed"))
	again, why2 := Clear(shuffled, rules)
	if !reflect.DeepEqual(again, call) || !reflect.DeepEqual(why, why2) {
		t.Fatalf("cleared %v %v, and shuffled %v %v", call, why, again, why2)
	}
}

func checkPrices(t *rapid.T, f Frozen, c marketplace.Call) {
	of := map[string]marketplace.Amount{}
	for _, p := range c.Clearings {
		of[p.Signature] = p.Price
	}
	for _, fill := range c.Fills {
		b, o := find(f, fill)
		if o.Terms.PriceMin.Cmp(fill.Price) > 0 || fill.Price.Cmp(b.Terms.PriceMax) > 0 {
			t.Fatalf("%v: ask %s, bid %s", fill, o.Terms.PriceMin, b.Terms.PriceMax)
		}
		if of[Signature(b.Terms)] != fill.Price {
			t.Fatalf("%v: its signature cleared at %s", fill, of[Signature(b.Terms)])
		}
	}
}

func find(f Frozen, fill marketplace.Fill) (b marketplace.Bounty, o marketplace.Offer) {
	for _, b = range f.Bounties {
		if b.ID == fill.Bounty {
			break
		}
	}
	for _, o = range f.Offers {
		if o.ID == fill.Offer {
			break
		}
	}
	return b, o
}

// checkRoom adds up what each offer and each bounty got.
func checkRoom(t *rapid.T, f Frozen, c marketplace.Call) {
	bytes, leases := map[int64]int64{}, map[int64]int{}
	replicas, seen := map[int64]int{}, map[string]bool{}
	for _, fill := range c.Fills {
		b, o := find(f, fill)
		bytes[o.ID] += b.Size
		leases[o.ID]++
		replicas[b.ID]++
		if bytes[o.ID] > o.Terms.Storage-o.Used || leases[o.ID] > o.Terms.LeasesMax-o.Leases ||
			replicas[b.ID] > b.Missing() {
			t.Fatalf("%v: more than there is room for", fill)
		}
		names := owners(replicaOf(b.ID, o))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			if key := fmt.Sprint(b.ID, name); seen[key] {
				t.Fatalf("%v: a second replica of %s", fill, name)
			} else {
				seen[key] = true
			}
		}
	}
}

// checkLeftOver looks for a pair that could still trade without breaking a rule.
func checkLeftOver(t *rapid.T, r *reference) {
	for _, b := range r.book.Bounties {
		if r.has(b) >= b.Terms.Replicas {
			continue
		}
		for _, o := range r.book.Offers {
			if r.suits(b, o) && r.fits(b, o, r.trades) && r.stands(append(slices.Clone(r.trades),
				trade{b, o})) {
				t.Fatalf("bounty %d could still have offer %d", b.ID, o.ID)
			}
		}
	}
}

// checkReasons: whoever got less than it wanted is told why, and nobody else.
func checkReasons(t *rapid.T, f Frozen, r *reference, why orderbook.Reasons) {
	for _, b := range f.Bounties {
		if missing := r.has(b) < b.Terms.Replicas; missing != (why.Bounties[b.ID] != "") {
			t.Fatalf("bounty %d: missing %t, reason %q", b.ID, missing, why.Bounties[b.ID])
		}
	}
	for _, o := range f.Offers {
		traded := slices.ContainsFunc(r.trades, func(t trade) bool { return t.o.ID == o.ID })
		if traded != (why.Offers[o.ID] == "") {
			t.Fatalf("offer %d: traded %t, reason %q", o.ID, traded, why.Offers[o.ID])
		}
	}
}

func shuffle(f Frozen, seed uint64) Frozen {
	rng := rand.New(rand.NewPCG(seed, 1))
	f = Frozen{Bounties: slices.Clone(f.Bounties), Offers: slices.Clone(f.Offers),
		Replicas: slices.Clone(f.Replicas), Barred: slices.Clone(f.Barred)}
	mix(rng, f.Bounties)
	mix(rng, f.Offers)
	mix(rng, f.Replicas)
	mix(rng, f.Barred)
	for i := range f.Bounties {
		f.Bounties[i].Terms.Regions = slices.Clone(f.Bounties[i].Terms.Regions)
		mix(rng, f.Bounties[i].Terms.Regions)
	}
	return f
}

func mix[T any](rng *rand.Rand, s []T) {
	rng.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
}

func TestRandomBooksClearAsTheReferenceSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, checkCall)
}

func FuzzClear(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkCall)) }

// Calls on what the calls before left over come to an end: the one-price rule only delays.
func TestRepeatedCallsLeaveNoCrossingPairAtAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := randomBook(t)
		for range 100 {
			fills := cleared(f).Fills
			if len(fills) == 0 {
				ref := &reference{book: f, rules: rules}
				for _, b := range f.Bounties {
					if _, ok := ref.cheapest(b, nil); ok && b.Missing() > 0 {
						t.Fatalf("bounty %d never gets what it could have", b.ID)
					}
				}
				return
			}
			f = after(f, fills)
		}
		t.Fatal("100 calls were not enough")
	})
}

// after returns the book as it stands when the fills are leases.
func after(f Frozen, fills []marketplace.Fill) Frozen {
	f = shuffle(f, 0)
	for _, fill := range fills {
		for i := range f.Bounties {
			if b := &f.Bounties[i]; b.ID == fill.Bounty {
				b.Leased++
				for j := range f.Offers {
					if o := &f.Offers[j]; o.ID == fill.Offer {
						o.Used, o.Leases = o.Used+b.Size, o.Leases+1
						f.Replicas = append(f.Replicas, replicaOf(b.ID, *o))
					}
				}
			}
		}
	}
	return f
}

// BenchmarkClear measures a call on a book of so many bounties (3 replicas each) and as many
// offers as replicas, all limits mixed.
func BenchmarkClear(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		f := largeBook(n)
		b.Run(fmt.Sprint(n, " bounties"), func(b *testing.B) {
			fills := 0
			for b.Loop() {
				fills = len(cleared(f).Fills)
			}
			b.ReportMetric(float64(fills), "fills/op")
		})
	}
}

func largeBook(n int) (f Frozen) {
	rng := rand.New(rand.NewPCG(uint64(n), 2))
	price := func() marketplace.Amount {
		return marketplace.Tick.MulDiv(uint64(1000+rng.IntN(1000)), 1)
	}
	for i := range 3 * n {
		o := offer(int64(i+1), "0", leases(1+rng.IntN(5)))
		o.Agent[0], o.Agent[1], o.Agent[2] = byte(i>>16), byte(i>>8), byte(i)
		o.Terms.Payee[0], o.Terms.Payee[1], o.Terms.Payee[2] = byte(i>>16), byte(i>>8), byte(i)
		o.Terms.Peer = fmt.Sprintf("%d.%d.%d.1:6881", 1+i>>16, i>>8&255, i&255)
		o.Terms.PriceMin, o.Terms.Storage = price(), rng.Int64N(100*gib)
		o.Terms.Region = marketplace.Regions[rng.IntN(6)]
		f.Offers = append(f.Offers, o)
	}
	for i := range n {
		p := bounty(int64(i+1), 3, "1")
		p.Terms.PriceMax, p.Size = price(), rng.Int64N(10*gib)
		if i%2 == 0 {
			p.Terms.Regions = []string{marketplace.Regions[rng.IntN(6)]}
		}
		f.Bounties = append(f.Bounties, p)
	}
	return f
}
