package orderbook

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

const (
	// togetherEpochs is how far the scores of agents that fail together look back: 100 days of
	// epochs of six hours.
	togetherEpochs = 400
	// togetherMax is how many agents may miss an epoch for it to say anything of two of them. When more
	// do, something failed that all share, like the auditors' own line.
	togetherMax = 100
)

// scoreTogether reckons anew how much the agents that missed an epoch fail together with others.
func (a *act) scoreTogether(epoch int64) error {
	missed, err := many(a.ctx, a.Tx, "agents", pgx.RowTo[string], `SELECT DISTINCT agent FROM proofs
		WHERE epoch = $1 AND verdict = 'fail' ORDER BY agent LIMIT $2`, epoch, togetherMax+1)
	if err != nil || len(missed) == 0 || len(missed) > togetherMax {
		return err
	}
	pairs, err := many(a.ctx, a.Tx, "pairs", func(row pgx.CollectableRow) (p [2]string, err error) {
		return p, row.Scan(&p[0], &p[1])
	}, `SELECT x, y FROM unnest($1::text[]) x, unnest($1::text[]) y WHERE x < y
		UNION SELECT a, b FROM together WHERE a = ANY($1) OR b = ANY($1) ORDER BY 1, 2`, missed)
	if err != nil || len(pairs) == 0 {
		return err
	}
	failed, err := a.failures(pairs, epoch)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	for _, p := range pairs {
		if score := marketplace.Together(failed[p[0]], failed[p[1]]); score > 0 {
			batch.Queue(`INSERT INTO together (a, b, score, epoch) VALUES ($1, $2, $3, $4)
				ON CONFLICT (a, b) DO UPDATE SET score = $3, epoch = $4`, p[0], p[1], score, epoch)
		} else {
			batch.Queue(`DELETE FROM together WHERE a = $1 AND b = $2`, p[0], p[1])
		}
	}
	if err := a.SendBatch(a.ctx, batch).Close(); err != nil {
		return fmt.Errorf("write who fails together: %w", err)
	}
	return nil
}

// failures are the epochs that agents missed of late, ascending.
func (a *act) failures(pairs [][2]string, epoch int64) (map[string][]int64, error) {
	var agents []string
	for _, p := range pairs {
		agents = append(agents, p[0], p[1])
	}
	rows, err := a.Query(a.ctx, `SELECT DISTINCT epoch, agent FROM proofs WHERE agent = ANY($1)
		AND verdict = 'fail' AND epoch BETWEEN $2 AND $3 ORDER BY epoch, agent`, agents,
		epoch-togetherEpochs, epoch)
	if err != nil {
		return nil, fmt.Errorf("read failures: %w", err)
	}
	all := map[string][]int64{}
	var at int64
	var who string
	if _, err := pgx.ForEachRow(rows, []any{&at, &who}, func() error {
		all[who] = append(all[who], at)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read failures: %w", err)
	}
	return all, nil
}

// AuditWire returns the bytes on the wire, both ways, that audits took per replica and day, over the
// epochs of the last day that were judged.
func (b *Book) AuditWire(ctx context.Context, now time.Time) (int64, error) {
	r := b.opts.Rules
	perDay := int64(marketplace.Day / r.Epoch.Duration())
	return one(ctx, b.pool, "audit bytes", pgx.RowTo[int64], `SELECT (coalesce(avg(wire), 0) * $2)::bigint
		FROM proofs WHERE epoch > $1 AND reports > 0`, r.EpochAt(now.Add(-marketplace.Day)), perDay)
}
