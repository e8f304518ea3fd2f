package orderbook

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// noticeFor is how long a notice is kept: who did not hear of it by then comes too late.
const noticeFor = time.Minute

// A Notice is told to one agent alone, on its own stream and while it listens.
type Notice struct {
	ID    int64
	Agent marketplace.Address
	Kind  string
	Data  json.RawMessage
}

// Knock has an agent told of a knock. It must have a lease on the torrent.
func (b *Book) Knock(ctx context.Context, k marketplace.Knock, now time.Time) error {
	n, err := b.exec(ctx, "knock", `WITH old AS (DELETE FROM notices WHERE at < $6)
		INSERT INTO notices (agent, kind, data, at) SELECT $1, $2, $3, $4
		WHERE EXISTS (SELECT FROM leases WHERE agent = $1 AND infohash = $5 AND state IN `+live+`)`,
		k.Agent, marketplace.KnockKind, mustJSON(k), now, k.Infohash, now.Add(-noticeFor))
	if err == nil && n == 0 {
		err = marketplace.NotFound.Errorf("agent %s has no lease on torrent %s", k.Agent, k.Infohash)
	}
	return err
}

// NoticesAfter returns notices that came after the one with an id. One that was begun earlier and
// written later may be missed: who gave it does so again.
func (b *Book) NoticesAfter(ctx context.Context, id int64, most int) ([]Notice, error) {
	return many(ctx, b.pool, "notices", func(row pgx.CollectableRow) (n Notice, err error) {
		return n, row.Scan(&n.ID, &n.Agent, &n.Kind, &n.Data)
	}, `SELECT id, agent, kind, data FROM notices WHERE id > $1 ORDER BY id LIMIT $2`, id, most)
}

// LastNotice returns the id of the newest notice, 0 if there is none.
func (b *Book) LastNotice(ctx context.Context) (int64, error) {
	return one(ctx, b.pool, "newest notice", pgx.RowTo[int64],
		`SELECT coalesce(max(id), 0) FROM notices`)
}
