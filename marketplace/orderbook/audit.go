package orderbook

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// An Audit is the ledger as it was at one moment, recomputed from its entries. Hold it against every
// block from the vault's first one on, and then Close it.
type Audit struct {
	Block     ChainBlock `json:"-"`     // newest block that was applied, without its events
	Number    int64      `json:"block"` // its number
	Accounts  int64      `json:"accounts"`
	Transfers int64      `json:"transfers"`
	Events    int        `json:"events"` // of the vault that were held against the ledger
	Wrong     []string   `json:"wrong"`  // each difference in words, and what to do about it
	Rows      []AuditRow `json:"rows"`   // by account, what chain and ledger say

	vault map[string]vaultLine // transfers in and out of the vault that no event explains yet
	sums  map[position]*sums
}

// Audit recomputes every balance and everything that follows from the entries, in one snapshot, while
// the market goes on.
func (b *Book) Audit(ctx context.Context) (*Audit, error) {
	a := &Audit{Wrong: []string{}, Rows: []AuditRow{}, vault: map[string]vaultLine{},
		sums: map[position]*sums{}}
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, b.pool, snapshot, func(tx pgx.Tx) (err error) {
		for _, question := range questions {
			wrong, err := many(ctx, tx, "entries", pgx.RowTo[string], question)
			if err != nil {
				return err
			}
			a.Wrong = append(a.Wrong, wrong...)
		}
		if err := a.readUncovered(ctx, tx, b.opts.Rules); err != nil {
			return err
		}
		return a.readVault(ctx, tx)
	})
	return a, err
}

// AuditBooks returns what Audit finds from the entries alone.
func (b *Book) AuditBooks(ctx context.Context) ([]string, error) {
	a, err := b.Audit(ctx)
	return a.Wrong, err
}

// questions are asked of the entries. Each answers with a sentence for everything that is wrong.
// Lines cannot be changed, so where a sum and its lines differ, the lines are believed.
var questions = []string{
	`WITH lines AS (
		SELECT key, sum(d) d, sum(c) c FROM (SELECT debit key, amount d, 0 c FROM transfers
			UNION ALL SELECT credit, 0, amount FROM transfers) x GROUP BY key)
	SELECT CASE WHEN a.key IS NULL THEN format('account %s has transfers (%s debits, %s credits) and is'
			' not there: a row of accounts was removed; make it again with these sums', l.key, d, c)
		ELSE format('account %s: stored are %s debits and %s credits, its transfers say %s and %s: either'
			' the balance was changed by hand or a transfer was removed; compare with a backup before you'
			' set the balance to its transfers', a.key, a.debits, a.credits, coalesce(d, 0), coalesce(c, 0))
		END FROM lines l FULL JOIN accounts a ON a.key = l.key
	WHERE a.key IS NULL OR coalesce(d, 0) <> debits OR coalesce(c, 0) <> credits ORDER BY 1`,

	`SELECT format('all debits are %s, all credits %s: the difference is in the accounts above',
		sum(debits), sum(credits)) FROM accounts HAVING sum(debits) <> sum(credits)`,

	`WITH lines AS (
		SELECT seq, debit key, -amount change, debit_after after FROM transfers
		UNION ALL SELECT seq, credit, amount, credit_after FROM transfers),
	sums AS (SELECT seq, key, after, sum(change) OVER (PARTITION BY key ORDER BY seq) running FROM lines)
	SELECT format('account %s: transfer number %s says that %s are left, those before it add up to %s: a'
		' transfer before it was removed or added; look for it in a backup', key, seq, after,
		abs(running)) FROM (SELECT DISTINCT ON (key) * FROM sums WHERE after <> abs(running)
		ORDER BY key, seq) first ORDER BY key`,

	`SELECT format('lease %s: its row says that %s were earned, its proofs %s, its transfers %s: stop'
			' signing cheques of its payee', id, earned, p, t)
		FROM (SELECT l.id, l.earned, coalesce((SELECT sum(earned) FROM proofs WHERE lease = l.id), 0) p,
			coalesce(t.sum, 0) t FROM leases l LEFT JOIN (SELECT lease, sum(amount) FROM transfers
			WHERE code IN ('accrue', 'holdback') GROUP BY lease) t ON t.lease = l.id) x
		WHERE earned <> p OR earned <> t ORDER BY id`,

	`SELECT format('lease %s: its row says that %s are held back, its accounts %s', id, held, h)
		FROM (SELECT l.id, l.held, coalesce(h.sum, 0) h FROM leases l LEFT JOIN (
			SELECT split_part(key, ':', 2) lease, sum(credits - debits) FROM accounts
			WHERE key LIKE 'holdback:%' GROUP BY 1) h ON h.lease = l.id::text) x
		WHERE held <> h ORDER BY id`,

	`SELECT format('bounty %s: its row says that %s were spent, its transfers %s', id, spent, t)
		FROM (SELECT b.id, b.spent, coalesce(t.sum, 0) t FROM bounties b LEFT JOIN (
			SELECT bounty, sum(CASE code WHEN 'forfeit' THEN -amount ELSE amount END) FROM transfers
			WHERE code IN ('accrue', 'holdback', 'fee', 'forfeit') GROUP BY bounty) t ON t.bounty = b.id) x
		WHERE spent <> t ORDER BY id`,

	`SELECT format('cheque %s to %s says %s, and only %s were ever credited under its mandate: revoke the'
		' mandate, its signers signed what was not earned', c.id, c.payee, c.cumulative,
		coalesce(a.credits, 0)) FROM cheques c
		LEFT JOIN accounts a ON a.key = 'payable:' || c.poster || ':' || c.mandate || ':' || c.payee
		WHERE c.cumulative > coalesce(a.credits, 0) ORDER BY c.id`,
}

