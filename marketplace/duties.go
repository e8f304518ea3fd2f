package marketplace

import "crypto/sha256"

// Duties are what the schedule of an epoch asked of an auditor and what became of it. An auditor
// has a Record like an agent's: what it did of what was due moves its uptime, and what it said of
// canaries its reputation.
type Duties struct {
	Due      int `json:"due" doc:"Leases it had to look at"`
	Done     int `json:"done" doc:"Reports of them that were committed in time and revealed"`
	Canaries int `json:"canaries" doc:"Reports on replicas whose state the market knew"`
	Lies     int `json:"lies" doc:"... that say what cannot be"`
	Refuted  int `json:"refuted" doc:"Its accusations that others, asked the same, did not find"`
}

// A refuted accusation counts as one failure: an agent that spoils a part of what it sends can be
// seen by one auditor and not by the next, so that it is a suspicion and no proof.

// lieWeight is how many failures a lie counts as. It is proof and no chance: two of them disqualify.
const lieWeight = 6

// Watch counts an epoch of an auditor's duties. [Rules.Standing] and [Rules.Outlook] then hold for
// it as for an agent.
func (r Rules) Watch(rec Record, epoch int64, d Duties) Record {
	rec.Passed += d.Done - d.Lies
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
