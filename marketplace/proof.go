package marketplace

import (
	"encoding/json"
	"time"
)

// A Verdict is what an epoch's reports say of a lease.
type Verdict string

// The verdicts of an epoch.
const (
	VerdictPass      Verdict = "pass"
	VerdictFail      Verdict = "fail"       // unreachable, slow or silent: costs pay
	VerdictDataFault Verdict = "data_fault" // wrong bytes: costs the lease and its holdback
	VerdictAccused   Verdict = "accused"    // one auditor's word for it: costs pay until others have looked
	VerdictUnaudited Verdict = "unaudited"  // no report came: costs pay, blames nobody
)

// A Proof is the result of one epoch of one lease.
type Proof struct {
	Lease   int64         `json:"lease"`
	Bounty  int64         `json:"bounty"`
	Agent   Address       `json:"agent"`
	Epoch   int64         `json:"epoch"`
	Verdict Verdict       `json:"verdict"`
	Passes  int           `json:"passes" doc:"Auditors that passed it"`
	Reports int           `json:"reports" doc:"Auditors that reported"`
	Seconds int64         `json:"seconds" doc:"Seconds it pays for"`
	Earned  Amount        `json:"earned" doc:"BTT it pays, held back part included"`
	From    Amount        `json:"from" doc:"BTT of the bounty that were drawn or refunded before it"`
	Wire    int64         `json:"wire" doc:"Bytes on the wire, both ways, that its audits took"`
	Paid    []PaidAuditor `json:"paid,omitempty" doc:"Auditors that share a part of its fee, by address"`
	At      time.Time     `json:"at"`

	Clean int `json:"clean,omitzero" doc:"Audits in a row up to it that showed the lease's root (Lease.clean)"`

	Accuser Address  `json:"accuser,omitzero" doc:"The one auditor that accused it, where the verdict is accused"`
	Hearing *Hearing `json:"hearing,omitempty" doc:"The accusation that it confirmed or refuted"`
}

// A Hearing is what became of an accusation when others had looked.
type Hearing struct {
	Epoch   int64          `json:"epoch" doc:"Of the accusation"`
	Auditor Address        `json:"auditor" doc:"Who accused"`
	Outcome HearingOutcome `json:"outcome"`
}

// A HearingOutcome says whether others found what was accused.
type HearingOutcome string

// The outcomes of a hearing.
const (
	Confirmed HearingOutcome = "confirmed"
	Refuted   HearingOutcome = "refuted"
)

// A PaidAuditor is one whose pass a proof pays for.
type PaidAuditor struct {
	Auditor Address `json:"auditor"`
	Payee   Address `json:"payee" doc:"As the epoch's panel names it"`
}

// An Event is one row of the append-only story: a thing that happened to the market. Its ID is
// opaque and ordered; give the last one back to read on from there.
type Event struct {
	ID    string          `json:"id"`
	Kind  string          `json:"kind" doc:"bounty.open, lease.active, proof.pass, cheque.signed …"`
	Who   []Address       `json:"who,omitempty" doc:"Accounts it concerns"`
	Thing int64           `json:"thing" doc:"Id of the bounty, lease, offer, call or cheque"`
	Data  json.RawMessage `json:"data,omitempty" doc:"The noun after the change"`
	At    time.Time       `json:"at"`
}
