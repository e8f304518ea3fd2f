package orderbook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/everseed/everseed/marketplace"
)

// A posting is the transfers that one act books together, all or none, and what they do to each
// account.
type posting struct {
	at        time.Time
	transfers []transfer       // that are taken for new, each once
	moves     map[string]sides // by account, all that they debit and credit
}

// book books transfers in a transaction. What is booked already is passed over.
//
// Nearly always all transfers are new, their accounts are there and have enough, so they are
// written at once and the tables' constraints judge them. If these object, all is undone and looked
// at one by one: only then are balances read.
func book(ctx context.Context, tx pgx.Tx, transfers []transfer, at time.Time) error {
	p := &posting{at: at}
	if err := p.gather(transfers, map[uuid.UUID]transfer{}); err != nil {
		return err
	}
	err := p.write(ctx, tx)
	if !surprising(err) {
		return err
	}
	if _, err := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT posting"); err != nil {
		return fmt.Errorf("undo transfers: %w", err)
	}
	if err := p.look(ctx, tx); err != nil {
		return err
	}
	if err = p.write(ctx, tx); codeOf(err) == checkViolation {
		return marketplace.Insufficient.Errorf("an account would fall below zero")
	}
	return err
}

// errNoAccount says that an account of a posting is not there yet.
var errNoAccount = errors.New("an account is not there")

func surprising(err error) bool {
	code := codeOf(err)
	return errors.Is(err, errNoAccount) || code == uniqueViolation || code == checkViolation
}

// gather takes up the transfers that are not among those booked.
func (p *posting) gather(transfers []transfer, booked map[uuid.UUID]transfer) error {
	p.transfers, p.moves = make([]transfer, 0, len(transfers)), map[string]sides{}
	for _, t := range transfers {
		known, repeated := booked[t.id]
		switch {
		case repeated && known != t:
			return marketplace.Conflict.Errorf("transfer %s was booked with other content: %s BTT from %s"+
				" to %s", t.id, known.amount, known.debit, known.credit)
		case repeated:
			continue
		case t.debit == t.credit || t.debit == "" || t.credit == "" || t.amount.IsZero():
			return marketplace.Invalid.Errorf("transfer %s moves nothing: %s BTT from %q to %q", t.id,
				t.amount, t.debit, t.credit)
		}
		booked[t.id], p.transfers = t, append(p.transfers, t)
		for _, key := range []string{t.debit, t.credit} {
			p.moves[key] = p.moves[key].plus(t, key)
		}
	}
	return nil
}

// lockAccounts locks the accounts that exist, in the order of their keys, so that two transactions
// never wait for each other in a circle.
const lockAccounts = `SELECT key, debits::text, credits::text FROM accounts WHERE key = ANY($1)
	ORDER BY key FOR UPDATE`