// readUncovered looks for bounties that may come to cost more than is set aside for them.
func (a *Audit) readUncovered(ctx context.Context, tx pgx.Tx, r marketplace.Rules) error {
	leases, err := many(ctx, tx, "leases", scanLease, selectLease+`WHERE state IN `+live+` ORDER BY id`)
	if err != nil {
		return err
	}
	worst := worstOf(leases, r)
	bounties, err := many(ctx, tx, "bounties", scanBounty, selectBounty+`WHERE b.state IN
		('open', 'filled', 'degraded') ORDER BY b.id`)
	for _, b := range bounties {
		if b.Reserved.Cmp(worst[b.ID]) < 0 {
			a.wrong("bounty %d has %s BTT set aside and its leases may cost %s: cancel it, so that they end"+
				" before the money does", b.ID, b.Reserved, worst[b.ID])
		}
	}
	return err
}

// worstOf sums up what live leases may still cost each bounty. Of a lease that is likely to be lost and
// its replacement one is paid at most.
func worstOf(leases []marketplace.Lease, r marketplace.Rules) map[int64]marketplace.Amount {
	replica := map[int64]marketplace.Amount{} // by the lease that had it first
	bounty := map[int64]int64{}
	for _, l := range leases {
		left := r.WorstLeft(l)
		whole := r.WorstLeft(marketplace.Lease{Price: l.Price, Billed: l.Billed, KeepFor: l.KeepFor})
		if left.Cmp(whole) > 0 {
			left = whole // it is not paid for longer than its term
		}
		first := l.ID
		if _, ok := bounty[l.Replaces]; ok {
			first = l.Replaces
		}
		bounty[first] = l.Bounty
		if left.Cmp(replica[first]) > 0 {
			replica[first] = left
		}
	}
	worst := map[int64]marketplace.Amount{}
	for id, left := range replica {
		worst[bounty[id]] = worst[bounty[id]].Add(left)
	}
	return worst
}

func (a *Audit) wrong(format string, args ...any) {
	a.Wrong = append(a.Wrong, fmt.Sprintf(format, args...))
}
