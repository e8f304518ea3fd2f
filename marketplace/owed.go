package marketplace

// Owed recomputes, from leases and their proofs, all that a payee has ever earned under the mandate
// of a draft: what a signer holds a cheque against. A lease counts with its holdback once it
// ended well, and without it before and after a fault. The fee payee is owed the fee of every
// lease.
func (r Rules) Owed(d Draft, feePayee Address) Amount {
	seconds := map[int64]int64{}
	for _, p := range d.Proofs {
		if p.Verdict == VerdictPass {
			seconds[p.Lease] += p.Seconds
		}
	}
	var sum Amount
	for _, l := range d.Leases {
		earned := KeepPay(l.Price, l.Billed, seconds[l.ID])
		if d.Cheque.To == feePayee {
			sum = sum.Add(r.Fee(earned))
		}
		if d.Cheque.To != l.Payee {
			continue
		}
		sum = sum.Add(earned)
		if l.State != LeaseDone && l.State != Released {
			sum = sum.Sub(share(earned, r.HoldbackBps))
		}
	}
	return sum
}
