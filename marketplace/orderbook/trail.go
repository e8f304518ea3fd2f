package orderbook

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/everseed/everseed/marketplace"
)

// Trail returns what is behind one epoch's pay for one lease, and what that epoch drew from. Its visits
// have no plan, which is no matter of the book. The epoch's secret is in it; who may see that is
// decided at the door.
func (b *Book) Trail(ctx context.Context, id, epoch int64) (
	t marketplace.Trail, e marketplace.AuditEpoch, err error) {
	l, err := b.Lease(ctx, id)
	if err != nil {
		return t, e, err
	}
	if e, err = b.AuditEpoch(ctx, epoch); err != nil {
		return t, e, err
	}
	if !slices.ContainsFunc(e.Leases, func(l marketplace.Lease) bool { return l.ID == id }) {
		return t, e, marketplace.NotFound.Errorf("lease %d was not audited in epoch %d", id, epoch)
	}
	r := b.opts.Rules
	t = marketplace.Trail{Lease: id, Epoch: epoch, Bounty: l.Bounty, Agent: l.Agent, Payee: l.Payee,
		Infohash: l.Infohash, Begins: r.EpochStart(epoch), Ends: r.EpochStart(epoch + 1),
		PromisedAt: e.PromisedAt, Commit: e.Commit, Secret: e.Secret, Block: e.Block, BlockHash: e.Hash,
		ClosedAt: e.ClosedAt, Visits: []marketplace.Visit{}, Cheques: []marketplace.SignedCheque{}}
	if e.ClosedAt.IsZero() {
		return t, e, nil
	}
	if t.Visits, err = b.visits(ctx, id, epoch); err != nil {
		return t, e, err
	}
	return t, e, b.payOf(ctx, l, &t)
}

// visits are what auditors committed to and revealed of a lease.
func (b *Book) visits(ctx context.Context, id, epoch int64) ([]marketplace.Visit, error) {
	sealed, err := b.Commitments(ctx, CommitmentFilter{Lease: id, Epoch: epoch, Before: epoch + 1},
		Page{Limit: pageMax})
	if err != nil {
		return nil, err
	}
	said, err := b.Reports(ctx, ReportFilter{Lease: id, Epoch: epoch}, Page{Limit: pageMax})
	visits := make([]marketplace.Visit, len(sealed))
	for i, c := range sealed {
		visits[i] = marketplace.Visit{Auditor: c.Auditor, Commitment: c.Hash, CommittedAt: c.At,
			RevealedAt: c.OpenedAt}
		for _, r := range said {
			if r.Auditor == c.Auditor {
				visits[i].Report = &r
			}
		}
	}
	return visits, err
}

// payOf adds the verdict, and the first cheques that have its pay in them.
func (b *Book) payOf(ctx context.Context, l marketplace.Lease, t *marketplace.Trail) error {
	p, err := one(ctx, b.pool, fmt.Sprint("proof of lease ", l.ID), scanProof, selectProof+`
		WHERE lease = $1 AND epoch = $2`, l.ID, t.Epoch)
	if errors.Is(err, marketplace.NotFound) {
		return nil // it ended before it was judged, or is not judged yet
	}
	if err != nil {
		return err
	}
	t.Verdict, t.Passes, t.Seconds, t.Earned, t.JudgedAt = p.Verdict, p.Passes, p.Seconds, p.Earned, p.At
	if p.Seconds == 0 {
		return nil
	}
	t.Cheques, err = many(ctx, b.pool, "cheques", scanCheque, selectCheque+`WHERE c.id IN (
		SELECT DISTINCT ON (poster, mandate) id FROM cheques WHERE payee = $1 AND drafted_at >= $2
			AND state <> 'replaced' AND (poster, mandate) IN (SELECT poster, mandate FROM pledges
				WHERE bounty = $3 AND state IN ('posted', 'settled'))
		ORDER BY poster, mandate, id) ORDER BY c.id`, l.Payee, p.At, l.Bounty)
	return err
}
