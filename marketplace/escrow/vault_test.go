package escrow_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/deploy/devchain"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

func TestADepositIsCreditedAndACheckedChequePaysTheDifferenceOnly(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	m := w.fund(marketplace.BTT(100))
	w.holds(poster.Address(), "100", "900")

	got, err := w.MandateOf(ctx, poster.Address(), m.ID)
	if err != nil || got.Threshold != 2 || got.Cap != m.Cap || !got.Expiry.Equal(m.Expiry) ||
		len(got.Signers) != 3 || !got.Committed.IsZero() {
		t.Fatalf("mandate is %+v (%v), want %+v", got, err, m)
	}

	c, all := w.signed(marketplace.BTT(10), quorum[0], quorum[2])
	w.solid(w.BuildRedeem(ctx, market, c, all))
	w.holds(payee.Address(), "0", "10")

	// Three signatures, in any order: the two that are asked for go on chain.
	c, all = w.signed(marketplace.BTT(25), quorum[2], quorum[0], quorum[1])
	w.solid(w.BuildRedeem(ctx, market, c, all))
	w.holds(payee.Address(), "0", "25")
	w.holds(poster.Address(), "75", "900")

	paid, err := w.Paid(ctx, poster.Address(), m.ID, payee.Address())
	if err != nil || paid != marketplace.BTT(25) {
		t.Errorf("paid is %s (%v)", paid, err)
	}
	sum, err := w.Obligations(ctx)
	if err != nil || sum != marketplace.BTT(75) {
		t.Errorf("obligations are %s (%v)", sum, err)
	}

	_, err = w.BuildRedeem(ctx, market, c, all)
	refuses(t, "the same cheque again", err, marketplace.Conflict)
	c, all = w.signed(marketplace.BTT(26), quorum[0], named("stranger"))
	_, err = w.BuildRedeem(ctx, market, c, all)
	refuses(t, "one auditor and a stranger", err, marketplace.Conflict)
	c, all = w.signed(marketplace.BTT(101), quorum[0], quorum[1])
	_, err = w.BuildRedeem(ctx, market, c, all)
	refuses(t, "more than the cap", err, marketplace.Insufficient)
}

func TestTwoRedemptionsOfOneChequePayOnce(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	w.fund(marketplace.BTT(100))
	c, all := w.signed(marketplace.BTT(10), quorum[0], quorum[1])
	one, err := w.BuildRedeem(ctx, market, c, all)
	if err != nil {
		t.Fatal(err)
	}
	two, err := w.BuildRedeem(ctx, admin, c, all)
	if err != nil {
		t.Fatal(err)
	}
	if r := w.final(one); r.Outcome != escrow.Confirmed || r.Fee == 0 || r.Block == 0 {
		t.Errorf("first redemption: %+v", r)
	}
	r := w.final(two)
	if r.Outcome != escrow.Reverted || !strings.HasPrefix(r.Reason, "NothingDue(paid 10 BTT)") {
		t.Errorf("second redemption: %+v", r)
	}
	w.holds(payee.Address(), "0", "10")
}

