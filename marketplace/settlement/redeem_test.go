package settlement

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// A settler may die at any point between writing a redemption down and noting that it is solid.
// Another one carries on with the same transaction.
func TestASettlerThatDiesPaysOnce(t *testing.T) {
	reach := func(o escrow.Outcome) func(*house, escrow.Staged) {
		return func(h *house, s escrow.Staged) {
			h.must(h.vault.Send(h.Context(), s))
			for {
				r, err := h.vault.Outcome(h.Context(), s)
				h.must(err)
				if r.Outcome == o || r.Outcome == escrow.Confirmed {
					return
				}
				time.Sleep(blockTime / 2)
			}
		}
	}
	for name, lived := range map[string]func(*house, escrow.Staged){
		"written down": func(*house, escrow.Staged) {},
		"sent":         func(h *house, s escrow.Staged) { h.must(h.vault.Send(h.Context(), s)) },
		"included":     reach(escrow.Included),
		"solid":        reach(escrow.Confirmed),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			c := h.signed()
			s, err := h.vault.BuildRedeem(t.Context(), operator, c.Cheque, c.Signatures)
			h.must(err)
			h.must(h.StageTx(t.Context(), orderbook.StagedTx{ID: s.ID, Cheque: c.ID, Raw: s.Raw,
				Expires: s.Expires}, time.Now()))
			lived(h, s)
			h.paidOnce(c)
			if got := h.cheque(c.ID).Tx; got != s.ID {
				t.Errorf("redeemed by %s, written down was %s", got, s.ID)
			}
		})
	}
}

// Steps are cut off after random times, mostly in the middle, each by another process. They live
// longer and longer, so that one gets through in the end however slow the machine is.
func TestASettlerThatDiesAllTheTimePaysOnce(t *testing.T) {
	h := newHouse(t)
	c := h.signed()
	died := 0
	for life := blockTime; h.cheque(c.ID).State != marketplace.ChequeSolid; life += blockTime / 10 {
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(life))
		if _, err := h.settler().Step(ctx, time.Now()); err != nil {
			died++
		}
		cancel()
	}
	h.paidOnce(c)
	t.Logf("died %d times", died)
}

func TestALostTransactionIsBuiltAgainOnlyWhenItCanNoLongerCome(t *testing.T) {
	h := newHouse(t, func(h *house) { h.conf.Expires = 500 * time.Millisecond })
	c := h.signed()
	h.chain.Drop(1_000_000) // acknowledged and lost
	h.until("it was sent", func() bool { return h.cheque(c.ID).Tx != "" })
	first := h.cheque(c.ID).Tx
	h.until("another one was built", func() bool { return h.cheque(c.ID).Tx != first })
	if n := h.log.count("cheque lapsed"); n == 0 {
		t.Errorf("built again without a lapse: %q", h.log.lines)
	}
	h.chain.Drop(0)
	h.paidOnce(c)
}

func TestARedemptionInABlockThatWasTakenBackIsSentAgain(t *testing.T) {
	h := newHouse(t)
	c := h.signed()
	h.until("it is in a block", func() bool {
		return h.cheque(c.ID).State == marketplace.ChequeIncluded
	})
	h.must(h.chain.Reorg(17, false))
	h.paidOnce(c)
	if n := h.log.count("cheque lapsed"); n > 0 {
		t.Error("another transaction was built while the first could still come")
	}
}

// The payee's own redemption gets into the block before ours.
func TestAChequeThatItsPayeeBringsFirstIsNoAlarm(t *testing.T) {
	h := newHouse(t)
	c := h.signed()
	ours, err := h.vault.BuildRedeem(t.Context(), operator, c.Cheque, c.Signatures)
	h.must(err)
	h.must(h.StageTx(t.Context(), orderbook.StagedTx{ID: ours.ID, Cheque: c.ID, Raw: ours.Raw,
		Expires: ours.Expires}, time.Now()))
	h.chain.Hold(20)
	theirs, err := h.vault.BuildRedeem(t.Context(), agent, c.Cheque, c.Signatures)
	h.must(err)
	h.must(h.vault.Send(t.Context(), theirs))
	h.must(h.vault.Send(t.Context(), ours))
	h.paidOnce(c)
	if n := h.log.count("somebody else"); n != 1 || h.log.count("ERROR") > 0 {
		t.Errorf("told %d times: %q", n, h.log.lines)
	}
}

