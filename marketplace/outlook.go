package marketplace

import (
	"fmt"
	"time"
)

// An Outlook tells an agent where it stands, why, and what comes next: every score with its
// thresholds, and a warning before a score costs anything.
type Outlook struct {
	Standing   Standing  `json:"standing"`
	LeasesMax  int       `json:"leases_max" doc:"Most leases by standing; 0 without a limit of its own"`
	NewLeases  bool      `json:"new_leases" doc:"Whether calls give it leases"`
	Reputation Gauge     `json:"reputation"`
	Uptime     Gauge     `json:"uptime"`
	DropBps    int       `json:"drop_bps" doc:"Forecast that it misses the next epoch, 0 to 10000"`
	Passed     int       `json:"passed" doc:"Audits passed, ever"`
	VetAudits  int       `json:"vet_audits" doc:"Passed audits that a vetted agent has"`
	VetFrom    time.Time `json:"vet_from" doc:"Not vetted before"`
	Windows    *Windows  `json:"windows,omitempty" doc:"What quiet windows showed, from the first on; costs nothing"`
	Next       string    `json:"next" doc:"What changes its standing next, in words"`
	Warnings   []Warning `json:"warnings,omitempty"`
}

// A Gauge is a score with its thresholds, in basis points.
type Gauge struct {
	Bps      int    `json:"bps" doc:"The score, 0 to 10000"`
	WarnBps  int    `json:"warn_bps" doc:"Below it the agent is warned"`
	MinBps   int    `json:"min_bps" doc:"Below it it costs"`
	Failures int    `json:"failures" doc:"Failures in a row from here that cost"`
	Costs    string `json:"costs" doc:"What it costs below min_bps"`
}

// A Warning is a typed reason with its words.
type Warning struct {
	Kind   WarningKind `json:"kind"`
	Detail string      `json:"detail"`
}

// A WarningKind is what a warning is about.
type WarningKind string

// The kinds of warnings.
const (
	WarnData    WarningKind = "data"   // wrong or withheld data lowers the reputation
	WarnUptime  WarningKind = "uptime" // being away or slow lowers the uptime
	OutOfUptime WarningKind = "suspended"
	OutForGood  WarningKind = "disqualified"
)

// Outlook explains an agent's standing.
func (r Rules) Outlook(s Standing, rec Record) Outlook {
	o := Outlook{
		Standing: s, DropBps: r.Drop(rec), NewLeases: s == New || s == Vetted, Passed: rec.Passed, VetAudits: r.VetAudits,
		VetFrom:    rec.Since.Add(r.VetAfter.Duration()),
		Reputation: gauge(rec.Reputation, r.ReputationMemoryBps, r.ReputationWarnBps, r.ReputationMinBps),
		Uptime:     gauge(rec.Uptime, r.UptimeMemoryBps, r.UptimeWarnBps, r.UptimeMinBps),
	}
	o.Reputation.Costs = "disqualified: no new leases, for good"
	o.Uptime.Costs = "suspended: no new leases until it is back"
	if s == New {
		o.LeasesMax = r.LeasesNewMax
	}
	if rec.Windows.Visits > 0 {
		o.Windows = &rec.Windows
	}
	o.Next, o.Warnings = r.next(s, rec), r.warnings(s, rec, o)
	return o
}

func gauge(s Score, memory, warn, low int) Gauge {
	return Gauge{Bps: s.Bps(), WarnBps: warn, MinBps: low, Failures: s.failuresTo(memory, low)}
}

func (r Rules) next(s Standing, rec Record) string {
	switch s {
	case Disqualified:
		return "nothing: a disqualified agent stays so"
	case Suspended:
		return fmt.Sprintf("%d tries in a row that find it there end the suspension, or as many epochs"+
			" without a lease", rec.Uptime.successesTo(r.UptimeMemoryBps, r.UptimeMinBps))
	case Vetted:
		return "nothing, while it goes on like this"
	default:
		return fmt.Sprintf("vetted after %d more passed audits and not before %s; until then it has"+
			" at most %d leases", max(0, r.VetAudits-rec.Passed),
			rec.Since.Add(r.VetAfter.Duration()).UTC().Format(time.RFC3339), r.LeasesNewMax)
	}
}

func (r Rules) warnings(s Standing, rec Record, o Outlook) (all []Warning) {
	warn := func(k WarningKind, format string, args ...any) {
		all = append(all, Warning{k, fmt.Sprintf(format, args...)})
	}
	switch g := o.Reputation; {
	case s == Disqualified:
		warn(OutForGood, "%d audits found wrong or withheld data, ever", rec.Faults)
	case !rec.DataWarned.IsZero():
		warn(WarnData, "reputation is %s; %s it is %s. Check the disk", Percent(g.Bps),
			g.when("audits in a row with wrong or withheld data"), g.Costs)
	}
	switch g := o.Uptime; {
	case s == Suspended:
		warn(OutOfUptime, "uptime is %s, below %s", Percent(g.Bps), Percent(g.MinBps))
	case !rec.UptimeWarned.IsZero():
		warn(WarnUptime, "uptime is %s; %s it is %s. Check the line", Percent(g.Bps),
			g.when("tries in a row that find it away or slow"), g.Costs)
	}
	return all
}

// when says how far off the costs are.
func (g Gauge) when(failures string) string {
	if g.Failures == 0 {
		return fmt.Sprintf("that is below %s, and if it still is when the grace is over",
			Percent(g.MinBps))
	}
	return fmt.Sprintf("%d more %s and it is below %s, and then", g.Failures, failures,
		Percent(g.MinBps))
}

// Percent writes basis points for people.
func Percent(n int) string { return fmt.Sprintf("%d.%02d %%", n/100, n%100) }
