package marketplace

import "time"

// A Trail is everything behind one epoch's pay for one lease, from what was asked to the transaction:
// GET /v1/proofs/{lease}/{epoch}. What is not public yet is absent.
type Trail struct {
	Lease    int64    `json:"lease"`
	Epoch    int64    `json:"epoch"`
	Bounty   int64    `json:"bounty"`
	Agent    Address  `json:"agent"`
	Payee    Address  `json:"payee"`
	Infohash Infohash `json:"infohash"`

	Begins     time.Time `json:"begins" doc:"First moment of the epoch"`
	Ends       time.Time `json:"ends" doc:"Its end"`
	PromisedAt time.Time `json:"promised_at,omitzero" doc:"When the hash of the secret was published"`
	Commit     Hash      `json:"commit" doc:"SHA-256 of the secret"`
	Secret     Hash      `json:"secret,omitzero" doc:"Shown when the epoch is over"`
	Block      int64     `json:"block" doc:"First solid block of the epoch: the other half of its chance"`
	BlockHash  Hash      `json:"block_hash" doc:"Its id"`
	ClosedAt   time.Time `json:"closed_at,omitzero" doc:"Since when no reports are taken"`

	Visits []Visit `json:"visits" doc:"Who was drawn to audit it; empty until the epoch is closed"`

	Verdict  Verdict   `json:"verdict,omitempty" doc:"What the reports say; absent until it is judged"`
	Passes   int       `json:"passes" doc:"Auditors that passed it"`
	Seconds  int64     `json:"seconds" doc:"Seconds it pays for"`
	Earned   Amount    `json:"earned" doc:"BTT it pays, held back part included"`
	JudgedAt time.Time `json:"judged_at,omitzero"`

	Cheques []SignedCheque `json:"cheques" doc:"The first of each funder that has the pay in it"`
}

// A Visit is what one auditor that was drawn had to do and did.
type Visit struct {
	Auditor     Address     `json:"auditor"`
	Planned     []time.Time `json:"planned" doc:"Earliest times of its tries; after a pass the rest is left out"`
	Commitment  Hash        `json:"commitment,omitzero" doc:"What it committed to; absent if to nothing"`
	CommittedAt time.Time   `json:"committed_at,omitzero"`
	RevealedAt  time.Time   `json:"revealed_at,omitzero" doc:"Absent if it never revealed a report"`
	Report      *Report     `json:"report,omitempty" doc:"With its challenges and their answers' hashes"`
}
