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

const roleMatcher = "matcher"

// leaderPing is how often a leader looks whether its lock is still held, and a candidate whether
// the lock is free.
const leaderPing = 250 * time.Millisecond

// A Leader holds a role for as long as its connection to the database lives.
type Leader struct {
	fence  int64
	lost   chan struct{}
	resign context.CancelFunc
	gone   chan struct{}
}

// Lead waits until this process holds a role, or ctx is done. The lock is the database's: when
// the process or its connection dies, another candidate gets it at once.
func (b *Book) Lead(ctx context.Context, role string) (*Leader, error) {
	conn, err := pgx.ConnectConfig(ctx, b.pool.Config().ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect to lead: %w", err)
	}
	fence, err := win(ctx, conn, role)
	if err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	hold, resign := context.WithCancel(context.WithoutCancel(ctx))
	l := &Leader{fence: fence, lost: make(chan struct{}), gone: make(chan struct{}), resign: resign}
	go l.keep(hold, conn)
	return l, nil
}

func win(ctx context.Context, conn *pgx.Conn, role string) (fence int64, err error) {
	for {
		var won bool
		err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended($1, 2))`,
			role).Scan(&won)
		if err != nil {
			return 0, fmt.Errorf("ask for the lead: %w", err)
		}
		if won {
			break
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(leaderPing):
		}
	}
	err = conn.QueryRow(ctx, `INSERT INTO leaders (role, fence) VALUES ($1, 1)
		ON CONFLICT (role) DO UPDATE SET fence = leaders.fence + 1 RETURNING fence`, role).Scan(&fence)
	if err != nil {
		return 0, fmt.Errorf("raise the fence: %w", err)
	}
	return fence, nil
}

// keep watches the connection until it breaks or the leader resigns.
func (l *Leader) keep(ctx context.Context, conn *pgx.Conn) {
	defer close(l.gone)
	defer close(l.lost)
	tick := time.NewTicker(leaderPing)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			// Closing the connection frees the lock; a broken one is free already.
			_ = conn.Close(context.WithoutCancel(ctx))
			return
		case <-tick.C:
			if conn.Ping(ctx) != nil && ctx.Err() == nil {
				_ = conn.Close(ctx)
				return
			}
		}
	}
}

// Fence grows with every change of hands; writes that carry an old one are refused.
func (l *Leader) Fence() int64 { return l.fence }

// Lost is closed when the role may be somebody else's.
func (l *Leader) Lost() <-chan struct{} { return l.lost }

// Resign gives the role up and waits until it is free.
func (l *Leader) Resign() {
	l.resign()
	<-l.gone
}

// checkFence refuses a writer that has been replaced, and keeps a successor out until this
// transaction ends.
func (a *act) checkFence(role string, fence int64) error {
	now, err := one(a.ctx, a.Tx, "leader "+role, pgx.RowTo[int64],
		`SELECT fence FROM leaders WHERE role = $1 FOR SHARE`, role)
	if err == nil && now != fence {
		return marketplace.Conflict.Errorf("another process leads as %s now", role)
	}
	return err
}

func sortedKeys[V any](m map[int64]V) []int64 { return slices.Sorted(maps.Keys(m)) }
