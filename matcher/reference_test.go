package matcher

import (
	"fmt"
	"slices"
	"sort"

	"github.com/everseed/everseed/marketplace"
)

// The reference is market.md's "Matching" written again, without an index, without running
// totals and without a cursor: every question is answered from the list of trades so far.

type trade struct {
	b marketplace.Bounty
	o marketplace.Offer
}

type reference struct {
	book   Frozen
	rules  marketplace.Rules
	trades []trade
}

func (r *reference) run() {
	out := map[int64]bool{}
	for k := 1; k <= r.rules.ReplicasMax; k++ {
		for _, b := range r.queue() {
			if out[b.ID] || r.has(b) != k-1 || r.has(b) >= b.Terms.Replicas {
				continue
			}
			o, ok := r.cheapest(b, r.trades)
			if !ok || !r.stands(append(slices.Clone(r.trades), trade{b, o})) {
				out[b.ID] = true
				continue
			}
			r.trades = append(r.trades, trade{b, o})
		}
	}
}

func (r *reference) queue() []marketplace.Bounty {
	q := slices.Clone(r.book.Bounties)
	sort.Slice(q, func(i, j int) bool {
		a, b := q[i], q[j]
		if x, y := a.State == marketplace.Degraded, b.State == marketplace.Degraded; x != y {
			return x
		}
		if a.Terms.PriceMax != b.Terms.PriceMax {
			return a.Terms.PriceMax.Cmp(b.Terms.PriceMax) > 0
		}
		if !a.PostedAt.Equal(b.PostedAt) {
			return a.PostedAt.Before(b.PostedAt)
		}
		return a.ID < b.ID
	})
	return q
}

func (r *reference) has(b marketplace.Bounty) int {
	n := b.Leased
	for _, t := range r.trades {
		if t.b.ID == b.ID {
			n++
		}
	}
	return n
}

// cheapest offer for b within its price, with the capacity that taken leaves.
func (r *reference) cheapest(
	b marketplace.Bounty, taken []trade,
) (best marketplace.Offer, ok bool) {
	for _, o := range r.book.Offers {
		if !r.suits(b, o) || !r.fits(b, o, taken) {
			continue
		}
		if !ok || fmt.Sprintf("%030s %s %09d", o.Terms.PriceMin.Bytes32(), o.PostedAt, o.ID) <
			fmt.Sprintf("%030s %s %09d", best.Terms.PriceMin.Bytes32(), best.PostedAt, best.ID) {
			best, ok = o, true
		}
	}
	return best, ok
}

func (r *reference) fits(b marketplace.Bounty, o marketplace.Offer, taken []trade) bool {
	bytes, leases, most := o.Used+b.Size, o.Leases+1, o.Terms.LeasesMax
	for _, t := range taken {
		if t.o.ID == o.ID {
			bytes, leases = bytes+t.b.Size, leases+1
		}
	}
	if o.Standing == marketplace.New && r.rules.LeasesNewMax < most {
		most = r.rules.LeasesNewMax
	}
	return bytes <= o.Terms.Storage && leases <= most
}

// suits says whether everything but capacity allows the pair.
func (r *reference) suits(b marketplace.Bounty, o marketplace.Offer) bool {
	if o.Standing == marketplace.Suspended || o.Standing == marketplace.Disqualified {
		return false
	}
	here := len(b.Terms.Regions) == 0
	for _, region := range b.Terms.Regions {
		here = here || region == o.Terms.Region
	}
	payers := []marketplace.Address{b.Poster}
	for _, p := range b.Funders {
		payers = append(payers, p.Poster)
	}
	denied := func(p marketplace.Address) bool { return slices.Contains(o.Terms.DenyPoster, p) }
	if !here || slices.ContainsFunc(payers, denied) ||
		slices.Contains(o.Terms.DenyHash, b.Terms.Infohash) ||
		slices.Contains(r.book.Barred, Bar{Bounty: b.ID, Agent: o.Agent}) {
		return false
	}
	if o.Terms.PriceMin.Cmp(b.Terms.PriceMax) > 0 || o.Terms.UploadRate < b.Terms.RateMin ||
		b.Size > o.Terms.TorrentMax || b.Terms.KeepFor < o.Terms.TermMin ||
		b.Terms.KeepFor > o.Terms.TermMax {
		return false
	}
	mine := owners(marketplace.Lease{Agent: o.Agent, Payee: o.Terms.Payee, Peer: o.Terms.Peer})
	var theirs []string
	for _, p := range payers {
		theirs = append(theirs, p.String())
	}
	for _, h := range r.holding(b) {
		theirs = append(theirs, owners(h)...)
	}
	for _, m := range mine {
		if slices.Contains(theirs, m) {
			return false
		}
	}
	return true
}

// holding lists who holds replicas of b: before the call and by it.
func (r *reference) holding(b marketplace.Bounty) (all []marketplace.Lease) {
	for _, h := range r.book.Replicas {
		if h.Bounty == b.ID {
			all = append(all, h)
		}
	}
	for _, t := range r.trades {
		if t.b.ID == b.ID {
			all = append(all, replicaOf(b.ID, t.o))
		}
	}
	return all
}

// owners names everything of a replica that no other replica of its bounty may share.
func owners(h marketplace.Lease) []string {
	p, err := marketplace.OfferTerms{Peer: h.Peer}.PeerAddr()
	if err != nil {
		panic(err)
	}
	return []string{h.Agent.String(), h.Payee.String(), rules.Network(p.Addr()).String()}
}

// stands says whether no accepted ask of any signature is above an accepted bid of it.
func (r *reference) stands(trades []trade) bool {
	for _, t := range trades {
		for _, u := range trades {
			if Signature(t.b.Terms) == Signature(u.b.Terms) &&
				t.o.Terms.PriceMin.Cmp(u.b.Terms.PriceMax) > 0 {
				return false
			}
		}
	}
	return true
}

// price of a signature in the finished call.
func (r *reference) price(signature string) marketplace.Amount {
	var asks, bids, lost []marketplace.Amount
	for _, t := range r.trades {
		if Signature(t.b.Terms) == signature {
			asks, bids = append(asks, t.o.Terms.PriceMin), append(bids, t.b.Terms.PriceMax)
		}
	}
	for _, b := range r.book.Bounties {
		if Signature(b.Terms) != signature || r.has(b) >= b.Terms.Replicas {
			continue
		}
		_, now := r.cheapest(b, r.trades)
		_, before := r.cheapest(b, nil)
		if before && !now {
			lost = append(lost, b.Terms.PriceMax)
		}
	}
	order := func(a, b marketplace.Amount) int { return a.Cmp(b) }
	low, high := slices.MaxFunc(asks, order), slices.MinFunc(bids, order)
	price := slices.MaxFunc(append(lost, low), order)
	return slices.MinFunc([]marketplace.Amount{price, high}, order)
}

func (r *reference) fills() (all []string) {
	for _, t := range r.trades {
		all = append(all, fmt.Sprint(t.b.ID, "←", t.o.ID, "@", r.price(Signature(t.b.Terms))))
	}
	slices.Sort(all)
	return all
}
