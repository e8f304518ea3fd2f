package settlement

import (
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

func (h *house) audit() (*orderbook.Audit, string) {
	h.Helper()
	a, err := AuditBooks(h.Context(), h.Book, h.vault, h.first, func(int64, int64) {})
	h.must(err)
	return a, strings.Join(a.Wrong, "\n")
}

func TestTheBooksAgreeWithTheChainAloneAfterAPayout(t *testing.T) {
	h := newHouse(t)
	c := h.signed()
	h.paidOnce(c)
	a, wrong := h.audit()
	if wrong != "" {
		t.Error(wrong)
	}
	paid := false
	for _, r := range a.Rows {
		if r.Chain != r.Ledger || r.Poster != poster.Address() || r.Chain.IsZero() {
			t.Errorf("%+v", r)
		}
		paid = paid || r.Payee == payee && r.Mandate == mandate && r.Chain == c.Cheque.Cumulative
	}
	if !paid || a.Events < 2 {
		t.Errorf("%d events, no row of the payee: %+v", a.Events, a.Rows)
	}
}

// applied applies the solid blocks up to the head, each as change leaves it.
func (h *house) applied(change func(*orderbook.ChainBlock)) {
	h.Helper()
	cursor, err := h.ChainCursor(h.Context())
	h.must(err)
	blocks, err := h.vault.Events(h.Context(), max(cursor.Number+1, h.first), 1_000_000)
	h.must(err)
	for _, b := range blocks {
		block := chainBlock(b)
		change(&block)
		h.must(h.Apply(h.Context(), []orderbook.ChainBlock{block}, time.Now()))
	}
}

// deposited puts 5 BTT in the vault and waits until that is solid.
func (h *house) deposited() {
	h.Helper()
	tx, err := h.vault.BuildDepositAndOpen(h.Context(), poster, marketplace.BTT(5),
		marketplace.Mandate{ID: marketplace.Hash{9}, Signers: auditors(), Threshold: 2,
			Cap: marketplace.BTT(5), Expiry: time.Now().Add(marketplace.Day * 30)})
	h.must(err)
	h.must(h.vault.Send(h.Context(), tx))
	r, err := h.vault.Await(h.Context(), tx, true)
	h.must(err)
	if r.Outcome != escrow.Confirmed {
		h.Fatalf("%+v", r)
	}
}

func TestAnEventThatWasNotAppliedIsNamed(t *testing.T) {
	h := newHouse(t)
	h.fund(marketplace.BTT(500))
	h.deposited()
	h.applied(func(b *orderbook.ChainBlock) { b.Events = nil })
	a, wrong := h.audit()
	if !strings.Contains(wrong, "deposit of 5 BTT at the account of "+poster.Address().String()) ||
		!strings.Contains(wrong, "was not applied") || len(a.Wrong) != 1 {
		t.Errorf("%q", wrong)
	}
	if r := a.Rows[0]; r.Chain != marketplace.BTT(505) || r.Ledger != marketplace.BTT(500) {
		t.Errorf("%+v", r)
	}
}

func TestAnEventThatWasAppliedTwiceIsNamed(t *testing.T) {
	h := newHouse(t)
	h.fund(marketplace.BTT(500))
	h.deposited()
	h.applied(func(b *orderbook.ChainBlock) {
		for _, e := range b.Events {
			e.Index += 100
			b.Events = append(b.Events, e)
		}
	})
	a, wrong := h.audit()
	if !strings.Contains(wrong, "deposit of 5 BTT into the vault for free:"+poster.Address().String()) ||
		!strings.Contains(wrong, "applied twice") || len(a.Wrong) != 1 {
		t.Errorf("%q", wrong)
	}
	if r := a.Rows[0]; r.Chain != marketplace.BTT(505) || r.Ledger != marketplace.BTT(510) {
		t.Errorf("%+v", r)
	}
}
