package matcher

import (
	"cmp"
	"slices"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// Clear runs one call on a frozen book. It keeps nothing, changes nothing and depends on nothing
// but its arguments; the order in which the book is listed does not matter. With the call comes,
// for every bounty and offer that took part, why it did not trade in full: empty when it did.
func Clear(f orderbook.Frozen, r marketplace.Rules) (marketplace.Call, orderbook.Reasons) {
	c := newCall(f, r)
	c.rounds()
	refusals := c.refusals()
	prices := c.prices()
	why := orderbook.Reasons{Bounties: map[int64]string{}, Offers: map[int64]string{}}
	for i, b := range c.bids {
		why.Bounties[b.ID] = c.bountyReason(b, refusals[i])
	}
	for _, a := range c.asks {
		why.Offers[a.ID] = c.offerReason(a)
	}
	made := marketplace.Call{
		Previous: f.Previous, Input: digest(f, r), Bounties: len(c.bids), Offers: len(c.asks),
		Fills: c.fillsAt(prices), Clearings: c.clearings(prices),
	}
	made.Hash = callHash(made)
	return made, why
}

// A call is a book laid out for clearing.
type call struct {
	rules   marketplace.Rules
	bids    []*bid // in the order in which they choose
	asks    []*ask // cheapest first
	now     *index // of asks, with what room is left
	frozen  *index // of asks, with the room they came with
	markets map[string]*market
	last    map[string]marketplace.Amount // clearing prices before this call
	lost    map[int64][]marketplace.Lost  // replicas of each bounty to take over, in order
	fills   []fill
}

// A market is the state of one signature in a call.
type market struct {
	signature string
	fills     int
	ask       marketplace.Amount // highest accepted
	bid       marketplace.Amount // lowest accepted
	lost      marketplace.Amount // highest bid that lost for lack of capacity
}

// ceiling is the dearest ask that a bid may still accept in its market; none if its own price is
// below an ask that was accepted before.
func (m *market) ceiling(bid marketplace.Amount) (most marketplace.Amount, ok bool) {
	if m.fills == 0 || bid.Cmp(m.bid) <= 0 {
		return bid, m.fills == 0 || bid.Cmp(m.ask) >= 0
	}
	return m.bid, true
}

type fill struct {
	bid *bid
	ask *ask
}

func newCall(f orderbook.Frozen, r marketplace.Rules) *call {
	c := &call{rules: r, markets: map[string]*market{}, last: map[string]marketplace.Amount{},
		lost: map[int64][]marketplace.Lost{}}
	for _, p := range f.Last {
		c.last[p.Signature] = p.Price
	}
	for _, l := range f.Lost {
		c.lost[l.Bounty] = append(c.lost[l.Bounty], l)
	}
	for _, line := range c.lost {
		slices.SortFunc(line, func(a, b marketplace.Lost) int {
			return cmp.Or(falseLast(!a.Dropping, !b.Dropping), cmp.Compare(a.Lease, b.Lease))
		})
	}
	c.layAsks(f)
	c.layBids(f)
	c.frozen = newIndex(c.asks)
	c.now = c.frozen.clone()
	return c
}

func (c *call) layAsks(f orderbook.Frozen) {
	partners := map[marketplace.Address][]marketplace.Address{}
	for _, p := range f.Together {
		partners[p.A], partners[p.B] = append(partners[p.A], p.B), append(partners[p.B], p.A)
	}
	for i := range f.Offers {
		o := &f.Offers[i]
		network := networkOf(c.rules, o.Terms.Peer)
		if o.State != marketplace.OfferLive || !network.IsValid() {
			continue
		}
		a := &ask{Offer: o, region: regionBits(o.Terms.Region), frozen: roomOf(o, c.rules)}
		a.now = a.frozen
		a.holder = holder{o.Agent, o.Terms.Payee, network, partners[o.Agent]}
		a.denyPosters, a.denyHashes = setOf(o.Terms.DenyPoster), setOf(o.Terms.DenyHash)
		c.asks = append(c.asks, a)
	}
	slices.SortFunc(c.asks, func(a, b *ask) int {
		return cmp.Or(a.price().Cmp(b.price()), a.PostedAt.Compare(b.PostedAt),
			cmp.Compare(a.ID, b.ID))
	})
}

func setOf[T comparable](list []T) map[T]bool {
	if len(list) == 0 {
		return nil
	}
	set := make(map[T]bool, len(list))
	for _, v := range list {
		set[v] = true
	}
	return set
}

func (c *call) layBids(f orderbook.Frozen) {
	byID := map[int64]*bid{}
	for i := range f.Bounties {
		b := &f.Bounties[i]
		if b.Missing() == 0 || b.State != marketplace.Open && b.State != marketplace.Degraded {
			continue
		}
		d := &bid{Bounty: b, market: c.market(Signature(b.Terms)), next: b.Leased + 1,
			front: b.State == marketplace.Degraded, regions: regionBits(b.Terms.Regions...)}
		c.bids, byID[b.ID] = append(c.bids, d), d
	}
	for _, r := range f.Replicas {
		if b := byID[r.Bounty]; b != nil {
			b.holders = append(b.holders, c.holder(r))
		}
	}
	for _, bar := range f.Barred {
		if b := byID[bar.Bounty]; b != nil {
			b.barred = append(b.barred, bar.Agent)
		}
	}
	slices.SortFunc(c.bids, func(a, b *bid) int {
		return cmp.Or(falseLast(a.front, b.front), b.price().Cmp(a.price()),
			a.PostedAt.Compare(b.PostedAt), cmp.Compare(a.ID, b.ID))
	})
}

func falseLast(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

func (c *call) market(signature string) *market {
	m := c.markets[signature]
	if m == nil {
		m = &market{signature: signature}
		c.markets[signature] = m
	}
	return m
}

// holder of a lease. One that is nowhere shares no ask's network.
func (c *call) holder(r marketplace.Lease) holder {
	return holder{agent: r.Agent, payee: r.Payee, network: networkOf(c.rules, r.Peer)}
}

// rounds gives out replicas: in round k every bounty that has k-1 chooses its k-th, those that
// lost one first. What a bounty may have only shrinks during a call, so one that finds nothing is
// out of it.
func (c *call) rounds() {
	active := slices.Clone(c.bids)
	for k := 1; len(active) > 0; k++ {
		active = slices.DeleteFunc(active, func(b *bid) bool {
			return b.next == k && (!c.take(b) || !b.missing())
		})
	}
}

// take gives b the cheapest offer that it may have, if any.
func (c *call) take(b *bid) bool {
	most, ok := b.market.ceiling(b.price())
	if !ok {
		return false
	}
	i := c.now.next(b.from, b.need())
	for i >= 0 && c.asks[i].price().Cmp(most) <= 0 {
		b.from = i + 1
		if a := c.asks[i]; b.misses(a, a.now) == 0 {
			c.fill(b, a, i)
			return true
		}
		i = c.now.next(i+1, b.need())
	}
	return false
}

func (b *bid) need() best { return best{b.Size, b.Terms.RateMin, b.regions} }

func (c *call) fill(b *bid, a *ask, i int) {
	a.now.bytes -= b.Size
	a.now.leases--
	a.fills++
	c.now.set(i, a.best(a.now))
	b.holders = append(b.holders, a.holder)
	b.next++
	b.filled++
	m := b.market
	if m.fills == 0 || b.price().Cmp(m.bid) < 0 {
		m.bid = b.price()
	}
	if m.fills == 0 || a.price().Cmp(m.ask) > 0 {
		m.ask = a.price()
	}
	m.fills++
	c.fills = append(c.fills, fill{b, a})
}

// prices returns one price for each signature that traded: the highest bid that lost for lack of
// capacity, or the highest accepted ask if that is more, but never beyond an accepted bid.
func (c *call) prices() map[string]marketplace.Amount {
	prices := map[string]marketplace.Amount{}
	for _, m := range c.markets {
		if m.fills == 0 {
			continue
		}
		price := m.ask
		if m.lost.Cmp(price) > 0 {
			price = m.lost
		}
		if price.Cmp(m.bid) > 0 {
			price = m.bid
		}
		prices[m.signature] = price
		c.last[m.signature] = price
	}
	return prices
}

func (c *call) fillsAt(prices map[string]marketplace.Amount) []marketplace.Fill {
	fills := make([]marketplace.Fill, len(c.fills))
	for i, f := range c.fills {
		fills[i] = marketplace.Fill{Bounty: f.bid.ID, Offer: f.ask.ID,
			Price: prices[f.bid.market.signature]}
	}
	slices.SortFunc(fills, func(a, b marketplace.Fill) int {
		return cmp.Or(cmp.Compare(a.Bounty, b.Bounty), cmp.Compare(a.Offer, b.Offer))
	})
	c.replace(fills)
	return fills
}

// replace says which lost replica each fill takes over: the first in line goes to the first fill.
func (c *call) replace(fills []marketplace.Fill) {
	taken := map[int64]int{}
	for i := range fills {
		f := &fills[i]
		if line := c.lost[f.Bounty]; taken[f.Bounty] < len(line) {
			next := line[taken[f.Bounty]]
			f.Replaces, f.Why = next.Lease, next.Why
			taken[f.Bounty]++
		}
	}
}

func (c *call) clearings(prices map[string]marketplace.Amount) []marketplace.Price {
	list := make([]marketplace.Price, 0, len(prices))
	for signature, price := range prices {
		list = append(list, marketplace.Price{Signature: signature, Price: price,
			Replicas: c.markets[signature].fills})
	}
	slices.SortFunc(list, func(a, b marketplace.Price) int {
		return cmp.Compare(a.Signature, b.Signature)
	})
	return list
}
