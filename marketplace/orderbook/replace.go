package orderbook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// lost chooses leases x that had been proven, are over or about to be, and that no other lease has
// taken over, nor is about to.
const lost = `x.active_at IS NOT NULL AND (x.state IN ('failed', 'released') OR x.dropping)
	AND NOT EXISTS (SELECT FROM leases y WHERE y.replaces = x.id
		AND (y.active_at IS NOT NULL OR y.state IN ` + live + `))`

// selectLost reads them, those that are over first: they are sure.
const selectLost = `SELECT x.bounty, x.id, x.dropping, CASE WHEN x.dropping THEN x.reason || ', and its forecast is'
	' that it misses the next one' ELSE x.reason END FROM leases x WHERE ` + lost

const lostOrder = ` ORDER BY x.bounty, x.dropping, x.id`

func scanLost(row pgx.CollectableRow) (l marketplace.Lost, err error) {
	return l, row.Scan(&l.Bounty, &l.Lease, &l.Dropping, &l.Why)
}

// replacements of bounty b, or of all.
const replacedOf = `SELECT jsonb_build_object('count', count(*),
	'last', coalesce((array_agg(replaced_after ORDER BY active_at DESC, id DESC))[1], 0),
	'median', coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY replaced_after), 0),
	'p90', coalesce(percentile_disc(0.9) WITHIN GROUP (ORDER BY replaced_after), 0)) FROM `

// replacedMax is how many replacements the market's figures look back on.
const replacedMax = 1000

func scanReplaced(body []byte, to *marketplace.Replacements) error {
	var us struct{ Count, Last, Median, P90 int64 }
	if err := json.Unmarshal(body, &us); err != nil {
		return err
	}
	span := func(n int64) marketplace.Span { return marketplace.Span(n * int64(time.Microsecond)) }
	*to = marketplace.Replacements{Count: int(us.Count), Last: span(us.Last), Median: span(us.Median),
		P90: span(us.P90)}
	return nil
}

// Replaced returns how fast lost replicas were replaced, on the whole market.
func (b *Book) Replaced(ctx context.Context) (r marketplace.Replacements, err error) {
	return one(ctx, b.pool, "replacements", func(row pgx.CollectableRow) (r marketplace.Replacements,
		err error) {
		var body []byte
		if err := row.Scan(&body); err != nil {
			return r, err
		}
		return r, scanReplaced(body, &r)
	}, replacedOf+`(SELECT id, active_at, replaced_after FROM leases
		WHERE replaced_after IS NOT NULL ORDER BY active_at DESC LIMIT $1) l`, replacedMax)
}

// forecast marks leases that went into grace and are likely to be lost, so that the next call gives
// their replica to another agent before the grace is over. It costs the poster nothing: a lease in
// grace is unpaid, and at most one of the two ever earns (resolve).
func (a *act) forecast(all []*hearing) error {
	var ids []int64
	for _, h := range all {
		if h.fault == nil && h.lease.State == marketplace.Grace &&
			h.lease.Cause == marketplace.CauseMissed && a.rules.Drops(h.record) {
			ids = append(ids, h.lease.ID)
		}
	}
	if _, err := a.exec(`UPDATE leases l SET dropping = true FROM bounties b
		WHERE l.id = ANY($1) AND b.id = l.bounty AND b.closing = '' AND b.ends_at > $2`, ids,
		a.now); err != nil {
		return fmt.Errorf("mark dropping leases: %w", err)
	}
	return nil
}

// yield lets go, before leases move, of replacements in the same docket whose replica came back.
func (a *act) yield(all []*hearing) {
	back := map[int64]bool{}
	for _, h := range all {
		back[h.lease.ID] = h.lease.Dropping && h.lease.State == marketplace.Active
	}
	for _, h := range all {
		if back[h.lease.Replaces] && h.fault == nil {
			h.lease.State, h.lease.ActiveAt = h.from, h.activeAt
			h.fault = &unneeded
		}
	}
}

var unneeded = ending{marketplace.Released, marketplace.CauseUnneeded,
	"the replica that it was to replace came back"}

// resolve decides between leases and their replacements: who passes first keeps the replica.
func (a *act) resolve(all []*hearing) error {
	for _, h := range all {
		var err error
		switch {
		case h.fault != nil:
		case h.lease.Dropping && h.lease.State == marketplace.Active:
			err = a.standDown(h.lease.ID)
		case h.lease.Replaces != 0 && h.lease.State == marketplace.Active && h.from != h.lease.State:
			err = a.takeOver(h.lease)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// standDown lets go of who was to replace a lease.
func (a *act) standDown(id int64) error {
	others, err := many(a.ctx, a.Tx, "leases", scanLease, selectLease+`WHERE replaces = $1
		AND state IN ('reserved', 'fetching', 'proving')`, id)
	if err != nil {
		return err
	}
	for _, l := range others {
		if err := a.end(l, unneeded); err != nil {
			return err
		}
	}
	return nil
}

// takeOver notes how long a replica was missing, and ends the lease that lost it.
func (a *act) takeOver(l marketplace.Lease) error {
	if _, err := a.exec(`UPDATE leases SET replaced_after = greatest(0, $3 - (
			SELECT max(epoch) + 1 FROM proofs WHERE lease = $2 AND verdict = 'pass') * $4)
		WHERE id = $1 AND replaced_after IS NULL`, l.ID, l.Replaces, l.ActiveAt.UnixMicro(),
		a.rules.Epoch.Duration().Microseconds()); err != nil {
		return fmt.Errorf("note replacement: %w", err)
	}
	before, err := lease(a.ctx, a.Tx, l.Replaces)
	if err != nil || !before.State.Live() {
		return err
	}
	return a.end(before, ending{marketplace.Released, marketplace.CauseReplaced,
		"its replacement was proven before it came back"})
}

// settleReplicas ends the waiting for replacements of a bounty that takes no more part in calls:
// what is in grace may come back until its end.
func (a *act) settleReplicas(bounty int64) error {
	ids, err := many(a.ctx, a.Tx, "leases", pgx.RowTo[int64], `UPDATE leases SET dropping = false
		WHERE bounty = $1 AND dropping RETURNING id`, bounty)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := a.standDown(id); err != nil {
			return err
		}
	}
	return nil
}
