package marketplace

import "slices"

// Owed recomputes, from leases and their proofs, all that a payee has ever earned under the mandate
// of a draft: what a signer holds a cheque against. A lease counts with its holdback once it
// ended well, and without it before and after a fault. The fee payee is owed the fee of every
// lease.
//
// Where several pay for a bounty, a proof says where on the bounty's line of money its pay begins,
// and the mandate owes its own part of each piece: of the pay, of the holdback behind it, and of
// the fee behind that (Funders.Piece).
func (r Rules) Owed(d Draft, feePayee Address) Amount {
	proofs := map[int64][]Proof{}
	for _, p := range d.Proofs {
		if p.Verdict == VerdictPass {
			proofs[p.Lease] = append(proofs[p.Lease], p)
		}
	}
	var sum Amount
	for _, l := range d.Leases {
		owes := func(f Funder) bool { return f.Poster == d.Cheque.From && f.Mandate == d.Cheque.Mandate }
		i := slices.IndexFunc(l.Funders, owes)
		if i < 0 {
			continue
		}
		part := r.owedBy(i, l, proofs[l.ID])
		if d.Cheque.To == feePayee {
			sum = sum.Add(part.Fee)
		}
		if d.Cheque.To != l.Payee {
			continue
		}
		sum = sum.Add(part.Payable)
		if l.State == LeaseDone || l.State == Released {
			sum = sum.Add(part.Holdback)
		}
	}
	return sum
}

// owedBy is one funder's part of all that the proofs of a lease pay.
func (r Rules) owedBy(funder int, l Lease, proofs []Proof) (part Split) {
	slices.SortFunc(proofs, func(x, y Proof) int { return int(x.Epoch - y.Epoch) })
	var seconds int64
	var before Amount
	for _, p := range proofs {
		seconds += p.Seconds
		earned := KeepPay(l.Price, l.Billed, seconds)
		split, at := r.Split(before, earned), p.From
		for _, piece := range []struct{ amount, to *Amount }{{&split.Payable, &part.Payable},
			{&split.Holdback, &part.Holdback}, {&split.Fee, &part.Fee}} {
			*piece.to = piece.to.Add(l.Funders.Piece(at, *piece.amount)[funder])
			at = at.Add(*piece.amount)
		}
		before = earned
	}
	return part
}