func TestSendingAgainPaysOnce(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	w.fund(marketplace.BTT(100))
	c, all := w.signed(marketplace.BTT(10), quorum[0], quorum[1])
	s, err := w.BuildRedeem(ctx, market, c, all)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // before it is in a block
		if err := w.Send(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	if r := w.final(s); r.Outcome != escrow.Confirmed {
		t.Fatalf("redemption: %+v", r)
	}
	if err := w.Send(ctx, s); err != nil { // and after
		t.Errorf("send what is solid: %v", err)
	}
	w.holds(payee.Address(), "0", "10")
	w.holds(poster.Address(), "90", "900")
}

func TestALostTransactionIsSentAgain(t *testing.T) {
	w := newTown(t)
	w.fund(marketplace.BTT(100))
	c, all := w.signed(marketplace.BTT(10), quorum[0], quorum[1])
	s, err := w.BuildRedeem(t.Context(), market, c, all)
	if err != nil {
		t.Fatal(err)
	}
	w.chain.Drop(2)
	w.chain.Busy(1)
	if r := w.final(s); r.Outcome != escrow.Confirmed {
		t.Errorf("redemption: %+v", r)
	}
	w.holds(payee.Address(), "0", "10")
}

func TestATransactionThatNoBlockTookLapses(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	w.config.Expires = time.Second
	w.Vault = w.dial(w.config)
	s, err := w.BuildTransferBTT(ctx, poster, payee.Address(), marketplace.BTT(1))
	if err != nil {
		t.Fatal(err)
	}
	w.until("lapsed", func() bool {
		head, err := w.SolidHead(ctx)
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.Outcome(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		if r.Outcome == escrow.Lapsed {
			return true
		}
		if r.Outcome != escrow.Pending || !head.Time.Before(s.Expires) {
			t.Fatalf("%s at solid %s; it expires %s", r.Outcome, head.Time, s.Expires)
		}
		return false
	})
	if err := w.Send(ctx, s); err == nil {
		t.Error("an expired transaction was taken")
	}
	w.holds(payee.Address(), "0", "0")
}

func TestAReorganisedTransactionIsPendingAgain(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	s, err := w.BuildTransferBTT(ctx, poster, payee.Address(), marketplace.BTT(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Send(ctx, s); err != nil {
		t.Fatal(err)
	}
	outcome := func() escrow.Outcome {
		r, err := w.Outcome(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		return r.Outcome
	}
	w.until("included", func() bool { return outcome() == escrow.Included })
	w.chain.Stale(true)
	if err := w.chain.Reorg(devchain.SolidAfter, false); err != nil {
		t.Fatal(err)
	}
	if got := outcome(); got != escrow.Pending {
		t.Errorf("after the reorganisation it is %s", got)
	}
	w.chain.Stale(false)
	if r := w.final(s); r.Outcome != escrow.Confirmed {
		t.Errorf("sent again: %+v", r)
	}
	w.holds(payee.Address(), "0", "1")
}

func TestAThawGivesTheRestBackAndChequesGoFirst(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	w.fund(marketplace.BTT(100))
	_, err := w.BuildWithdraw(ctx, poster)
	refuses(t, "withdraw without a thaw", err, marketplace.Conflict)
	_, err = w.BuildThaw(ctx, poster, marketplace.BTT(101))
	refuses(t, "thaw more than there is", err, marketplace.Insufficient)

	period, err := w.ThawPeriod(ctx)
	if err != nil || period != thaw {
		t.Fatalf("thaw period is %s (%v)", period, err)
	}
	w.solid(w.BuildThaw(ctx, poster, marketplace.BTT(100)))
	amount, ends, err := w.ThawOf(ctx, poster.Address())
	if err != nil || amount != marketplace.BTT(100) || ends.IsZero() {
		t.Fatalf("thawing %s until %s (%v)", amount, ends, err)
	}
	c, all := w.signed(marketplace.BTT(30), quorum[0], quorum[1])
	w.solid(w.BuildRedeem(ctx, market, c, all)) // in the thaw
	w.thawed()
	w.solid(w.BuildWithdraw(ctx, poster))
	w.holds(payee.Address(), "0", "30")
	w.holds(poster.Address(), "0", "970")

	c, all = w.signed(marketplace.BTT(40), quorum[0], quorum[1])
	_, err = w.BuildRedeemUpTo(ctx, market, c, all)
	refuses(t, "redeem from an empty account", err, marketplace.Insufficient)
}

// thawed waits until the poster's thaw is over.
func (w *town) thawed() {
	w.t.Helper()
	w.until("thawed", func() bool {
		_, ends, err := w.ThawOf(w.t.Context(), poster.Address())
		if err != nil {
			w.t.Fatal(err)
		}
		head, err := w.Head(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		return !ends.IsZero() && !head.Time.Before(ends)
	})
}

func TestRedeemUpToPaysWhatThereIs(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	w.solid(w.BuildOpenMandate(ctx, poster, mandate(marketplace.BTT(500), time.Hour)))
	w.solid(w.BuildDeposit(ctx, poster, marketplace.Address{}, marketplace.BTT(7)))
	c, all := w.signed(marketplace.BTT(10), quorum[0], quorum[1])
	_, err := w.BuildRedeem(ctx, market, c, all)
	refuses(t, "redeem more than there is", err, marketplace.Insufficient)
	w.solid(w.BuildRedeemUpTo(ctx, market, c, all))
	w.holds(payee.Address(), "0", "7")

	w.solid(w.BuildDeposit(ctx, poster, poster.Address(), marketplace.BTT(50)))
	w.solid(w.BuildRedeem(ctx, market, c, all)) // the rest of the same cheque
	w.holds(payee.Address(), "0", "10")
	w.holds(poster.Address(), "47", "943")
}

func TestACheckedPayoutGoesWhereItsPayeeSignedForAndNowhereElse(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	w.fund(marketplace.BTT(100))
	d, cold := w.cold()
	c, all := w.signed(marketplace.BTT(10), quorum[0], quorum[1])
	payout, err := payee.SignPayout(d, c, cold)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.BuildRedeemTo(ctx, market, c, all, market.Address(), payout)
	refuses(t, "to another than was signed for", err, marketplace.Conflict)
	w.solid(w.BuildRedeemTo(ctx, market, c, all, cold, payout))
	w.holds(payee.Address(), "0", "0")
	w.holds(cold, "0", "10")
	_, err = w.BuildRedeemTo(ctx, market, c, all, cold, payout)
	refuses(t, "the same payout again", err, marketplace.Conflict)

	more, all := w.signed(marketplace.BTT(25), quorum[0], quorum[1])
	_, err = w.BuildRedeemTo(ctx, market, more, all, cold, payout)
	refuses(t, "a payout of an earlier cheque", err, marketplace.Conflict)
	w.solid(w.BuildRedeem(ctx, market, more, all))
	w.holds(payee.Address(), "0", "15")
	w.holds(cold, "0", "10")
}

func TestARevokedMandateEnds(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	m := w.fund(marketplace.BTT(100))
	_, err := w.BuildRevoke(ctx, poster, marketplace.Hash{2})
	refuses(t, "revoke what was never opened", err, marketplace.Conflict)
	_, err = w.BuildRevoke(ctx, market, m.ID)
	refuses(t, "revoke another's mandate", err, marketplace.Conflict)

	w.solid(w.BuildRevoke(ctx, poster, m.ID))
	_, err = w.BuildRevoke(ctx, poster, m.ID)
	refuses(t, "revoke again", err, marketplace.Conflict)
	got, err := w.MandateOf(ctx, poster.Address(), m.ID)
	if err != nil || !got.Expiry.Before(m.Expiry) {
		t.Fatalf("revoked mandate ends %s (%v), not before %s", got.Expiry, err, m.Expiry)
	}
	w.until("ended", func() bool {
		head, err := w.Head(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return head.Time.After(got.Expiry.Add(time.Second))
	})
	c, all := w.signed(marketplace.BTT(20), quorum[0], quorum[1])
	_, err = w.BuildRedeem(ctx, market, c, all)
	refuses(t, "redeem after the end", err, marketplace.Conflict)
	w.holds(poster.Address(), "100", "900")
}

func TestEventsTellTheWholeStoryFromSolidBlocks(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	from, err := w.SolidHead(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m := mandate(marketplace.BTT(90), time.Hour)
	w.do(w.BuildDepositAndOpen(ctx, poster, marketplace.BTT(100), m))
	if early := w.story(from.Number); len(early) != 0 {
		t.Errorf("events before their block is solid: %+v", early)
	}
	w.do(w.BuildDeposit(ctx, poster, payee.Address(), marketplace.BTT(5)))
	w.do(w.BuildThaw(ctx, poster, marketplace.BTT(60)))
	w.solid(w.BuildCancelThaw(ctx, poster))
	c, all := w.signed(marketplace.BTT(20), quorum[1], quorum[2])
	w.do(w.BuildRedeem(ctx, market, c, all))
	w.do(w.BuildThaw(ctx, poster, marketplace.BTT(80)))
	w.thawed()
	d, cold := w.cold()
	most, all := w.signed(marketplace.BTT(30), quorum[1], quorum[2])
	payout, err := payee.SignPayout(d, most, cold)
	if err != nil {
		t.Fatal(err)
	}
	w.do(w.BuildRedeemTo(ctx, market, most, all, cold, payout))
	w.do(w.BuildRevoke(ctx, poster, m.ID))
	w.solid(w.BuildWithdraw(ctx, poster))

	p := poster.Address()
	want := []escrow.Event{
		{Kind: escrow.Deposited, Account: p, Payer: p, Amount: marketplace.BTT(100)},
		{Kind: escrow.MandateOpened, Account: p, Mandate: m},
		{Kind: escrow.Deposited, Account: payee.Address(), Payer: p, Amount: marketplace.BTT(5)},
		{Kind: escrow.ThawStarted, Account: p, Amount: marketplace.BTT(60)},
		{Kind: escrow.ThawCancelled, Account: p},
		{Kind: escrow.Redeemed, Account: p, Amount: marketplace.BTT(20), Cheque: c},
		{Kind: escrow.ThawStarted, Account: p, Amount: marketplace.BTT(80)},
		{Kind: escrow.Redeemed, Account: p, Amount: marketplace.BTT(10), Cheque: most},
		{Kind: escrow.Redirected, Account: p, Amount: marketplace.BTT(10), Recipient: cold,
			Cheque: marketplace.Cheque{From: p, Mandate: m.ID, To: payee.Address()}},
		{Kind: escrow.MandateRevoked, Account: p,
			Mandate: marketplace.Mandate{Poster: p, ID: m.ID}},
		{Kind: escrow.Withdrawn, Account: p, Amount: marketplace.BTT(70)},
	}
	got := w.story(from.Number)
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d: %+v", len(got), len(want), got)
	}
	for i, e := range got {
		if e.Tx.IsZero() || (e.Kind == escrow.ThawStarted) == e.Ends.IsZero() {
			t.Errorf("event %d has tx %s and ends %s", i, e.Tx, e.Ends)
		}
		e.Tx, e.Index, e.Ends = marketplace.Hash{}, 0, time.Time{}
		switch e.Kind {
		case escrow.MandateOpened:
			e.Mandate.Signers = m.Signers // the contract keeps them in another order
		case escrow.MandateRevoked:
			if e.Mandate.Expiry.IsZero() || !e.Mandate.Expiry.Before(m.Expiry) {
				t.Errorf("revoked mandate ends %s", e.Mandate.Expiry)
			}
			e.Mandate.Expiry = time.Time{}
		}
		if !reflect.DeepEqual(e, want[i]) {
			t.Errorf("event %d is %+v, want %+v", i, e, want[i])
		}
	}
}

// cold returns what payouts are signed for, and an account that nobody has used.
func (w *town) cold() (escrow.Domain, marketplace.Address) {
	w.t.Helper()
	d, err := w.Domain(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return d, named("cold").Address()
}

// story reads every event from a block on, a few blocks at a time.
func (w *town) story(from int64) (all []escrow.Event) {
	w.t.Helper()
	var last marketplace.Hash
	for {
		blocks, err := w.Events(w.t.Context(), from, 7)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(blocks) == 0 {
			return all
		}
		for _, b := range blocks {
			if b.Number != from || (!last.IsZero() && b.Parent != last) {
				w.t.Fatalf("block %d with parent %s after %s", b.Number, b.Parent, last)
			}
			from, last = b.Number+1, b.ID
			all = append(all, b.Events...)
		}
	}
}

func TestFirstSolidBlockIsTheFirst(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	blocks, err := w.Events(ctx, 0, 1000)
	if err != nil || len(blocks) < 3 {
		t.Fatalf("%d blocks: %v", len(blocks), err)
	}
	for i, b := range blocks {
		since := b.Time
		if i > 0 {
			since = blocks[i-1].Time.Add(time.Millisecond)
		}
		got, ok, err := w.FirstSolidBlock(ctx, since)
		if err != nil || !ok || got.Number != b.Number || got.ID != b.ID {
			t.Fatalf("first block since %s is %d, want %d (%v, %v)", since, got.Number, b.Number,
				ok, err)
		}
	}
	if _, ok, err := w.FirstSolidBlock(ctx, time.Now().Add(time.Hour)); ok || err != nil {
		t.Errorf("there is a block of the future (%v)", err)
	}
}