// look finds out what was wrong: it locks the accounts and reads which of the transfers are booked
// already (whoever books the same ones has the same accounts, and is waited for). Then it goes
// through the new ones one after the other, names the first that cannot be, and opens the accounts
// that are missing.
func (p *posting) look(ctx context.Context, tx pgx.Tx) error {
	all, keys := p.transfers, slices.Sorted(maps.Keys(p.moves))
	ids := make([]pgtype.UUID, len(all))
	for i, t := range all {
		ids[i] = pgtype.UUID{Bytes: t.id, Valid: true}
	}
	found, booked := map[string]sides{}, map[uuid.UUID]transfer{}
	q := &pgx.Batch{}
	q.Queue(lockAccounts, keys).Query(func(rows pgx.Rows) error { return readAccounts(rows, found) })
	q.Queue(`SELECT id, debit, credit, amount::text, code, coalesce(bounty, 0), coalesce(lease, 0)
		FROM transfers WHERE id = ANY($1)`, ids).Query(
		func(rows pgx.Rows) error { return readBooked(rows, booked) })
	if err := tx.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("lock accounts: %w", err)
	}
	if err := p.gather(all, booked); err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Sorted(maps.Keys(p.moves)), func(key string) bool {
		_, there := found[key]
		return there
	})
	if err := p.enough(found); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO accounts (key) SELECT unnest($1::text[])`,
		missing); err != nil {
		return fmt.Errorf("open accounts: %w", err)
	}
	return nil
}

// enough moves balances as the transfers do and says which account would have too little.
func (p *posting) enough(balances map[string]sides) error {
	for _, t := range p.transfers {
		for _, key := range []string{t.debit, t.credit} {
			was := balances[key]
			balances[key] = was.plus(t, key)
			if _, below := balances[key].balance(key); below {
				had, _ := was.balance(key)
				return marketplace.Insufficient.Errorf("account %s has %s BTT, and %s are to leave it",
					key, had, t.amount)
			}
		}
	}
	return nil
}

func readAccounts(rows pgx.Rows, into map[string]sides) error {
	var key, debits, credits string
	_, err := pgx.ForEachRow(rows, []any{&key, &debits, &credits}, func() (err error) {
		var s sides
		if s.debits, err = marketplace.ParseUnits(debits); err != nil {
			return err
		}
		s.credits, err = marketplace.ParseUnits(credits)
		into[key] = s
		return err
	})
	return err
}

func readBooked(rows pgx.Rows, into map[uuid.UUID]transfer) error {
	var t transfer
	var id pgtype.UUID
	var amount string
	_, err := pgx.ForEachRow(rows, []any{&id, &t.debit, &t.credit, &amount, &t.code, &t.bounty,
		&t.lease}, func() (err error) {
		t.id = id.Bytes
		t.amount, err = marketplace.ParseUnits(amount)
		into[t.id] = t
		return err
	})
	return err
}

// writeTransfers moves each balance once, by the sum of what is new, and writes the transfers with
// both balances after them: the one at the end less what comes later.
const writeTransfers = `WITH moved AS (
		UPDATE accounts a SET debits = a.debits + m.d, credits = a.credits + m.c
		FROM unnest($1::text[], $2::text[]::numeric[], $3::text[]::numeric[]) WITH ORDINALITY
			AS m (key, d, c, i) WHERE a.key = m.key
		RETURNING m.i, a.key, CASE WHEN a.key IN ('` + accountVault + `', '` + accountShortfall + `')
			THEN a.debits - a.credits ELSE a.credits - a.debits END AS has),
	written AS (
		INSERT INTO transfers (id, debit, credit, amount, code, bounty, lease, at, debit_after,
			credit_after)
		SELECT t.id, d.key, c.key, amount, code, nullif(bounty, 0), nullif(lease, 0), $13::timestamptz,
			d.has - d_later, c.has - c_later
		FROM unnest($4::uuid[], $5::bigint[], $6::bigint[], $7::text[]::numeric[], $8::text[],
			$9::bigint[], $10::bigint[], $11::text[]::numeric[], $12::text[]::numeric[]) WITH ORDINALITY
			AS t (id, debit, credit, amount, code, bounty, lease, d_later, c_later, n)
		JOIN moved d ON d.i = t.debit JOIN moved c ON c.i = t.credit ORDER BY n)
	SELECT count(*) FROM moved`

// write writes the transfers, or says what was surprising; then the savepoint is left to go back to.
func (p *posting) write(ctx context.Context, tx pgx.Tx) error {
	if len(p.transfers) == 0 {
		return nil
	}
	keys, n := slices.Sorted(maps.Keys(p.moves)), 0
	q := &pgx.Batch{}
	q.Queue("SAVEPOINT posting")
	q.Queue("SELECT FROM accounts WHERE key = ANY($1) ORDER BY key FOR UPDATE", keys)
	q.Queue(writeTransfers, p.columns(keys)...).QueryRow(func(r pgx.Row) error { return r.Scan(&n) })
	err := tx.SendBatch(ctx, q).Close()
	switch {
	case err != nil:
		return fmt.Errorf("write transfers: %w", err)
	case n != len(keys):
		return errNoAccount
	default:
		return nil
	}
}

// columns are the arguments of writeTransfers.
func (p *posting) columns(keys []string) []any {
	place := make(map[string]int64, len(keys))
	debits, credits := make([]string, len(keys)), make([]string, len(keys))
	for i, key := range keys {
		place[key] = int64(i + 1)
		debits[i], credits[i] = p.moves[key].debits.Units(), p.moves[key].credits.Units()
	}
	n := len(p.transfers)
	ids, from, to := make([]pgtype.UUID, n), make([]int64, n), make([]int64, n)
	amounts, codes := make([]string, n), make([]string, n)
	bounties, leases := make([]int64, n), make([]int64, n)
	fromLater, toLater := make([]string, n), make([]string, n)
	later := make(map[string]sides, len(keys))
	for i, t := range slices.Backward(p.transfers) {
		ids[i] = pgtype.UUID{Bytes: t.id, Valid: true}
		from[i], to[i], amounts[i], codes[i] = place[t.debit], place[t.credit], t.amount.Units(), t.code
		bounties[i], leases[i] = t.bounty, t.lease
		fromLater[i], toLater[i] = later[t.debit].change(t.debit), later[t.credit].change(t.credit)
		for _, key := range []string{t.debit, t.credit} {
			later[key] = later[key].plus(t, key)
		}
	}
	return []any{keys, debits, credits, ids, from, to, amounts, codes, bounties, leases, fromLater,
		toLater, p.at}
}
