package marketplace

// An EpochLog is all that is public of one audit epoch: what anyone needs to replay it.
type EpochLog struct {
	Epoch       AuditEpoch   `json:"epoch"`
	Shown       *Promise     `json:"shown,omitempty"` // what the epoch before shows for this one
	Commitments []Commitment `json:"commitments"`
	Reports     []Report     `json:"reports"`
	Proofs      []Proof      `json:"proofs"`
	Before      []Proof      `json:"before"`   // of the two epochs before: pay and hearings depend on them
	Accusers    []Report     `json:"accusers"` // that accused leases in earlier epochs, and wait to be heard
	Earlier     []Earlier    `json:"earlier"`  // what shows which pieces auditors knew
	Shifts      []Shift      `json:"shifts"`   // of this epoch and the one before; none in a log of one lease
}

// An Earlier is a report of an earlier epoch on a replica of a torrent.
type Earlier struct {
	Infohash Infohash `json:"infohash"`
	Report   Report   `json:"report"`
}

// An Accused is a lease that an auditor alone accused in an earlier epoch.
type Accused struct {
	Lease      int64
	Accusation Accusation
	Frozen     bool // the epoch opened with it, so that others are asked the same
}

// Accusations returns those that count in the epoch and were not heard when it opened: with the
// leases as it froze them, and, where it opened before they were known, with the proofs of the two epochs
// before. A lease has one in all its life.
func (l EpochLog) Accusations() (all []Accused) {
	froze := map[int64]*Accusation{}
	for _, lease := range l.Epoch.Leases {
		if froze[lease.ID] = lease.Accused; lease.Accused.Waits() {
			all = append(all, Accused{lease.ID, *lease.Accused, true})
		}
	}
	for _, p := range l.Before {
		if of, audited := froze[p.Lease]; audited && of == nil && p.Verdict == VerdictAccused {
			all = append(all, Accused{Lease: p.Lease, Accusation: Accusation{Epoch: p.Epoch,
				Auditor: p.Accuser}})
		}
	}
	return all
}
