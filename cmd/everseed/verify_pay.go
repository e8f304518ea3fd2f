package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// pay recomputes, from the lease's times and its proofs, every second and every base unit.
func (v *verifier) pay() {
	r, l, wrong := v.info.Rules, v.lease, len(v.False)
	passed := map[int64]bool{}
	var seconds int64
	var earned marketplace.Amount
	for _, p := range v.proofs {
		pass := p.Verdict == marketplace.VerdictPass
		passed[p.Epoch] = pass
		var due int64
		if pass {
			due = r.PaidSeconds(p.Epoch, passed[p.Epoch-1], l.ActiveAt, l.EndsAt)
		}
		if p.Seconds != due {
			v.isFalse("epoch %d: %d s are paid, and %d follow from its verdict and the lease's times", p.Epoch,
				p.Seconds, due)
		}
		seconds += p.Seconds
		sum := marketplace.KeepPay(l.Price, l.Billed, seconds)
		if more := sum.Sub(earned); p.Earned != more {
			v.isFalse("epoch %d: %s BTT are paid, and %s follow from its seconds", p.Epoch, p.Earned, more)
		}
		earned = sum
	}
	if l.Verified != seconds || l.Earned != earned {
		v.isFalse("the lease says %d s and %s BTT, its proofs say %d s and %s BTT", l.Verified, l.Earned,
			seconds, earned)
	}
	held := r.Split(marketplace.Amount{}, earned).Holdback
	if !l.State.Live() {
		held = marketplace.Amount{}
	}
	if l.Held != held {
		v.isFalse("the lease says that %s BTT are held back, its proofs say %s", l.Held, held)
	}
	if len(v.False) == wrong {
		v.holds("%s BTT for %d s at %s BTT per GiB-day, of which %s BTT are held back", terminal.BTT(earned),
			seconds, l.Price, terminal.BTT(held))
	}
}

// cheques holds the newest cheque of each funder to the lease's payee against all that it can claim.
// Cheques are read first: what is earned while we read is on none of them.
func (v *verifier) cheques(ctx context.Context) error {
	if v.lease.Earned.IsZero() {
		return nil
	}
	all, err := v.market.Cheques(ctx, client.ChequeFilter{Payee: v.lease.Payee, Most: proofsMax})
	if err != nil {
		return err
	}
	var d marketplace.Draft
	d.Leases, err = v.market.Leases(ctx, client.LeaseFilter{Payee: v.lease.Payee, Most: proofsMax})
	if err != nil {
		return err
	}
	for _, l := range d.Leases {
		more, err := v.market.Proofs(ctx, client.ProofFilter{Lease: l.ID, Most: proofsMax})
		if err != nil {
			return err
		}
		d.Proofs = append(d.Proofs, more...)
	}
	for _, f := range v.lease.Funders {
		d.Cheque = marketplace.Cheque{From: f.Poster, Mandate: f.Mandate, To: v.lease.Payee}
		if err := v.chequesOf(ctx, d, all); err != nil {
			return err
		}
	}
	return nil
}

// chequesOf looks at the cheques of one mandate.
func (v *verifier) chequesOf(ctx context.Context, d marketplace.Draft,
	all []marketplace.SignedCheque) error {
	owed := v.info.Rules.Owed(d, v.info.FeePayee)
	var newest, solid marketplace.SignedCheque
	for _, c := range all {
		if c.Cheque.From != d.Cheque.From || c.Cheque.Mandate != d.Cheque.Mandate ||
			c.State == marketplace.ChequeOwed || len(c.Signatures) == 0 {
			continue
		}
		if c.Cheque.Cumulative.Cmp(newest.Cheque.Cumulative) > 0 {
			newest = c
		}
		if c.State == marketplace.ChequeSolid && c.Cheque.Cumulative.Cmp(solid.Cheque.Cumulative) > 0 {
			solid = c
		}
	}
	switch c := newest.Cheque.Cumulative; {
	case newest.ID == 0:
		v.unchecked("%s BTT are owed by %s and on no signed cheque yet", owed, d.Cheque.From)
		return nil
	case c.Cmp(owed) > 0:
		v.isFalse("cheque %d claims %s BTT, and all proofs of its payee bear %s", newest.ID, c, owed)
	default:
		v.holds("cheque %d claims %s BTT of the %s that all proofs of its payee bear", newest.ID, c, owed)
	}
	if err := v.quorum(ctx, newest); err != nil {
		return err
	}
	return v.paid(ctx, newest, solid)
}

// quorum checks that enough of the mandate's signers signed a cheque.
func (v *verifier) quorum(ctx context.Context, c marketplace.SignedCheque) error {
	signers, threshold, by := v.info.Auditors, v.info.Quorum, "the market's auditors"
	if v.vault != nil {
		m, err := v.vault.MandateOf(ctx, c.Cheque.From, c.Cheque.Mandate)
		if err != nil {
			return err
		}
		signers, threshold, by = m.Signers, m.Threshold, "the mandate's signers on the chain"
	}
	domain := escrow.Domain{ChainID: v.info.ChainID, Vault: v.info.Vault}
	signed := map[marketplace.Address]bool{}
	for _, sig := range c.Signatures {
		if who, err := escrow.RecoverCheque(domain, c.Cheque, sig); err == nil {
			signed[who] = signed[who] || slices.Contains(signers, who)
		}
	}
	n := 0
	for _, is := range signed {
		if is {
			n++
		}
	}
	if n < threshold || threshold == 0 {
		v.isFalse("cheque %d is signed by %d of %s, and needs %d", c.ID, n, by, threshold)
		return nil
	}
	v.holds("cheque %d is signed by %d of %s, and needs %d", c.ID, n, by, threshold)
	return nil
}

// paid asks the vault what it paid.
func (v *verifier) paid(ctx context.Context, newest, solid marketplace.SignedCheque) error {
	if v.vault == nil {
		return nil
	}
	q := newest.Cheque
	paid, err := v.vault.Paid(ctx, q.From, q.Mandate, q.To)
	if err != nil {
		return err
	}
	tx := ""
	if solid.Tx != "" {
		tx = fmt.Sprintf(", last with transaction %s", solid.Tx)
	}
	switch {
	case paid.Cmp(solid.Cheque.Cumulative) < 0:
		v.isFalse("the market says that cheque %d of %s BTT is paid, and the vault has paid %s", solid.ID,
			solid.Cheque.Cumulative, paid)
	case paid.Cmp(q.Cumulative) < 0:
		v.holds("the vault has paid %s BTT%s", paid, tx)
		v.unchecked("%s BTT of cheque %d are not redeemed yet", q.Cumulative.Sub(paid), newest.ID)
	default:
		v.holds("the vault has paid %s BTT, all that is signed%s", paid, tx)
	}
	return nil
}
