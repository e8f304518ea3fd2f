package orderbook

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

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
	epoch         int64 // that it pays, or 0; only until it is named
}

// named returns the transfer with the id that the parts of name, its code and its accounts give. The
// id of what an epoch pays begins with the epoch's number, so that what is booked together lies
// together in the index of ids, which grows mostly by epochs.
func (t transfer) named(name ...any) transfer {
	sum := sha256.Sum256([]byte(fmt.Sprintln(append([]any{t.code, t.debit, t.credit}, name...)...)))
	t.id = uuid.UUID(sum[:16])
	if t.epoch != 0 {
		binary.BigEndian.PutUint32(t.id[:4], uint32(t.epoch)) // #nosec G115 -- its low bits
		t.epoch = 0
	}
	return t
}

// sides are what was ever debited and credited to an account.
type sides struct{ debits, credits marketplace.Amount }

func scanSides(row pgx.CollectableRow) (s sides, err error) {
	return s, row.Scan(&s.debits, &s.credits)
}

// balance is what an account has, and whether it has fallen below zero, which none may.
func (s sides) balance(key string) (has marketplace.Amount, below bool) {
	more, less := s.upAndDown(key)
	return more.SubFloor(less), more.Cmp(less) < 0
}

// change is what the sides do to a balance, in base units with a sign.
func (s sides) change(key string) string {
	up, down := s.upAndDown(key)
	if up.Cmp(down) < 0 {
		return "-" + down.Sub(up).Units()
	}
	return up.Sub(down).Units()
}

func (s sides) upAndDown(key string) (up, down marketplace.Amount) {
	if key == accountVault || key == accountShortfall {
		return s.debits, s.credits
	}
	return s.credits, s.debits
}

func (s sides) plus(t transfer, key string) sides {
	if t.debit == key {
		s.debits = s.debits.Add(t.amount)
	}
	if t.credit == key {
		s.credits = s.credits.Add(t.amount)
	}
	return s
}

// enter queues a transfer for the end of the transaction. Nothing is booked for a zero amount.
// The parts of name say what is booked; the same parts book only once, ever.
func (a *act) enter(t transfer, name ...any) {
	if !t.amount.IsZero() {
		a.transfers = append(a.transfers, t.named(name...))
	}
}

// post books the queued transfers, all or none.
func (a *act) post() error {
	if len(a.transfers) == 0 {
		return nil
	}
	queued := a.transfers
	a.transfers = nil
	return book(a.ctx, a.Tx, queued, a.now)
}

// balance returns an account's balance, with what this transaction queued, and locks it.
func (a *act) balance(key string) (marketplace.Amount, error) {
	both, err := many(a.ctx, a.Tx, "account", scanSides, `SELECT debits, credits FROM accounts
		WHERE key = $1 FOR UPDATE`, key)
	if err != nil {
		return marketplace.Amount{}, err
	}
	var sum sides
	if len(both) == 1 {
		sum = both[0]
	}
	for _, t := range a.transfers {
		sum = sum.plus(t, key)
	}
	has, _ := sum.balance(key)
	return has, nil
}
