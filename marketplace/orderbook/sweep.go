package orderbook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// Sweep ends what has waited past its deadline and returns how many things it moved.
func (b *Book) Sweep(ctx context.Context, now time.Time) (n int, err error) {
	for _, sweep := range []func(context.Context, time.Time) (int, error){
		b.sweepDisqualified, b.sweepLeases, b.sweepBounties,
	} {
		m, err := sweep(ctx, now)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// sweepMax bounds how much one Sweep takes on.
const sweepMax = 1000

func (b *Book) sweepLeases(ctx context.Context, now time.Time) (int, error) {
	due, err := many(ctx, b.pool, "leases", pgx.RowTo[int64], `SELECT id FROM leases
		WHERE state IN ('reserved', 'fetching', 'proving') AND deadline <= $1
			OR state IN `+live+` AND ends_at <= $2 ORDER BY id LIMIT $3`,
		now, b.reported(now), sweepMax)
	if err != nil {
		return 0, err
	}
	return b.each(ctx, now, "lease", due, (*act).sweepLease)
}

// reported is the end of the newest epoch whose reports are all in, or are taken no longer.
func (b *Book) reported(now time.Time) time.Time {
	r := b.opts.Rules
	return r.EpochStart(r.EpochAt(now.Add(-r.ReportSlack.Duration())))
}

// each moves things one by one, each in a transaction, and returns how many moved. One that
// cannot be moved does not hold up the others.
func (b *Book) each(ctx context.Context, now time.Time, what string, ids []int64,
	move func(*act, int64) (bool, error)) (n int, err error) {
	for _, id := range ids {
		var moved bool
		failed := b.act(ctx, now, func(a *act) (err error) {
			moved, err = move(a, id)
			return err
		})
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("%s %d: %w", what, id, failed))
		} else if moved {
			n++
		}
	}
	return n, err
}

func (a *act) sweepLease(id int64) (bool, error) {
	l, err := a.lockLease(id)
	if err != nil || !l.State.Live() {
		return false, err
	}
	how, due := overdue(l, a.now)
	if !due {
		return false, nil // it moved on meanwhile
	}
	if waits, err := a.waits(l); err != nil || waits {
		return false, err
	}
	if err := a.end(l, how); err != nil {
		return false, err
	}
	return true, a.settle(l.Bounty)
}

// sweepDisqualified ends all leases of agents that lost their standing for good. None of these was
// found at fault itself, so what was held back of them vests. Their bounties are matched anew, and
// nobody is paid for the gap. A suspended agent keeps its leases: it only gets no new ones.
func (b *Book) sweepDisqualified(ctx context.Context, now time.Time) (int, error) {
	due, err := many(ctx, b.pool, "leases", pgx.RowTo[int64], `SELECT l.id FROM leases l
		JOIN offers o ON o.agent = l.agent WHERE o.standing = $1 AND l.state IN `+live+`
		ORDER BY l.id LIMIT $2`, string(marketplace.Disqualified), sweepMax)
	if err != nil {
		return 0, err
	}
	return b.each(ctx, now, "lease", due, func(a *act, id int64) (bool, error) {
		l, err := a.lockLease(id)
		if err != nil || !l.State.Live() {
			return false, err
		}
		if err := a.end(l, ending{marketplace.Released, marketplace.CauseDisqualified,
			"its agent was disqualified"}); err != nil {
			return false, err
		}
		return true, a.settle(l.Bounty)
	})
}

// waits says whether a lease whose time is up is still owed a verdict on that time.
func (a *act) waits(l marketplace.Lease) (bool, error) {
	last := l.EndsAt
	if l.State == marketplace.Proving && !l.Deadline.After(a.now) {
		last = l.Deadline
	} else if last.IsZero() || last.After(a.now) {
		return false, nil // no audit could change why it ends
	}
	return one(a.ctx, a.Tx, "epochs", pgx.RowTo[bool], `SELECT EXISTS (
		SELECT FROM audit_epochs e WHERE judged_at IS NULL AND epoch <= $2
			AND leases @> jsonb_build_array(jsonb_build_object('id', $1::bigint))
			AND NOT EXISTS (SELECT FROM proofs p WHERE p.lease = $1 AND p.epoch = e.epoch))`,
		l.ID, a.rules.EpochAt(last))
}

