package matcher

import (
	"fmt"
	"strings"
	"testing"

	"github.com/everseed/everseed/marketplace"
)

type (
	bounties = []marketplace.Bounty
	offers   = []marketplace.Offer
)

// told writes a call as "bounty←offer@price …".
func told(c marketplace.Call) string {
	var all []string
	for _, f := range c.Fills {
		all = append(all, fmt.Sprintf("%d←%d@%s", f.Bounty, f.Offer, f.Price))
	}
	return strings.Join(all, " ")
}

func TestCallsReckonedByHand(t *testing.T) {
	t.Parallel()
	degraded := func(leased int) func(*marketplace.Bounty) {
		return func(b *marketplace.Bounty) { b.State, b.Leased = marketplace.Degraded, leased }
	}
	in := func(regions ...string) func(*marketplace.Bounty) {
		return func(b *marketplace.Bounty) { b.Terms.Regions = regions }
	}
	for name, c := range map[string]struct {
		book Frozen
		want string
	}{
		"the cheapest offer is taken at its ask when nobody lost": {
			Frozen{Bounties: bounties{bounty(1, 1, "0.5")},
				Offers: offers{offer(1, "0.3"), offer(2, "0.2")}}, "1←2@0.2"},
		"the highest losing bid sets the price": {
			Frozen{Bounties: bounties{bounty(1, 1, "0.5"), bounty(2, 1, "0.4"), bounty(3, 1, "0.3")},
				Offers: offers{offer(1, "0.1"), offer(2, "0.1")}}, "1←1@0.3 2←2@0.3"},
		"a losing bid never lifts the price above an accepted one": {
			Frozen{Bounties: bounties{bounty(1, 2, "0.5"), bounty(2, 1, "0.4")},
				Offers: offers{offer(1, "0.1"), offer(2, "0.1")}}, "1←1@0.4 2←2@0.4"},
		"a bid below every ask sets no price": {
			Frozen{Bounties: bounties{bounty(1, 1, "0.5"), bounty(2, 1, "0.1")},
				Offers: offers{offer(1, "0.2")}}, "1←1@0.2"},
		"every bounty gets its first replica before any gets its second": {
			Frozen{Bounties: bounties{bounty(1, 3, "0.9"), bounty(2, 3, "0.5")},
				Offers: offers{offer(1, "0.1"), offer(2, "0.1"), offer(3, "0.1")}},
			"1←1@0.5 1←3@0.5 2←2@0.5"},
		"an ask above an accepted bid waits for the next call": {
			Frozen{Bounties: bounties{bounty(1, 2, "1"), bounty(2, 1, "0.3")},
				Offers: offers{offer(1, "0.1"), offer(2, "0.2"), offer(3, "0.5")}},
			"1←1@0.2 2←2@0.2"},
		"a bid below an accepted ask waits for the next call": {
			Frozen{Bounties: bounties{bounty(1, 1, "1"), bounty(2, 1, "0.4", func(b *marketplace.Bounty) {
				b.Size = gib / 2
			})}, Offers: offers{offer(1, "0.1", func(o *marketplace.Offer) {
				o.Terms.TorrentMax = gib / 2
			}), offer(2, "0.6")}}, "1←2@0.6"},
		"other signatures have other prices": {
			Frozen{Bounties: bounties{bounty(1, 1, "1"), bounty(2, 1, "0.5", in("europe"))},
				Offers: offers{offer(1, "0.4"), offer(2, "0.1")}}, "1←2@0.1 2←1@0.4"},
		"older bounties and older offers first": {
			Frozen{Bounties: bounties{bounty(2, 1, "0.5"), bounty(1, 1, "0.5")},
				Offers: offers{offer(9, "0.1"), offer(8, "0.1")}}, "1←8@0.1 2←9@0.1"},
		"a lost replica goes to the front of its own round": {
			Frozen{Bounties: bounties{bounty(1, 3, "0.2", degraded(2)), bounty(2, 3, "0.9")},
				Replicas: []marketplace.Lease{replicaOf(1, offer(7, "0")), replicaOf(1, offer(8, "0"))},
				Offers:   offers{offer(1, "0.1"), offer(2, "0.1"), offer(3, "0.1")}},
			"1←3@0.2 2←1@0.2 2←2@0.2"},
		"an agent that failed a bounty does not get it again": {
			Frozen{Bounties: bounties{bounty(1, 1, "0.5", degraded(0))}, Barred: bars(1, 1),
				Offers: offers{offer(1, "0.1"), offer(2, "0.4")}}, "1←2@0.4"},
		"replicas have other agents than the leases before": {
			Frozen{Bounties: bounties{bounty(1, 2, "0.5", degraded(1))},
				Replicas: []marketplace.Lease{replicaOf(1, offer(1, "0.1"))},
				Offers:   offers{offer(1, "0.1", leases(2)), offer(2, "0.4")}}, "1←2@0.4"},
		"an offer serves as many bounties as it has leases": {
			Frozen{Bounties: bounties{bounty(1, 1, "0.5"), bounty(2, 1, "0.4"), bounty(3, 1, "0.3")},
				Offers: offers{offer(1, "0.1", leases(2))}}, "1←1@0.3 2←1@0.3"},
		"zero is a price that an agent may ask": {
			Frozen{Bounties: bounties{bounty(1, 1, "0.5")}, Offers: offers{offer(1, "0")}}, "1←1@0"},
		"an empty book": {Frozen{}, ""},
	} {
		if got := told(cleared(c.book)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// Each change to an offer or a bounty that trade otherwise must keep them apart, for its limit.
func TestEveryLimitKeepsAnOfferFromABounty(t *testing.T) {
	t.Parallel()
	b, o := bounty(1, 2, "0.5"), offer(1, "0.5")
	other := offer(2, "0.5")
	type change = func(*marketplace.Bounty, *marketplace.Offer, *Frozen)
	for name, c := range map[string]struct {
		limit  limit
		change change
	}{
		"dearer": {onPrice, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			b.Terms.PriceMax = b.Terms.PriceMax.Sub(marketplace.Tick)
		}},
		"elsewhere": {onRegion, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			b.Terms.Regions = []string{"asia", "africa"}
		}},
		"slow": {onRate, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			b.Terms.RateMin = o.Terms.UploadRate + 1
		}},
		"too large": {onSize, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			o.Terms.TorrentMax = b.Size - 1
		}},
		"no room": {onStorage, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			o.Used = o.Terms.Storage - b.Size + 1
		}},
		"busy": {onLeases, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			o.Leases = o.Terms.LeasesMax
		}},
		"new and busy": {onLeases, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			o.Standing, o.Terms.LeasesMax, o.Leases = marketplace.New, 100, rules.LeasesNewMax
		}},
		"suspended": {onStanding, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			o.Standing = marketplace.Suspended
		}},
		"disqualified": {onStanding, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			o.Standing = marketplace.Disqualified
		}},
		"too short": {onTerm, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			o.Terms.TermMin = b.Terms.KeepFor + 1
		}},
		"too long": {onTerm, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			o.Terms.TermMax = b.Terms.KeepFor - 1
		}},
		"poster denied": {onDeny, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			o.Terms.DenyPoster = []marketplace.Address{b.Poster}
		}},
		"funder denied": {onDeny, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			b.Funders = []marketplace.Pledge{pledgeOf(other.Agent)}
			o.Terms.DenyPoster = []marketplace.Address{other.Agent}
		}},
		"torrent denied": {onDeny, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			o.Terms.DenyHash = []marketplace.Infohash{b.Terms.Infohash}
		}},
		"barred": {onBar, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			f.Barred = []Bar{{Bounty: b.ID, Agent: o.Agent}}
		}},
		"own agent": {onApart, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			b.Poster = o.Agent
		}},
		"own payee": {onApart, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			b.Poster = o.Terms.Payee
		}},
		"funder's agent": {onApart, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			b.Funders = []marketplace.Pledge{pledgeOf(o.Agent)}
		}},
		"funder's payee": {onApart, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			b.Funders = []marketplace.Pledge{pledgeOf(o.Terms.Payee)}
		}},
		"same agent": {onApart, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			f.Replicas = []marketplace.Lease{lease(b.ID, o.Agent, other.Terms.Payee, other.Terms.Peer)}
		}},
		"same payee": {onApart, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			f.Replicas = []marketplace.Lease{lease(b.ID, other.Agent, o.Terms.Payee, other.Terms.Peer)}
		}},
		"same network": {onApart, func(b *marketplace.Bounty, o *marketplace.Offer, f *Frozen) {
			f.Replicas = []marketplace.Lease{lease(b.ID, other.Agent, other.Terms.Payee,
				"10.0.1.200:1")}
		}},
	} {
		b, o := b, o
		f := Frozen{}
		c.change(&b, &o, &f)
		f.Bounties, f.Offers = bounties{b}, offers{o}
		if got := cleared(f).Fills; len(got) != 0 {
			t.Errorf("%s: filled %v", name, got)
		}
		call := newCall(f, rules)
		if got := call.bids[0].misses(call.asks[0], call.asks[0].frozen); got != c.limit {
			t.Errorf("%s: limits %b, want %b", name, got, c.limit)
		}
	}
	f := Frozen{Bounties: bounties{b}, Offers: offers{o}}
	if len(cleared(f).Fills) != 1 {
		t.Error("the pair does not trade even without a change")
	}
}

