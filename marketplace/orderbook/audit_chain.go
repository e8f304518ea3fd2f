package orderbook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// An AuditRow is one account: what it has in the vault, or what a payee was paid under a mandate, by
// the events of the chain alone and by the ledger alone.
type AuditRow struct {
	Poster  marketplace.Address `json:"poster"`
	Mandate marketplace.Hash    `json:"mandate,omitzero"` // with Payee: what was redeemed
	Payee   marketplace.Address `json:"payee,omitzero"`
	Chain   marketplace.Amount  `json:"chain"`
	Ledger  marketplace.Amount  `json:"ledger"`
}

// A vaultLine is a transfer in or out of the vault.
type vaultLine struct {
	seq    int64
	amount marketplace.Amount
	in     bool
	other  string // the account at the other end
	code   string
}

// A position is an account in the vault, or, with a payee, what was redeemed from it.
type position struct{ poster, mandate, payee string }

// sums are what came and what left, by chain and by ledger.
type sums struct{ chainIn, chainOut, ledgerIn, ledgerOut marketplace.Amount }

func (a *Audit) at(p position) *sums {
	if a.sums[p] == nil {
		a.sums[p] = &sums{}
	}
	return a.sums[p]
}

func (a *Audit) readVault(ctx context.Context, tx pgx.Tx) (err error) {
	a.Block, err = one(ctx, tx, "cursor", func(row pgx.CollectableRow) (c ChainBlock, err error) {
		return c, row.Scan(&c.Number, &c.Hash, at{&c.At})
	}, `SELECT number, hash, at FROM chain_cursor`)
	if err != nil && !errors.Is(err, marketplace.NotFound) {
		return err
	}
	a.Number = a.Block.Number
	if err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM accounts),
		(SELECT count(*) FROM transfers)`).Scan(&a.Accounts, &a.Transfers); err != nil {
		return fmt.Errorf("count: %w", err)
	}
	rows, err := tx.Query(ctx, `SELECT id::text, seq, amount, debit = 'vault',
		CASE debit WHEN 'vault' THEN credit ELSE debit END, code FROM transfers
		WHERE debit = 'vault' OR credit = 'vault'`)
	if err != nil {
		return fmt.Errorf("read the vault's transfers: %w", err)
	}
	var id string
	var l vaultLine
	_, err = pgx.ForEachRow(rows, []any{&id, &l.seq, &l.amount, &l.in, &l.other, &l.code},
		func() error { a.vault[id] = l; return nil })
	if err != nil {
		return fmt.Errorf("read the vault's transfers: %w", err)
	}
	return nil
}

// Hold holds the ledger against the events of a block of the chain. A block that was not applied yet
// says nothing about it.
func (a *Audit) Hold(b ChainBlock) {
	if b.Number > a.Number {
		return
	}
	if b.Number == a.Number && b.Hash != a.Block.Hash {
		a.wrong("the ledger stands at block %d with id %s, the chain has %s there: it was settled on another"+
			" chain, or a solid block was taken back; stop settlement", b.Number, a.Block.Hash, b.Hash)
	}
	for _, e := range b.Events {
		if e.moves() {
			a.Events++
			a.hold(b.Number, e)
		}
	}
}

// moves says whether an event moves money in or out of the vault.
func (e ChainEvent) moves() bool {
	return e.Kind == ChainDeposit || e.Kind == ChainRedeem || e.Kind == ChainWithdraw
}

// hold looks for the transfers that book an event: their ids follow from it.
func (a *Audit) hold(block int64, e ChainEvent) {
	var booked marketplace.Amount
	for _, t := range e.transfers() {
		if l, ok := a.vault[t.id.String()]; ok {
			booked = booked.Add(l.amount)
			delete(a.vault, t.id.String())
		}
	}
	account := a.at(position{poster: e.Account.String()})
	if e.Kind == ChainDeposit {
		account.chainIn, account.ledgerIn = account.chainIn.Add(e.Amount), account.ledgerIn.Add(booked)
	} else {
		account.chainOut = account.chainOut.Add(e.Amount)
		account.ledgerOut = account.ledgerOut.Add(booked)
	}
	if e.Kind == ChainRedeem {
		paid := a.at(position{e.Account.String(), e.Mandate.ID.String(), e.To.String()})
		paid.chainIn, paid.ledgerIn = paid.chainIn.Add(e.Amount), paid.ledgerIn.Add(booked)
	}
	what := fmt.Sprintf("block %d, transaction %s, log %d: %s of %s BTT at the account of %s", block,
		e.Tx, e.Index, e.Kind, e.Amount, e.Account)
	switch {
	case booked == e.Amount:
	case booked.IsZero():
		a.wrong("%s is not in the ledger, which stands at block %d: it was not applied; stop settlement and"+
			" go back to a backup from before that block, it is then applied again", what, a.Number)
	default:
		a.wrong("%s is in the ledger with %s BTT: transfers of it were added or removed; stop settlement"+
			" and compare with a backup", what, booked)
	}
}

// transfers are all that may book an event, without their amounts.
func (e ChainEvent) transfers() (all []transfer) {
	from := []string{accountFree(e.Account), accountShortfall}
	switch e.Kind {
	case ChainDeposit:
		return []transfer{transfer{debit: accountVault, credit: accountFree(e.Account),
			code: "deposit"}.named(e.Tx, e.Index)}
	case ChainRedeem:
		from = append(from, accountPayable(e.Account, e.Mandate.ID, e.To))
	}
	for _, key := range from {
		all = append(all, transfer{debit: key, credit: accountVault,
			code: string(e.Kind)}.named(e.Tx, e.Index))
	}
	return all
}

// Close names what no event explains and makes the rows.
func (a *Audit) Close() {
	left := slices.Collect(maps.Keys(a.vault))
	slices.SortFunc(left, func(x, y string) int { return cmp.Compare(a.vault[x].seq, a.vault[y].seq) })
	for _, id := range left {
		l := a.vault[id]
		a.wrong("transfer number %d (%s): %s of %s BTT %s follows from no event of the chain: it was"+
			" applied twice or written by hand; stop settlement, and book it back once you know why", l.seq,
			id, l.code, l.amount, l.words())
		a.unexplained(l)
	}
	for p, s := range a.sums {
		row := AuditRow{Chain: s.chainIn.SubFloor(s.chainOut), Ledger: s.ledgerIn.SubFloor(s.ledgerOut)}
		// Keys of our own; one that somebody wrote by hand is named above and has no row.
		err := row.Poster.UnmarshalText([]byte(p.poster))
		if p.payee != "" {
			err = errors.Join(err, row.Mandate.UnmarshalText([]byte(p.mandate)),
				row.Payee.UnmarshalText([]byte(p.payee)))
		}
		if err == nil {
			a.Rows = append(a.Rows, row)
		}
	}
	slices.SortFunc(a.Rows, func(x, y AuditRow) int {
		return cmp.Or(cmp.Compare(x.Poster.String(), y.Poster.String()),
			cmp.Compare(x.Mandate.String(), y.Mandate.String()),
			cmp.Compare(x.Payee.String(), y.Payee.String()))
	})
}

func (l vaultLine) words() string {
	if l.in {
		return "into the vault for " + l.other
	}
	return "out of the vault from " + l.other
}

// unexplained counts a line for the account that its key names.
func (a *Audit) unexplained(l vaultLine) {
	part := strings.Split(l.other, ":")
	if len(part) < 2 {
		return
	}
	s := a.at(position{poster: part[1]})
	if l.in {
		s.ledgerIn = s.ledgerIn.Add(l.amount)
		return
	}
	s.ledgerOut = s.ledgerOut.Add(l.amount)
	if len(part) == 4 {
		paid := a.at(position{part[1], part[2], part[3]})
		paid.ledgerIn = paid.ledgerIn.Add(l.amount)
	}
}
