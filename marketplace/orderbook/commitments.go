package orderbook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// Commit takes an auditor's commitments for one epoch, in place of those that it handed in before,
// until the epoch is sealed. Any accusation may end a lease, so nobody chooses whom to audit.
func (b *Book) Commit(
	ctx context.Context, epoch int64, all []marketplace.Commitment, now time.Time,
) error {
	return b.act(ctx, now, func(a *act) error {
		none := marketplace.Conflict.Errorf("epoch %d takes no commitments", epoch)
		e, err := one(ctx, a.Tx, fmt.Sprint("epoch ", epoch), scanEpoch, selectEpoch+`WHERE e.epoch = $1
			AND closed_at IS NULL AND judged_at IS NULL FOR SHARE OF e`, epoch)
		if errors.Is(err, marketplace.NotFound) {
			return none
		}
		if err != nil {
			return err
		}
		if sealed, err := a.sealed(epoch); err != nil || sealed {
			return cmp.Or(err, none)
		}
		return a.commit(e, all)
	})
}

func (a *act) commit(e marketplace.AuditEpoch, all []marketplace.Commitment) error {
	drawn := a.book.draws.of(a.rules, e)
	batch := &pgx.Batch{}
	for _, c := range all {
		if c.Epoch != e.Epoch || !slices.Contains(drawn[c.Lease], c.Auditor) {
			return marketplace.Forbidden.Errorf("lease %d is not yours to audit in epoch %d", c.Lease,
				e.Epoch)
		}
		batch.Queue(`INSERT INTO commitments (epoch, lease, auditor, hash, at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (epoch, lease, auditor) DO UPDATE SET hash = excluded.hash, at = excluded.at
			WHERE commitments.hash <> excluded.hash`, c.Epoch, c.Lease, c.Auditor, c.Hash, a.now)
	}
	if err := a.SendBatch(a.ctx, batch).Close(); err != nil {
		return fmt.Errorf("write commitments: %w", err)
	}
	return nil
}

// duties is how many reports an epoch asks for. One that the release before opened does not say; there
// $2 is Rules.Auditors.
const duties = `coalesce(visits, jsonb_array_length(leases) * least($2, cardinality(auditors)))`

// sealed says whether an epoch takes reports and no more commitments: the deadline is past, or the
// epoch is over and all have committed.
func (a *act) sealed(epoch int64) (bool, error) {
	switch {
	case !a.now.Before(a.rules.CommitBy(epoch)):
		return true, nil
	case a.now.Before(a.rules.EpochStart(epoch + 1)):
		return false, nil
	}
	return one(a.ctx, a.Tx, fmt.Sprint("epoch ", epoch), pgx.RowTo[bool], `SELECT (SELECT count(*)
		FROM commitments c WHERE c.epoch = e.epoch) >= `+duties+` FROM audit_epochs e WHERE epoch = $1`,
		epoch, a.rules.Auditors)
}

// SaveReport takes an auditor's signed report that it committed to, once the epoch is sealed and until
// it is closed. Taking it twice is taking it once.
func (b *Book) SaveReport(ctx context.Context, r marketplace.Report, now time.Time) error {
	return b.act(ctx, now, func(a *act) error {
		committed, err := one(ctx, a.Tx, fmt.Sprint("epoch ", r.Epoch), pgx.RowTo[*marketplace.Hash],
			`SELECT c.hash FROM audit_epochs e LEFT JOIN commitments c ON c.epoch = e.epoch
				AND c.lease = $2 AND c.auditor = $3
			WHERE e.epoch = $1 AND closed_at IS NULL AND judged_at IS NULL FOR SHARE OF e`, r.Epoch, r.Lease,
			r.Auditor)
		if errors.Is(err, marketplace.NotFound) {
			return marketplace.Conflict.Errorf("epoch %d is not open for reports", r.Epoch)
		}
		if err != nil {
			return err
		}
		sealed, err := a.sealed(r.Epoch)
		switch {
		case err != nil:
			return err
		case !sealed:
			return marketplace.Conflict.Errorf("reports of epoch %d are taken from %s on, or when all have"+
				" committed to theirs", r.Epoch, a.rules.CommitBy(r.Epoch).Format(time.RFC3339))
		case committed == nil:
			return marketplace.Forbidden.Errorf("you committed to no report on lease %d in epoch %d", r.Lease,
				r.Epoch)
		case *committed != r.Commitment():
			return marketplace.Invalid.Errorf("it is not the report on lease %d in epoch %d that you"+
				" committed to", r.Lease, r.Epoch)
		}
		r.ID = 0
		if _, err := a.exec(`INSERT INTO reports (lease, epoch, auditor, body, at)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, r.Lease, r.Epoch, r.Auditor, mustJSON(r),
			a.now); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
		return nil
	})
}

// A CommitmentFilter chooses commitments; zero fields choose all.
type CommitmentFilter struct {
	Lease, Epoch int64
	Before       int64               // epochs: later ones are shown to their authors only
	Reader       marketplace.Address // reads its own at any time
}

func scanCommitment(row pgx.CollectableRow) (c marketplace.Commitment, err error) {
	return c, row.Scan(&c.ID, &c.Lease, &c.Epoch, &c.Auditor, &c.Hash, at{&c.At}, at{&c.OpenedAt})
}

// Commitments returns commitments numbered below page.After, newest first. As long as an epoch runs
// only their authors read them: an agent shall not learn that nobody will come any more.
func (b *Book) Commitments(
	ctx context.Context, f CommitmentFilter, p Page,
) ([]marketplace.Commitment, error) {
	return many(ctx, b.pool, "commitments", scanCommitment, `SELECT c.id, c.lease, c.epoch, c.auditor,
		c.hash, c.at, r.at FROM commitments c LEFT JOIN reports r ON r.lease = c.lease
			AND r.epoch = c.epoch AND r.auditor = c.auditor
		WHERE c.id < $1 AND ($2::bigint = 0 OR c.lease = $2) AND ($3::bigint = 0 OR c.epoch = $3)
			AND (c.epoch < $4 OR c.auditor = $5) ORDER BY c.id DESC LIMIT $6`, p.before(), f.Lease, f.Epoch,
		f.Before, f.Reader.String(), p.limit())
}
