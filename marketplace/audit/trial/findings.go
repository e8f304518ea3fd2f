package trial

import (
	"github.com/everseed/everseed/marketplace"
)

// firstDay returns in how many of so many lives an agent that lacks a share of its data is found
// out within its first day.
func (w World) firstDay(share float64, lives int) (found int) {
	w.Days, w.Leases = 1, 1
	for run := range lives {
		c := w.newCareer(run, panel(w.Auditors), without(share, marketplace.BadData))
		for k := range w.epochs() {
			if c.live(firstEpoch+k, int(k)+1); c.accused > 0 {
				found++
				break
			}
		}
	}
	return found
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
