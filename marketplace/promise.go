package marketplace

import "time"

// NamedInTime says whether the panel of an epoch was named before the epoch began, and so before the
// block that says who of it is drawn.
func (r Rules) NamedInTime(e AuditEpoch) bool {
	return !e.NamedAt.IsZero() && e.NamedAt.Before(r.EpochStart(e.Epoch))
}

// A Promise binds the operator to the secret of an epoch that has not begun: nobody knows the first
// block of that epoch yet, so the operator cannot choose who will be asked what.
type Promise struct {
	Epoch      int64     `json:"epoch"`
	Commit     Hash      `json:"commit" doc:"SHA-256 of the secret"`
	PromisedAt time.Time `json:"promised_at" doc:"When it was published"`
	Secret     Hash      `json:"secret,omitzero" doc:"Shown when the epoch is over, if it was opened"`
}

// InTime says whether a promise was published before its epoch began.
func (r Rules) InTime(p Promise) bool {
	return !p.PromisedAt.IsZero() && p.PromisedAt.Before(r.EpochStart(p.Epoch))
}
