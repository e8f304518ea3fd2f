package orderbook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

const live = `('reserved', 'fetching', 'proving', 'active', 'grace')`

// selectBounty reads bounties b with what leases and the ledger say of them.
const selectBounty = `SELECT b.id, b.poster, b.instrument, b.infohash, b.replicas, b.price_max,
	b.keep_for, b.mandate, b.regions, b.rate_min, b.good_for, b.name, b.size, b.billed, b.state,
	b.reason, (SELECT count(*) FROM leases l WHERE l.bounty = b.id AND l.state IN ` + live + `
		AND NOT l.dropping),
	(SELECT count(*) FROM leases l WHERE l.bounty = b.id AND l.state = 'active'),
	b.worst, (SELECT ` + jsonPledges + ` WHERE p.bounty = b.id AND p.state <> 'voided'),
	b.spent, (` + replacedOf + `leases l WHERE l.bounty = b.id AND replaced_after IS NOT NULL),
	b.posted_at, b.good_till, b.ends_at FROM bounties b `

func scanBounty(row pgx.CollectableRow) (b marketplace.Bounty, err error) {
	t, worst, replaced := &b.Terms, marketplace.Amount{}, []byte{}
	if err := row.Scan(&b.ID, &b.Poster, &t.Instrument, &t.Infohash, &t.Replicas, &t.PriceMax,
		&t.KeepFor, &t.Mandate, &t.Regions, &t.RateMin, &t.GoodFor, &b.Name, &b.Size, &b.Billed,
		&b.State, &b.Reason, &b.Leased, &b.Proven, &worst, pledges{&b.Funders}, &b.Spent,
		&replaced, at{&b.PostedAt}, at{&b.GoodTill}, at{&b.EndsAt}); err != nil {
		return b, err
	}
	if err := scanReplaced(replaced, &b.Replaced); err != nil {
		return b, err
	}
	for _, p := range b.Funders {
		b.Reserved = b.Reserved.Add(p.Left())
	}
	if b.State == marketplace.Unfunded {
		b.Needed = worst.SubFloor(b.Reserved)
	}
	return b, nil
}

func bounty(ctx context.Context, q querier, id int64) (marketplace.Bounty, error) {
	return one(ctx, q, fmt.Sprint("bounty ", id), scanBounty, selectBounty+`WHERE b.id = $1`, id)
}

// Bounty returns one bounty.
func (b *Book) Bounty(ctx context.Context, id int64) (marketplace.Bounty, error) {
	return bounty(ctx, b.pool, id)
}

// A BountyFilter chooses bounties; zero fields choose all.
type BountyFilter struct {
	State    marketplace.BountyState
	Poster   marketplace.Address
	Infohash marketplace.Infohash
}

// Bounties returns a page of bounties, newest first.
func (b *Book) Bounties(
	ctx context.Context, f BountyFilter, p Page,
) ([]marketplace.Bounty, error) {
	infohash := ""
	if !f.Infohash.IsZero() {
		infohash = f.Infohash.String()
	}
	return many(ctx, b.pool, "bounties", scanBounty, selectBounty+`WHERE b.id < $1
		AND ($2 = '' OR b.state = $2) AND ($3 = '' OR b.poster = $3) AND ($4 = '' OR b.infohash = $4)
		ORDER BY b.id DESC LIMIT $5`, p.before(), string(f.State), f.Poster.String(), infohash,
		p.limit())
}

// Key makes a request safe to repeat: the same account, key and body get the first answer.
type Key struct {
	Account marketplace.Address
	Key     string
	Body    [32]byte
}

// repeated returns what was answered to the same request before, or 0.
func (a *act) repeated(k Key) (int64, error) {
	if k.Key == "" {
		return 0, nil
	}
	// Two requests with one key wait for each other here.
	if _, err := a.exec(`SELECT pg_advisory_xact_lock(hashtextextended($1, 1))`,
		k.Account.String()+" "+k.Key); err != nil {
		return 0, fmt.Errorf("lock idempotency key: %w", err)
	}
	type answer struct {
		body  []byte
		thing int64
	}
	scan := func(row pgx.CollectableRow) (x answer, err error) {
		return x, row.Scan(&x.body, &x.thing)
	}
	x, err := one(a.ctx, a.Tx, "answer", scan, `SELECT body, thing FROM answers
		WHERE account = $1 AND key = $2`, k.Account, k.Key)
	if errors.Is(err, marketplace.NotFound) {
		return 0, nil
	}
	if err == nil && string(x.body) != string(k.Body[:]) {
		return 0, marketplace.Invalid.Errorf("Idempotency-Key %q was used for another request; take"+
			" a new one", k.Key)
	}
	return x.thing, err
}

func (a *act) answer(k Key, thing int64) error {
	if k.Key == "" {
		return nil
	}
	_, err := a.exec(`INSERT INTO answers (account, key, body, thing, at)
		VALUES ($1, $2, $3, $4, $5)`, k.Account, k.Key, k.Body[:], thing, a.now)
	if err != nil {
		return fmt.Errorf("remember answer: %w", err)
	}
	return nil
}

