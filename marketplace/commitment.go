package marketplace

import "time"

// A Commitment binds an auditor to what it found before anyone reveals a report: it is handed in while
// the epoch runs, and only the report that it is the hash of is taken afterwards. It names nobody's
// outcome, so that there is nothing to copy.
type Commitment struct {
	ID       int64     `json:"id,omitzero" doc:"Its number in the market's log"`
	Lease    int64     `json:"lease"`
	Epoch    int64     `json:"epoch"`
	Auditor  Address   `json:"auditor"`
	Hash     Hash      `json:"hash" doc:"SHA-256 of the report's text and its signature"`
	At       time.Time `json:"at,omitzero" doc:"When the market took it"`
	OpenedAt time.Time `json:"opened_at,omitzero" doc:"When it took the report; absent if none ever came"`
}

// Sealed returns the commitment to a signed report.
func (r Report) Sealed() Commitment {
	return Commitment{Lease: r.Lease, Epoch: r.Epoch, Auditor: r.Auditor, Hash: r.Commitment()}
}

// CommitBy returns until when commitments for an epoch are taken. From then on reports are, or sooner
// if the epoch is over and every auditor that was drawn has committed.
func (r Rules) CommitBy(epoch int64) time.Time {
	return r.EpochStart(epoch + 1).Add(r.ReportSlack.Duration() / 2)
}

// ReportBy returns until when reports of an epoch are taken.
func (r Rules) ReportBy(epoch int64) time.Time {
	return r.EpochStart(epoch + 1).Add(r.ReportSlack.Duration())
}

// A HandIn is what became of a batch of commitments or reports.
type HandIn struct {
	Taken   int        `json:"taken"`
	Refused []NotTaken `json:"refused" doc:"What was not taken; the rest was"`
}

// NotTaken is a part of a batch that was not taken.
type NotTaken struct {
	Lease  int64  `json:"lease"`
	Epoch  int64  `json:"epoch"`
	Kind   Kind   `json:"kind" doc:"What sort of refusal it is, as problems have it"`
	Detail string `json:"detail"`
}
