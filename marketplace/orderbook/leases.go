package orderbook

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/everseed/everseed/marketplace"
)

const selectLease = `SELECT id, bounty, offer, call, poster, mandate, agent, payee, peer, infohash,
	size, billed, price, state, reason, reserved_at, deadline, active_at, ends_at, ended_at,
	keep_for, verified, earned, held, passed, missed, cause, accused,
	audited, wire, dropping, coalesce(replaces, 0), coalesce(replaced_after, 0),
	coalesce(root, repeat('0', 64)), clean, clean_min, (SELECT ` + jsonPledges + ` WHERE
		p.bounty = leases.bounty AND p.state IN ('posted', 'settled')) FROM leases `

func scanLease(row pgx.CollectableRow) (l marketplace.Lease, err error) {
	var accused []byte
	if err := row.Scan(&l.ID, &l.Bounty, &l.Offer, &l.Call, &l.Poster, &l.Mandate, &l.Agent,
		&l.Payee, &l.Peer, &l.Infohash, &l.Size, &l.Billed, &l.Price, &l.State, &l.Reason,
		at{&l.ReservedAt}, at{&l.Deadline}, at{&l.ActiveAt}, at{&l.EndsAt}, at{&l.EndedAt},
		&l.KeepFor, &l.Verified, &l.Earned, &l.Held, &l.Passed, &l.Missed, &l.Cause, &accused,
		&l.Audited, &l.Wire, &l.Dropping, &l.Replaces, &l.ReplacedAfter, &l.Root,
		&l.Clean, &l.CleanMin, funders{&l.Funders}); err != nil || accused == nil {
		return l, err
	}
	return l, json.Unmarshal(accused, &l.Accused)
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
	Payee    marketplace.Address
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
		AND (NOT $5 OR state IN `+live+`) AND ($7 = '' OR payee = $7) ORDER BY id DESC LIMIT $6`,
		p.before(), f.Bounty, f.Agent.String(), infohash, f.Live, p.limit(), f.Payee.String())
}

// Serves returns on which of some torrents an agent has a live lease that it accepted.
func (b *Book) Serves(ctx context.Context, agent marketplace.Address, of []marketplace.Infohash) (
	[]marketplace.Infohash, error) {
	return many(ctx, b.pool, "torrents under lease", pgx.RowTo[marketplace.Infohash], `SELECT DISTINCT infohash
		FROM leases WHERE agent = $1 AND infohash = ANY($2) AND state <> 'reserved' AND state IN `+live,
		agent, texts(of))
}

// Accept takes a reserved lease on: the agent will fetch.
func (b *Book) Accept(
	ctx context.Context, agent marketplace.Address, id int64, now time.Time,
) (marketplace.Lease, error) {
	return b.advance(ctx, agent, id, marketplace.Hash{}, now, marketplace.Reserved, marketplace.Fetching,
		b.opts.Rules.FetchDeadline)
}

// Ready says that an agent holds and verified all data: audits may begin. With it the agent may commit to
// the root of what it holds (metainfo.Torrent.Committed): once, and before it is active. Audits must show that first.
func (b *Book) Ready(ctx context.Context, agent marketplace.Address, id int64, root marketplace.Hash,
	now time.Time) (marketplace.Lease, error) {
	return b.advance(ctx, agent, id, root, now, marketplace.Fetching, marketplace.Proving,
		b.opts.Rules.ProveDeadline)
}

// advance moves a lease one state on for its agent, and keeps its root if it says one. Said twice it is
// answered twice.
func (b *Book) advance(ctx context.Context, agent marketplace.Address, id int64, root marketplace.Hash,
	now time.Time, from, to marketplace.LeaseState, within marketplace.Span,
) (out marketplace.Lease, err error) {
	err = b.act(ctx, now, func(a *act) error {
		if out, err = a.ofAgent(agent, id); err != nil {
			return err
		}
		was, commits := out.State, !root.IsZero() && root != out.Root
		switch {
		case was != from && was != to:
			return marketplace.Conflict.Errorf("lease %d is %s, not %s (%s)", id, was, from, out.Reason)
		case commits && !out.Root.IsZero():
			return marketplace.Conflict.Errorf("lease %d is committed to the root %s", id, out.Root)
		case commits:
			t, err := torrent(ctx, a.Tx, out.Infohash)
			if err != nil {
				return err
			}
			out.Root, out.CleanMin = root, a.rules.CleanMin(t.PieceLength, t.Pieces)
		case was == to:
			return nil
		}
		if was == from {
			out.State, out.Deadline = to, a.now.Add(within.Duration())
		}
		return a.moveLease(was, out)
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
	return a.moveLeases([]leaseMove{{from, l}})
}

// A leaseMove is a lease as it shall be, and the state that it leaves.
type leaseMove struct {
	from marketplace.LeaseState
	to   marketplace.Lease
}

// moveLeases is moveLease for many.
func (a *act) moveLeases(all []leaseMove) error {
	batch := &pgx.Batch{}
	for _, m := range all {
		l := m.to
		if m.from != l.State && !marketplace.LeaseMoves.Allow(m.from, l.State) {
			panic(fmt.Sprintf("lease %d: %s → %s is no move", l.ID, m.from, l.State))
		}
		batch.Queue(`UPDATE leases SET state = $3, reason = $4, deadline = $5, active_at = $6,
			ends_at = $7, ended_at = $8, verified = $9, earned = $10, held = $11, passed = $12,
			missed = $13, cause = $14, accused = $15, root = nullif($16, repeat('0', 64)),
			clean = $17, clean_min = $18, dropping = dropping AND $3 = 'grace'
			WHERE id = $1 AND state = $2`, l.ID, string(m.from), string(l.State), l.Reason,
			orNull(l.Deadline), orNull(l.ActiveAt), orNull(l.EndsAt), orNull(l.EndedAt), l.Verified,
			l.Earned, l.Held, l.Passed, l.Missed, string(l.Cause), orNullJSON(l.Accused), l.Root,
			l.Clean, l.CleanMin).Exec(func(done pgconn.CommandTag) error {
			if done.RowsAffected() != 1 {
				return marketplace.Conflict.Errorf("lease %d: somebody else changed it first", l.ID)
			}
			return nil
		})
		if m.from != l.State {
			a.happened("lease."+string(l.State), l.ID, l, concerned(l)...)
		}
	}
	if err := a.SendBatch(a.ctx, batch).Close(); err != nil {
		return fmt.Errorf("move leases: %w", err)
	}
	return nil
}

// Decline gives a reserved lease back; the bounty does not ask this agent again.
func (b *Book) Decline(ctx context.Context, agent marketplace.Address, id int64, reason string,
	now time.Time) (marketplace.Lease, error) {
	return b.leave(ctx, agent, id, ending{marketplace.Released, marketplace.CauseDeclined,
		"declined: " + reason}, now, func(s marketplace.LeaseState) bool { return s == marketplace.Reserved })
}

// Abandon gives a lease up before its end: what was held back goes to the poster.
func (b *Book) Abandon(ctx context.Context, agent marketplace.Address, id int64, reason string,
	now time.Time) (marketplace.Lease, error) {
	return b.leave(ctx, agent, id, ending{marketplace.Failed, marketplace.CauseAbandoned,
		"abandoned: " + reason}, now, marketplace.LeaseState.Live)
}

const reasonMax = 500

func (b *Book) leave(ctx context.Context, agent marketplace.Address, id int64,
	how ending, now time.Time,
	from func(marketplace.LeaseState) bool) (out marketplace.Lease, err error) {
	err = b.act(ctx, now, func(a *act) error {
		if out, err = a.ofAgent(agent, id); err != nil || out.State == how.state {
			return err
		}
		if !from(out.State) {
			return marketplace.Conflict.Errorf("lease %d is %s (%s)", id, out.State, out.Reason)
		}
		how.reason = strings.ToValidUTF8(how.reason[:min(len(how.reason), reasonMax)], "") // a cut letter is none
		if err := a.end(out, how); err != nil {
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

// An ending is how a lease ends: its final state, and why.
type ending struct {
	state  marketplace.LeaseState
	cause  marketplace.Cause
	reason string // for people
}

// end moves a live lease to a final state and decides what becomes of its holdback: it vests,
// unless the lease failed. An agent that declined or failed a bounty does not get it again.
func (a *act) end(l marketplace.Lease, how ending) error {
	from := l.State
	l.State, l.Cause, l.Reason = how.state, how.cause, how.reason
	l.EndedAt, l.Deadline = a.now, time.Time{}
	if !l.Held.IsZero() {
		if err := a.letGo(l); err != nil {
			return err
		}
	}
	l.Held = marketplace.Amount{}
	if how.cause.Bars() {
		if _, err := a.exec(`INSERT INTO bars (bounty, agent) VALUES ($1, $2)
			ON CONFLICT DO NOTHING`, l.Bounty, l.Agent); err != nil {
			return fmt.Errorf("bar agent: %w", err)
		}
	}
	return a.moveLease(from, l)
}

// letGo vests what was held back of an ending lease, or gives it back to those who paid it.
func (a *act) letGo(l marketplace.Lease) error {
	var due []payable
	for _, f := range l.Funders {
		part, err := a.balance(accountHoldback(l.ID, f.Poster))
		if err != nil {
			return err
		}
		t := transfer{debit: accountHoldback(l.ID, f.Poster), amount: part, bounty: l.Bounty,
			lease: l.ID, credit: accountPayable(f.Poster, f.Mandate, l.Payee), code: "vest"}
		if l.State == marketplace.Failed {
			t.credit, t.code = accountFree(f.Poster), "forfeit"
			if err := a.forfeit(l.Bounty, f.Poster, part); err != nil {
				return err
			}
		} else {
			due = append(due, payable{f.Poster, f.Mandate, l.Payee})
		}
		a.enter(t, l.ID)
	}
	if err := a.post(); err != nil {
		return err
	}
	return a.draft(due)
}

// forfeit counts as refunded what an agent lost of a funder's pay.
func (a *act) forfeit(bounty int64, from marketplace.Address, amount marketplace.Amount) error {
	if _, err := a.exec(`UPDATE pledges SET drawn = drawn - $3, refunded = refunded + $3
		WHERE bounty = $1 AND poster = $2 AND state = 'posted'`, bounty, from, amount); err != nil {
		return fmt.Errorf("count forfeit: %w", err)
	}
	if _, err := a.exec(`UPDATE bounties SET spent = spent - $2 WHERE id = $1`, bounty,
		amount); err != nil {
		return fmt.Errorf("take back spending: %w", err)
	}
	return nil
}
