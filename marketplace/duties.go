package marketplace

import "crypto/sha256"

// Duties are what the schedule of an epoch asked of an auditor and what became of it. An auditor
// has a Record like an agent's: what it did of what was due moves its uptime, and what it said of
// canaries its reputation.
type Duties struct {
	Due      int `json:"due" doc:"Leases it had to look at"`
	Done     int `json:"done" doc:"Reports of them that were taken and say something"`
	Canaries int `json:"canaries" doc:"Reports on replicas whose state the market knew"`
	Lies     int `json:"lies" doc:"... that say what cannot be"`
	Refuted  int `json:"refuted" doc:"Its accusations that others, asked the same, did not find"`
}

// A Shift is one epoch of an auditor: what it had to do and did, and how it stood before and after.
// What it said of canaries, and the records that follow from it, are told when their seal is open.
type Shift struct {
	ID      int64   `json:"id" doc:"Its number in the market's list"`
	Epoch   int64   `json:"epoch"`
	Auditor Address `json:"auditor"`
	Duties
	Was    Standing `json:"was,omitempty" doc:"Its standing before"`
	Is     Standing `json:"is,omitempty" doc:"... and after"`
	Before *Record  `json:"before,omitempty" doc:"All that its standing follows from, before"`
	After  *Record  `json:"after,omitempty" doc:"... and after"`
}

// Sealed returns a shift without what the seal of its epoch's canaries hides.
func (s Shift) Sealed() Shift {
	s.Canaries, s.Lies, s.Before, s.After = 0, 0, nil, nil
	return s
}

// Duties counts for every auditor that was drawn in an epoch what it did, from all that was said in
// it and from the true outcomes of canaries, by lease. A report that says nothing (AuditorFault) is
// not done, and neither is an accusation of an auditor that is not believed ([Rules.Heard]).
//
// Where as many as make a verdict say what cannot be of the same canary, the canary is in doubt and
// not they: its keeper may have failed to spoil it, or to keep it sound. What of an accusation was
// refuted shows only when it was heard (Rules.Hear), and is for the book to add.
func (r Rules) Duties(e AuditEpoch, said []Report, canaries map[int64]Outcome) map[Address]Duties {
	all := map[Address]Duties{}
	add := func(who Address, d Duties) {
		sum := all[who]
		all[who] = Duties{Due: sum.Due + d.Due, Done: sum.Done + d.Done,
			Canaries: sum.Canaries + d.Canaries, Lies: sum.Lies + d.Lies}
	}
	for _, drawn := range r.Draw(e) {
		for _, who := range drawn {
			add(who, Duties{Due: 1})
		}
	}
	for _, rep := range r.Heard(said) { // nobody else is let in: Book.SaveReport
		if rep.Outcome != AuditorFault {
			add(rep.Auditor, Duties{Done: 1})
		}
	}
	lies := map[int64]int{}
	for _, rep := range said {
		if truth, known := canaries[rep.Lease]; known && r.Lie(rep, truth) {
			lies[rep.Lease]++
		}
	}
	for _, rep := range said {
		truth, known := canaries[rep.Lease]
		switch {
		case !known || lies[rep.Lease] >= r.AuditQuorum || rep.Outcome == AuditorFault:
		case r.Lie(rep, truth):
			add(rep.Auditor, Duties{Canaries: 1, Lies: 1})
		default:
			add(rep.Auditor, Duties{Canaries: 1})
		}
	}
	return all
}

// A refuted accusation counts as one failure: an agent that spoils a part of what it sends can be
// seen by one auditor and not by the next, so that it is a suspicion and no proof.

// lieWeight is how many failures a lie counts as. It is proof and no chance: two of them disqualify.
const lieWeight = 6

// Watch counts an epoch of an auditor's duties. [Rules.Standing] and [Rules.Outlook] then hold for
// it as for an agent.
func (r Rules) Watch(rec Record, epoch int64, d Duties) Record {
	rec.Passed += max(0, d.Done-d.Lies)
	rec.Faults += d.Lies
	rec.Reputation = rec.Reputation.after(r.ReputationMemoryBps, lieWeight*d.Lies+d.Refuted,
		d.Canaries-d.Lies)
	rec.Uptime = rec.Uptime.after(r.UptimeMemoryBps, d.Due-d.Done, d.Done)
	return r.warn(rec, epoch)
}

// Commitment is what an auditor hands in before it or anyone else reveals a report. The signature
// is part of it: all else in a report of a pass can be guessed, and a copied commitment opens for
// its author only.
func (r Report) Commitment() Hash {
	return sha256.Sum256(append([]byte(r.Text()), r.Signature[:]...))
}

// Lie says whether a report on a canary says what cannot be. A canary's true outcome is known to
// whoever keeps it: a pass of a dead or spoiled replica was invented, and so were wrong bytes of a
// sound one. That a sound one was away proves nothing.
func (r Rules) Lie(rep Report, truth Outcome) bool {
	switch {
	case rep.Outcome == AuditorFault:
		return false
	case truth == Pass:
		return r.Accuses(rep)
	default:
		return rep.Outcome == Pass
	}
}