// Post writes a bounty and reserves what its poster pledges. It opens at once when that is the
// most that it can cost, and when others have pledged the rest otherwise. Posted again with the
// same key it returns the first one.
func (b *Book) Post(ctx context.Context, k Key, t marketplace.BountyTerms, now time.Time) (
	out marketplace.Bounty, replayed bool, err error) {
	if t.GoodFor == 0 {
		t.GoodFor = b.opts.Rules.GoodFor
	}
	if err := t.Check(b.opts.Rules); err != nil {
		return out, false, err
	}
	err = b.act(ctx, now, func(a *act) error {
		id, err := a.repeated(k)
		if replayed = id != 0; err != nil || replayed {
			if err == nil {
				out, err = bounty(ctx, a.Tx, id)
			}
			return err
		}
		out, err = a.open(k.Account, t)
		if err != nil {
			return err
		}
		return a.answer(k, out.ID)
	})
	return out, replayed, err
}

// open writes a bounty and its first pledge.
func (a *act) open(poster marketplace.Address, t marketplace.BountyTerms) (
	b marketplace.Bounty, err error) {
	tor, err := torrent(a.ctx, a.Tx, t.Infohash)
	if err != nil {
		return b, err
	}
	if tor.Size > marketplace.ReplicaBytesMax {
		return b, marketplace.Invalid.Errorf("torrent has %d bytes; at most %d", tor.Size,
			int64(marketplace.ReplicaBytesMax))
	}
	worst := a.rules.WorstCase(t, tor.Size)
	if worst.Cmp(a.rules.BountyMin) < 0 {
		return b, marketplace.Invalid.Errorf("the bounty is worth at most %s BTT; the smallest is %s:"+
			" raise price_max, keep_for or replicas", worst, a.rules.BountyMin)
	}
	first := marketplace.Funder{Poster: poster, Mandate: t.Mandate, Pledged: t.Fund}
	if t.Fund.IsZero() {
		first.Pledged = worst
	}
	if t.Regions == nil {
		t.Regions = []string{}
	}
	// The mandate is checked before a row points to it, and again with what is pledged under it.
	if _, err := a.mandate(poster, t.Mandate); err != nil {
		return b, err
	}
	var id int64
	err = a.QueryRow(a.ctx, `INSERT INTO bounties (poster, instrument, infohash, replicas, price_max,
		keep_for, mandate, regions, rate_min, good_for, name, size, billed, worst, state, posted_at,
		good_till) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'unfunded', $15,
		$16) RETURNING id`, poster, string(t.Instrument), t.Infohash, t.Replicas, t.PriceMax, t.KeepFor,
		t.Mandate, t.Regions, t.RateMin, t.GoodFor, tor.Name, tor.Size, a.rules.Billed(tor.Size), worst,
		a.now, a.now.Add(t.GoodFor.Duration())).Scan(&id)
	if err != nil {
		return b, fmt.Errorf("write bounty: %w", err)
	}
	if b, err = a.lockBounty(id); err != nil {
		return b, err
	}
	return a.pledge(b, first)
}

// checkPurse says what a funder lacks for a pledge that may be drawn on until last: open places,
// free money, a mandate.
func (a *act) checkPurse(f marketplace.Funder, last time.Time) error {
	free, err := a.available(f.Poster)
	if err != nil {
		return err
	}
	if free.Cmp(f.Pledged) < 0 {
		return marketplace.Insufficient.Errorf("this takes %s BTT and you have %s free in the vault;"+
			" deposit %s more, or wait until your deposit is solid (about a minute)", f.Pledged, free,
			f.Pledged.Sub(free))
	}
	n, err := one(a.ctx, a.Tx, "count", pgx.RowTo[int], `SELECT count(*) FROM pledges
		WHERE poster = $1 AND state IN ('pending', 'posted')`, f.Poster)
	if err != nil {
		return err
	}
	if n >= a.rules.OpenMax {
		return marketplace.TooMany.Errorf("you pay for %d open bounties; at most %d", n, a.rules.OpenMax)
	}
	m, err := a.mandate(f.Poster, f.Mandate)
	if err != nil {
		return err
	}
	if m.Expiry.Before(last) {
		return marketplace.Insufficient.Errorf("mandate %s expires %s; this bounty may run until %s",
			m.ID, m.Expiry.Format(time.DateTime), last.Format(time.DateTime))
	}
	if left := m.Cap.SubFloor(m.Committed); left.Cmp(f.Pledged) < 0 {
		return marketplace.Insufficient.Errorf("mandate %s has %s BTT left; this takes %s", m.ID, left,
			f.Pledged)
	}
	return nil
}

// available is a poster's free money less what is thawing. It locks the poster's account.
func (a *act) available(poster marketplace.Address) (marketplace.Amount, error) {
	free, err := a.balance(accountFree(poster))
	if err != nil {
		return free, err
	}
	thawing, err := many(a.ctx, a.Tx, "poster", pgx.RowTo[marketplace.Amount],
		`SELECT thawing FROM posters WHERE address = $1`, poster)
	if err != nil || len(thawing) == 0 {
		return free, err
	}
	return free.SubFloor(thawing[0]), nil
}

