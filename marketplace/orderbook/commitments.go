package orderbook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// Commit takes auditors' commitments for one epoch, in place of those that they handed in before, until
// the epoch is sealed, and returns those that it did not take: any accusation may end a lease, so
// nobody chooses whom to audit.
func (b *Book) Commit(ctx context.Context, epoch int64, all []marketplace.Commitment, now time.Time) (
	refused []marketplace.NotTaken, err error) {
	drawn, err := b.Drawn(ctx, epoch)
	if err != nil {
		return nil, err
	}
	err = b.act(ctx, now, func(a *act) error {
		takes, err := a.takes(epoch)
		switch {
		case err != nil:
			return err
		case takes != commitments:
			return marketplace.Conflict.Errorf("epoch %d takes no commitments", epoch)
		}
		refused, err = a.commit(epoch, all, drawn)
		return err
	})
	return refused, err
}

func (a *act) commit(epoch int64, all []marketplace.Commitment,
	drawn map[int64][]marketplace.Address) (refused []marketplace.NotTaken, err error) {
	batch := &pgx.Batch{}
	for _, c := range all {
		if c.Epoch != epoch || !slices.Contains(drawn[c.Lease], c.Auditor) {
			refused = append(refused, marketplace.NotTaken{Lease: c.Lease, Epoch: c.Epoch,
				Kind: marketplace.Forbidden, Detail: fmt.Sprintf("lease %d is not yours to audit in epoch %d",
					c.Lease, epoch)})
			continue
		}
		batch.Queue(`INSERT INTO commitments (epoch, lease, auditor, hash, at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (epoch, lease, auditor) DO UPDATE SET hash = excluded.hash, at = excluded.at
			WHERE commitments.hash <> excluded.hash`, c.Epoch, c.Lease, c.Auditor, c.Hash, a.now)
	}
	if err := a.SendBatch(a.ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("write commitments: %w", err)
	}
	return refused, nil
}

// duties is how many reports an epoch asks for. One that the release before opened does not say; there
// $2 is Rules.Auditors.
const duties = `coalesce(visits, jsonb_array_length(leases) * least($2, cardinality(auditors)))`

// What an epoch takes.
const (
	nothing = iota // it is closed
	commitments
	reports
)

// takes says what an epoch takes, until the act ends: reports and no more commitments from the deadline
// on, or as soon as the epoch is over and all have committed.
func (a *act) takes(epoch int64) (int, error) {
	type state struct {
		due  int
		open bool
	}
	is, err := one(a.ctx, a.Tx, fmt.Sprint("epoch ", epoch), func(row pgx.CollectableRow) (s state, err error) {
		return s, row.Scan(&s.due, &s.open)
	}, `SELECT `+duties+`, closed_at IS NULL AND judged_at IS NULL FROM audit_epochs WHERE epoch = $1
		FOR SHARE`, epoch, a.rules.Auditors)
	switch {
	case err != nil || !is.open:
		return nothing, err
	case !a.now.Before(a.rules.CommitBy(epoch)):
		return reports, nil
	case a.now.Before(a.rules.EpochStart(epoch + 1)):
		return commitments, nil
	}
	n, err := one(a.ctx, a.Tx, "commitments", pgx.RowTo[int],
		`SELECT count(*) FROM commitments WHERE epoch = $1`, epoch)
	if n < is.due {
		return commitments, err
	}
	return reports, err
}

// SaveReports takes auditors' signed reports that they committed to, once their epoch is sealed and until
// it is closed, and returns those that it did not take. Conflict says that an epoch takes none, not
// yet or no more; those of other epochs may be taken. Taking one twice is taking it once.
func (b *Book) SaveReports(ctx context.Context, all []marketplace.Report, now time.Time) (
	refused []marketplace.NotTaken, err error) {
	byEpoch := map[int64][]marketplace.Report{}
	for _, r := range all {
		byEpoch[r.Epoch] = append(byEpoch[r.Epoch], r)
	}
	for _, epoch := range slices.Sorted(maps.Keys(byEpoch)) {
		more, failed := b.saveReports(ctx, epoch, byEpoch[epoch], now)
		refused, err = append(refused, more...), errors.Join(err, failed)
	}
	return refused, err
}

// saveReports takes one epoch's reports together, or, when Postgres refuses one of them, one by one, so
// that it costs the others nothing.
func (b *Book) saveReports(ctx context.Context, epoch int64, all []marketplace.Report, now time.Time) (
	refused []marketplace.NotTaken, err error) {
	err = b.act(ctx, now, func(a *act) (err error) {
		refused, err = a.saveReports(epoch, all)
		return err
	})
	if codeOf(err) == "" || errors.Is(err, marketplace.Unavailable) || len(all) == 1 {
		return refused, err
	}
	refused, err = nil, nil
	for i := range all {
		more, failed := b.saveReports(ctx, epoch, all[i:i+1], now)
		refused, err = append(refused, more...), errors.Join(err, failed)
	}
	return refused, err
}

func (a *act) saveReports(epoch int64, all []marketplace.Report) (
	refused []marketplace.NotTaken, err error) {
	takes, err := a.takes(epoch)
	switch {
	case errors.Is(err, marketplace.NotFound), err == nil && takes == nothing:
		return nil, marketplace.Conflict.Errorf("epoch %d is not open for reports", epoch)
	case err != nil:
		return nil, err
	case takes == commitments:
		return nil, marketplace.Conflict.Errorf("reports of epoch %d are taken from %s on, or when all have"+
			" committed to theirs", epoch, a.rules.CommitBy(epoch).Format(time.RFC3339))
	}
	committed, err := a.committed(epoch, all)
	if err != nil {
		return nil, err
	}
	batch := &pgx.Batch{}
	for _, r := range all {
		hash, ok := committed[voice{r.Lease, r.Auditor}]
		no := marketplace.NotTaken{Lease: r.Lease, Epoch: epoch}
		switch {
		case !ok:
			no.Kind, no.Detail = marketplace.Forbidden, fmt.Sprintf("you committed to no report on lease %d in"+
				" epoch %d", r.Lease, epoch)
			refused = append(refused, no)
			continue
		case hash != r.Commitment():
			no.Kind, no.Detail = marketplace.Invalid, fmt.Sprintf("it is not the report on lease %d in epoch %d"+
				" that you committed to", r.Lease, epoch)
			refused = append(refused, no)
			continue
		}
		r.ID = 0
		batch.Queue(`INSERT INTO reports (lease, epoch, auditor, body, at)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, r.Lease, r.Epoch, r.Auditor, mustJSON(r),
			a.now)
	}
	if err := a.SendBatch(a.ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("write reports: %w", err)
	}
	return refused, nil
}

// A voice is who speaks of what.
type voice struct {
	lease   int64
	auditor marketplace.Address
}

// committed returns what the authors of reports committed to.
func (a *act) committed(epoch int64, all []marketplace.Report) (map[voice]marketplace.Hash, error) {
	leases := make([]int64, len(all))
	for i, r := range all {
		leases[i] = r.Lease
	}
	rows, err := a.Query(a.ctx, `SELECT lease, auditor, hash FROM commitments WHERE epoch = $1
		AND lease = ANY($2)`, epoch, leases)
	if err != nil {
		return nil, fmt.Errorf("read commitments: %w", err)
	}
	found := map[voice]marketplace.Hash{}
	var of voice
	var hash marketplace.Hash
	if _, err := pgx.ForEachRow(rows, []any{&of.lease, &of.auditor, &hash}, func() error {
		found[of] = hash
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read commitments: %w", err)
	}
	return found, nil
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