func TestWhoDoesNotTradeIsToldWhyInNumbers(t *testing.T) {
	t.Parallel()
	in := func(region string) func(*marketplace.Offer) {
		return func(o *marketplace.Offer) { o.Terms.Region = region }
	}
	asia := func(b *marketplace.Bounty) { b.Terms.Regions = []string{"asia"} }
	for name, c := range map[string]struct {
		book          Frozen
		bounty, offer string // reasons of bounty 1 and offer 1
	}{
		"too low a bid": {
			Frozen{Bounties: bounties{bounty(1, 1, "0.3")}, Offers: offers{offer(1, "0.42")}},
			"best eligible ask 0.42, you bid 0.3", "best eligible bid 0.3, you ask 0.42"},
		"nobody there": {
			Frozen{Bounties: bounties{bounty(1, 1, "0.3", asia)}, Offers: offers{offer(1, "0.1"),
				offer(2, "0.1"), offer(3, "0.4", in("asia"), leases(0))}},
			"2 offers without the region limit, 0 with it",
			"1 bounty without the region limit, 0 with it"},
		"one limit is not enough": {
			Frozen{Bounties: bounties{bounty(1, 1, "0.3", asia)}, Offers: offers{offer(1, "0.4")}},
			"1 live offer, 0 eligible, however one limit is eased; they fail: " +
				"1 on the price, 1 on the region limit",
			"1 open bounty, 0 eligible, however one limit is eased; they fail: " +
				"1 on the price, 1 on the region limit"},
		"dearer than the last price": {
			Frozen{Bounties: bounties{bounty(1, 1, "0.5")}, Offers: offers{offer(1, "0.54")},
				Last: []marketplace.Price{{Signature: "30d/any/0", Price: marketplace.MustAmount("0.5")}}},
			"best eligible ask 0.54, you bid 0.5", "best eligible bid 0.5, you ask 0.54; " +
				"your offer is 8 % above the last clearing price 0.5"},
		"undercut": {
			Frozen{Bounties: bounties{bounty(1, 1, "0.5")},
				Offers: offers{offer(1, "0.3"), offer(2, "0.2")}},
			"", "cheaper offers were taken first, you ask 0.3; " +
				"your offer is 50 % above the last clearing price 0.2"},
		"half filled": {
			Frozen{Bounties: bounties{bounty(1, 2, "0.5")}, Offers: offers{offer(1, "0.3")}},
			"1 of 2 replicas leased; 1 offer without the rule that keeps replicas apart, 0 with it", ""},
		"outbid": {
			Frozen{Bounties: bounties{bounty(1, 1, "0.5"), bounty(2, 1, "0.6")},
				Offers: offers{offer(1, "0.3"), offer(2, "0.7")}},
			"lost for lack of capacity: best eligible ask left 0.7, you bid 0.5", ""},
		"one price": {
			Frozen{Bounties: bounties{bounty(1, 2, "1"), bounty(2, 1, "0.3")},
				Offers: offers{offer(1, "0.1"), offer(2, "0.2"), offer(3, "0.5")}},
			"1 of 2 replicas leased; waits for the next call: best eligible ask left 0.5, you bid 1, " +
				"and this call's one price for 30d/any/0 lies between the highest ask 0.2 and the " +
				"lowest bid 0.3 it accepted", ""},
		"no supply": {Frozen{Bounties: bounties{bounty(1, 1, "1")}}, "there is no live offer", ""},
		"no demand": {Frozen{Offers: offers{offer(1, "1")}}, "", "no bounty waits for a replica"},
	} {
		_, why := Clear(c.book, rules)
		if got := why.Bounties[1]; got != c.bounty {
			t.Errorf("%s, bounty:\n got %s\nwant %s", name, got, c.bounty)
		}
		if got := why.Offers[1]; got != c.offer {
			t.Errorf("%s, offer:\n got %s\nwant %s", name, got, c.offer)
		}
	}
}