// Cancel ends a bounty: what no agent took is refunded at once, and agents under lease are paid
// for the notice that the rules give them.
func (b *Book) Cancel(ctx context.Context, k Key, id int64, now time.Time) (
	out marketplace.Bounty, replayed bool, err error) {
	err = b.act(ctx, now, func(a *act) error {
		before, err := a.repeated(k)
		if err != nil {
			return err
		}
		if replayed = before != 0; replayed {
			out, err = bounty(ctx, a.Tx, before)
			return err
		}
		if out, err = a.lockBounty(id); err != nil {
			return err
		}
		if out.Poster != k.Account {
			return marketplace.Forbidden.Errorf("bounty %d is not yours", id)
		}
		if len(marketplace.BountyMoves[out.State]) == 0 {
			return marketplace.Conflict.Errorf("bounty %d is %s already", id, out.State)
		}
		if err := a.close(out, "cancelled", "cancelled by the poster"); err != nil {
			return err
		}
		if out, err = bounty(ctx, a.Tx, id); err != nil {
			return err
		}
		return a.answer(k, id)
	})
	return out, replayed, err
}

// lockBounty reads a bounty that nobody else changes until the transaction ends.
func (a *act) lockBounty(id int64) (marketplace.Bounty, error) {
	if _, err := a.exec(`SELECT FROM bounties WHERE id = $1 FOR UPDATE`, id); err != nil {
		return marketplace.Bounty{}, fmt.Errorf("lock bounty %d: %w", id, err)
	}
	return bounty(a.ctx, a.Tx, id)
}

// close stops a bounty from being matched and gives its leases notice. When the last of them is
// over, settle moves it to its final state.
func (a *act) close(b marketplace.Bounty, to, reason string) error {
	if _, err := a.exec(`UPDATE bounties SET closing = $2, reason = $3 WHERE id = $1
		AND (closing = '' OR closing = 'completed' AND (ends_at IS NULL OR ends_at > $4))`,
		b.ID, to, reason, a.now); err != nil {
		return fmt.Errorf("close bounty %d: %w", b.ID, err)
	}
	if err := a.settleReplicas(b.ID); err != nil {
		return err
	}
	end := a.now.Add(a.rules.Notice.Duration())
	if _, err := a.exec(`UPDATE leases SET ends_at = least(coalesce(ends_at, $2), $2)
		WHERE bounty = $1 AND state IN ('proving', 'active', 'grace')`, b.ID, end); err != nil {
		return fmt.Errorf("give notice: %w", err)
	}
	// Who has not proven anything yet has earned nothing and is let go at once.
	early, err := many(a.ctx, a.Tx, "leases", scanLease, selectLease+`WHERE bounty = $1
		AND state IN ('reserved', 'fetching') FOR UPDATE`, b.ID)
	if err != nil {
		return err
	}
	for _, l := range early {
		if err := a.end(l, ending{marketplace.Released, marketplace.CauseClosed, reason}); err != nil {
			return err
		}
	}
	a.happened("bounty.closing", b.ID, b, payers(b)...)
	return a.settle(b.ID)
}

// settle brings a bounty's state in line with its leases and refunds what can no longer be spent.
func (a *act) settle(id int64) error {
	b, err := a.lockBounty(id)
	if err != nil {
		return err
	}
	closing, err := one(a.ctx, a.Tx, "bounty", pgx.RowTo[string],
		`SELECT closing FROM bounties WHERE id = $1`, id)
	if err != nil {
		return err
	}
	to := next(b, closing)
	if closing != "" || len(marketplace.BountyMoves[to]) == 0 {
		if err := a.refund(b, to); err != nil {
			return err
		}
	}
	if to == b.State {
		return nil
	}
	if !marketplace.BountyMoves.Allow(b.State, to) {
		panic(fmt.Sprintf("bounty %d: %s → %s is no move", id, b.State, to))
	}
	if err := a.move(fmt.Sprint("bounty ", id), `UPDATE bounties SET state = $3
		WHERE id = $1 AND state = $2`, id, string(b.State), string(to)); err != nil {
		return err
	}
	if b, err = bounty(a.ctx, a.Tx, id); err == nil {
		a.happened("bounty."+string(to), id, b, payers(b)...)
	}
	return err
}

// next is the state that a bounty's leases put it in.
func next(b marketplace.Bounty, closing string) marketplace.BountyState {
	switch {
	case len(marketplace.BountyMoves[b.State]) == 0:
		return b.State
	case closing == "cancelled" && b.Leased == 0:
		return marketplace.Cancelled
	case closing == "completed" && b.Leased == 0 && b.EndsAt.IsZero():
		return marketplace.Expired
	case closing == "completed" && b.Leased == 0:
		return marketplace.Completed
	case closing != "":
		return b.State
	case b.Leased >= b.Terms.Replicas && b.State != marketplace.Filled:
		return marketplace.Filled
	case b.Leased < b.Terms.Replicas && b.State == marketplace.Filled:
		return marketplace.Degraded
	default:
		return b.State
	}
}
