package matcher

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// Signature names the constraint tuple of a bounty: term class, regions, least rate. Equal
// signatures pay one price in a call.
func Signature(t marketplace.BountyTerms) string {
	regions := "any"
	if len(t.Regions) > 0 {
		regions = strings.Join(sorted(t.Regions, cmp.Compare[string]), "+")
	}
	return fmt.Sprintf("%dd/%s/%d", t.Bucket(), regions, t.RateMin)
}

// sorted returns a sorted copy of s without duplicates.
func sorted[S ~[]E, E comparable](s S, order func(a, b E) int) S {
	s = slices.Clone(s)
	slices.SortFunc(s, order)
	return slices.Compact(s)
}

// digest is the hash of everything in the book that decides, in whatever order it is listed:
// the input hash of a call. Times of the last contact, counters of money and reasons decide
// nothing and are left out. Of addresses it has who shares a network with whom: more does not decide, and
// the input can be shown, or guessed at, without telling where agents live.
func digest(f orderbook.Frozen, r marketplace.Rules) marketplace.Hash {
	h, n := sha256.New(), networksOf(f, r)
	fmt.Fprintln(h, "everseed book")
	section(h, f.Bounties, bountyLine)
	section(h, f.Offers, func(o marketplace.Offer) string {
		return offerLine(o, n.name(o.Terms.Peer))
	})
	section(h, f.Replicas, func(l marketplace.Lease) string {
		return fmt.Sprintf("replica %d %x %x %s", l.Bounty, l.Agent[:], l.Payee[:], n.name(l.Peer))
	})
	section(h, f.Barred, func(b orderbook.Bar) string {
		return fmt.Sprintf("barred %d %x", b.Bounty, b.Agent[:])
	})
	section(h, f.Lost, func(l marketplace.Lost) string {
		return fmt.Sprintf("lost %d %d %t", l.Bounty, l.Lease, l.Dropping)
	})
	section(h, f.Together, func(p marketplace.Pair) string {
		return fmt.Sprintf("together %x %x", p.A[:], p.B[:])
	})
	return sum(h)
}

func section[T any](h io.Writer, items []T, line func(T) string) {
	lines := make([]string, len(items))
	for i, item := range items {
		lines[i] = line(item)
	}
	slices.Sort(lines)
	for _, l := range lines {
		_, _ = io.WriteString(h, l+"\n") // a hash takes everything
	}
}

func bountyLine(b marketplace.Bounty) string {
	t := b.Terms
	funders := make([]marketplace.Address, len(b.Funders))
	for i, p := range b.Funders {
		funders[i] = p.Poster
	}
	return fmt.Sprintf("bounty %d %x %s %s %x %d %d/%d %s %d %s %d", b.ID, b.Poster[:],
		hexes(funders), b.State, t.Infohash[:], b.Size, b.Leased, t.Replicas, t.PriceMax, t.KeepFor,
		Signature(t), b.PostedAt.UnixMicro())
}

func offerLine(o marketplace.Offer, network string) string {
	t := o.Terms
	return fmt.Sprintf("offer %d %x %s %s %d/%d %d/%d %d %s %d-%d %d %s %s %x %s %s %d", o.ID,
		o.Agent[:], o.State, o.Standing, o.Used, t.Storage, o.Leases, t.LeasesMax, t.UploadRate,
		t.PriceMin, t.TermMin, t.TermMax, t.TorrentMax, t.Region, network, t.Payee[:],
		hexes(t.DenyPoster), hexes(t.DenyHash), o.PostedAt.UnixMicro())
}

// networks names the networks of a book, each after one who is there.
type networks struct {
	rules marketplace.Rules
	names map[netip.Prefix]string
}

func networksOf(f orderbook.Frozen, r marketplace.Rules) networks {
	n := networks{r, map[netip.Prefix]string{}}
	for _, o := range f.Offers {
		n.add(o.Terms.Peer, fmt.Sprintf("at-offer-%d", o.ID))
	}
	for _, l := range f.Replicas {
		n.add(l.Peer, fmt.Sprintf("at-replica-%d-%x", l.Bounty, l.Agent[:]))
	}
	return n
}

// add lets a network be named after one who is there, whoever is first by name.
func (n networks) add(peer, who string) {
	p := networkOf(n.rules, peer)
	if was, known := n.names[p]; p.IsValid() && (!known || who < was) {
		n.names[p] = who
	}
}

// name is empty for a peer that is nowhere.
func (n networks) name(peer string) string { return n.names[networkOf(n.rules, peer)] }

// networkOf returns where a peer is. The zero network is nowhere: its address cannot be read.
func networkOf(r marketplace.Rules, peer string) netip.Prefix {
	at, err := marketplace.OfferTerms{Peer: peer}.PeerAddr()
	if err != nil {
		return netip.Prefix{}
	}
	return r.Network(at.Addr())
}

// hexes lists names in their own order, whatever order they were given in.
func hexes[T ~[20]byte](names []T) string {
	names = sorted(names, func(a, b T) int {
		x, y := [20]byte(a), [20]byte(b)
		return bytes.Compare(x[:], y[:])
	})
	var all strings.Builder
	for _, n := range names {
		fmt.Fprintf(&all, "%x,", [20]byte(n))
	}
	return "[" + all.String() + "]"
}

// callHash binds a call to the one before it, to its input and to its fills.
func callHash(c marketplace.Call) marketplace.Hash {
	h := sha256.New()
	fmt.Fprintln(h, "everseed call")
	fmt.Fprintln(h, c.Previous)
	fmt.Fprintln(h, c.Input)
	for _, f := range c.Fills {
		fmt.Fprintln(h, "fill", f.Bounty, f.Offer, f.Price)
		if f.Replaces != 0 {
			fmt.Fprintln(h, "replaces", f.Replaces)
		}
	}
	return sum(h)
}

func sum(h hash.Hash) (out marketplace.Hash) {
	h.Sum(out[:0])
	return out
}