func TestAQuoteSaysWhatPostingWouldGet(t *testing.T) {
	t.Parallel()
	asia := func(o *marketplace.Offer) { o.Terms.Region = "asia" }
	f := Frozen{
		Bounties: bounties{bounty(1, 1, "0.5")},
		Offers: offers{offer(1, "0.1"), offer(2, "0.2"), offer(3, "0.4"), offer(4, "0.6"),
			offer(5, "0.1", asia)},
		Last: []marketplace.Price{{Signature: "30d/europe/0", Price: marketplace.MustAmount("0.15")}},
	}
	terms := bounty(9, 3, "0.4").Terms
	terms.Regions = []string{"europe"}
	before := digest(f, rules)
	q := NewQuote(f, rules, who(posters+9), terms, gib)
	want := marketplace.Quote{
		WorstCase: marketplace.MustAmount("36.36"), Fee: marketplace.MustAmount("0.36"),
		Eligible: 3, Fillable: 2, BestAsk: marketplace.MustAmount("0.1"),
		LastPrice: marketplace.MustAmount("0.15"),
		Without:   map[string]int{"price": 4, "region": 4},
	}
	if fmt.Sprint(q) != fmt.Sprint(want) {
		t.Errorf("quoted\n     %v\nwant %v", q, want)
	}
	if digest(f, rules) != before {
		t.Error("the quote changed the book")
	}
}

