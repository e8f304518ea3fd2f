package marketplace

import (
	"bytes"
	"math/bits"
	"slices"
	"time"
)

// bytesDay is the number of byte-seconds in one GiB-day: 2³⁰ · 86,400.
const bytesDay = 1 << 30 * 86400

const bps = 10_000

// KeepPay returns floor(price · bytes · seconds / (2³⁰ · 86400)) for a price in BTT per GiB-day:
// what a replica of so many billed bytes earned in so many verified seconds (market.md, Amounts).
func KeepPay(price Amount, bytes, seconds int64) Amount {
	return price.MulDiv(byteSeconds(bytes, seconds), bytesDay)
}

// keepPayUp is KeepPay rounded up, for reserves.
func keepPayUp(price Amount, bytes, seconds int64) Amount {
	return price.MulDivUp(byteSeconds(bytes, seconds), bytesDay)
}

// byteSeconds multiplies, and panics where the product leaves 64 bits: sizes are bounded by
// ReplicaBytesMax before they get here.
func byteSeconds(bytes, seconds int64) uint64 {
	if bytes < 0 || seconds < 0 {
		panic("negative size or time")
	}
	hi, lo := bits.Mul64(uint64(bytes), uint64(seconds)) // #nosec G115 -- checked
	if hi != 0 {
		panic("bytes·seconds overflow")
	}
	return lo
}

// ReplicaBytesMax bounds a torrent's size, so that bytes·seconds of the longest term stay in
// 64 bits: 2³⁸ bytes (256 GiB) · 540 days.
const ReplicaBytesMax = 1 << 38

// A Split says where an accrual goes.
type Split struct {
	Payable  Amount // to the agent, on its next cheque
	Holdback Amount // to the agent at the end of the lease
	Fee      Amount // to the market and the auditors (ShareFee), from the poster, on top
}

// Total is what the poster's reserve gives up.
func (s Split) Total() Amount { return s.Payable.Add(s.Holdback).Add(s.Fee) }

// Split divides what a lease earned beyond what was booked before. Both arguments are cumulative,
// so that roundings never add up: after any sequence of splits, holdbacks sum to
// floor(earned · HoldbackBps / 10⁴) and fees to floor(earned · FeeBps / 10⁴).
func (r Rules) Split(bookedBefore, earned Amount) Split {
	held := share(earned, r.HoldbackBps).Sub(share(bookedBefore, r.HoldbackBps))
	fee := r.Fee(earned).Sub(r.Fee(bookedBefore))
	return Split{Payable: earned.Sub(bookedBefore).Sub(held), Holdback: held, Fee: fee}
}

// PaidAuditors returns the auditors that share the fee of an epoch of a lease: those whose report was
// heard and agrees with the verdict. Only passed epochs are paid and have a fee, so these are the
// ones that passed it. They come in the order of their addresses.
func (r Rules) PaidAuditors(said []Report, panel []Seat) (paid []PaidAuditor) {
	for _, rep := range said {
		i := slices.IndexFunc(panel, func(s Seat) bool { return s.Auditor == rep.Auditor })
		if rep.Outcome == Pass && !r.Accuses(rep) && i >= 0 && !panel[i].Payee.IsZero() {
			paid = append(paid, PaidAuditor{rep.Auditor, panel[i].Payee})
		}
	}
	slices.SortFunc(paid, func(x, y PaidAuditor) int { return bytes.Compare(x.Auditor[:], y.Auditor[:]) })
	return paid
}

// ShareFee divides the fee of one epoch of one lease among so many auditors: AuditShareBps of it in
// equal parts, each rounded down. The market gets the rest, so that nothing is lost: each times the
// auditors and the rest are the fee.
func (r Rules) ShareFee(fee Amount, auditors int) (each, rest Amount) {
	if auditors == 0 {
		return Amount{}, fee
	}
	each = share(fee, r.AuditShareBps).MulDiv(1, uint64(auditors)) // #nosec G115 -- a handful
	rest = fee
	for range auditors {
		rest = rest.Sub(each)
	}
	return each, rest
}

// Fee returns the market's fee on a settled amount, rounded down.
func (r Rules) Fee(settled Amount) Amount { return share(settled, r.FeeBps) }

// share returns floor(a · n / 10,000).
func share(a Amount, n int) Amount {
	if n < 0 || n > bps {
		panic("a share is 0 to 10000 basis points")
	}
	return a.MulDiv(uint64(n), bps) // #nosec G115 -- checked
}

// Billed returns the bytes that a replica of a torrent is billed for.
func (r Rules) Billed(size int64) int64 { return max(size, r.BilledMin) }

// WorstCase returns the most that a bounty can cost, fee included, rounded up: what is reserved
// when it is posted.
func (r Rules) WorstCase(t BountyTerms, size int64) Amount {
	one := keepPayUp(t.PriceMax, r.Billed(size), keepSeconds(t.KeepFor))
	var all Amount
	for range t.Replicas {
		all = all.Add(one)
	}
	return all.Add(r.Fee(all)) // fees of parts, each rounded down, add up to no more
}

func keepSeconds(s Span) int64 {
	return int64((time.Duration(s) + time.Second - 1) / time.Second)
}

// PaidSeconds returns how many whole seconds of epoch k a pass pays for: the part of the epoch
// in which the lease was active. Pay is only for time between two passed audits, so it is zero
// unless the epoch before passed too (market.md, Instruments).
func (r Rules) PaidSeconds(k int64, passedBefore bool, activeAt, endsAt time.Time) int64 {
	if !passedBefore || activeAt.IsZero() {
		return 0
	}
	from, to := r.EpochStart(k), r.EpochStart(k+1)
	if activeAt.After(from) {
		from = activeAt
	}
	if endsAt.Before(to) {
		to = endsAt
	}
	if !to.After(from) {
		return 0
	}
	return int64(to.Sub(from) / time.Second)
}

// WorstLeft returns the most that a lease can still cost its poster, fee included: all seconds
// from its first paid moment to its end, less what it has earned.
func (r Rules) WorstLeft(l Lease) Amount {
	from, ends := l.ActiveAt, l.EndsAt
	if from.IsZero() {
		from = l.ReservedAt
	}
	if ends.IsZero() {
		ends = from.Add(time.Duration(l.KeepFor))
	}
	all := keepPayUp(l.Price, l.Billed, keepSeconds(Span(max(0, ends.Sub(from)))))
	return all.SubFloor(l.Earned).Add(r.Fee(all).SubFloor(r.Fee(l.Earned)))
}
