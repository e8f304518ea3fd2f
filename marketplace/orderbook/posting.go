package orderbook

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/everseed/everseed/marketplace"
)

// A posting is the transfers that one act books together, all or none. They are judged one after
// the other, in memory, on balances that are locked; the table's CHECKs judge again.
type posting struct {
	transfers []transfer
	at        time.Time
	booked    map[uuid.UUID]transfer // by id: from earlier transactions and from this one
	found     map[string]sides       // accounts that exist, as they were locked
	places    map[string]string      // where their rows are, as long as they are locked
	balances  map[string]sides       // and as they will be
	fresh     []entry                // what is to be written, without repeats
}

// An entry is a transfer as it is written, with both balances after it.
type entry struct {
	transfer
	debitAfter, creditAfter marketplace.Amount
}

// book books transfers in a transaction. Rows are written first, then one balance an account with
// the sum of what is new.
func book(ctx context.Context, tx pgx.Tx, transfers []transfer, at time.Time) error {
	p := &posting{transfers: transfers, at: at, booked: map[uuid.UUID]transfer{},
		found: map[string]sides{}, places: map[string]string{}}
	if err := p.lock(ctx, tx); err != nil {
		return err
	}
	p.balances = maps.Clone(p.found)
	for _, t := range transfers {
		if err := p.judge(t); err != nil {
			return err
		}
	}
	return p.write(ctx, tx)
}

// lock locks the accounts that exist, in the order of their keys, so that two transactions never
// wait for each other in a circle. Then it reads which of the transfers are booked already:
// whoever books the same ones has the same accounts, and is waited for.
func (p *posting) lock(ctx context.Context, tx pgx.Tx) error {
	keys, ids := map[string]bool{}, make([]pgtype.UUID, len(p.transfers))
	for i, t := range p.transfers {
		keys[t.debit], keys[t.credit] = true, true
		ids[i] = pgtype.UUID{Bytes: t.id, Valid: true}
	}
	q := &pgx.Batch{}
	q.Queue(`SELECT key, debits::text, credits::text, ctid::text FROM accounts WHERE key = ANY($1)
		ORDER BY key FOR UPDATE`, slices.Sorted(maps.Keys(keys))).Query(p.readAccounts)
	q.Queue(`SELECT id, debit, credit, amount::text, code, coalesce(bounty, 0), coalesce(lease, 0)
		FROM transfers WHERE id = ANY($1)`, ids).Query(p.readBooked)
	if err := tx.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("lock accounts: %w", err)
	}
	return nil
}

func (p *posting) readAccounts(rows pgx.Rows) error {
	var key, debits, credits, place string
	_, err := pgx.ForEachRow(rows, []any{&key, &debits, &credits, &place}, func() (err error) {
		var s sides
		if s.debits, err = marketplace.ParseUnits(debits); err != nil {
			return err
		}
		s.credits, err = marketplace.ParseUnits(credits)
		p.found[key], p.places[key] = s, place
		return err
	})
	return err
}

func (p *posting) readBooked(rows pgx.Rows) error {
	var t transfer
	var id pgtype.UUID
	var amount string
	_, err := pgx.ForEachRow(rows, []any{&id, &t.debit, &t.credit, &amount, &t.code, &t.bounty,
		&t.lease}, func() (err error) {
		t.id = id.Bytes
		t.amount, err = marketplace.ParseUnits(amount)
		p.booked[t.id] = t
		return err
	})
	return err
}

// judge decides on the next transfer. What was booked before is passed over.
func (p *posting) judge(t transfer) error {
	if known, repeated := p.booked[t.id]; repeated && known != t {
		return marketplace.Conflict.Errorf("transfer %s was booked with other content: %s BTT from %s"+
			" to %s", t.id, known.amount, known.debit, known.credit)
	} else if repeated {
		return nil
	}
	e := entry{transfer: t}
	if err := p.move(&e); err != nil {
		return err
	}
	p.booked[t.id], p.fresh = t, append(p.fresh, e)
	return nil
}

