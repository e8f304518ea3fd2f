package orderbook

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

const selectPromise = `SELECT p.epoch, p.commit, p.promised_at, e.secret
	FROM promises p LEFT JOIN audit_epochs e ON e.epoch = p.epoch AND e.commit = p.commit `

func scanPromise(row pgx.CollectableRow) (p marketplace.Promise, err error) {
	var secret *marketplace.Hash
	err = row.Scan(&p.Epoch, &p.Commit, at{&p.PromisedAt}, &secret)
	if secret != nil {
		p.Secret = *secret
	}
	return p, err
}

// Promise publishes what binds the operator to the secret of an epoch that has not begun. What was
// promised once stays.
func (b *Book) Promise(
	ctx context.Context, epoch int64, commit marketplace.Hash, now time.Time,
) error {
	return b.act(ctx, now, func(a *act) error {
		p := marketplace.Promise{Epoch: epoch, Commit: commit, PromisedAt: a.now}
		if !a.rules.InTime(p) {
			return marketplace.Conflict.Errorf("epoch %d has begun: it is too late to promise its secret",
				epoch)
		}
		n, err := a.exec(`INSERT INTO promises (epoch, commit, promised_at) VALUES ($1, $2, $3)
			ON CONFLICT DO NOTHING`, epoch, commit, a.now)
		if err != nil {
			return fmt.Errorf("promise epoch %d: %w", epoch, err)
		}
		if n == 1 {
			a.happened("epoch.promised", epoch, p)
		}
		return nil
	})
}

func promise(ctx context.Context, q querier, epoch int64) (marketplace.Promise, error) {
	return one(ctx, q, fmt.Sprintf("promise for epoch %d", epoch), scanPromise,
		selectPromise+`WHERE p.epoch = $1`, epoch)
}

// Promised returns what was promised for an epoch, with the secret once it is opened; who may see
// that is decided at the door.
func (b *Book) Promised(ctx context.Context, epoch int64) (marketplace.Promise, error) {
	return promise(ctx, b.pool, epoch)
}

// Promises returns promises for epochs before page.After, newest epoch first.
func (b *Book) Promises(ctx context.Context, p Page) ([]marketplace.Promise, error) {
	return many(ctx, b.pool, "promises", scanPromise, selectPromise+`WHERE p.epoch < $1
		ORDER BY p.epoch DESC LIMIT $2`, p.before(), p.limit())
}
