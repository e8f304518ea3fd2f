package matcher

import (
	"net/netip"
	"slices"

	"github.com/everseed/everseed/marketplace"
)

// A limit is one thing that can keep an offer from a bounty. A set of limits is their union.
type limit uint16

const (
	onPrice limit = 1 << iota
	onRegion
	onRate
	onSize
	onStorage
	onLeases
	onStanding
	onTerm
	onDeny
	onBar
	onApart
	limits = iota
)

// limitWords names each limit twice: the key in a quote, and the words in a reason.
var limitWords = [limits][2]string{
	{"price", "the price"},
	{"region", "the region limit"},
	{"rate", "the least rate"},
	{"size", "the size limit"},
	{"storage", "the need for free storage"},
	{"leases", "the limit on leases"},
	{"standing", "the need for standing"},
	{"term", "the term limit"},
	{"denied", "deny lists"},
	{"excluded", "the exclusion of agents that failed or declined it"},
	{"apart", "the rule that keeps replicas apart"},
}

// A bid is a bounty that takes part in a call.
type bid struct {
	*marketplace.Bounty
	market  *market
	regions uint8 // bit set of marketplace.Regions; 0 means any
	front   bool  // lost a replica that it had: goes first in its round
	next    int   // number of the replica that it gets next
	from    int   // asks before this index can no longer fill it, for other reasons than price
	filled  int   // replicas given by this call
	holders []holder
	barred  []marketplace.Address
}

func (b *bid) price() marketplace.Amount { return b.Terms.PriceMax }

func (b *bid) missing() bool { return b.next <= b.Terms.Replicas }

// A holder is whom a further replica must be apart from.
type holder struct {
	agent, payee marketplace.Address
	network      netip.Prefix
	partners     []marketplace.Address // agents that fail when this one does
}

func (h holder) near(o holder) bool {
	return h.agent == o.agent || h.payee == o.payee || h.agent == o.payee || h.payee == o.agent ||
		h.network == o.network || slices.Contains(h.partners, o.agent)
}

// An ask is a live offer.
type ask struct {
	*marketplace.Offer
	holder
	region      uint8
	denyPosters map[marketplace.Address]bool
	denyHashes  map[marketplace.Infohash]bool
	frozen      room // when the book was frozen
	now         room // after the fills so far
	fills       int
}

func (a *ask) price() marketplace.Amount { return a.Terms.PriceMin }

// room is what an offer can still take.
type room struct {
	bytes  int64
	leases int
}

// misses returns every limit that keeps the offer, with so much room, from the bounty.
func (b *bid) misses(a *ask, r room) (m limit) {
	miss := func(bad bool, l limit) {
		if bad {
			m |= l
		}
	}
	o, t := &a.Terms, &b.Terms
	miss(o.PriceMin.Cmp(t.PriceMax) > 0, onPrice)
	miss(b.regions != 0 && b.regions&a.region == 0, onRegion)
	miss(o.UploadRate < t.RateMin, onRate)
	miss(o.TorrentMax < b.Size, onSize)
	miss(r.bytes < b.Size, onStorage)
	miss(r.leases < 1, onLeases)
	miss(!trusted(a.Standing), onStanding)
	miss(t.KeepFor < o.TermMin || t.KeepFor > o.TermMax, onTerm)
	miss(a.denies(b) || a.denyHashes[t.Infohash], onDeny)
	miss(slices.Contains(b.barred, a.agent), onBar)
	miss(b.near(a.holder), onApart)
	return m
}

// denies says whether the agent does not work for somebody who pays.
func (a *ask) denies(b *bid) bool {
	return a.denyPosters[b.Poster] || slices.ContainsFunc(b.Funders,
		func(p marketplace.Pledge) bool { return a.denyPosters[p.Poster] })
}

// near says whether one of those who pay, or the holder of another replica, stands behind h.
func (b *bid) near(h holder) bool {
	return b.Pays(h.agent) || b.Pays(h.payee) || slices.ContainsFunc(b.holders, h.near)
}

// trusted says whether agents of a standing get new leases.
func trusted(s marketplace.Standing) bool {
	return s == marketplace.New || s == marketplace.Vetted
}

// roomOf returns what an offer could take when the book was frozen.
func roomOf(o *marketplace.Offer, r marketplace.Rules) room {
	most := o.Terms.LeasesMax
	if o.Standing != marketplace.Vetted {
		most = min(most, r.LeasesNewMax)
	}
	return room{bytes: o.Terms.Storage - o.Used, leases: most - o.Leases}
}

// regionBits returns the bit set of region names. A name that no list knows has no bit.
func regionBits(names ...string) (bits uint8) {
	for _, name := range names {
		if i := slices.Index(marketplace.Regions, name); i >= 0 {
			bits |= 1 << i
		}
	}
	return bits
}
