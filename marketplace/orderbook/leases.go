package orderbook

import (
	"context"
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
	if to != marketplace.LeaseDone {
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
	due, err := many(ctx, b.pool, "leases", pgx.RowTo[int64], `SELECT id FROM leases l
		WHERE state IN `+live+` AND (deadline <= $1 OR ends_at <= $1) ORDER BY id LIMIT $2`,
		now, sweepMax)
	if err != nil {
		return 0, err
	}
	for i, id := range due {
		if err := b.act(ctx, now, func(a *act) error { return a.sweepLease(id) }); err != nil {
			return i, fmt.Errorf("sweep lease %d: %w", id, err)
		}
	}
	return len(due), nil
}

func (a *act) sweepLease(id int64) error {
	l, err := a.lockLease(id)
	if err != nil || !l.State.Live() {
		return err
	}
	to, reason := overdue(l, a.now)
	if to == "" {
		return nil // it moved on meanwhile
	}
	if ok, err := a.judged(l); err != nil || !ok {
		return err
	}
	if err := a.end(l, to, reason); err != nil {
		return err
	}
	return a.settle(l.Bounty)
}

// judged says whether no verdict can come any more for a lease that ran to its end.
func (a *act) judged(l marketplace.Lease) (bool, error) {
	if l.EndsAt.IsZero() || l.EndsAt.After(a.now) {
		return true, nil // it ends for another reason
	}
	last := a.rules.EpochAt(l.EndsAt)
	if a.rules.EpochStart(last + 1).Add(a.rules.ReportSlack.Duration()).After(a.now) {
		return false, nil
	}
	open, err := one(a.ctx, a.Tx, "epochs", pgx.RowTo[bool], `SELECT EXISTS (SELECT
		FROM audit_epochs WHERE judged_at IS NULL AND epoch <= $1)`, last)
	return !open, err
}

// overdue is what becomes of a lease whose time is up.
func overdue(l marketplace.Lease, now time.Time) (to marketplace.LeaseState, reason string) {
	ended := !l.EndsAt.IsZero() && !l.EndsAt.After(now)
	late := !l.Deadline.IsZero() && !l.Deadline.After(now)
	switch {
	case ended && l.State == marketplace.Active:
		return marketplace.LeaseDone, "ran to its end"
	case ended && l.State == marketplace.Grace:
		return marketplace.LeaseDone, "ran to its end in grace"
	case ended && l.State == marketplace.Proving:
		return marketplace.Released, "the term ended before a first audit passed"
	case late && l.State == marketplace.Reserved:
		return marketplace.Released, "the agent did not answer in time"
	case late && l.State == marketplace.Fetching:
		return marketplace.Failed, "the agent did not get the data in time"
	case late && l.State == marketplace.Proving:
		return marketplace.Failed, "no audit passed in time"
	case late && l.State == marketplace.Grace:
		return marketplace.Failed, "missed audits for longer than the grace"
	default:
		return "", ""
	}
}

func (b *Book) sweepBounties(ctx context.Context, now time.Time) (int, error) {
	due, err := many(ctx, b.pool, "bounties", pgx.RowTo[int64], `SELECT id FROM bounties b
		WHERE state IN ('open', 'filled', 'degraded') AND closing = '' AND (ends_at <= $1
			OR good_till <= $1 AND ends_at IS NULL AND NOT EXISTS (
				SELECT FROM leases l WHERE l.bounty = b.id AND l.state IN `+live+`))
		ORDER BY id LIMIT $2`, now, sweepMax)
	if err != nil {
		return 0, err
	}
	for i, id := range due {
		err := b.act(ctx, now, func(a *act) error {
			x, err := a.lockBounty(id)
			if err != nil || len(marketplace.BountyMoves[x.State]) == 0 {
				return err
			}
			reason := "ran to its end"
			if x.EndsAt.IsZero() {
				reason = "nobody took it in time: " + x.Reason
			}
			return a.finish(x, reason)
		})
		if err != nil {
			return i, fmt.Errorf("sweep bounty %d: %w", id, err)
		}
	}
	return len(due), nil
}

// finish closes a bounty whose time is over. Its leases end at the same moment and are completed
// when their last epoch was judged.
func (a *act) finish(b marketplace.Bounty, reason string) error {
	if _, err := a.exec(`UPDATE bounties SET closing = 'completed', reason = $2
		WHERE id = $1 AND closing = ''`, b.ID, reason); err != nil {
		return fmt.Errorf("finish bounty %d: %w", b.ID, err)
	}
	// A replacement that has proven nothing by now never will.
	early, err := many(a.ctx, a.Tx, "leases", scanLease, selectLease+`WHERE bounty = $1
		AND state IN ('reserved', 'fetching', 'proving')`, b.ID)
	if err != nil {
		return err
	}
	for _, l := range early {
		if err := a.end(l, marketplace.Released, "the term ended first"); err != nil {
			return err
		}
	}
	return a.settle(b.ID)
}
