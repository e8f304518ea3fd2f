package marketplace

import (
	"bytes"
	"slices"
	"time"

	"github.com/holiman/uint256"
)

// A PledgeState is where a pledge stands.
type PledgeState string

// The states of a pledge.
const (
	PledgePending PledgeState = "pending" // set aside; others are awaited, and it may be taken back
	PledgePosted  PledgeState = "posted"  // bound: the bounty opened, and its leases draw on it
	PledgeSettled PledgeState = "settled" // the bounty is over; what was not drawn went back
	PledgeVoided  PledgeState = "voided"  // taken back in full before the bounty opened
	PledgeExpired PledgeState = "expired" // went back in full: the bounty got too little in time
)

// PledgeMoves is the whole law of a pledge's life.
var PledgeMoves = Moves[PledgeState]{
	PledgePending: {PledgePosted, PledgeVoided, PledgeExpired},
	PledgePosted:  {PledgeSettled},
}

// Live says whether the money of a pledge in this state is still set aside.
func (s PledgeState) Live() bool { return len(PledgeMoves[s]) > 0 }

// A Funder is one of those who pay for a bounty: it pledged so much under its mandate.
type Funder struct {
	Poster  Address `json:"poster"`
	Mandate Hash    `json:"mandate" doc:"Its mandate in the vault that pays"`
	Pledged Amount  `json:"pledged" doc:"BTT that it set aside"`
}

// A Pledge is what became of a funder's money. Pledged is Drawn plus Refunded plus what is
// reserved still.
type Pledge struct {
	Funder
	State     PledgeState `json:"state"`
	Drawn     Amount      `json:"drawn" doc:"BTT of it that agents and the fee got, held back included"`
	Refunded  Amount      `json:"refunded" doc:"BTT of it that went back"`
	PledgedAt time.Time   `json:"pledged_at"`
}

// Left returns what is still reserved of a pledge.
func (p Pledge) Left() Amount { return p.Pledged.Sub(p.Drawn).Sub(p.Refunded) }

// A Fund is what a co-funder adds to a bounty: the body of POST /v1/bounties/{id}/fund.
type Fund struct {
	Amount  Amount `json:"amount" doc:"BTT to pledge, at most what the bounty needs still"`
	Mandate Hash   `json:"mandate" doc:"Your mandate in the vault that pays"`
}

// CheckPledge says why nobody may pledge so much to a bounty that needs so much still. What is
// left for others is nothing, or enough for one more pledge.
func (r Rules) CheckPledge(amount, needed Amount) error {
	least := r.BountyMin
	switch rest := needed.SubFloor(amount); {
	case amount.Cmp(needed) > 0:
		return Invalid.Errorf("amount is %s BTT; the bounty needs only %s more", amount, needed)
	case rest.IsZero():
		return nil
	case amount.Cmp(least) < 0:
		return Invalid.Errorf("amount is %s BTT; pledge at least %s, or all of the %s that are missing",
			amount, least, needed)
	case rest.Cmp(least) < 0:
		return Invalid.Errorf("amount is %s BTT and would leave %s for others, too little for a pledge:"+
			" pledge at most %s, or all of the %s that are missing", amount, rest, needed.SubFloor(least),
			needed)
	}
	return nil
}

// Funders pay for one bounty. Its money is a line as long as all they pledged: a booking, be it
// pay, holdback, fee or refund, takes the next piece of it, and Piece says who gives how much of
// a piece.
type Funders []Funder

// Total returns what all pledged: the length of the line.
func (f Funders) Total() (sum Amount) {
	for _, one := range f {
		sum = sum.Add(one.Pledged)
	}
	return sum
}

// Piece divides the piece of the line that starts at from: what each funder gives of amount.
func (f Funders) Piece(from, amount Amount) []Amount {
	if len(f) == 1 {
		return []Amount{amount}
	}
	shares := f.upTo(from.Add(amount))
	for i, before := range f.upTo(from) {
		shares[i] = shares[i].Sub(before)
	}
	return shares
}

// upTo divides the line from its start to at, pro rata to the pledges, by the method of the
// largest remainder applied to two parties at a time: the largest pledge against all the others
// together, then the largest of these against the rest, and so on. Equal pledges go by address.
//
// Hamilton's largest remainder over all parties at once will not do. Over a growing sum it can
// take a unit back from somebody (the Alabama paradox), and a cheque is cumulative: it cannot
// shrink. Applied to every booking by itself it drifts by a unit a booking, can ask a pledge for
// more than it has, or must know every booking before it. Two parties know no paradox. So here
//   - shares sum to at exactly, and to the pledges exactly at the end of the line;
//   - no share falls while at grows, so a piece never has a negative part, and none is overdrawn;
//   - whatever the bookings, at 16 funders a share is within 2 base units of its exact quota;
//   - a share follows from pledges and the place on the line alone: auditors recompute it.
func (f Funders) upTo(at Amount) []Amount {
	order := make([]int, len(f))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		if c := f[j].Pledged.Cmp(f[i].Pledged); c != 0 {
			return c
		}
		return bytes.Compare(f[i].Poster[:], f[j].Poster[:])
	})
	shares, weight := make([]Amount, len(f)), f.Total()
	for _, i := range order {
		shares[i] = at.nearest(f[i].Pledged, weight)
		at, weight = at.Sub(shares[i]), weight.Sub(f[i].Pledged)
	}
	return shares
}

// nearest returns a·part/whole rounded to the nearest unit, halves up.
func (a Amount) nearest(part, whole Amount) Amount {
	if whole.IsZero() {
		return Amount{}
	}
	var q, rest uint256.Int
	q.MulDivOverflow(&a.u, &part.u, &whole.u) // no more than a: a part is no more than the whole
	rest.MulMod(&a.u, &part.u, &whole.u)
	if rest.Lsh(&rest, 1).Cmp(&whole.u) >= 0 {
		q.AddUint64(&q, 1)
	}
	return Amount{q}
}
