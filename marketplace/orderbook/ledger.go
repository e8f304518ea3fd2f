package orderbook

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// The accounts of the ledger. Vault and shortfall are debit accounts: what is there, and what is
// missing. All others are credit accounts: what is owed to somebody.
const (
	accountVault     = "vault"
	accountShortfall = "shortfall"
)

func accountFree(poster marketplace.Address) string { return "free:" + poster.String() }

func accountPayable(poster marketplace.Address, mandate marketplace.Hash,
	payee marketplace.Address) string {
	return fmt.Sprintf("payable:%s:%s:%s", poster, mandate, payee)
}

// A transfer moves money between two accounts. Its id follows from what it books.
type transfer struct {
	id            uuid.UUID
	debit, credit string
	amount        marketplace.Amount
	code          string
	bounty, lease int64
}

// enter queues a transfer for the end of the transaction. Nothing is booked for a zero amount.
// The parts of name say what is booked; the same parts book only once, ever.
func (a *act) enter(t transfer, name ...any) {
	if t.amount.IsZero() {
		return
	}
	sum := sha256.Sum256([]byte(fmt.Sprintln(append([]any{t.code, t.debit, t.credit}, name...)...)))
	t.id = uuid.UUID(sum[:16])
	a.transfers = append(a.transfers, t)
}

// post books the queued transfers: rows first, then one update an account with the sum of what
// is new. Accounts are locked in the order of their keys, so that two postings never wait for
// each other in a circle.
func (a *act) post() error {
	if len(a.transfers) == 0 {
		return nil
	}
	batch := a.transfers
	a.transfers = nil
	if err := a.lockAccounts(batch); err != nil {
		return err
	}
	fresh, err := a.insertTransfers(batch)
	if err != nil {
		return err
	}
	debits, credits := map[string]marketplace.Amount{}, map[string]marketplace.Amount{}
	for _, t := range batch {
		if fresh[t.id] {
			debits[t.debit] = debits[t.debit].Add(t.amount)
			credits[t.credit] = credits[t.credit].Add(t.amount)
		}
	}
	return a.addToAccounts(debits, credits)
}

// lockAccounts makes the accounts that are missing and locks all, in the order of their keys.
func (a *act) lockAccounts(batch []transfer) error {
	var keys []string
	for _, t := range batch {
		keys = append(keys, t.debit, t.credit)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if _, err := a.exec(`INSERT INTO accounts (key) SELECT k FROM unnest($1::text[]) k ORDER BY k
		ON CONFLICT DO NOTHING`, keys); err != nil {
		return fmt.Errorf("make accounts: %w", err)
	}
	if _, err := a.exec(`SELECT key FROM accounts WHERE key = ANY($1) ORDER BY key FOR UPDATE`,
		keys); err != nil {
		return fmt.Errorf("lock accounts: %w", err)
	}
	return nil
}

// insertTransfers writes rows and returns the ids of those that were not there.
func (a *act) insertTransfers(batch []transfer) (map[uuid.UUID]bool, error) {
	n := len(batch)
	ids, amounts := make([]string, n), make([]string, n)
	debits, credits, codes := make([]string, n), make([]string, n), make([]string, n)
	bounties, leases := make([]*int64, n), make([]*int64, n)
	for i, t := range batch {
		ids[i], amounts[i], codes[i] = t.id.String(), t.amount.Units(), t.code
		debits[i], credits[i] = t.debit, t.credit
		bounties[i], leases[i] = orNone(t.bounty), orNone(t.lease)
	}
	rows, err := a.Query(a.ctx, `
		INSERT INTO transfers (id, debit, credit, amount, code, bounty, lease, at)
		SELECT i, d, c, a, o, b, l, $8 FROM unnest($1::text[]::uuid[], $2::text[], $3::text[],
			$4::text[]::numeric[], $5::text[], $6::bigint[], $7::bigint[])
			AS t (i, d, c, a, o, b, l)
		ON CONFLICT (id) DO NOTHING RETURNING id::text`,
		ids, debits, credits, amounts, codes, bounties, leases, a.now)
	if err != nil {
		return nil, fmt.Errorf("write transfers: %w", err)
	}
	written, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("write transfers: %w", err)
	}
	fresh := map[uuid.UUID]bool{}
	for _, text := range written {
		fresh[uuid.MustParse(text)] = true
	}
	return fresh, nil
}

