package orderbook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

const selectOffer = `SELECT o.id, o.agent, o.terms, o.state, o.standing, o.outlook, o.reason,
	o.posted_at, o.seen_at, coalesce((SELECT sum(size) FROM leases l WHERE l.agent = o.agent
		AND l.state IN ` + live + `), 0)::bigint,
	(SELECT count(*) FROM leases l WHERE l.agent = o.agent AND l.state IN ` + live + `),
	(SELECT json_agg(json_build_object('agent', other, 'score_bps', score)) FROM (
		SELECT CASE a WHEN o.agent THEN b ELSE a END other, score FROM together
		WHERE a = o.agent OR b = o.agent ORDER BY score DESC, a, b LIMIT 10) t)
	FROM offers o `

func scanOffer(row pgx.CollectableRow) (o marketplace.Offer, err error) {
	var terms, outlook, together []byte
	if err := row.Scan(&o.ID, &o.Agent, &terms, &o.State, &o.Standing, &outlook, &o.Reason,
		at{&o.PostedAt}, at{&o.SeenAt}, &o.Used, &o.Leases,
		&together); err != nil {
		return o, err
	}
	if outlook != nil {
		if err := json.Unmarshal(outlook, &o.Outlook); err != nil {
			return o, err
		}
	}
	if together != nil {
		if err := json.Unmarshal(together, &o.Together); err != nil {
			return o, err
		}
	}
	return o, json.Unmarshal(terms, &o.Terms)
}

func offerOf(ctx context.Context, q querier, agent marketplace.Address) (marketplace.Offer, error) {
	return one(ctx, q, "offer of "+agent.String(), scanOffer, selectOffer+`WHERE o.agent = $1`, agent)
}

// Offer returns one offer.
func (b *Book) Offer(ctx context.Context, id int64) (marketplace.Offer, error) {
	return one(ctx, b.pool, fmt.Sprint("offer ", id), scanOffer, selectOffer+`WHERE o.id = $1`, id)
}

// OfferOf returns an agent's offer.
func (b *Book) OfferOf(ctx context.Context, agent marketplace.Address) (marketplace.Offer, error) {
	return offerOf(ctx, b.pool, agent)
}

// Offers returns a page of offers that are not closed, newest first.
func (b *Book) Offers(ctx context.Context, p Page) ([]marketplace.Offer, error) {
	return many(ctx, b.pool, "offers", scanOffer, selectOffer+`WHERE o.id < $1
		AND o.state <> 'closed' ORDER BY o.id DESC LIMIT $2`, p.before(), p.limit())
}

// Carries says whether auditors' visits may come by an agent's line: its offer is live and says so.
func (b *Book) Carries(ctx context.Context, agent marketplace.Address) (bool, error) {
	return one(ctx, b.pool, "offer", pgx.RowTo[bool], `SELECT EXISTS (SELECT FROM offers
		WHERE agent = $1 AND state = 'live' AND terms->'carry' = 'true')`, agent)
}

// PutOffer writes an agent's offer, in place of the one it had. A change of price loses the
// offer's place among equal prices.
func (b *Book) PutOffer(ctx context.Context, agent marketplace.Address, t marketplace.OfferTerms,
	now time.Time) (out marketplace.Offer, err error) {
	if err := t.Check(b.opts.Rules); err != nil {
		return out, err
	}
	err = b.act(ctx, now, func(a *act) error {
		old, err := offerOf(ctx, a.Tx, agent)
		if err != nil && !errors.Is(err, marketplace.NotFound) {
			return err
		}
		posted := a.now
		if err == nil && old.Terms.PriceMin == t.PriceMin {
			posted = old.PostedAt
		}
		if _, err := a.exec(`INSERT INTO offers (agent, terms, state, first_seen, posted_at, seen_at)
			VALUES ($1, $2, 'live', $3, $4, $3) ON CONFLICT (agent) DO UPDATE
			SET terms = $2, state = 'live', posted_at = $4, seen_at = $3`,
			agent, mustJSON(t), a.now, posted); err != nil {
			return fmt.Errorf("write offer: %w", err)
		}
		if out, err = offerOf(ctx, a.Tx, agent); err == nil {
			a.happened("offer.live", out.ID, out, agent)
		}
		return err
	})
	return out, err
}

// SetOfferState pauses, resumes or closes an agent's offer. Its leases go on.
func (b *Book) SetOfferState(ctx context.Context, agent marketplace.Address,
	to marketplace.OfferState, now time.Time) (out marketplace.Offer, err error) {
	err = b.act(ctx, now, func(a *act) error {
		if out, err = offerOf(ctx, a.Tx, agent); err != nil || out.State == to {
			return err
		}
		if !marketplace.OfferMoves.Allow(out.State, to) {
			return marketplace.Conflict.Errorf("your offer is %s and cannot be %s; PUT /v1/offer makes"+
				" a new one", out.State, to)
		}
		if err := a.move("offer", `UPDATE offers SET state = $3 WHERE agent = $1 AND state = $2`,
			agent, string(out.State), string(to)); err != nil {
			return err
		}
		out.State = to
		a.happened("offer."+string(to), out.ID, out, agent)
		return nil
	})
	return out, err
}

// Seen notes a sign of life of an agent.
func (b *Book) Seen(ctx context.Context, agent marketplace.Address, now time.Time) error {
	_, err := b.exec(ctx, "note agent", `UPDATE offers SET seen_at = $2
		WHERE agent = $1 AND seen_at < $2`, agent, now)
	return err
}

func scanCall(row pgx.CollectableRow) (c marketplace.Call, err error) {
	var fills, clearings []byte
	if err := row.Scan(&c.ID, &c.Previous, &c.Input, &c.Hash, at{&c.At}, &c.Bounties, &c.Offers,
		&fills, &clearings); err != nil {
		return c, err
	}
	return c, errors.Join(json.Unmarshal(fills, &c.Fills), json.Unmarshal(clearings, &c.Clearings))
}

const selectCall = `SELECT id, previous, input, hash, at, bounties, offers, fills, clearings
	FROM calls `

// Call returns one call.
func (b *Book) Call(ctx context.Context, id int64) (marketplace.Call, error) {
	return one(ctx, b.pool, fmt.Sprint("call ", id), scanCall, selectCall+`WHERE id = $1`, id)
}

// Calls returns a page of calls, newest first.
func (b *Book) Calls(ctx context.Context, p Page) ([]marketplace.Call, error) {
	return many(ctx, b.pool, "calls", scanCall, selectCall+`WHERE id < $1 ORDER BY id DESC LIMIT $2`,
		p.before(), p.limit())
}
