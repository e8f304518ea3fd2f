package orderbook

import (
	"context"

	"github.com/jackc/pgx/v5"
)

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
