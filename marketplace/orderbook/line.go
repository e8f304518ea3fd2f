package orderbook

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// A line is the money of one bounty, from which bookings take piece after piece
// (marketplace.Funders).
type line struct {
	bounty          int64
	ids             []int64 // of the pledges
	funders         marketplace.Funders
	at              marketplace.Amount // how much of it has gone
	drawn, refunded []marketplace.Amount
}

// lines reads the posted pledges of bounties, which the caller has locked.
func (a *act) lines(bounties ...int64) (map[int64]*line, error) {
	type row struct {
		bounty, id int64
		marketplace.Pledge
	}
	rows, err := many(a.ctx, a.Tx, "pledges", func(r pgx.CollectableRow) (x row, err error) {
		return x, r.Scan(&x.bounty, &x.id, &x.Poster, &x.Mandate, &x.Pledged, &x.Drawn, &x.Refunded)
	}, `SELECT bounty, id, poster, mandate, pledged, drawn, refunded FROM pledges
		WHERE bounty = ANY($1) AND state = 'posted' ORDER BY id`, bounties)
	if err != nil {
		return nil, err
	}
	all := map[int64]*line{}
	for _, id := range bounties {
		all[id] = &line{bounty: id}
	}
	for _, r := range rows {
		l := all[r.bounty]
		l.ids, l.funders = append(l.ids, r.id), append(l.funders, r.Funder)
		l.at = l.at.Add(r.Drawn).Add(r.Refunded)
		l.drawn, l.refunded = append(l.drawn, marketplace.Amount{}), append(l.refunded, marketplace.Amount{})
	}
	return all, nil
}

// left is how much of the line has not gone.
func (l *line) left() marketplace.Amount { return l.funders.Total().Sub(l.at) }

// take books the next piece of a line: each funder's part goes to the account that to names.
func (a *act) take(l *line, t transfer, counts []marketplace.Amount,
	to func(marketplace.Funder) string, name ...any) {
	if t.amount.IsZero() {
		return
	}
	t.bounty = l.bounty
	for i, part := range l.funders.Piece(l.at, t.amount) {
		each := t
		each.debit, each.credit, each.amount = accountReserved(l.bounty, l.funders[i].Poster),
			to(l.funders[i]), part
		a.enter(each, append(name, l.at)...)
		counts[i] = counts[i].Add(part)
	}
	l.at = l.at.Add(t.amount)
}

// countPledges writes what was taken from lines.
func (a *act) countPledges(lines map[int64]*line) error {
	var ids []int64
	var drawn, refunded []string
	for _, bounty := range sortedKeys(lines) {
		l := lines[bounty]
		for i, id := range l.ids {
			if !l.drawn[i].IsZero() || !l.refunded[i].IsZero() {
				ids = append(ids, id)
				drawn, refunded = append(drawn, l.drawn[i].Units()), append(refunded, l.refunded[i].Units())
			}
		}
	}
	if _, err := a.exec(`UPDATE pledges p SET drawn = p.drawn + t.d, refunded = p.refunded + t.r
		FROM unnest($1::bigint[], $2::text[]::numeric[], $3::text[]::numeric[]) AS t (id, d, r)
		WHERE p.id = t.id`, ids, drawn, refunded); err != nil {
		return fmt.Errorf("count what pledges gave: %w", err)
	}
	return nil
}

// refund gives back what a closing bounty's live leases can no longer cost, and settles the
// pledges when it is over.
func (a *act) refund(b marketplace.Bounty, to marketplace.BountyState) error {
	if b.State == marketplace.Unfunded {
		state := marketplace.PledgeVoided
		if to == marketplace.Expired {
			state = marketplace.PledgeExpired
		}
		return a.release(b.ID, marketplace.Address{}, state)
	}
	leases, err := many(a.ctx, a.Tx, "leases", scanLease,
		selectLease+`WHERE bounty = $1 AND state IN `+live, b.ID)
	if err != nil {
		return err
	}
	var need marketplace.Amount
	for _, l := range leases {
		need = need.Add(a.rules.WorstLeft(l))
	}
	lines, err := a.lines(b.ID)
	if err != nil {
		return err
	}
	l := lines[b.ID]
	a.take(l, transfer{amount: l.left().SubFloor(need), code: "refund"}, l.refunded,
		func(f marketplace.Funder) string { return accountFree(f.Poster) })
	if err := a.countPledges(lines); err != nil {
		return err
	}
	if err := a.post(); err != nil {
		return err
	}
	if len(marketplace.BountyMoves[to]) == 0 {
		return a.movePledges(b.ID, marketplace.PledgePosted, marketplace.PledgeSettled)
	}
	return nil
}

