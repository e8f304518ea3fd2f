package trial

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// sharers are what became of agents that share one disk under several names.
type sharers struct {
	oneLine   int     // replicas of one bounty that three names behind one line may get
	flagged   took    // until two of three names behind three lines scored as one owner
	until     float64 // % of what one of them was paid until then, for one disk
	score     int     // bps, the least of two such names after all days
	strangers int     // bps, the most of two strangers after all days
}

// names is how many a cheat has.
const names = 3

// sharers puts three names on one disk on trial, and three strangers beside them. The machine of
// each owner is off for eight hours about twice a week.
func (w World) sharers() (s sharers) {
	s.oneLine = w.networks("203.0.113.10", "203.0.113.11", "203.0.113.12")
	s.score = 10_000
	var flagged []int
	var paid, honest marketplace.Amount
	for run := range w.Households {
		machine := night(w, w.chance(run))
		shared := w.newHousehold(run, func(World, *rand.Rand) answer { return machine })
		strange := w.newHousehold(run, night)
		at := shared.flagged
		flagged = append(flagged, at)
		if at == 0 {
			at = int(w.epochs())
		}
		paid, honest = paid.Add(shared.paid(at)), honest.Add(shared.careers[0].paid[at-1])
		s.score = min(s.score, shared.scores(slices.Min))
		s.strangers = max(s.strangers, strange.scores(slices.Max))
	}
	s.flagged, s.until = epochs(flagged), percent(paid, honest)
	return s
}

// networks counts the replicas of a bounty that agents at some addresses may hold: one a network.
func (w World) networks(addresses ...string) int {
	apart := map[netip.Prefix]bool{}
	for _, a := range addresses {
		apart[w.Rules.Network(netip.MustParseAddr(a))] = true
	}
	return len(apart)
}

// night is an honest machine that is off for eight hours now and then.
func night(w World, chance *rand.Rand) answer {
	return home(3*marketplace.Day, 8*time.Hour)(w, chance)
}

// A household is a few careers side by side.
type household struct {
	careers []*career
	flagged int // epochs until two of them scored as one owner; 0: never
}

func (w World) newHousehold(run int, begin func(World, *rand.Rand) answer) (h household) {
	w.Leases = 1
	for i := range names {
		h.careers = append(h.careers, w.newCareer(names*run+i, panel(w.Auditors), begin))
	}
	for k := range w.epochs() {
		for _, c := range h.careers {
			c.live(firstEpoch+k, int(k)+1)
		}
		if h.scores(slices.Max) >= w.Rules.OneOwnerBps {
			h.flagged = first(h.flagged, int(k)+1)
		}
	}
	return h
}

// paid is what all of them were paid in the first epochs.
func (h household) paid(epochs int) (sum marketplace.Amount) {
	for _, c := range h.careers {
		sum = sum.Add(c.paid[epochs-1])
	}
	return sum
}

// scores returns the least or the most score of two of them.
func (h household) scores(pick func([]int) int) int {
	var all []int
	for i, one := range h.careers {
		for _, other := range h.careers[:i] {
			all = append(all, marketplace.Together(one.failed, other.failed))
		}
	}
	return pick(all)
}
