package orderbook

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/everseed/everseed/marketplace"
)

// A posting is the transfers that one caller books together: all or none.
type posting struct {
	transfers []transfer
	at        time.Time
	refusal   error // why none was booked; set by postAll
}

// A batch is the postings that one transaction books. They are judged one after the other, in
// memory, on balances that are locked; the table's CHECKs judge again.
type batch struct {
	postings []*posting
	booked   map[uuid.UUID]transfer // by id: from earlier transactions and from this one
	balances map[string]sides       // as locked, and then as they will be
	locked   map[string]bool        // accounts that exist
	fresh    []entry                // what is to be written, without repeats
}

// An entry is a transfer as it is written, with both balances after it.
type entry struct {
	transfer
	at                      time.Time
	debitAfter, creditAfter marketplace.Amount
}

// postAll books postings in a transaction, in their order. One that cannot be booked gets its
// refusal and leaves the others alone; an error returned is the whole transaction's. Rows are
// written first, then one balance an account with the sum of what is new. The statement last, if
// any, goes with the others.
func postAll(ctx context.Context, tx sender, postings []*posting, last string) error {
	b := &batch{postings: postings, booked: map[uuid.UUID]transfer{},
		balances: map[string]sides{}, locked: map[string]bool{}}
	if err := b.lock(ctx, tx); err != nil {
		return err
	}
	before := maps.Clone(b.balances)
	for _, p := range postings {
		b.judge(p)
	}
	return b.write(ctx, tx, before, last)
}

// A sender is a transaction, or a connection on which one was begun.
type sender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// lock locks the accounts that exist, in the order of their keys, so that two transactions never
// wait for each other in a circle. Then it reads which of the transfers are booked already:
// whoever books the same ones has the same accounts, and is waited for.
func (b *batch) lock(ctx context.Context, tx sender) error {
	keys, ids := map[string]bool{}, []pgtype.UUID{}
	for _, p := range b.postings {
		for _, t := range p.transfers {
			keys[t.debit], keys[t.credit] = true, true
			ids = append(ids, pgtype.UUID{Bytes: t.id, Valid: true})
		}
	}
	q := &pgx.Batch{}
	q.Queue(`SELECT key, debits::text, credits::text FROM accounts WHERE key = ANY($1)
		ORDER BY key FOR UPDATE`, slices.Sorted(maps.Keys(keys))).Query(b.readAccounts)
	q.Queue(`SELECT id, debit, credit, amount::text, code, coalesce(bounty, 0), coalesce(lease, 0)
		FROM transfers WHERE id = ANY($1)`, ids).Query(b.readBooked)
	if err := tx.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("lock accounts: %w", err)
	}
	return nil
}

func (b *batch) readAccounts(rows pgx.Rows) error {
	var key, debits, credits string
	_, err := pgx.ForEachRow(rows, []any{&key, &debits, &credits}, func() (err error) {
		var s sides
		if s.debits, err = marketplace.ParseUnits(debits); err != nil {
			return err
		}
		s.credits, err = marketplace.ParseUnits(credits)
		b.balances[key], b.locked[key] = s, true
		return err
	})
	return err
}

func (b *batch) readBooked(rows pgx.Rows) error {
	var t transfer
	var id pgtype.UUID
	var amount string
	_, err := pgx.ForEachRow(rows, []any{&id, &t.debit, &t.credit, &amount, &t.code, &t.bounty,
		&t.lease}, func() (err error) {
		t.id = id.Bytes
		t.amount, err = marketplace.ParseUnits(amount)
		b.booked[t.id] = t
		return err
	})
	return err
}

// judge decides on one posting. No account may be below zero after any of its transfers.
func (b *batch) judge(p *posting) {
	mine, next := map[uuid.UUID]transfer{}, map[string]sides{}
	var entries []entry
	p.refusal = nil
	for _, t := range p.transfers {
		known, repeated := b.booked[t.id]
		if !repeated {
			known, repeated = mine[t.id]
		}
		switch {
		case repeated && known != t:
			p.refusal = marketplace.Conflict.Errorf("transfer %s was booked with other content: %s BTT"+
				" from %s to %s", t.id, known.amount, known.debit, known.credit)
			return
		case repeated:
			continue
		}
		l := entry{transfer: t, at: p.at}
		if p.refusal = b.move(&l, next); p.refusal != nil {
			return
		}
		mine[t.id], entries = t, append(entries, l)
	}
	maps.Copy(b.booked, mine)
	maps.Copy(b.balances, next)
	b.fresh = append(b.fresh, entries...)
}

