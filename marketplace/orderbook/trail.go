package orderbook

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/everseed/everseed/marketplace"
)

// A Looked is what an epoch drew from for one lease, and whom it drew.
type Looked struct {
	Epoch marketplace.AuditEpoch // of its leases this one alone
	Lease marketplace.Lease      // as the epoch froze it
	Drawn []marketplace.Address
}

// selectEpochOf reads an epoch with one of its leases: all of them may be many megabytes.
var selectEpochOf = strings.Replace(selectEpoch, "e.leases", `jsonb_path_query_array(e.leases,
	'$[*] ? (@.id == $lease)', jsonb_build_object('lease', $2::bigint))`, 1)

// Trail returns what is behind one epoch's pay for one lease, and what that epoch drew from. Its visits
// have no plan, which is no matter of the book. The epoch's secret is in it; who may see that is
// decided at the door.
func (b *Book) Trail(ctx context.Context, id, epoch int64) (
	t marketplace.Trail, of Looked, err error) {
	l, err := b.Lease(ctx, id)
	if err != nil {
		return t, of, err
	}
	if of.Epoch, err = one(ctx, b.pool, fmt.Sprint("epoch ", epoch), scanEpoch, selectEpochOf+`
		WHERE e.epoch = $1`, epoch, id); err != nil {
		return t, of, err
	}
	e, audited := of.Epoch, false
	if of.Lease, audited = e.Lease(id); !audited {
		return t, of, marketplace.NotFound.Errorf("lease %d was not audited in epoch %d", id, epoch)
	}
	r := b.opts.Rules
	t = marketplace.Trail{Lease: id, Epoch: epoch, Bounty: l.Bounty, Agent: l.Agent, Payee: l.Payee,
		Infohash: l.Infohash, Begins: r.EpochStart(epoch), Ends: r.EpochStart(epoch + 1),
		PromisedAt: e.PromisedAt, Commit: e.Commit, Secret: e.Secret, Block: e.Block, BlockHash: e.Hash,
		ClosedAt: e.ClosedAt, Visits: []marketplace.Visit{}, Cheques: []marketplace.SignedCheque{}}
	if e.ClosedAt.IsZero() {
		return t, of, nil
	}
	if t.Visits, err = b.visits(ctx, id, epoch); err != nil {
		return t, of, err
	}
	drawn, err := b.Drawn(ctx, epoch)
	if err != nil {
		return t, of, err
	}
	of.Drawn = drawn[id]
	return t, of, b.payOf(ctx, l, &t)
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
