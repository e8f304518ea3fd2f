package orderbook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// A Frozen book is all that a call of the matcher looks at, as of one moment.
type Frozen struct {
	Bounties []marketplace.Bounty // open or degraded, not past their time, not closing
	Offers   []marketplace.Offer  // live
	Replicas []marketplace.Lease  // live leases of the bounties
	Barred   []Bar
	Lost     []marketplace.Lost  // replicas of theirs that wait for another agent, in the order of calls
	Together []marketplace.Pair  // agents that count as one owner
	Previous marketplace.Hash    // hash of the newest call
	Last     []marketplace.Price // newest clearing price of each signature
}

// A Bar keeps an agent from a bounty that it declined or failed.
type Bar struct {
	Bounty int64
	Agent  marketplace.Address
}

// wanted says which bounties b take part in a call: those that miss replicas. One that was filled
// and proven is refilled until it ends; any other one until its good_till.
const wanted = `b.closing = '' AND (b.state IN ('open', 'degraded') AND b.good_till > $1
	AND (b.ends_at IS NULL OR b.ends_at > $1) OR b.state = 'degraded' AND b.ends_at > $1)`

// Freeze reads the book in one snapshot.
func (b *Book) Freeze(ctx context.Context, now time.Time) (f Frozen, err error) {
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, b.pool, snapshot, func(tx pgx.Tx) (err error) {
		f.Bounties, err = many(ctx, tx, "bounties", scanBounty, selectBounty+`WHERE `+wanted+
			` ORDER BY b.id`, now)
		if err != nil {
			return err
		}
		f.Offers, err = many(ctx, tx, "offers", scanOffer, selectOffer+
			`WHERE o.state = 'live' ORDER BY o.id`)
		if err != nil {
			return err
		}
		f.Replicas, err = many(ctx, tx, "leases", scanLease, selectLease+`WHERE state IN `+live+
			` AND bounty IN (SELECT id FROM bounties b WHERE `+wanted+`) ORDER BY id`, now)
		if err != nil {
			return err
		}
		f.Barred, err = many(ctx, tx, "bars", func(row pgx.CollectableRow) (x Bar, err error) {
			return x, row.Scan(&x.Bounty, &x.Agent)
		}, `SELECT bounty, agent FROM bars WHERE bounty IN (SELECT id FROM bounties b WHERE `+
			wanted+`) ORDER BY bounty, agent`, now)
		if err != nil {
			return err
		}
		f.Together, err = many(ctx, tx, "pairs", func(row pgx.CollectableRow) (p marketplace.Pair, err error) {
			return p, row.Scan(&p.A, &p.B)
		}, `SELECT a, b FROM together WHERE score >= $1 ORDER BY a, b`, b.opts.Rules.OneOwnerBps)
		if err != nil {
			return err
		}
		f.Lost, err = many(ctx, tx, "lost replicas", scanLost, selectLost+` AND x.bounty IN (
			SELECT id FROM bounties b WHERE `+wanted+`)`+lostOrder, now)
		if err != nil {
			return err
		}
		f.Previous, f.Last, err = lastPrices(ctx, tx)
		return err
	})
	return f, err
}

// lastPrices returns the newest call's hash and the newest price of each signature.
func lastPrices(ctx context.Context, q querier) (h marketplace.Hash, all []marketplace.Price,
	err error) {
	h, err = one(ctx, q, "call", pgx.RowTo[marketplace.Hash],
		`SELECT hash FROM calls ORDER BY id DESC LIMIT 1`)
	if errors.Is(err, marketplace.NotFound) {
		return h, []marketplace.Price{}, nil
	}
	if err != nil {
		return h, nil, err
	}
	all, err = many(ctx, q, "prices", func(row pgx.CollectableRow) (p marketplace.Price, err error) {
		var price string
		if err := row.Scan(&p.Signature, &price, &p.Replicas); err != nil {
			return p, err
		}
		p.Price, err = marketplace.ParseAmount(price)
		return p, err
	}, `SELECT DISTINCT ON (c->>'signature') c->>'signature', c->>'price', (c->>'replicas')::int
		FROM (SELECT id, jsonb_array_elements(clearings) c FROM calls
			WHERE clearings <> '[]' ORDER BY id DESC LIMIT 1000) recent
		ORDER BY c->>'signature', id DESC`)
	return h, all, err
}

// Reasons say, by id, why a bounty or an offer did not trade in full; empty when it did.
type Reasons struct {
	Bounties map[int64]string
	Offers   map[int64]string
}

// RecordCall writes a call, turns its fills into leases and stores the reasons. Every fill is
// checked again under lock: a bounty that was cancelled meanwhile, or an offer that was closed,
// makes it Conflict, and the matcher calls anew. A call without fills stores reasons only and
// returns with ID 0. The fence must be the newest of role "matcher".
func (b *Book) RecordCall(ctx context.Context, fence int64, c marketplace.Call, why Reasons,
	now time.Time) (marketplace.Call, error) {
	err := b.act(ctx, now, func(a *act) error {
		if err := a.checkFence(roleMatcher, fence); err != nil {
			return err
		}
		if err := a.storeReasons(why); err != nil {
			return err
		}
		if len(c.Fills) == 0 {
			return nil
		}
		c.At, c.ID = a.now, 0
		if c.Clearings == nil {
			c.Clearings = []marketplace.Price{}
		}
		err := a.QueryRow(ctx, `INSERT INTO calls (previous, input, hash, at, bounties, offers, fills,
			clearings) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`, c.Previous, c.Input,
			c.Hash, c.At, c.Bounties, c.Offers, mustJSON(c.Fills), mustJSON(c.Clearings)).Scan(&c.ID)
		if codeOf(err) == uniqueViolation {
			return marketplace.Conflict.Errorf("this call is in the book already")
		}
		if err != nil {
			return fmt.Errorf("write call: %w", err)
		}
		a.happened("call.cleared", c.ID, c)
		return a.fill(c)
	})
	return c, err
}