// The poster withdraws what its agent has earned, which the vault allows after the thaw. The
// cheque takes what there is, whenever there is something.
func TestAChequeThatIsNotCoveredTakesWhatThereIs(t *testing.T) {
	h := newHouse(t)
	c := h.signed()
	h.withdraw()
	h.until("the cheque waits", func() bool { return h.waits(c.ID) == marketplace.WaitUncovered })

	// Agent, fee payee and auditors race for what comes; nobody is paid twice or forgotten.
	all, err := h.Cheques(t.Context(), orderbook.ChequeFilter{State: marketplace.ChequeSigned},
		orderbook.Page{})
	h.must(err)
	var whole marketplace.Amount
	for _, one := range all {
		whole = whole.Add(one.Cheque.Cumulative)
	}
	paid := func(total marketplace.Amount) func() bool {
		return func() bool {
			var sum marketplace.Amount
			for _, who := range append([]marketplace.Address{payee, fees}, auditors()...) {
				has, err := h.vault.TokenBalance(t.Context(), who)
				h.must(err)
				sum = sum.Add(has)
			}
			return sum == total
		}
	}
	little := marketplace.MustAmount("0.1")
	h.onChain(h.vault.BuildDeposit(t.Context(), poster, poster.Address(), little))
	h.until("what there was is paid", paid(little))
	h.onChain(h.vault.BuildDeposit(t.Context(), poster, poster.Address(), marketplace.BTT(1)))
	h.until("the rest is paid", paid(whole))
	if h.log.count("ERROR") > 0 {
		t.Errorf("alarms: %q", h.log.lines)
	}
}

// Both cheques are covered when they are built, and the first one takes all.
func TestAChequeThatComesSecondWaitsForMore(t *testing.T) {
	h := newHouse(t)
	c := h.signed()
	all, err := h.Cheques(t.Context(), orderbook.ChequeFilter{Payee: fees}, orderbook.Page{})
	h.must(err)
	left := marketplace.BTT(500).Sub(c.Cheque.Cumulative)
	h.onChain(h.vault.BuildThaw(t.Context(), poster, left))
	time.Sleep(time.Second) // the vault's thaw period, on the chain's clock
	h.onChain(h.vault.BuildWithdraw(t.Context(), poster))
	for _, signed := range []marketplace.SignedCheque{c, all[0]} {
		tx, err := h.vault.BuildRedeem(t.Context(), operator, signed.Cheque, signed.Signatures)
		h.must(err)
		h.must(h.StageTx(t.Context(), orderbook.StagedTx{ID: tx.ID, Cheque: signed.ID, Raw: tx.Raw,
			Expires: tx.Expires}, time.Now()))
	}
	h.until("the second cheque waits", func() bool {
		return h.waits(all[0].ID) == marketplace.WaitUncovered ||
			h.waits(c.ID) == marketplace.WaitUncovered
	})
	h.onChain(h.vault.BuildDeposit(t.Context(), poster, poster.Address(), marketplace.BTT(1)))
	h.until("both are solid", func() bool {
		return h.cheque(c.ID).State == marketplace.ChequeSolid &&
			h.cheque(all[0].ID).State == marketplace.ChequeSolid
	})
	if h.log.count("ERROR") > 0 {
		t.Errorf("alarms: %q", h.log.lines)
	}
}

func TestAChequeIsRedeemedWhenItIsWorthItsFeeOrHasWaited(t *testing.T) {
	h := newHouse(t, func(h *house) { h.rules.RedeemAfter = marketplace.Span(time.Hour) })
	now := time.Now()
	for name, c := range map[string]struct {
		pays    string
		trx     string
		waited  time.Duration
		thawing bool
		expires time.Duration
		want    bool
	}{
		// 4 TRX at 100 BTT are 400 BTT, which is 2 % of 20,000.
		"worth it":             {pays: "20000", trx: "100", want: true},
		"one unit too little":  {pays: "19999.999999999999999999", trx: "100"},
		"waited":               {pays: "1", trx: "100", waited: time.Hour, want: true},
		"waited not enough":    {pays: "1", trx: "100", waited: time.Hour - 1},
		"the poster leaves":    {pays: "1", trx: "100", thawing: true, want: true},
		"the mandate ends":     {pays: "1", trx: "100", expires: 7 * time.Second, want: true},
		"it ends later":        {pays: "1", trx: "100", expires: 9 * time.Second},
		"TRX of unknown worth": {pays: "900000000", trx: "0"},
	} {
		s := h.settler()
		s.TRX = marketplace.MustAmount(c.trx)
		r := orderbook.Redemption{SignedAt: now.Add(-c.waited), Thawing: c.thawing,
			Redeemed: marketplace.BTT(5)}
		r.Cheque.Cumulative = marketplace.MustAmount(c.pays).Add(marketplace.BTT(5))
		if c.expires > 0 { // the notice of the rules is 8 s
			r.Expires = now.Add(c.expires)
		}
		w := s.small(r, now)
		if w == nil != c.want {
			t.Errorf("%s: %+v", name, w)
		}
		if w != nil && (w.Reason != marketplace.WaitSmall || !w.RetryAt.After(now)) {
			t.Errorf("%s waits without an end: %+v", name, w)
		}
	}
}
