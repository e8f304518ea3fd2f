package marketplace

import "time"

// A Standing is what the market knows of an agent.
type Standing string

// The standings.
const (
	New          Standing = "new"          // few leases until it has shown itself
	Vetted       Standing = "vetted"       // as many leases as it offers
	Suspended    Standing = "suspended"    // no new leases while its uptime is low
	Disqualified Standing = "disqualified" // no new leases ever: it lost or spoiled data too often
)

// A Score is a beta reputation with a fading memory: at each observation what was before loses
// some weight and the new one weighs 1. It is kept in integers, so that whoever has the public
// reports reckons the same score to the last digit.
type Score struct {
	Good int64 `json:"good" doc:"Weight of what went well, billionths of an audit"`
	Bad  int64 `json:"bad" doc:"Weight of what went wrong, billionths of an audit"`
}

// oneAudit is the weight of an observation.
const oneAudit = 1_000_000_000

// fullScore is that of an agent after endless good observations, and of a new one: all its
// memory is good. One that begins with less would be lost with its first failure.
func fullScore(memory int) Score {
	return Score{Good: oneAudit * bps / int64(bps-memory)}
}

// after counts observations. Failures come first whatever the order in which they were seen: a
// batch has no order that everybody could agree on.
func (s Score) after(memory, failures, successes int) Score {
	for i := range failures + successes {
		s.Good, s.Bad = s.Good*int64(memory)/bps, s.Bad*int64(memory)/bps
		if i < failures {
			s.Bad += oneAudit
		} else {
			s.Good += oneAudit
		}
	}
	return s
}

// Bps returns the score's good part, 0 to 10,000, rounded down.
func (s Score) Bps() int {
	if s.Good+s.Bad == 0 {
		return bps
	}
	return int(s.Good * bps / (s.Good + s.Bad))
}

// failuresTo returns how many failures in a row bring the score below a threshold.
func (s Score) failuresTo(memory, threshold int) (n int) {
	for ; s.Bps() >= threshold; n++ {
		s = s.after(memory, 1, 0)
	}
	return n
}

// successesTo returns how many successes in a row bring the score up to a threshold.
func (s Score) successesTo(memory, threshold int) (n int) {
	for ; s.Bps() < threshold; n++ {
		s = s.after(memory, 0, 1)
	}
	return n
}

// A Record is all that an agent's standing follows from. Anyone can reckon it from the public
// reports, as far as they are [Rules.Heard], taken in the order of epoch and lease.
type Record struct {
	Since      time.Time `json:"since" doc:"When the agent was first seen"`
	Passed     int       `json:"passed" doc:"Audits passed, ever"`
	Faults     int       `json:"faults" doc:"Audits that found wrong or withheld data, ever"`
	Reputation Score     `json:"reputation" doc:"Of audits: falls with wrong or withheld data only"`
	Uptime     Score     `json:"uptime" doc:"Of tries: falls when the agent is away or slow"`
	Recent     Score     `json:"recent" doc:"The same with a short memory: where it is going"`

	Windows Windows `json:"windows,omitzero" doc:"What quiet windows showed"`

	DataWarned   time.Time `json:"data_warned,omitzero" doc:"Since when its reputation is low"`
	UptimeWarned time.Time `json:"uptime_warned,omitzero" doc:"Since when its uptime is low"`
}

// NewRecord is that of an agent that nobody has audited yet.
func (r Rules) NewRecord(since time.Time) Record {
	return Record{Since: since, Reputation: fullScore(r.ReputationMemoryBps),
		Uptime: fullScore(r.UptimeMemoryBps), Recent: fullScore(r.RecentMemoryBps)}
}

// Record counts the reports of one lease and epoch. An audit that passed or found a data fault
// moves the reputation; one that could not reach the agent does not. Every try moves the uptime:
// up when the agent was there, with whatever data, and down when it was away or slow.
func (r Rules) Record(rec Record, epoch int64, reports []Report) Record {
	var passed, faults, there, away int
	for _, rep := range reports {
		switch {
		case rep.Outcome == AuditorFault:
			continue
		case r.Accuses(rep):
			faults++
		case rep.Outcome == Pass:
			passed++
		}
		for _, try := range rep.Tries[:min(len(rep.Tries), r.Attempts)] {
			switch try {
			case Pass, BadData, Withheld:
				there++
			case Timeout, Unreachable:
				away++
			}
		}
	}
	rec.Passed += passed
	rec.Faults += faults
	rec.Reputation = rec.Reputation.after(r.ReputationMemoryBps, faults, passed)
	rec.Uptime = rec.Uptime.after(r.UptimeMemoryBps, away, there)
	rec.Recent = rec.Recent.after(r.RecentMemoryBps, away, there)
	rec.Windows = rec.Windows.after(r.RecentMemoryBps, reports)
	return r.warn(rec, epoch)
}

// Idle counts an epoch in which an agent under suspension had no lease, so that nobody could find
// it there: its uptime heals a little, else it would never come back.
func (r Rules) Idle(rec Record, epoch int64) Record {
	rec.Uptime = rec.Uptime.after(r.UptimeMemoryBps, 0, 1)
	return r.warn(rec, epoch)
}

// warn notes since when a score is low.
func (r Rules) warn(rec Record, epoch int64) Record {
	at := r.EpochStart(epoch + 1)
	rec.DataWarned = warned(rec.DataWarned, at, rec.Reputation.Bps() < r.ReputationWarnBps)
	rec.UptimeWarned = warned(rec.UptimeWarned, at, rec.Uptime.Bps() < r.UptimeWarnBps)
	return rec
}

func warned(since, at time.Time, low bool) time.Time {
	switch {
	case !low:
		return time.Time{}
	case since.IsZero():
		return at
	default:
		return since
	}
}

// Standing returns the standing of an agent that had another one until now, at the end of an epoch.
// A score that is too low costs nothing before its warning is as old as the grace. Disqualification
// is for good; a suspension ends when the uptime is back.
func (r Rules) Standing(was Standing, rec Record, epoch int64) Standing {
	at := r.EpochStart(epoch + 1)
	told := func(warned time.Time) bool {
		return !warned.IsZero() && !warned.Add(r.Grace.Duration()).After(at)
	}
	switch {
	case was == Disqualified,
		rec.Reputation.Bps() < r.ReputationMinBps && told(rec.DataWarned):
		return Disqualified
	case rec.Uptime.Bps() < r.UptimeMinBps && (was == Suspended || told(rec.UptimeWarned)):
		return Suspended
	case rec.Passed >= r.VetAudits && !rec.Since.Add(r.VetAfter.Duration()).After(at):
		return Vetted
	default:
		return New
	}
}