// fill makes leases of a call's fills, bounty by bounty in the order of ids.
func (a *act) fill(c marketplace.Call) error {
	fills := map[int64][]marketplace.Fill{}
	for _, f := range c.Fills {
		fills[f.Bounty] = append(fills[f.Bounty], f)
	}
	for _, id := range sortedKeys(fills) {
		b, err := a.lockBounty(id)
		if err != nil {
			return err
		}
		ok, err := one(a.ctx, a.Tx, "bounty", pgx.RowTo[bool],
			`SELECT `+wanted+` FROM bounties b WHERE id = $2`, a.now, id)
		if err != nil {
			return err
		}
		if !ok || b.Missing() < len(fills[id]) {
			return marketplace.Conflict.Errorf("bounty %d changed during the call", id)
		}
		for _, f := range fills[id] {
			if err := a.lease(b, f, c.ID); err != nil {
				return err
			}
		}
		if err := a.settle(id); err != nil {
			return err
		}
	}
	return nil
}

// lease writes one fill as a reserved lease, if its offer still has room.
func (a *act) lease(b marketplace.Bounty, f marketplace.Fill, call int64) error {
	if _, err := a.exec(`SELECT FROM offers WHERE id = $1 FOR UPDATE`, f.Offer); err != nil {
		return fmt.Errorf("lock offer: %w", err)
	}
	o, err := one(a.ctx, a.Tx, "offer", scanOffer, selectOffer+`WHERE o.id = $1`, f.Offer)
	if err != nil {
		return err
	}
	if o.State != marketplace.OfferLive || o.Used+b.Size > o.Terms.Storage ||
		o.Leases >= o.Terms.LeasesMax || f.Price.Cmp(o.Terms.PriceMin) < 0 ||
		f.Price.Cmp(b.Terms.PriceMax) > 0 || b.Pays(o.Agent) || b.Pays(o.Terms.Payee) {
		return marketplace.Conflict.Errorf("offer %d changed during the call", f.Offer)
	}
	replaces, err := a.replaced(b.ID, f)
	if err != nil {
		return err
	}
	deadline := a.now.Add(a.rules.AcceptDeadline.Duration())
	var id int64
	err = a.QueryRow(a.ctx, `INSERT INTO leases (bounty, offer, call, poster, mandate, agent, payee,
		peer, infohash, size, billed, price, keep_for, state, reserved_at, deadline, ends_at, replaces)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'reserved', $14, $15, $16, $17)
		RETURNING id`, b.ID, o.ID, call, b.Poster, b.Terms.Mandate, o.Agent, o.Terms.Payee,
		o.Terms.Peer, b.Terms.Infohash, b.Size, b.Billed, f.Price, b.Terms.KeepFor, a.now, deadline,
		orNull(b.EndsAt), replaces).Scan(&id)
	if codeOf(err) == uniqueViolation {
		return marketplace.Conflict.Errorf("agent %s holds a replica of bounty %d", o.Agent, b.ID)
	}
	if err != nil {
		return fmt.Errorf("write lease: %w", err)
	}
	l, err := lease(a.ctx, a.Tx, id)
	if err == nil {
		a.happened("lease.reserved", id, l, concerned(l)...)
	}
	return err
}

// replaced returns which lost replica of a bounty a fill takes over: the first in line, or nil. A call
// that knew another one is of an older book.
func (a *act) replaced(bounty int64, f marketplace.Fill) (*int64, error) {
	line, err := many(a.ctx, a.Tx, "lost replicas", scanLost, selectLost+` AND x.bounty = $1`+
		lostOrder+` LIMIT 1`, bounty)
	if err != nil {
		return nil, err
	}
	var first marketplace.Lost
	if len(line) > 0 {
		first = line[0]
	}
	if f.Replaces != 0 && f.Replaces != first.Lease {
		return nil, marketplace.Conflict.Errorf("bounty %d changed during the call", bounty)
	}
	if first.Lease == 0 {
		return nil, nil
	}
	return &first.Lease, nil
}

// storeReasons writes reasons that changed.
func (a *act) storeReasons(why Reasons) error {
	for table, reasons := range map[string]map[int64]string{
		"bounties": why.Bounties, "offers": why.Offers,
	} {
		ids := sortedKeys(reasons)
		words := make([]string, len(ids))
		for i, id := range ids {
			words[i] = reasons[id]
		}
		condition := ""
		if table == "bounties" {
			condition = " AND t.closing = ''"
		}
		if _, err := a.exec(`UPDATE `+table+` t SET reason = r.words
			FROM unnest($1::bigint[], $2::text[]) AS r (id, words)
			WHERE t.id = r.id AND t.reason <> r.words`+condition, ids, words); err != nil {
			return fmt.Errorf("store reasons: %w", err)
		}
	}
	return nil
}