func orNone(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

func (a *act) addToAccounts(debits, credits map[string]marketplace.Amount) error {
	var keys, ds, cs []string
	for key := range debits {
		keys = append(keys, key)
	}
	for key := range credits {
		if _, ok := debits[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		ds, cs = append(ds, debits[key].Units()), append(cs, credits[key].Units())
	}
	_, err := a.exec(`UPDATE accounts SET debits = debits + d, credits = credits + c
		FROM unnest($1::text[], $2::text[]::numeric[], $3::text[]::numeric[]) AS t (k, d, c)
		WHERE key = k`, keys, ds, cs)
	if codeOf(err) == checkViolation {
		return marketplace.Insufficient.Errorf("an account would fall below zero (%s)",
			strings.Join(keys, ", "))
	}
	if err != nil {
		return fmt.Errorf("update accounts: %w", err)
	}
	return nil
}

// balance returns an account's balance, with what this transaction queued, and locks it.
func (a *act) balance(key string) (marketplace.Amount, error) {
	both, err := many(a.ctx, a.Tx, "account", scanBoth, `SELECT debits, credits FROM accounts
		WHERE key = $1 FOR UPDATE`, key)
	if err != nil {
		return marketplace.Amount{}, err
	}
	var sum sides
	if len(both) == 1 {
		sum = both[0]
	}
	for _, t := range a.transfers {
		if t.debit == key {
			sum.debits = sum.debits.Add(t.amount)
		}
		if t.credit == key {
			sum.credits = sum.credits.Add(t.amount)
		}
	}
	if key == accountVault || key == accountShortfall {
		return sum.debits.SubFloor(sum.credits), nil
	}
	return sum.credits.SubFloor(sum.debits), nil
}

type sides struct{ debits, credits marketplace.Amount }

func scanBoth(row pgx.CollectableRow) (s sides, err error) {
	return s, row.Scan(&s.debits, &s.credits)
}

// Statement returns the transfers that touch an address's accounts, newest first, and the number
// to give as the next page's After.
func (b *Book) Statement(
	ctx context.Context, who marketplace.Address, p Page,
) (lines []marketplace.Transfer, last int64, err error) {
	type numbered struct {
		marketplace.Transfer
		seq int64
	}
	scan := func(row pgx.CollectableRow) (n numbered, err error) {
		return n, row.Scan(&n.seq, &n.ID, &n.Debit, &n.Credit, &n.Amount, &n.Code, &n.Bounty,
			&n.Lease, at{&n.At})
	}
	// The accounts of an address are few, and found by their names; transfers by their index.
	rows, err := many(ctx, b.pool, "statement", scan, `
		WITH mine AS (
			SELECT key FROM accounts WHERE key = 'free:' || $1 OR key LIKE 'payable:%:' || $1
				OR key LIKE 'payable:' || $1 || ':%'
			UNION SELECT 'reserved:' || bounty || ':' || poster FROM pledges WHERE poster = $1
			UNION SELECT 'holdback:' || l.id || ':' || p.poster FROM leases l
				JOIN pledges p USING (bounty) WHERE l.payee = $1)
		SELECT seq, id::text, debit, credit, amount, code, coalesce(bounty, 0), coalesce(lease, 0), at
		FROM transfers WHERE seq < $2 AND (debit IN (SELECT key FROM mine)
			OR credit IN (SELECT key FROM mine)) ORDER BY seq DESC LIMIT $3`,
		who.String(), p.before(), p.limit())
	if err != nil {
		return nil, 0, err
	}
	for _, n := range rows {
		lines, last = append(lines, n.Transfer), n.seq
	}
	return lines, last, nil
}

// AuditBooks recomputes every balance from the transfers and returns, in words, each account
// whose stored balance differs, and whether debits and credits are equal in all.
func (b *Book) AuditBooks(ctx context.Context) ([]string, error) {
	return many(ctx, b.pool, "books", pgx.RowTo[string], `
		WITH sums AS (
			SELECT key, coalesce((SELECT sum(amount) FROM transfers WHERE debit = key), 0) d,
				coalesce((SELECT sum(amount) FROM transfers WHERE credit = key), 0) c,
				debits, credits FROM accounts)
		SELECT format('%s: stored %s debits and %s credits, transfers say %s and %s', key, debits,
			credits, d, c) FROM sums WHERE d <> debits OR c <> credits
		UNION ALL
		SELECT format('debits are %s, credits %s', sum(debits), sum(credits)) FROM accounts
			HAVING sum(debits) <> sum(credits)`)
}
