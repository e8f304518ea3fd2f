package marketplace

import "slices"

// Owed recomputes, from leases and their proofs, all that a payee has ever earned under the mandate
// of a draft: what a signer holds a cheque against. A lease counts with its holdback once it
// ended well, and without it before and after a fault. An auditor's payee is owed its share of the
// fee of every proof that names it, the fee payee the rest.
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
		part, audits := r.owedBy(i, l, proofs[l.ID], d.Cheque.To)
		sum = sum.Add(audits)
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

// owedBy is one funder's part of all that the proofs of a lease pay. The fee in it is what auditors
// leave of it; audits is what of it goes to one payee for audits.
func (r Rules) owedBy(funder int, l Lease, proofs []Proof, to Address) (part Split, audits Amount) {
	slices.SortFunc(proofs, func(x, y Proof) int { return int(x.Epoch - y.Epoch) })
	var seconds int64
	var before Amount
	for _, p := range proofs {
		seconds += p.Seconds
		earned := KeepPay(l.Price, l.Billed, seconds)
		split, at := r.Split(before, earned), p.From
		take := func(amount Amount, counts bool, sum *Amount) {
			if counts {
				*sum = sum.Add(l.Funders.Piece(at, amount)[funder])
			}
			at = at.Add(amount)
		}
		each, rest := r.ShareFee(split.Fee, len(p.Paid))
		take(split.Payable, true, &part.Payable)
		take(split.Holdback, true, &part.Holdback)
		for _, a := range p.Paid {
			take(each, a.Payee == to, &audits)
		}
		take(rest, true, &part.Fee)
		before = earned
	}
	return part, audits
}
