package orderbook_test

import (
	"math/big"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// faults are the causes that cost an agent what was held back.
var faults = []marketplace.Cause{marketplace.CauseData, marketplace.CauseAway,
	marketplace.CauseLate, marketplace.CauseAbandoned}

// check holds the book against the model and against itself.
func (w *world) check() {
	w.balanced()
	w.checkLedger()
	w.checkPosters()
	leases := map[int64][]marketplace.Lease{}
	for _, l := range w.leases(false) {
		leases[l.Bounty] = append(leases[l.Bounty], l)
		if l.Earned != marketplace.KeepPay(l.Price, l.Billed, l.Verified) {
			w.Errorf("lease %d earned %s in %d s", l.ID, l.Earned, l.Verified)
		}
		if !l.State.Live() && !l.Held.IsZero() {
			w.Errorf("lease %d is %s and %s are held back", l.ID, l.State, l.Held)
		}
		due := l.State == marketplace.Grace || !l.State.Live() || l.Accused.Waits()
		if due != (l.Cause != "") ||
			(l.State == marketplace.Failed) != slices.Contains(faults, l.Cause) {
			w.Errorf("lease %d is %s because of %q", l.ID, l.State, l.Cause)
		}
	}
	wanted := map[int64]bool{}
	f, err := w.Freeze(w.Context(), w.now)
	w.must(err)
	for _, b := range f.Bounties {
		wanted[b.ID] = true
	}
	all, err := w.Bounties(w.Context(), orderbook.BountyFilter{}, orderbook.Page{Limit: 1000})
	w.must(err)
	for _, b := range all {
		w.checkBounty(b, leases[b.ID], wanted[b.ID])
		w.checkPledges(b)
	}
	w.checkDrafts()
}

// checkLedger: the ledger's vault is the vault, and somebody owns all of it.
func (w *world) checkLedger() {
	s, err := w.Solvency(w.Context())
	w.must(err)
	var there, held marketplace.Amount
	for _, v := range w.vaults {
		there = there.Add(v.balance)
	}
	for _, l := range w.leases(false) {
		held = held.Add(l.Held)
	}
	owned := s.Free.Add(s.Reserved).Add(s.Payable).Add(s.Held)
	if s.Ledger != there || owned != there || s.Held != held || s.LedgerDebit != s.LedgerCred {
		w.Errorf("the vault has %s, the ledger %s, owned are %s; leases hold %s, the ledger %s", there,
			s.Ledger, owned, held, s.Held)
	}
}

// checkPosters: what came in is free, reserved, spent or was withdrawn.
func (w *world) checkPosters() {
	for p, v := range w.vaults {
		a := w.account(p)
		if a.Thawing != v.thawing {
			w.Errorf("%s thaws %s in the book and %s in the vault", p, a.Thawing, v.thawing)
		}
		if got := a.Free.Add(a.Reserved).Add(a.Spent).Add(v.out); got != v.in {
			w.Errorf("%s deposited %s; %s free, %s reserved, %s spent, %s withdrawn", p, v.in, a.Free,
				a.Reserved, a.Spent, v.out)
		}
	}
}

// checkBounty: the state says what leases are there, and the reserve covers the worst of them.
func (w *world) checkBounty(b marketplace.Bounty, leases []marketplace.Lease, wanted bool) {
	live, worst, held := 0, marketplace.Amount{}, map[int64]marketplace.Amount{}
	slices.SortFunc(leases, func(x, y marketplace.Lease) int { return int(x.ID - y.ID) })
	whole := w.rules.WorstLeft(marketplace.Lease{Price: b.Terms.PriceMax, Billed: b.Billed,
		KeepFor: b.Terms.KeepFor})
	for _, l := range leases {
		if !l.State.Live() {
			continue
		}
		if !l.Dropping {
			live++
		}
		left := w.rules.WorstLeft(l)
		if left.Cmp(whole) > 0 {
			left = whole // it cannot be paid for longer than the term
		}
		// Of a lease that is likely to be lost and its replacement, one is paid at most. As long as
		// there is none, the bounty looks for one, and that is counted below.
		if before, pair := held[l.Replaces]; pair {
			left = left.SubFloor(before)
		} else if wanted && l.Dropping && !slices.ContainsFunc(leases, func(y marketplace.Lease) bool {
			return y.Replaces == l.ID && y.State.Live()
		}) {
			continue
		}
		held[l.ID] = left
		worst = worst.Add(left)
		if !b.EndsAt.IsZero() && l.EndsAt.After(b.EndsAt) {
			w.Errorf("lease %d ends %s, its bounty %s", l.ID, l.EndsAt, b.EndsAt)
		}
		if end, ok := w.ends[b.ID]; ok && (l.EndsAt.IsZero() || l.EndsAt.After(end)) {
			w.Errorf("lease %d ends %s, the notice of its bounty %s", l.ID, l.EndsAt, end)
		}
	}
	if wanted {
		worst = worst.Add(w.rest(b, len(leases)))
	}
	final := len(marketplace.BountyMoves[b.State]) == 0
	if b.Reserved.Cmp(worst) < 0 || final && !b.Reserved.IsZero() {
		w.Errorf("bounty %d is %s: %s reserved, it may cost %s", b.ID, b.State, b.Reserved, worst)
	}
	if live != b.Leased || live > b.Terms.Replicas || final && live > 0 ||
		wanted && live == b.Terms.Replicas {
		w.Errorf("bounty %d is %s with %d of %d replicas, wanted %t", b.ID, b.State, live,
			b.Terms.Replicas, wanted)
	}
}

// checkPledges: what a bounty spent came from its funders, each of whom gave pro rata; nobody who is
// bound can be missing.
func (w *world) checkPledges(b marketplace.Bounty) {
	var drawn, gone, all marketplace.Amount
	for _, p := range b.Funders {
		drawn, all = drawn.Add(p.Drawn), all.Add(p.Pledged)
		gone = gone.Add(p.Drawn).Add(p.Refunded)
		bound := b.State != marketplace.Unfunded && len(marketplace.BountyMoves[b.State]) > 0
		if (p.State == marketplace.PledgePosted) != bound ||
			(p.State == marketplace.PledgePending) != (b.State == marketplace.Unfunded) {
			w.Errorf("bounty %d is %s, the pledge of %s %s", b.ID, b.State, p.Poster, p.State)
		}
	}
	if drawn != b.Spent {
		w.Errorf("bounty %d spent %s and drew %s", b.ID, b.Spent, drawn)
	}
	for _, p := range b.Funders {
		w.proRata(b.ID, p, p.Drawn.Add(p.Refunded), gone, all)
	}
	worst := w.rules.WorstCase(b.Terms, b.Size)
	if b.State == marketplace.Unfunded && (b.Needed.IsZero() || b.Needed.Add(b.Reserved) != worst) ||
		b.State != marketplace.Unfunded && len(b.Funders) > 0 && all != worst &&
			b.Funders[0].State != marketplace.PledgeExpired {
		w.Errorf("bounty %d is %s: %s pledged, %s missing of %s", b.ID, b.State, all, b.Needed, worst)
	}
}

// proRata: a funder's part of what all gave is within 2 base units of what its pledge says.
func (w *world) proRata(bounty int64, p marketplace.Pledge, part, gone, all marketplace.Amount) {
	two, share := marketplace.Units(2), mulDiv(gone, p.Pledged, all)
	if part.Add(two).Cmp(share) < 0 || share.Add(two).Cmp(part) < 0 {
		w.Errorf("bounty %d: %s of %s gave %s units of %s, not %s", bounty, p.Pledged, all, part.Units(),
			gone.Units(), share.Units())
	}
}

// mulDiv is a·part/whole, rounded down.
func mulDiv(a, part, whole marketplace.Amount) marketplace.Amount {
	number := func(x marketplace.Amount) *big.Int { b := x.Bytes32(); return new(big.Int).SetBytes(b[:]) }
	n := new(big.Int).Mul(number(a), number(part))
	q, err := marketplace.ParseUnits(n.Div(n, number(whole)).String())
	if err != nil {
		panic(err)
	}
	return q
}

// rest is what the replicas that a bounty still looks for may cost until its end, less the odd
// unit that each lease's fee was rounded down by.
func (w *world) rest(b marketplace.Bounty, leases int) (sum marketplace.Amount) {
	l := marketplace.Lease{Price: b.Terms.PriceMax, Billed: b.Billed, KeepFor: b.Terms.KeepFor}
	if !b.EndsAt.IsZero() {
		l.KeepFor = marketplace.Span(max(0, b.EndsAt.Sub(w.now)).Truncate(time.Second))
	}
	for range b.Missing() {
		sum = sum.Add(w.rules.WorstLeft(l))
	}
	return sum.SubFloor(marketplace.Units(uint64(leases)))
}

// checkDrafts: a signer who recomputes a cheque comes to its amount.
func (w *world) checkDrafts() {
	drafts, err := w.Drafts(w.Context(), auditors[2])
	w.must(err)
	for _, d := range drafts {
		if owed := w.rules.Owed(d, fees); owed != d.Cheque.Cumulative {
			w.Errorf("cheque %d to %s says %s, its proofs %s", d.ID, d.Cheque.To, d.Cheque.Cumulative, owed)
		}
	}
}

// end lets time pass until everything is over, pays everybody and holds the books a last time.
func (w *world) end() {
	for range 20 {
		w.now = w.now.Add(10 * time.Second)
		w.payAll()
	}
	w.check()
	if live := w.leases(true); len(live) > 0 {
		w.Errorf("%d leases never end, like %+v", len(live), live[0])
	}
	all, err := w.Bounties(w.Context(), orderbook.BountyFilter{}, orderbook.Page{Limit: 1000})
	w.must(err)
	for _, b := range all {
		if len(marketplace.BountyMoves[b.State]) > 0 {
			w.Errorf("bounty %d is %s for ever (%s)", b.ID, b.State, b.Reason)
		}
	}
	for p, v := range w.vaults {
		var paid marketplace.Amount
		for _, to := range v.paid {
			paid = paid.Add(to)
		}
		if spent := w.account(p).Spent; paid != spent {
			w.Errorf("%s paid %s on the chain; its pledges gave %s", p, paid, spent)
		}
	}
	s, err := w.Solvency(w.Context())
	w.must(err)
	if !s.Payable.IsZero() || !s.Held.IsZero() || !s.Reserved.IsZero() || s.Free != s.Ledger {
		w.Errorf("at the end %s payable, %s held, %s reserved, %s free of %s", s.Payable, s.Held,
			s.Reserved, s.Free, s.Ledger)
	}
}
