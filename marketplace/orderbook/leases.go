package orderbook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

const selectLease = `SELECT id, bounty, offer, call, poster, mandate, agent, payee, peer, infohash,
	size, billed, price, state, reason, reserved_at, deadline, active_at, ends_at, ended_at,
	keep_for, verified, earned, held, passed, missed FROM leases `

func scanLease(row pgx.CollectableRow) (l marketplace.Lease, err error) {
	return l, row.Scan(&l.ID, &l.Bounty, &l.Offer, &l.Call, &l.Poster, &l.Mandate, &l.Agent,
		&l.Payee, &l.Peer, &l.Infohash, &l.Size, &l.Billed, &l.Price, &l.State, &l.Reason,
		at{&l.ReservedAt}, at{&l.Deadline}, at{&l.ActiveAt}, at{&l.EndsAt}, at{&l.EndedAt},
		&l.KeepFor, &l.Verified, &l.Earned, &l.Held, &l.Passed, &l.Missed)
}

func lease(ctx context.Context, q querier, id int64) (marketplace.Lease, error) {
	return one(ctx, q, fmt.Sprint("lease ", id), scanLease, selectLease+`WHERE id = $1`, id)
}

// Lease returns one lease.
func (b *Book) Lease(ctx context.Context, id int64) (marketplace.Lease, error) {
	return lease(ctx, b.pool, id)
}

// A LeaseFilter chooses leases; zero fields choose all.
type LeaseFilter struct {
	Bounty   int64
	Agent    marketplace.Address
	Infohash marketplace.Infohash
	Live     bool
}

// Leases returns a page of leases, newest first.
func (b *Book) Leases(ctx context.Context, f LeaseFilter, p Page) ([]marketplace.Lease, error) {
	infohash := ""
	if !f.Infohash.IsZero() {
		infohash = f.Infohash.String()
	}
	return many(ctx, b.pool, "leases", scanLease, selectLease+`WHERE id < $1
		AND ($2::bigint = 0 OR bounty = $2) AND ($3 = '' OR agent = $3) AND ($4 = '' OR infohash = $4)
		AND (NOT $5 OR state IN `+live+`) ORDER BY id DESC LIMIT $6`,
		p.before(), f.Bounty, f.Agent.String(), infohash, f.Live, p.limit())
}

// Accept takes a reserved lease on: the agent will fetch.
func (b *Book) Accept(
	ctx context.Context, agent marketplace.Address, id int64, now time.Time,
) (marketplace.Lease, error) {
	return b.advance(ctx, agent, id, now, marketplace.Reserved, marketplace.Fetching,
		b.opts.Rules.FetchDeadline)
}

// Ready says that an agent holds and verified all data: audits may begin.
func (b *Book) Ready(
	ctx context.Context, agent marketplace.Address, id int64, now time.Time,
) (marketplace.Lease, error) {
	return b.advance(ctx, agent, id, now, marketplace.Fetching, marketplace.Proving,
		b.opts.Rules.ProveDeadline)
}

// advance moves a lease one state on for its agent. Said twice it is answered twice.
func (b *Book) advance(ctx context.Context, agent marketplace.Address, id int64, now time.Time,
	from, to marketplace.LeaseState, within marketplace.Span) (out marketplace.Lease, err error) {
	err = b.act(ctx, now, func(a *act) error {
		if out, err = a.ofAgent(agent, id); err != nil || out.State == to {
			return err
		}
		if out.State != from {
			return marketplace.Conflict.Errorf("lease %d is %s, not %s (%s)", id, out.State, from,
				out.Reason)
		}
		out.State, out.Deadline = to, a.now.Add(within.Duration())
		return a.moveLease(from, out)
	})
	return out, err
}

// ofAgent locks a lease that must be the agent's.
func (a *act) ofAgent(agent marketplace.Address, id int64) (marketplace.Lease, error) {
	l, err := a.lockLease(id)
	if err == nil && l.Agent != agent {
		return l, marketplace.Forbidden.Errorf("lease %d is not yours", id)
	}
	return l, err
}

