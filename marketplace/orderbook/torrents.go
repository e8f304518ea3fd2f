package orderbook

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

const torrentColumns = `infohash, name, size, piece_length, pieces, files, private, added_at`

func scanTorrent(row pgx.CollectableRow) (t marketplace.Torrent, err error) {
	return t, row.Scan(&t.Infohash, &t.Name, &t.Size, &t.PieceLength, &t.Pieces, &t.Files,
		&t.Private, at{&t.AddedAt})
}

// RegisterTorrent makes a torrent known to the market. Registering it again changes nothing.
func (b *Book) RegisterTorrent(ctx context.Context, by marketplace.Address,
	t marketplace.Torrent, metainfo []byte, now time.Time) (marketplace.Torrent, error) {
	var out marketplace.Torrent
	err := b.act(ctx, now, func(a *act) (err error) {
		n, err := a.exec(`INSERT INTO torrents (infohash, name, size, piece_length, pieces, files,
			private, metainfo, added_by, added_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT DO NOTHING`, t.Infohash, t.Name, t.Size, t.PieceLength, t.Pieces, t.Files,
			t.Private, metainfo, by, a.now)
		if err != nil {
			return err
		}
		if out, err = torrent(ctx, a.Tx, t.Infohash); err == nil && n == 1 {
			a.happened("torrent.added", 0, out, by)
		}
		return err
	})
	return out, err
}

func torrent(ctx context.Context, q querier, h marketplace.Infohash) (marketplace.Torrent, error) {
	return one(ctx, q, "torrent "+h.String()+"; register it with POST /v1/torrents first",
		scanTorrent, `SELECT `+torrentColumns+` FROM torrents WHERE infohash = $1`, h)
}

// Torrent returns a registered torrent.
func (b *Book) Torrent(ctx context.Context, h marketplace.Infohash) (marketplace.Torrent, error) {
	return torrent(ctx, b.pool, h)
}

// Metainfo returns a registered torrent's file.
func (b *Book) Metainfo(ctx context.Context, h marketplace.Infohash) ([]byte, error) {
	return one(ctx, b.pool, "torrent "+h.String(), pgx.RowTo[[]byte],
		`SELECT metainfo FROM torrents WHERE infohash = $1`, h)
}

// Torrents returns torrents added before a time (zero: the newest), newest first.
func (b *Book) Torrents(
	ctx context.Context, before time.Time, limit int,
) ([]marketplace.Torrent, error) {
	return many(ctx, b.pool, "torrents", scanTorrent, `SELECT `+torrentColumns+` FROM torrents
		WHERE $1::timestamptz IS NULL OR added_at < $1 ORDER BY added_at DESC, infohash LIMIT $2`,
		orNull(before), Page{Limit: limit}.limit())
}