func TestTheHashesBindWhatDecidesAndNothingElse(t *testing.T) {
	t.Parallel()
	book := func() Frozen {
		return Frozen{Bounties: bounties{bounty(1, 1, "0.5")}, Offers: offers{offer(1, "0.5")},
			Replicas: []marketplace.Lease{replicaOf(1, offer(2, "0"))}, Barred: bars(1, 3)}
	}
	was := cleared(book())
	for name, c := range map[string]struct {
		change   func(*Frozen)
		in, hash bool // whether they change
	}{
		"a price":                       {func(f *Frozen) { f.Bounties[0].Terms.PriceMax = marketplace.BTT(1) }, true, true},
		"an ask":                        {func(f *Frozen) { f.Offers[0].Terms.PriceMin = marketplace.Tick }, true, true},
		"a lease":                       {func(f *Frozen) { f.Replicas = nil }, true, true},
		"a bar":                         {func(f *Frozen) { f.Barred = nil }, true, true},
		"a home in the other's network": {func(f *Frozen) { f.Offers[0].Terms.Peer = f.Replicas[0].Peer }, true, true},
		"a home that is none":           {func(f *Frozen) { f.Offers[0].Terms.Peer = "" }, true, true},
		"a move to where nobody is":     {func(f *Frozen) { f.Offers[0].Terms.Peer = "203.0.113.9:7" }, false, false},
		"the chain":                     {func(f *Frozen) { f.Previous[0] = 1 }, false, true},
		"life signs":                    {func(f *Frozen) { f.Offers[0].SeenAt = start }, false, false},
		"a reason":                      {func(f *Frozen) { f.Bounties[0].Reason = "so" }, false, false},
	} {
		f := book()
		c.change(&f)
		now := cleared(f)
		if (now.Input != was.Input) != c.in || (now.Hash != was.Hash) != c.hash {
			t.Errorf("%s: input changed %t, hash changed %t", name, now.Input != was.Input,
				now.Hash != was.Hash)
		}
	}
	filled := was
	filled.Fills = nil
	if callHash(filled) == was.Hash {
		t.Error("the hash does not bind the fills")
	}
}

