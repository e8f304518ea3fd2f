package matcher

import (
	"fmt"
	"strings"

	"github.com/everseed/everseed/marketplace"
)

// countMax bounds how many offers, or bounties, are looked at one by one to explain one refusal.
const countMax = 1000

// A refusal is why a bounty still misses replicas after the rounds.
type refusal struct {
	kind refusalKind
	ask  *ask // cheapest that would be eligible, if any
}

type refusalKind int

const (
	traded   refusalKind = iota
	waits                // a fill would break the one price of its market
	usedUp               // this call gave away what it could have had
	tooLow               // every eligible ask is dearer
	excluded             // nobody meets its limits
)

// refusals finds out why each bid that is still missing replicas got no more, and tells the
// markets the highest bid that lost for lack of capacity.
func (c *call) refusals() []refusal {
	all := make([]refusal, len(c.bids))
	for i, b := range c.bids {
		if !b.missing() {
			continue
		}
		all[i] = c.refusal(b)
		if all[i].kind == usedUp && b.price().Cmp(b.market.lost) > 0 {
			b.market.lost = b.price()
		}
	}
	return all
}

func (c *call) refusal(b *bid) refusal {
	left := c.first(b, b.from, c.now, func(a *ask) room { return a.now })
	if left != nil && left.price().Cmp(b.price()) <= 0 {
		return refusal{waits, left}
	}
	before := c.first(b, 0, c.frozen, func(a *ask) room { return a.frozen })
	switch {
	case before == nil:
		return refusal{excluded, nil}
	case before.price().Cmp(b.price()) <= 0:
		return refusal{usedUp, left}
	case left == nil:
		return refusal{tooLow, before}
	default:
		return refusal{tooLow, left}
	}
}

// first returns the cheapest ask at or after i that meets every limit of b but the price.
func (c *call) first(b *bid, i int, x *index, has func(*ask) room) *ask {
	for i = x.next(i, b.need()); i >= 0; i = x.next(i+1, b.need()) {
		if a := c.asks[i]; b.misses(a, has(a))&^onPrice == 0 {
			return a
		}
	}
	return nil
}

func (c *call) bountyReason(b *bid, r refusal) string {
	why := c.refusalWords(b, r)
	if have := b.next - 1; have > 0 && why != "" {
		return fmt.Sprintf("%d of %d replicas leased; %s", have, b.Terms.Replicas, why)
	}
	return why
}

func (c *call) refusalWords(b *bid, r refusal) string {
	m := b.market
	switch r.kind {
	case waits:
		return fmt.Sprintf("waits for the next call: best eligible ask left %s, you bid %s, and "+
			"this call's one price for %s lies between the highest ask %s and the lowest bid %s "+
			"it accepted", r.ask.price(), b.price(), m.signature, m.ask, m.bid)
	case usedUp:
		if r.ask == nil {
			return fmt.Sprintf("lost for lack of capacity: you bid %s, and every eligible offer "+
				"went to replicas before yours", b.price())
		}
		return fmt.Sprintf("lost for lack of capacity: best eligible ask left %s, you bid %s",
			r.ask.price(), b.price())
	case tooLow:
		return fmt.Sprintf("best eligible ask %s, you bid %s", r.ask.price(), b.price())
	case excluded:
		n := c.countAsks(b, countMax)
		return n.words("offer", "live")
	default:
		return ""
	}
}

func (c *call) offerReason(a *ask) string {
	switch room := a.now; {
	case a.fills > 0:
		return ""
	case !trusted(a.Standing):
		return fmt.Sprintf("%s: no new leases", a.Standing)
	case room.leases < 1 && a.Leases < a.Terms.LeasesMax:
		return fmt.Sprintf("%d leases, the most an agent has before it is vetted", a.Leases)
	case room.leases < 1:
		return fmt.Sprintf("%d leases, the most you offer", a.Leases)
	case len(c.bids) == 0:
		return "no bounty waits for a replica"
	}
	b := c.bestBid(a)
	if b == nil {
		n := c.countBids(a)
		return n.words("bounty", "open")
	}
	reason := fmt.Sprintf("best eligible bid %s, you ask %s", b.price(), a.price())
	if a.price().Cmp(b.price()) <= 0 {
		reason = fmt.Sprintf("cheaper offers were taken first, you ask %s", a.price())
	}
	if last, ok := c.last[b.market.signature]; ok && a.price().Cmp(last) > 0 {
		reason += fmt.Sprintf("; your offer is %s above the last clearing price %s",
			percentAbove(a.price(), last), last)
	}
	return reason
}