// move moves an entry's amount between two balances, neither of which may be below zero then, and
// notes what they are.
func (p *posting) move(e *entry) error {
	if e.debit == e.credit || e.debit == "" || e.credit == "" || e.amount.IsZero() {
		return marketplace.Invalid.Errorf("transfer %s moves nothing: %s BTT from %q to %q", e.id,
			e.amount, e.debit, e.credit)
	}
	for _, side := range []struct {
		key   string
		after *marketplace.Amount
	}{{e.debit, &e.debitAfter}, {e.credit, &e.creditAfter}} {
		was := p.balances[side.key]
		is := was.plus(e.transfer, side.key)
		has, below := is.balance(side.key)
		if below {
			had, _ := was.balance(side.key)
			return marketplace.Insufficient.Errorf("account %s has %s BTT, and %s are to leave it",
				side.key, had, e.amount)
		}
		p.balances[side.key], *side.after = is, has
	}
	return nil
}

// write writes the transfers that are new and moves each balance once.
func (p *posting) write(ctx context.Context, tx pgx.Tx) error {
	if len(p.fresh) == 0 {
		return nil
	}
	q := &pgx.Batch{}
	p.queueTransfers(q)
	p.queueBalances(q)
	err := tx.SendBatch(ctx, q).Close()
	switch codeOf(err) {
	case "":
	case checkViolation:
		return marketplace.Insufficient.Errorf("an account would fall below zero")
	}
	if err != nil {
		return fmt.Errorf("write transfers: %w", err)
	}
	return nil
}

func (p *posting) queueTransfers(q *pgx.Batch) {
	var c struct {
		ids                                       []pgtype.UUID
		debits, credits, amounts, codes, das, cas []string
		bounties, leases                          []*int64
	}
	for _, e := range p.fresh {
		c.ids = append(c.ids, pgtype.UUID{Bytes: e.id, Valid: true})
		c.debits, c.credits = append(c.debits, e.debit), append(c.credits, e.credit)
		c.amounts, c.codes = append(c.amounts, e.amount.Units()), append(c.codes, e.code)
		c.das = append(c.das, e.debitAfter.Units())
		c.cas = append(c.cas, e.creditAfter.Units())
		c.bounties, c.leases = append(c.bounties, orNone(e.bounty)), append(c.leases, orNone(e.lease))
	}
	q.Queue(`INSERT INTO transfers (id, debit, credit, amount, code, bounty, lease, at, debit_after,
			credit_after)
		SELECT i, d, c, a::numeric, o, b, l, $8::timestamptz, da::numeric, ca::numeric FROM
			unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
			$7::bigint[], $9::text[], $10::text[]) AS x (i, d, c, a, o, b, l, da, ca)`,
		c.ids, c.debits, c.credits, c.amounts, c.codes, c.bounties, c.leases, p.at, c.das, c.cas)
}

func orNone(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

// queueBalances adds to the accounts that are locked, without a search for them, and makes those
// that are new. Who finds that somebody else made one meanwhile has lost a race: what was judged
// was not that account.
func (p *posting) queueBalances(q *pgx.Batch) {
	var old, made struct{ rows, debits, credits []string }
	for _, key := range slices.Sorted(maps.Keys(p.balances)) {
		was, there := p.found[key]
		is := p.balances[key]
		if was == is {
			continue
		}
		to, row := &old, p.places[key]
		if !there {
			to, row = &made, key
		}
		to.rows = append(to.rows, row)
		to.debits = append(to.debits, is.debits.Sub(was.debits).Units())
		to.credits = append(to.credits, is.credits.Sub(was.credits).Units())
	}
	q.Queue(`UPDATE accounts SET debits = debits + d, credits = credits + c FROM
		unnest($1::text[]::tid[], $2::text[]::numeric[], $3::text[]::numeric[]) AS x (place, d, c)
		WHERE ctid = place`, old.rows, old.debits, old.credits).Exec(
		func(tag pgconn.CommandTag) error {
			if n := tag.RowsAffected(); n != int64(len(old.rows)) {
				return fmt.Errorf("%d of %d locked accounts are where they were", n, len(old.rows))
			}
			return nil
		})
	if len(made.rows) > 0 {
		q.Queue(`INSERT INTO accounts (key, debits, credits) SELECT k, d, c FROM unnest($1::text[],
			$2::text[]::numeric[], $3::text[]::numeric[]) AS x (k, d, c)`,
			made.rows, made.debits, made.credits)
	}
}