func TestFillsTakeOverLostReplicasInTheOrderInWhichTheyWereLost(t *testing.T) {
	t.Parallel()
	lost := []marketplace.Lost{{Bounty: 1, Lease: 4, Dropping: true, Why: "in grace"},
		{Bounty: 1, Lease: 9, Why: "away"}, {Bounty: 1, Lease: 7, Why: "abandoned"}}
	b := bounty(1, 4, "0.5", func(b *marketplace.Bounty) { b.State = marketplace.Degraded })
	book := Frozen{Bounties: bounties{b}, Offers: offers{offer(1, "0.1"), offer(2, "0.1"),
		offer(3, "0.1"), offer(4, "0.1")}}
	before, _ := Clear(book, marketplace.DefaultRules())
	book.Lost = lost
	c, _ := Clear(book, marketplace.DefaultRules())
	var got []string
	for _, f := range c.Fills {
		got = append(got, fmt.Sprintf("%d %s", f.Replaces, f.Why))
	}
	if want := "7 abandoned, 9 away, 4 in grace, 0 "; strings.Join(got, ", ") != want {
		t.Errorf("replaced are %q, want %q", got, want)
	}
	if c.Input == before.Input || c.Hash == before.Hash {
		t.Error("the call's hashes do not bind what it replaces")
	}
}

func TestAgentsThatFailTogetherAreKeptApartAsOneOwner(t *testing.T) {
	t.Parallel()
	book := Frozen{Bounties: bounties{bounty(1, 2, "0.5")}, Offers: offers{offer(1, "0.1"),
		offer(2, "0.2"), offer(3, "0.3")}}
	strangers, _ := Clear(book, rules)
	if got := told(strangers); got != "1←1@0.2 1←2@0.2" {
		t.Fatalf("strangers get %s", got)
	}
	book.Together = []marketplace.Pair{{A: who(2), B: who(1)}}
	for range 2 { // whichever is named first
		c, why := Clear(book, rules)
		if got := told(c); got != "1←1@0.3 1←3@0.3" {
			t.Errorf("one owner gets %s", got)
		}
		if c.Input == strangers.Input {
			t.Error("the call's input does not tell")
		}
		if reason := why.Offers[2]; !strings.Contains(reason, "keeps replicas apart") {
			t.Errorf("the other one is told %q", reason)
		}
		book.Together[0].A, book.Together[0].B = who(1), who(2)
	}
	book.Bounties[0].State, book.Bounties[0].Leased = marketplace.Degraded, 1
	book.Replicas = []marketplace.Lease{{Bounty: 1, Agent: who(1), Payee: who(payees + 1),
		Peer: "10.0.1.1:6881"}}
	if c, _ := Clear(book, rules); told(c) != "1←3@0.3" {
		t.Errorf("beside a replica that is there: %s", told(c))
	}
}
