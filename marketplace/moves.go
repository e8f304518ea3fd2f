package marketplace

import "slices"

// Moves lists, for each state, the states that may follow. A state without a row is final.
type Moves[S comparable] map[S][]S

// Allow says whether a thing may go from one state to another.
func (m Moves[S]) Allow(from, to S) bool { return slices.Contains(m[from], to) }

// A BountyState is stored by its text, so that a row reads well in psql and no renumbering can
// change what it means.
type BountyState string

// The states of a bounty.
const (
	Unfunded  BountyState = "unfunded"  // others have not pledged the rest of its money yet
	Open      BountyState = "open"      // some replicas wait for a call
	Filled    BountyState = "filled"    // every replica has a lease
	Degraded  BountyState = "degraded"  // was filled, lost a replica, waits for a call
	Completed BountyState = "completed" // its time is over and everything is paid
	Cancelled BountyState = "cancelled" // the poster ended it
	Expired   BountyState = "expired"   // nobody filled it, or paid for it, in time
)

// BountyMoves is the whole law of a bounty's life. Completed, Cancelled and Expired are absent:
// nothing follows them.
var BountyMoves = Moves[BountyState]{
	Unfunded: {Open, Cancelled, Expired},
	Open:     {Filled, Completed, Cancelled, Expired},
	Filled:   {Degraded, Completed, Cancelled},
	Degraded: {Filled, Completed, Cancelled, Expired},
}

// A LeaseState is where one agent's duty stands.
type LeaseState string

// The states of a lease.
const (
	Reserved  LeaseState = "reserved"  // given by a call; the agent has not answered yet
	Fetching  LeaseState = "fetching"  // accepted; the agent downloads
	Proving   LeaseState = "proving"   // the agent says it has all; a first passed epoch and, on v1, belief in its root are awaited
	Active    LeaseState = "active"    // proven; earns
	Grace     LeaseState = "grace"     // missed an audit; no pay, no penalty if it comes back in time
	LeaseDone LeaseState = "completed" // ran to its end
	Released  LeaseState = "released"  // ended early without fault: declined, or the poster cancelled
	Failed    LeaseState = "failed"    // ended by the agent's fault
)

// LeaseMoves is the whole law of a lease's life.
var LeaseMoves = Moves[LeaseState]{
	Reserved: {Fetching, Released, Failed},
	Fetching: {Proving, Released, Failed},
	Proving:  {Active, LeaseDone, Released, Failed},
	Active:   {Grace, LeaseDone, Released, Failed},
	Grace:    {Active, LeaseDone, Released, Failed},
}

// Live says whether a lease in this state still binds its agent.
func (s LeaseState) Live() bool { return len(LeaseMoves[s]) > 0 }

// An OfferState says whether an offer takes part in calls.
type OfferState string

// The states of an offer.
const (
	OfferLive   OfferState = "live"
	OfferPaused OfferState = "paused" // keeps its leases, gets no new ones
	OfferClosed OfferState = "closed"
)

// OfferMoves is the whole law of an offer's life.
var OfferMoves = Moves[OfferState]{
	OfferLive:   {OfferPaused, OfferClosed},
	OfferPaused: {OfferLive, OfferClosed},
}