// bestBid returns the highest bid, before or after this call's fills, that the ask could serve
// but for the price.
func (c *call) bestBid(a *ask) (found *bid) {
	for i, b := range c.bids {
		if i == countMax || found != nil && !b.front {
			break // from the first that is not in front, they only get lower
		}
		if (found == nil || b.price().Cmp(found.price()) > 0) && b.misses(a, a.frozen)&^onPrice == 0 {
			found = b
		}
	}
	return found
}

func percentAbove(ask, price marketplace.Amount) string {
	percent := (ask.Float()/price.Float() - 1) * 100
	switch {
	case price.IsZero() || percent > 10_000:
		return "more than 10000 %"
	case percent < 1:
		return "less than 1 %"
	default:
		return fmt.Sprintf("%.0f %%", percent)
	}
}

// A count says how many things on the other side are eligible, would be without one limit, and
// miss each limit. No limit is dropped twice: without and missed are by bit of limit.
type count struct {
	all      int
	capped   bool
	eligible int
	without  [limits]int
	missed   [limits]int
}

func (n *count) add(m limit) {
	n.all++
	if m == 0 {
		n.eligible++
	}
	for i := range limits {
		l := limit(1) << i
		if m&l != 0 {
			n.missed[i]++
		}
		if m&^l == 0 {
			n.without[i]++
		}
	}
}

func (c *call) countAsks(b *bid, most int) (n count) {
	for i, a := range c.asks {
		if n.capped = i == most; n.capped {
			break
		}
		n.add(b.misses(a, a.frozen))
	}
	return n
}

func (c *call) countBids(a *ask) (n count) {
	for i, b := range c.bids {
		if n.capped = i == countMax; n.capped {
			break
		}
		n.add(b.misses(a, a.frozen))
	}
	return n
}

// words explains why nothing is eligible: what dropping one limit would bring, or, when no single
// one would do, how many fail on each.
func (n count) words(noun, adjective string) string {
	if n.all == 0 {
		return fmt.Sprintf("there is no %s %s", adjective, noun)
	}
	var one, each []string
	for i := range limits {
		if n.without[i] > 0 {
			one = append(one, fmt.Sprintf("%s without %s", n.of(n.without[i], noun), limitWords[i][1]))
		}
		if n.missed[i] > 0 {
			each = append(each, fmt.Sprintf("%d on %s", n.missed[i], limitWords[i][1]))
		}
	}
	if len(one) > 0 {
		return strings.Join(one, ", ") + ", 0 with " + them(len(one))
	}
	return fmt.Sprintf("%s, 0 eligible, however one limit is eased; they fail: %s",
		n.of(n.all, adjective+" "+noun), strings.Join(each, ", "))
}

func them(limits int) string {
	if limits == 1 {
		return "it"
	}
	return "all of them"
}

func (n count) of(k int, noun string) string {
	more := ""
	if n.capped {
		more = "more than "
	}
	if k == 1 {
		return fmt.Sprintf("%s1 %s", more, noun)
	}
	return fmt.Sprintf("%s%d %s", more, k, plural(noun))
}

func plural(noun string) string {
	if s, ok := strings.CutSuffix(noun, "bounty"); ok {
		return s + "bounties"
	}
	return noun + "s"
}

// byKey returns the counts by the limits' keys, leaving out limits that change nothing.
func (n count) byKey() map[string]int {
	keys := map[string]int{}
	for i := range limits {
		if n.without[i] > n.eligible {
			keys[limitWords[i][0]] = n.without[i]
		}
	}
	return keys
}