// overdue is what becomes of a lease whose time is up, if it is. Grace ends with a verdict.
func overdue(l marketplace.Lease, now time.Time) (how ending, due bool) {
	const released, failed = marketplace.Released, marketplace.Failed
	ended := !l.EndsAt.IsZero() && !l.EndsAt.After(now)
	late := !l.Deadline.IsZero() && !l.Deadline.After(now)
	switch {
	case ended && l.State == marketplace.Active:
		how = ending{marketplace.LeaseDone, marketplace.CauseDone, "ran to its end"}
	case ended && l.State == marketplace.Grace:
		how = ending{marketplace.LeaseDone, marketplace.CauseDone, "ran to its end in grace"}
	case ended:
		how = ending{released, marketplace.CauseClosed, "the term ended before a first audit passed"}
	case late && l.State == marketplace.Reserved:
		how = ending{released, marketplace.CauseSilent, "the agent did not answer in time"}
	case late && l.State == marketplace.Fetching:
		how = ending{failed, marketplace.CauseLate, "the agent did not get the data in time"}
	case late && l.State == marketplace.Proving && l.Missed == 0 && (l.Passed == 0 || l.Clean > 0):
		// Nobody is to blame: the agent may get the bounty again.
		how = ending{released, marketplace.CauseUnseen, "no auditor came in time"}
	case late && l.State == marketplace.Proving && l.Passed > 0:
		how = ending{failed, marketplace.CauseLate, "no audits in a row showed its root in time"}
	case late && l.State == marketplace.Proving:
		how = ending{failed, marketplace.CauseLate, "no audit passed in time"}
	default:
		return how, false
	}
	return how, true
}

func (b *Book) sweepBounties(ctx context.Context, now time.Time) (int, error) {
	due, err := many(ctx, b.pool, "bounties", pgx.RowTo[int64], `SELECT id FROM bounties b
		WHERE state IN ('unfunded', 'open', 'filled', 'degraded') AND closing = '' AND (ends_at <= $1
			OR good_till <= $1 AND (state IN ('unfunded', 'open') OR ends_at IS NULL AND NOT EXISTS (
				SELECT FROM leases l WHERE l.bounty = b.id AND l.state IN `+live+`)))
		ORDER BY id LIMIT $2`, now, sweepMax)
	if err != nil {
		return 0, err
	}
	return b.each(ctx, now, "bounty", due, (*act).sweepBounty)
}

// sweepBounty ends a bounty whose term is over, and one that nobody took in time. One that was
// taken in part goes on with what it has, and the money for the rest is refunded.
func (a *act) sweepBounty(id int64) (bool, error) {
	b, err := a.lockBounty(id)
	if err != nil || len(marketplace.BountyMoves[b.State]) == 0 {
		return false, err
	}
	over := !b.EndsAt.IsZero() && !b.EndsAt.After(a.now)
	late := !b.GoodTill.After(a.now)
	switch {
	case late && b.State == marketplace.Unfunded:
		if err := a.finish(b.ID, fmt.Sprintf("%s BTT were missing when its time was up; all pledges are"+
			" refunded", b.Needed)); err != nil {
			return false, err
		}
	case over:
		if err := a.finish(b.ID, "ran to its end"); err != nil {
			return false, err
		}
		if err := a.dismiss(b.ID); err != nil {
			return false, err
		}
	case late && b.Leased == 0 && b.EndsAt.IsZero():
		if err := a.finish(b.ID, "nobody took it in time: "+b.Reason); err != nil {
			return false, err
		}
	case late && b.State == marketplace.Open:
		if err := a.finish(b.ID, fmt.Sprintf("%d of %d replicas were taken in time; the money for"+
			" the rest is refunded", b.Leased, b.Terms.Replicas)); err != nil {
			return false, err
		}
	default:
		return false, nil // it moved on meanwhile
	}
	return true, a.settle(b.ID)
}

// finish keeps a bounty out of further calls. It is completed, or expired when it never proved
// anything, as soon as its last lease is over.
func (a *act) finish(id int64, reason string) error {
	if _, err := a.exec(`UPDATE bounties SET closing = 'completed', reason = $2
		WHERE id = $1 AND closing = ''`, id, reason); err != nil {
		return fmt.Errorf("finish bounty %d: %w", id, err)
	}
	return a.settleReplicas(id)
}

// dismiss lets go of replacements that have proven nothing when the term ends: they never will.
func (a *act) dismiss(bounty int64) error {
	early, err := many(a.ctx, a.Tx, "leases", scanLease, selectLease+`WHERE bounty = $1
		AND state IN ('reserved', 'fetching', 'proving')`, bounty)
	if err != nil {
		return err
	}
	for _, l := range early {
		how := ending{marketplace.Released, marketplace.CauseClosed, "the term ended first"}
		if err := a.end(l, how); err != nil {
			return err
		}
	}
	return nil
}
