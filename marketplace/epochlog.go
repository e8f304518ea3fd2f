package marketplace

// An EpochLog is all that is public of one audit epoch: what anyone needs to replay it.
type EpochLog struct {
	Epoch       AuditEpoch   `json:"epoch"`
	Shown       *Promise     `json:"shown,omitempty"` // what the epoch before shows for this one
	Commitments []Commitment `json:"commitments"`
	Reports     []Report     `json:"reports"`
	Proofs      []Proof      `json:"proofs"`
	Before      []Proof      `json:"before"`  // of the epoch before, which pay depends on
	Earlier     []Earlier    `json:"earlier"` // what shows which pieces auditors knew
}

// An Earlier is a report of an earlier epoch on a replica of a torrent.
type Earlier struct {
	Infohash Infohash `json:"infohash"`
	Report   Report   `json:"report"`
}