// pay books what the leases earned, and drafts cheques for it.
func (a *act) pay(all []*hearing) error {
	bounties := make([]int64, len(all))
	for i, h := range all {
		bounties[i] = h.lease.Bounty
	}
	slices.Sort(bounties)
	lines, err := a.lines(slices.Compact(bounties)...)
	if err != nil {
		return err
	}
	var due []payable
	spent := map[int64]marketplace.Amount{}
	for _, h := range all {
		paid := a.reckon(h, lines[h.lease.Bounty])
		if paid.IsZero() {
			continue
		}
		spent[h.lease.Bounty] = spent[h.lease.Bounty].Add(paid)
		for _, f := range h.lease.Funders {
			due = append(due, payable{f.Poster, f.Mandate, h.lease.Payee},
				payable{f.Poster, f.Mandate, a.book.opts.FeePayee})
			for _, auditor := range h.proof.Paid {
				due = append(due, payable{f.Poster, f.Mandate, auditor.Payee})
			}
		}
	}
	if err := a.countPledges(lines); err != nil {
		return err
	}
	if err := a.countSpending(spent); err != nil {
		return err
	}
	if err := a.post(); err != nil {
		return err
	}
	return a.draft(due)
}

// reckon finds what a verdict pays, and takes it from the bounty's money: to the payee, to the
// holdback, to each auditor that passed and to the fee, in this order (marketplace.Rules.Owed).
func (a *act) reckon(h *hearing, from *line) (total marketplace.Amount) {
	l, p := &h.lease, &h.proof
	if p.Verdict == marketplace.VerdictPass && !l.Accused.Waits() {
		p.Seconds = a.rules.PaidSeconds(p.Epoch, h.before, l.ActiveAt, l.EndsAt)
	}
	if p.Seconds > 0 {
		p.Paid = a.rules.PaidAuditors(h.ruling.Said, h.panel)
	}
	verified := l.Verified + p.Seconds
	earned := marketplace.KeepPay(l.Price, l.Billed, verified)
	p.Earned, p.From = earned.Sub(l.Earned), from.at
	split, fee := a.rules.Split(l.Earned, earned), a.book.opts.FeePayee
	take := func(amount marketplace.Amount, code string, to func(marketplace.Funder) string) {
		a.take(from, transfer{amount: amount, code: code, lease: l.ID, epoch: p.Epoch},
			from.drawn, to, l.ID, p.Epoch)
	}
	take(split.Payable, "accrue", func(f marketplace.Funder) string {
		return accountPayable(f.Poster, f.Mandate, l.Payee)
	})
	take(split.Holdback, "holdback", func(f marketplace.Funder) string {
		return accountHoldback(l.ID, f.Poster)
	})
	each, rest := a.rules.ShareFee(split.Fee, len(p.Paid))
	for _, auditor := range p.Paid {
		take(each, "fee", func(f marketplace.Funder) string {
			return accountPayable(f.Poster, f.Mandate, auditor.Payee)
		})
	}
	take(rest, "fee", func(f marketplace.Funder) string {
		return accountPayable(f.Poster, f.Mandate, fee)
	})
	l.Verified, l.Earned, l.Held = verified, earned, l.Held.Add(split.Holdback)
	return split.Total()
}

// countSpending adds to each bounty what its leases earned, fee included.
func (a *act) countSpending(spent map[int64]marketplace.Amount) error {
	ids := sortedKeys(spent)
	sums := make([]string, len(ids))
	for i, id := range ids {
		sums[i] = spent[id].Units()
	}
	if _, err := a.exec(`UPDATE bounties SET spent = spent + s.sum
		FROM unnest($1::bigint[], $2::text[]::numeric[]) AS s (id, sum)
		WHERE bounties.id = s.id`, ids, sums); err != nil {
		return fmt.Errorf("count spending: %w", err)
	}
	return nil
}