// lockLease locks a lease behind its bounty: everything that changes leases locks the bounty
// first, so that nobody waits in a circle.
func (a *act) lockLease(id int64) (marketplace.Lease, error) {
	l, err := lease(a.ctx, a.Tx, id)
	if err != nil {
		return l, err
	}
	if _, err := a.lockBounty(l.Bounty); err != nil {
		return l, err
	}
	return lease(a.ctx, a.Tx, id)
}

// moveLease writes a lease's new state and fields, guarded by the state it had.
func (a *act) moveLease(from marketplace.LeaseState, l marketplace.Lease) error {
	if from != l.State && !marketplace.LeaseMoves.Allow(from, l.State) {
		panic(fmt.Sprintf("lease %d: %s → %s is no move", l.ID, from, l.State))
	}
	if err := a.move(fmt.Sprint("lease ", l.ID), `UPDATE leases SET state = $3, reason = $4,
		deadline = $5, active_at = $6, ends_at = $7, ended_at = $8, verified = $9, earned = $10,
		held = $11, passed = $12, missed = $13 WHERE id = $1 AND state = $2`, l.ID, string(from),
		string(l.State), l.Reason, orNull(l.Deadline), orNull(l.ActiveAt), orNull(l.EndsAt),
		orNull(l.EndedAt), l.Verified, l.Earned, l.Held, l.Passed, l.Missed); err != nil {
		return err
	}
	if from != l.State {
		a.happened("lease."+string(l.State), l.ID, l, l.Agent, l.Poster, l.Payee)
	}
	return nil
}

// Decline gives a reserved lease back; the bounty does not ask this agent again.
func (b *Book) Decline(ctx context.Context, agent marketplace.Address, id int64, reason string,
	now time.Time) (marketplace.Lease, error) {
	return b.leave(ctx, agent, id, marketplace.Released, "declined: "+reason, now,
		func(s marketplace.LeaseState) bool { return s == marketplace.Reserved })
}

// Abandon gives a lease up before its end: what was held back goes to the poster.
func (b *Book) Abandon(ctx context.Context, agent marketplace.Address, id int64, reason string,
	now time.Time) (marketplace.Lease, error) {
	return b.leave(ctx, agent, id, marketplace.Failed, "abandoned: "+reason, now,
		marketplace.LeaseState.Live)
}

const reasonMax = 500

func (b *Book) leave(ctx context.Context, agent marketplace.Address, id int64,
	to marketplace.LeaseState, reason string, now time.Time,
	from func(marketplace.LeaseState) bool) (out marketplace.Lease, err error) {
	err = b.act(ctx, now, func(a *act) error {
		if out, err = a.ofAgent(agent, id); err != nil || out.State == to {
			return err
		}
		if !from(out.State) {
			return marketplace.Conflict.Errorf("lease %d is %s (%s)", id, out.State, out.Reason)
		}
		short := strings.ToValidUTF8(reason[:min(len(reason), reasonMax)], "") // a cut letter is none
		if err := a.end(out, to, short); err != nil {
			return err
		}
		if err := a.settle(out.Bounty); err != nil {
			return err
		}
		out, err = lease(ctx, a.Tx, id)
		return err
	})
	return out, err
}

