package settlement

import (
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// leave takes TRX from the operator's key until it has that many sun.
func (h *house) leave(sun int64) {
	h.Helper()
	tx, err := h.vault.BuildTransferTRX(h.Context(), operator, admin.Address(), 1)
	h.must(err)
	have, err := h.vault.TRX(h.Context(), operator.Address())
	h.must(err)
	const wiggle = 8_000 // what two amounts differ by in bytes of their transactions
	net := int64(len(tx.Raw)+64)*1000 + wiggle
	h.onChain(h.vault.BuildTransferTRX(h.Context(), operator, admin.Address(), have-sun-net))
	h.await("it is solid", func() bool {
		left, err := h.vault.TRX(h.Context(), operator.Address())
		h.must(err)
		return left < sun+2*wiggle
	})
}

// forge books 1 BTT in the ledger, with the next solid block, that no block says.
func (h *house) forge(kind orderbook.ChainEventKind) {
	h.Helper()
	cursor, err := h.ChainCursor(h.Context())
	h.must(err)
	var next []escrow.Block
	h.await("another block is solid", func() bool {
		next, err = h.vault.Events(h.Context(), cursor.Number+1, 1)
		h.must(err)
		return len(next) == 1
	})
	block := chainBlock(next[0])
	block.Events = append(block.Events, orderbook.ChainEvent{Kind: kind, Account: poster.Address(),
		Amount: marketplace.BTT(1), Tx: "forged"})
	h.must(h.Apply(h.Context(), []orderbook.ChainBlock{block}, time.Now()))
}

func (h *house) give(sun int64) {
	h.Helper()
	h.onChain(h.vault.BuildTransferTRX(h.Context(), admin, operator.Address(), sun))
}

// stage writes a redemption down that may burn less than it takes, or what fees says.
func (h *house) stage(c marketplace.SignedCheque) escrow.Staged {
	h.Helper()
	s, err := h.vault.BuildRedeem(h.Context(), operator, c.Cheque, c.Signatures)
	h.must(err)
	h.must(h.StageTx(h.Context(), orderbook.StagedTx{ID: s.ID, Cheque: c.ID, Raw: s.Raw,
		Expires: s.Expires}, time.Now()))
	return s
}

// Whatever holds a cheque up, it says so, says when it is tried again and what would mend it, and
// goes on by itself once that is done.
func TestEveryCauseIsToldAndEndsByItself(t *testing.T) {
	const energyOnly = 1_000_000 // sun: enough for the bytes, not for the energy
	for reason, c := range map[marketplace.WaitReason]struct {
		fail, mend func(h *house, c marketplace.SignedCheque)
		alarm      bool
	}{
		marketplace.WaitTRX: {
			fail:  func(h *house, _ marketplace.SignedCheque) { h.leave(energyOnly) },
			mend:  func(h *house, _ marketplace.SignedCheque) { h.give(100 * escrow.Sun) },
			alarm: true,
		},
		marketplace.WaitEnergy: { // staged with enough, and then the key is emptied
			fail: func(h *house, c marketplace.SignedCheque) {
				h.leave(100 * escrow.Sun)
				s := h.stage(c)
				h.leave(energyOnly)
				h.must(h.vault.Send(h.Context(), s))
			},
			mend:  func(h *house, _ marketplace.SignedCheque) { h.give(100 * escrow.Sun) },
			alarm: true, // burnt, and now it cannot pay
		},
		marketplace.WaitTime: { // every witness gives up on it
			fail:  func(h *house, _ marketplace.SignedCheque) { h.chain.Slow(1 << 20) },
			mend:  func(h *house, _ marketplace.SignedCheque) { h.chain.Slow(0) },
			alarm: true,
		},
		marketplace.WaitNode: {
			fail: func(h *house, _ marketplace.SignedCheque) { h.chain.Outage(true) },
			mend: func(h *house, _ marketplace.SignedCheque) { h.chain.Outage(false) },
		},
		marketplace.WaitUncovered: {
			fail: func(h *house, _ marketplace.SignedCheque) {
				h.withdraw()
			},
			mend: func(h *house, _ marketplace.SignedCheque) {
				h.onChain(h.vault.BuildDeposit(h.Context(), poster, poster.Address(), marketplace.BTT(100)))
			},
		},
		marketplace.WaitFrozen: {
			fail: func(h *house, _ marketplace.SignedCheque) { h.forge(orderbook.ChainDeposit) },
			mend: func(h *house, _ marketplace.SignedCheque) { h.forge(orderbook.ChainWithdraw) },
		},
	} {
		t.Run(string(reason), func(t *testing.T) {
			h := newHouse(t)
			cheque := h.signed()
			c.fail(h, cheque)
			s := h.settler()
			step := func() { _, _ = s.Step(t.Context(), time.Now()) }
			h.await("it waits", func() bool { step(); return h.waits(cheque.ID) == reason })
			w := h.cheque(cheque.ID).Wait
			if w.Detail == "" || w.Next == "" || w.RetryAt.Before(w.Since) ||
				strings.Contains(w.Detail, "0000000000") { // base units are not for people
				t.Errorf("it waits without a word: %+v", w)
			}
			t.Logf("%s: %s\n%s", w.Reason, w.Detail, w.Next)
			for range 5 {
				step()
			}
			if n := h.log.count("cheques wait for a person"); (n == 1) != c.alarm {
				t.Errorf("%d alarms: %q", n, h.log.lines)
			}
			c.mend(h, cheque)
			h.await("it is paid", func() bool {
				step()
				return h.cheque(cheque.ID).State == marketplace.ChequeSolid
			})
			if w := h.cheque(cheque.ID).Wait; w != nil {
				t.Errorf("paid, and waits: %+v", w)
			}
			h.paidOnce(cheque)
		})
	}
}

// A transaction that came to nothing in a block has burnt its fee: the next one waits longer each time, though
// it was sent without a fault, and a person is called once.
func TestAChequeThatBurnsItsFeeRestsLongerEachTime(t *testing.T) {
	h := newHouse(t)
	cheque := h.signed()
	h.chain.Slow(1 << 20)
	s, rests := h.settler(), map[int]time.Duration{}
	h.await("it was tried four times", func() bool {
		now := time.Now()
		_, _ = s.Step(t.Context(), now)
		w := h.cheque(cheque.ID).Wait
		if w != nil && w.Reason == marketplace.WaitTime && rests[w.Tries] == 0 {
			rests[w.Tries] = w.RetryAt.Sub(now)
		}
		return len(rests) == 4
	})
	for tries := 1; tries < 4; tries++ {
		if rests[tries+1] < 2*rests[tries]-time.Millisecond {
			t.Errorf("it rests %v", rests)
		}
	}
	if n := h.log.count("cheques wait for a person"); n != 1 {
		t.Errorf("%d alarms: %q", n, h.log.lines)
	}
}

// A credit that no block says freezes redemptions at the next solid block: what was written down
// is not sent, and nothing new is. When the books agree again all goes on.
func TestAForgedCreditFreezesWithinOneSolidBlock(t *testing.T) {
	h := newHouse(t)
	c := h.signed()
	staged := h.stage(c)
	s := h.settler()
	h.forge(orderbook.ChainDeposit)
	forged, err := h.ChainCursor(t.Context())
	h.must(err)
	_, err = s.Step(t.Context(), time.Now())
	h.must(err)
	state, err := h.Solvency(t.Context())
	h.must(err)
	if !state.Frozen || state.FrozenSince.IsZero() || state.Block < forged.Number {
		t.Errorf("one step after a credit in block %d: frozen %t at block %d", forged.Number,
			state.Frozen, state.Block)
	}
	h.await("a person is called", func() bool {
		_, err = s.Step(t.Context(), time.Now())
		h.must(err)
		return h.log.count("ERROR redemptions frozen") > 0
	})
	for range 20 {
		_, err = s.Step(t.Context(), time.Now())
		h.must(err)
	}
	if n := h.log.count("ERROR redemptions frozen"); n != 1 {
		t.Errorf("%d alarms: %q", n, h.log.lines)
	}
	if r, err := h.vault.Outcome(t.Context(), staged); err != nil || r.Outcome == escrow.Included ||
		r.Outcome == escrow.Confirmed {
		t.Errorf("what was written down was sent while frozen: %s (%v)", r.Outcome, err)
	}
	all, err := h.Cheques(t.Context(), orderbook.ChequeFilter{}, orderbook.Page{})
	h.must(err)
	for _, other := range all {
		if other.Wait == nil || other.Wait.Reason != marketplace.WaitFrozen {
			t.Errorf("cheque %d is %s and says: %+v", other.ID, other.State, other.Wait)
		}
	}
	h.forge(orderbook.ChainWithdraw)
	h.paidOnce(c)
	if state, err = h.Solvency(t.Context()); err != nil || state.Frozen {
		t.Errorf("the books agree and it is frozen since %s (%v)", state.FrozenSince, err)
	}
	if n := h.log.count("redemptions go on"); n != 1 {
		t.Errorf("told %d times that they go on: %q", n, h.log.lines)
	}
}

func TestARevocationOnChainEndsTheBountyAndPaysItsAgent(t *testing.T) {
	h := newHouse(t)
	h.fund(marketplace.BTT(500))
	l := h.lease()
	h.earn(l)
	h.sign()
	c := h.owed()
	h.onChain(h.vault.BuildRevoke(t.Context(), poster, mandate))
	h.until("the bounty is closed", func() bool {
		b, err := h.Bounty(t.Context(), l.Bounty)
		h.must(err)
		return strings.Contains(b.Reason, "revoked")
	})
	h.until("the agent was paid, or the vault refuses", func() bool {
		state := h.cheque(c.ID).State
		return state == marketplace.ChequeSolid || state == marketplace.ChequeExpired
	})
	h.until("the book knows the mandate's end", func() bool {
		return h.account(poster.Address()).Mandates[0].Expiry.Before(time.Now().Add(time.Hour))
	})
}

// Who has the quorum's signatures can draw a cap to its end. The cheque that comes later says so, calls
// a person, and burns nothing at a vault that must refuse it.
func TestACapThatIsUsedUpIsToldAndCostsNothing(t *testing.T) {
	h := newHouse(t)
	c := h.signed()
	d, err := h.vault.Domain(t.Context())
	h.must(err)
	other := marketplace.Cheque{From: poster.Address(), Mandate: mandate,
		To: named("stranger").Address(), Cumulative: marketplace.BTT(500)}
	var signatures []marketplace.Signature
	for _, k := range quorum[:2] {
		s, err := k.SignCheque(d, other)
		h.must(err)
		signatures = append(signatures, s)
	}
	h.onChain(h.vault.BuildRedeem(t.Context(), agent, other, signatures))
	s := h.settler()
	before, err := h.vault.TRX(t.Context(), operator.Address())
	h.must(err)
	step := func() {
		_, err := s.Step(t.Context(), time.Now())
		h.must(err)
	}
	h.await("it waits", func() bool { step(); return h.waits(c.ID) == marketplace.WaitCap })
	for range 20 {
		step()
	}
	after, err := h.vault.TRX(t.Context(), operator.Address())
	h.must(err)
	if after != before {
		t.Errorf("%d sun were burnt on it", before-after)
	}
	if n := h.log.count("cheques wait for a person"); n != 1 {
		t.Errorf("%d alarms: %q", n, h.log.lines)
	}
}
