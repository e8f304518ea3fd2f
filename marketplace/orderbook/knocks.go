package orderbook

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// knockFor is how long a knock is kept: who has not come by then comes no more.
const knockFor = time.Minute

// A PassedKnock is a knock with its place in their order.
type PassedKnock struct {
	ID int64
	marketplace.Knock
}

// Knock keeps a knock until it is passed on. The agent must have a lease on the torrent.
func (b *Book) Knock(ctx context.Context, k marketplace.Knock, now time.Time) error {
	n, err := b.exec(ctx, "knock", `WITH old AS (DELETE FROM knocks WHERE at < $5)
		INSERT INTO knocks (infohash, agent, address, at) SELECT $1, $2, $3, $4
		WHERE EXISTS (SELECT FROM leases WHERE agent = $2 AND infohash = $1 AND state IN `+live+`)`,
		k.Infohash, k.Agent, k.Address, now, now.Add(-knockFor))
	if err == nil && n == 0 {
		err = marketplace.NotFound.Errorf("agent %s has no lease on torrent %s", k.Agent, k.Infohash)
	}
	return err
}

// KnocksAfter returns knocks that came after the one with an id. One that was begun earlier and
// written later may be missed: who knocks does so again.
func (b *Book) KnocksAfter(ctx context.Context, id int64, most int) ([]PassedKnock, error) {
	return many(ctx, b.pool, "knocks", func(row pgx.CollectableRow) (k PassedKnock, err error) {
		return k, row.Scan(&k.ID, &k.Infohash, &k.Agent, &k.Address)
	}, `SELECT id, infohash, agent, address FROM knocks WHERE id > $1 ORDER BY id LIMIT $2`, id, most)
}

// LastKnock returns the id of the newest knock, 0 if there is none.
func (b *Book) LastKnock(ctx context.Context) (int64, error) {
	return one(ctx, b.pool, "newest knock", pgx.RowTo[int64],
		`SELECT coalesce(max(id), 0) FROM knocks`)
}