// end moves a live lease to a final state and decides what becomes of its holdback: it vests,
// unless the agent is to blame. An agent that declined or failed a bounty does not get it again.
func (a *act) end(l marketplace.Lease, to marketplace.LeaseState, reason string) error {
	from, held := l.State, l.Held
	l.State, l.Reason, l.EndedAt, l.Deadline = to, reason, a.now, time.Time{}
	t := transfer{debit: accountHoldback(l.ID), amount: held, bounty: l.Bounty, lease: l.ID,
		credit: accountPayable(l.Poster, l.Mandate, l.Payee), code: "vest"}
	if to == marketplace.Failed {
		t.credit, t.code = accountFree(l.Poster), "forfeit"
		if _, err := a.exec(`UPDATE bounties SET spent = spent - $2 WHERE id = $1`, l.Bounty,
			held); err != nil {
			return fmt.Errorf("take back spending: %w", err)
		}
	}
	a.enter(t, l.ID)
	l.Held = marketplace.Amount{}
	if to != marketplace.LeaseDone && reason != neverVisited {
		if _, err := a.exec(`INSERT INTO bars (bounty, agent) VALUES ($1, $2)
			ON CONFLICT DO NOTHING`, l.Bounty, l.Agent); err != nil {
			return fmt.Errorf("bar agent: %w", err)
		}
	}
	if err := a.moveLease(from, l); err != nil {
		return err
	}
	if err := a.post(); err != nil {
		return err
	}
	if t.code == "vest" && !held.IsZero() {
		return a.draft(l.Poster, l.Mandate, l.Payee)
	}
	return nil
}

// Sweep ends what has waited past its deadline and returns how many things it moved.
func (b *Book) Sweep(ctx context.Context, now time.Time) (n int, err error) {
	for _, sweep := range []func(context.Context, time.Time) (int, error){
		b.sweepLeases, b.sweepBounties,
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
	to, reason := overdue(l, a.now)
	if to == "" {
		return false, nil // it moved on meanwhile
	}
	if waits, err := a.waits(l); err != nil || waits {
		return false, err
	}
	if err := a.end(l, to, reason); err != nil {
		return false, err
	}
	return true, a.settle(l.Bounty)
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

// neverVisited ends a lease that no auditor has looked at. Nobody is to blame: the agent may get
// the bounty again.
const neverVisited = "no auditor came in time"

// overdue is what becomes of a lease whose time is up.
func overdue(l marketplace.Lease, now time.Time) (to marketplace.LeaseState, reason string) {
	ended := !l.EndsAt.IsZero() && !l.EndsAt.After(now)
	late := !l.Deadline.IsZero() && !l.Deadline.After(now)
	switch {
	case ended && l.State == marketplace.Active:
		return marketplace.LeaseDone, "ran to its end"
	case ended && l.State == marketplace.Grace:
		return marketplace.LeaseDone, "ran to its end in grace"
	case ended:
		return marketplace.Released, "the term ended before a first audit passed"
	case late && l.State == marketplace.Reserved:
		return marketplace.Released, "the agent did not answer in time"
	case late && l.State == marketplace.Fetching:
		return marketplace.Failed, "the agent did not get the data in time"
	case late && l.State == marketplace.Proving && l.Missed == 0:
		return marketplace.Released, neverVisited
	case late && l.State == marketplace.Proving:
		return marketplace.Failed, "no audit passed in time"
	default: // grace ends with a verdict
		return "", ""
	}
}

func (b *Book) sweepBounties(ctx context.Context, now time.Time) (int, error) {
	due, err := many(ctx, b.pool, "bounties", pgx.RowTo[int64], `SELECT id FROM bounties b
		WHERE state IN ('open', 'filled', 'degraded') AND closing = '' AND (ends_at <= $1
			OR good_till <= $1 AND (state = 'open' OR ends_at IS NULL AND NOT EXISTS (
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
	return nil
}

// dismiss lets go of replacements that have proven nothing when the term ends: they never will.
func (a *act) dismiss(bounty int64) error {
	early, err := many(a.ctx, a.Tx, "leases", scanLease, selectLease+`WHERE bounty = $1
		AND state IN ('reserved', 'fetching', 'proving')`, bounty)
	if err != nil {
		return err
	}
	for _, l := range early {
		if err := a.end(l, marketplace.Released, "the term ended first"); err != nil {
			return err
		}
	}
	return nil
}
