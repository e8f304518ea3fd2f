package trial

import (
	"cmp"
	"math/rand/v2"

	"github.com/everseed/everseed/marketplace"
)

// found returns in how many of so many lives an agent that has something to hide is found out within so
// many days: one of its leases is accused.
func (w World) found(begin func(World, *rand.Rand) answer, days, lives int) (found int) {
	w.Days, w.Leases = days, 1
	for run := range lives {
		c := w.newCareer(run, panel(w.Auditors), begin)
		for k := range w.epochs() {
			if c.live(firstEpoch+k, int(k)+1); c.accused > 0 {
				found++
				break
			}
		}
	}
	return found
}

// believed returns in how many of so many lives on v1 an agent's only lease becomes active, and in which epoch
// one did at the earliest.
func (w World) believed(begin func(World, *rand.Rand) answer, lives int) (n, earliest int) {
	w.Leases = 1
	for run := range lives {
		c := w.v1().newCareer(run, panel(w.Auditors), begin)
		for k := int64(0); c.active == 0 && c.lost == 0 && k < w.epochs(); k++ {
			c.live(firstEpoch+k, int(k)+1)
		}
		if c.active > 0 {
			n++
			earliest = min(c.active, cmp.Or(earliest, c.active))
		}
	}
	return n, earliest
}

// missed returns how many of so many epochs an honest agent does not pass of whose tries one in
// ten fails.
func (w World) missed(epochs int) (missed, of int) {
	w.Leases = 1
	for run := 0; of < epochs; run++ {
		c := w.newCareer(run, panel(w.Auditors),
			sometimes(0.1, marketplace.Unreachable, marketplace.Pass)).run()
		missed, of = missed+c.missed, of+c.judged
	}
	return missed, of
}