// move moves an entry's amount between two balances and notes what they are then.
func (b *batch) move(l *entry, next map[string]sides) error {
	if l.debit == l.credit || l.debit == "" || l.credit == "" || l.amount.IsZero() {
		return marketplace.Invalid.Errorf("transfer %s moves nothing: %s BTT from %q to %q", l.id,
			l.amount, l.debit, l.credit)
	}
	for _, side := range []struct {
		key   string
		after *marketplace.Amount
	}{{l.debit, &l.debitAfter}, {l.credit, &l.creditAfter}} {
		was, ok := next[side.key]
		if !ok {
			was = b.balances[side.key]
		}
		is := was.plus(l.transfer, side.key)
		has, below := is.balance(side.key)
		if below {
			had, _ := was.balance(side.key)
			return marketplace.Insufficient.Errorf("account %s has %s BTT, and %s are to leave it",
				side.key, had, l.amount)
		}
		next[side.key], *side.after = is, has
	}
	return nil
}

// write writes the transfers that are new and moves each balance once.
func (b *batch) write(
	ctx context.Context, tx sender, before map[string]sides, last string,
) error {
	q := &pgx.Batch{}
	if len(b.fresh) > 0 {
		b.queueTransfers(q)
		b.queueBalances(q, before)
	}
	if last != "" {
		q.Queue(last)
	}
	if q.Len() == 0 {
		return nil
	}
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

func (b *batch) queueTransfers(q *pgx.Batch) {
	var c struct {
		ids                                       []pgtype.UUID
		debits, credits, amounts, codes, das, cas []string
		bounties, leases                          []*int64
		at                                        []time.Time
	}
	for _, l := range b.fresh {
		c.ids = append(c.ids, pgtype.UUID{Bytes: l.id, Valid: true})
		c.debits, c.credits = append(c.debits, l.debit), append(c.credits, l.credit)
		c.amounts, c.codes = append(c.amounts, l.amount.Units()), append(c.codes, l.code)
		c.das = append(c.das, l.debitAfter.Units())
		c.cas = append(c.cas, l.creditAfter.Units())
		c.bounties, c.leases = append(c.bounties, orNone(l.bounty)), append(c.leases, orNone(l.lease))
		c.at = append(c.at, l.at)
	}
	q.Queue(`INSERT INTO transfers (id, debit, credit, amount, code, bounty, lease, at, debit_after,
			credit_after)
		SELECT i, d, c, a::numeric, o, b, l, t, da::numeric, ca::numeric FROM unnest($1::uuid[],
			$2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
			$8::timestamptz[], $9::text[], $10::text[]) AS x (i, d, c, a, o, b, l, t, da, ca)`,
		c.ids, c.debits, c.credits, c.amounts, c.codes, c.bounties, c.leases, c.at, c.das, c.cas)
}

func orNone(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

// queueBalances adds to the accounts that are locked and makes those that are new. Who finds that
// somebody else made one meanwhile has lost a race: what was judged was not that account.
func (b *batch) queueBalances(q *pgx.Batch, before map[string]sides) {
	const rows = `SELECT k, d::numeric d, c::numeric c FROM unnest($1::text[], $2::text[], $3::text[])
		AS t (k, d, c)`
	var old, made struct{ keys, debits, credits []string }
	for _, key := range slices.Sorted(maps.Keys(b.balances)) {
		was, is := before[key], b.balances[key]
		if was == is {
			continue
		}
		to := &old
		if !b.locked[key] {
			to = &made
		}
		to.keys = append(to.keys, key)
		to.debits = append(to.debits, is.debits.Sub(was.debits).Units())
		to.credits = append(to.credits, is.credits.Sub(was.credits).Units())
	}
	q.Queue(`UPDATE accounts SET debits = debits + d, credits = credits + c FROM (`+rows+`) x
		WHERE key = k`, old.keys, old.debits, old.credits)
	if len(made.keys) > 0 {
		q.Queue(`INSERT INTO accounts (key, debits, credits) `+rows, made.keys, made.debits, made.credits)
	}
}
