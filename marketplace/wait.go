package marketplace

import (
	"maps"
	"slices"
	"time"
)

// A WaitReason is why a signed cheque does not move on.
type WaitReason string

// The reasons. All but WaitExpired end by themselves when their cause is gone.
const (
	WaitSmall     WaitReason = "small"           // its fee is too large a part of it
	WaitFrozen    WaitReason = "frozen"          // vault and ledger differ
	WaitUncovered WaitReason = "uncovered"       // the poster's vault account is empty
	WaitCap       WaitReason = "cap_used_up"     // nothing is left of the mandate's cap
	WaitExpired   WaitReason = "mandate_expired" // the vault takes no cheque on it any more
	WaitTRX       WaitReason = "no_trx"          // the key that brings it cannot pay the fee
	WaitEnergy    WaitReason = "out_of_energy"   // the fee limit was too low for what it took
	WaitTime      WaitReason = "out_of_time"     // the chain gave up on it, at the cost of its limit
	WaitNode      WaitReason = "node_down"       // the TRON node does not answer
	WaitLie       WaitReason = "node_lies"       // the node made something else than was asked
	WaitRefused   WaitReason = "refused"         // for a reason that is not one of these
)

// nextSteps says, for each reason, who does what and what follows.
var nextSteps = map[WaitReason]string{
	WaitSmall: "Nobody has to do anything: it is redeemed when it is worth its fee, or by age." +
		" Its payee can redeem it at once with `everseed-agent redeem`.",
	WaitFrozen: "The market's operator finds out why vault and ledger differ. Redemptions go on by" +
		" themselves once they agree; the payee can redeem without the market meanwhile.",
	WaitUncovered: "The poster deposits BTT. Whatever comes into its account is paid out at the next" +
		" try.",
	WaitCap: "Other cheques drew all of the mandate, and a cap cannot be raised. The poster opens" +
		" another mandate; on this one nothing more can come.",
	WaitExpired: "Nobody can redeem it any more. What it says is back in the poster's account.",
	WaitTRX: "The market's operator sends TRX to that key. It is tried again by itself; the payee can" +
		" redeem without the market meanwhile.",
	WaitEnergy: "It is tried again with a higher fee limit. Where the market's own limit is reached," +
		" its operator raises EVERSEED_FEE_LIMIT_TRX.",
	WaitTime: "It is tried again by itself, more and more rarely, for each try burns all of its fee limit." +
		" The operator looks whether the chain is overloaded.",
	WaitNode: "Nobody has to do anything if the node comes back; else the operator names another one" +
		" with TRON_GRPC.",
	WaitLie: "Nothing was signed. The operator names another node with TRON_GRPC; it is tried again" +
		" by itself.",
	WaitRefused: "A person has to look at the reason. It is tried again by itself, more and more" +
		" rarely, and costs nothing while the vault refuses.",
}

// WaitReasons returns all reasons, sorted.
func WaitReasons() []WaitReason { return slices.Sorted(maps.Keys(nextSteps)) }

// Next says in words who does what, and what follows.
func (r WaitReason) Next() string { return nextSteps[r] }

// Alarming says whether a person should look.
func (r WaitReason) Alarming() bool {
	return r == WaitTRX || r == WaitLie || r == WaitRefused || r == WaitCap || r == WaitExpired ||
		r == WaitTime
}

// A Wait says why a cheque does not move on, and when it is tried again.
type Wait struct {
	Reason  WaitReason `json:"reason"`
	Detail  string     `json:"detail" doc:"What was found, with numbers"`
	Next    string     `json:"next" doc:"Who does what, and what follows"`
	Since   time.Time  `json:"since"`
	RetryAt time.Time  `json:"retry_at" doc:"It is tried again then, or sooner"`
	Tries   int        `json:"tries" doc:"How often it was found so, in a row"`
	FeeMax  int64      `json:"fee_max,omitempty" doc:"Sun that the next try may burn, if raised"`
}
