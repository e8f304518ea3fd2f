package trial

import (
	"slices"

	"github.com/everseed/everseed/marketplace"
)

// A fate is what a sort of agent came to.
type fate struct {
	who     string
	honest  bool
	free    bool    // may earn more than limit; why says why
	lost    took    // until its first lease failed
	cut     took    // until it had no lease and got none
	accused took    // until a data fault was found
	until   float64 // % of an honest agent's pay until it was cut off
	term    float64 // % of an honest agent's pay in all days
	windows float64 // % that it served in quiet windows, as its score says in the end; less than 0: it saw none
	missed  float64 // epochs without a pass per 10,000 of proven leases
	why     string
}

// took is how many epochs something took over all careers.
type took struct {
	median, worst int // of those in which it happened
	share         float64
}

// fates puts every sort of agent on trial.
func (w World) fates() (rows []fate) {
	var measure []marketplace.Amount
	for _, k := range agents() {
		careers := w.careers(k)
		if measure == nil {
			measure = earnings(careers[0])
		}
		rows = append(rows, sum(k, careers, measure))
	}
	return rows
}

func (w World) careers(k kind) []*career {
	if k.panel == 0 {
		k.panel = w.Auditors
	}
	runs := w.Runs
	if k.few > 0 {
		runs = min(runs, k.few)
	}
	if k.in != nil {
		w = k.in(w)
	}
	all := make([]*career, runs)
	for run := range all {
		all[run] = w.newCareer(run, panel(k.panel, k.others...), k.begin).run()
	}
	return all
}

// earnings are what an agent that never fails has earned after each epoch, its holdback included:
// it ends well. The last is what it is paid in all.
func earnings(c *career) []marketplace.Amount {
	all := make([]marketplace.Amount, len(c.paid))
	for i, paid := range c.paid {
		all[i] = paid.MulDiv(10_000, uint64(10_000-c.w.Rules.HoldbackBps)) // #nosec G115 -- a share
	}
	all[len(all)-1] = c.kept
	return all
}

func sum(k kind, careers []*career, measure []marketplace.Amount) fate {
	row := fate{who: k.name, honest: k.honest, free: k.free, why: k.why}
	var lost, cut, accused []int
	var until, untilHonest, term, termHonest marketplace.Amount
	judged, missed, visited, served := 0, 0, 0, 0
	for _, c := range careers {
		lost, cut, accused = append(lost, c.lost), append(cut, c.cut), append(accused, c.accused)
		paid, honest := c.kept, measure[len(measure)-1]
		term, termHonest = term.Add(paid), termHonest.Add(honest)
		if c.cut > 0 {
			paid, honest = c.paid[c.cut-1], measure[c.cut-1]
		}
		until, untilHonest = until.Add(paid), untilHonest.Add(honest)
		judged, missed = judged+c.judged, missed+c.missed
		if in := c.record.Windows; in.Visits > 0 {
			visited, served = visited+1, served+in.Served.Bps()
		}
	}
	row.windows = -1
	if visited > 0 {
		row.windows = float64(served) / float64(100*visited)
	}
	row.lost, row.cut, row.accused = epochs(lost), epochs(cut), epochs(accused)
	row.until, row.term = percent(until, untilHonest), percent(term, termHonest)
	if judged > 0 {
		row.missed = 1e4 * float64(missed) / float64(judged)
	}
	return row
}

func percent(part, whole marketplace.Amount) float64 {
	if whole.IsZero() {
		return 0
	}
	return 100 * part.Float() / whole.Float()
}

// epochs sums up; 0 stands for never.
func epochs(all []int) (e took) {
	never := func(n int) bool { return n == 0 }
	happened := slices.DeleteFunc(slices.Sorted(slices.Values(all)), never)
	if len(happened) == 0 {
		return e
	}
	return took{median: happened[len(happened)/2], worst: happened[len(happened)-1],
		share: float64(len(happened)) / float64(len(all))}
}
