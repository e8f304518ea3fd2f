package matcher

import (
	"fmt"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

type (
	Frozen = orderbook.Frozen
	Bar    = orderbook.Bar
)

const gib = 1 << 30

var rules = marketplace.DefaultRules()

// start is when every book of the tests begins; an id is also the second it was posted at.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// who returns the n-th account.
func who(n int) (a marketplace.Address) {
	a[18], a[19] = byte(n>>8), byte(n)
	return a
}

const posters, payees = 1000, 2000 // first accounts of each sort; agents begin at 0

// bounty is a wish for n replicas of 1 GiB for 30 days at most at a price, by a poster of its own.
func bounty(id int64, n int, price string, change ...func(*marketplace.Bounty)) marketplace.Bounty {
	b := marketplace.Bounty{ID: id, Poster: who(posters + int(id)), Size: gib, Billed: gib,
		State: marketplace.Open, PostedAt: start.Add(time.Duration(id) * time.Second)}
	b.Terms = marketplace.BountyTerms{Instrument: marketplace.Keepalive, Replicas: n,
		PriceMax: marketplace.MustAmount(price), KeepFor: marketplace.Span(30 * marketplace.Day)}
	b.Terms.Infohash[0] = byte(id)
	for _, f := range change {
		f(&b)
	}
	return b
}

// offer is room for one lease of up to 10 GiB by a vetted agent in Europe with a payee and a
// network of its own.
func offer(id int64, price string, change ...func(*marketplace.Offer)) marketplace.Offer {
	o := marketplace.Offer{ID: id, Agent: who(int(id)), State: marketplace.OfferLive,
		Standing: marketplace.Vetted, PostedAt: start.Add(time.Duration(id) * time.Second)}
	o.Terms = marketplace.OfferTerms{Storage: 10 * gib, UploadRate: 1 << 20, LeasesMax: 1,
		PriceMin: marketplace.MustAmount(price), TermMax: marketplace.Span(90 * marketplace.Day),
		TorrentMax: 10 * gib, Region: "europe", Peer: fmt.Sprintf("10.0.%d.1:6881", id),
		Payee: who(payees + int(id))}
	for _, f := range change {
		f(&o)
	}
	return o
}

func leases(n int) func(*marketplace.Offer) {
	return func(o *marketplace.Offer) { o.Terms.LeasesMax = n }
}

func replicaOf(bounty int64, o marketplace.Offer) marketplace.Lease {
	return lease(bounty, o.Agent, o.Terms.Payee, o.Terms.Peer)
}

func lease(bounty int64, agent, payee marketplace.Address, peer string) marketplace.Lease {
	return marketplace.Lease{Bounty: bounty, Agent: agent, Payee: payee, Peer: peer}
}

func cleared(f Frozen) marketplace.Call {
	c, _ := Clear(f, rules)
	return c
}

// bars keeps the n-th agent from a bounty.
func bars(bounty int64, n int) []Bar { return []Bar{{Bounty: bounty, Agent: who(n)}} }

// pledgeOf is a pledge that binds its funder.
func pledgeOf(a marketplace.Address) (p marketplace.Pledge) {
	p.Poster, p.State = a, marketplace.PledgePosted
	return p
}
