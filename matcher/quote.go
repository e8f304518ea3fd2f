package matcher

import (
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// NewQuote says what a bounty of these terms would cost and get if it were posted now, for a
// torrent of so many bytes. Whether the poster could pay for it (Sufficient) is the caller's to
// add. It changes nothing: the book is only looked at.
func NewQuote(f orderbook.Frozen, r marketplace.Rules, poster marketplace.Address,
	t marketplace.BountyTerms, size int64) marketplace.Quote {

	free := r
	free.FeeBps = 0
	q := marketplace.Quote{WorstCase: r.WorstCase(t, size)}
	q.Fee = q.WorstCase.Sub(free.WorstCase(t, size))

	asked := lastInLine(f.Bounties)
	asked.Poster, asked.Terms, asked.Size, asked.State = poster, t, size, marketplace.Open
	f.Bounties = append(f.Bounties[:len(f.Bounties):len(f.Bounties)], asked)
	c := newCall(f, r)
	q.LastPrice = c.last[Signature(t)]

	var b *bid
	for _, each := range c.bids {
		if each.ID == asked.ID {
			b = each
		}
	}
	if b == nil {
		return q // of no replicas
	}
	n := c.countAsks(b, len(c.asks))
	q.Eligible, q.Without = n.eligible, n.byKey()
	if best := c.first(b, 0, c.frozen, func(a *ask) room { return a.frozen }); best != nil {
		q.BestAsk = best.price()
	}
	c.rounds()
	q.Fillable = b.filled
	return q
}

// lastInLine returns a bounty that is posted after all others.
func lastInLine(all []marketplace.Bounty) (b marketplace.Bounty) {
	for _, other := range all {
		b.ID = max(b.ID, other.ID)
		if other.PostedAt.After(b.PostedAt) {
			b.PostedAt = other.PostedAt
		}
	}
	b.ID++
	b.PostedAt = b.PostedAt.Add(time.Microsecond)
	return b
}
