package orderbook_test

import (
	"errors"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// owing is a stage on which an agent and the fee payee hold signed cheques for an epoch.
func owing(t *testing.T) *stage {
	t.Helper()
	s := aStage(t)
	s.fetched(s.clear(s.post(1), s.agent(1))[0])
	s.epoch(nil)
	s.epoch(nil)
	s.quorum()
	return s
}

// due returns what may be redeemed now.
func (s *stage) due() []orderbook.Redemption {
	s.Helper()
	all, err := s.Redeemable(s.Context(), 10)
	s.must(err)
	return all
}

func (s *stage) cheque(id int64) marketplace.SignedCheque {
	s.Helper()
	c, err := s.Cheque(s.Context(), id)
	s.must(err)
	return c
}

// told counts the events of a kind up to the first of another kind. Readers stay behind running
// transactions, so it waits for that one.
func (s *stage) told(kind, until string) (n int) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		all, _, err := s.EventsAfter(s.Context(), "", nil, 1000)
		s.must(err)
		n = 0
		for _, e := range all {
			if e.Kind == kind {
				n++
			}
			if e.Kind == until {
				return n
			}
		}
		if time.Now().After(deadline) {
			s.Fatal("there is no event", until)
		}
	}
}

func TestWhyAChequeWaitsIsToldOnceAndKeptUntilItGoesOn(t *testing.T) {
	t.Parallel()
	s := owing(t)
	id, since := s.due()[0].ID, s.now
	hold := func(reason marketplace.WaitReason, feeMax int64) *marketplace.Wait {
		t.Helper()
		s.must(s.Hold(t.Context(), id, marketplace.Wait{Reason: reason, Detail: "so it is",
			RetryAt: s.now.Add(time.Minute), FeeMax: feeMax}, s.now))
		s.now = s.now.Add(time.Second)
		return s.cheque(id).Wait
	}
	hold(marketplace.WaitEnergy, 7)
	w := hold(marketplace.WaitEnergy, 5)
	if w.Tries != 2 || !w.Since.Equal(since) || w.FeeMax != 7 || w.Next == "" {
		t.Errorf("found twice since %s: %+v", since, w)
	}
	if w = hold(marketplace.WaitTRX, 0); w.Tries != 1 || w.Since.Equal(since) {
		t.Errorf("found for another reason: %+v", w)
	}
	tx := orderbook.StagedTx{ID: "a", Cheque: id, Raw: []byte{1}, Expires: s.now}
	s.must(s.StageTx(t.Context(), tx, s.now))
	if n := s.told("cheque.waits", "cheque.submitted"); n != 2 {
		t.Errorf("told %d times of two reasons", n)
	}
	if w := s.cheque(id).Wait; w != nil {
		t.Errorf("on its way, and waits: %+v", w)
	}
	why := marketplace.Wait{Reason: marketplace.WaitRefused, Detail: "?", RetryAt: s.now}
	s.must(s.MarkReverted(t.Context(), tx.ID, why, s.now))
	for _, r := range s.due() {
		if r.ID == id && (r.State != marketplace.ChequeReverted || r.FeeMax != 7) {
			t.Errorf("reverted cheque is %s and may burn %d", r.State, r.FeeMax)
		}
	}
	tx.ID = "b"
	s.must(s.StageTx(t.Context(), tx, s.now)) // tried again, whatever it was
}

// The poster's signers may redeem a cheque in the very second in which its mandate ends, and not
// after it.
func TestWhatNobodyRedeemedBeforeTheMandateEndedIsThePostersAgain(t *testing.T) {
	t.Parallel()
	s := owing(t)
	flying := s.due()[0]
	s.must(s.StageTx(t.Context(), orderbook.StagedTx{ID: "a", Cheque: flying.ID, Raw: []byte{1},
		Expires: s.now}, s.now))
	others := s.due()
	other := others[0]
	before := s.account(poster)
	ends := s.now.Add(time.Hour).Truncate(time.Second)
	s.chain(orderbook.ChainEvent{Kind: orderbook.ChainRevoke, Account: poster,
		Mandate: marketplace.Mandate{ID: mandate, Expiry: ends}})
	expire := func(at time.Time, want int) {
		t.Helper()
		s.now = at
		s.chain()
		if n, err := s.ExpireCheques(t.Context(), s.now); err != nil || n != want {
			t.Errorf("%d cheques ended at %s, want %d (%v)", n, at, want, err)
		}
	}
	expire(ends.Add(999*time.Millisecond), 0)
	expire(ends.Add(time.Second), len(others))
	if c := s.cheque(other.ID); c.State != marketplace.ChequeExpired || c.Wait == nil ||
		c.Wait.Reason != marketplace.WaitExpired {
		t.Errorf("cheque is %s: %+v", c.State, c.Wait)
	}
	s.must(s.Unstage(t.Context(), "a", nil, s.now))
	expire(s.now, 1)
	if len(s.due()) > 0 {
		t.Error("a dead cheque is still to be redeemed")
	}
	after := s.account(poster)
	back := flying.Cheque.Cumulative
	for _, r := range others {
		back = back.Add(r.Cheque.Cumulative)
	}
	if after.Free.Add(after.Reserved) != before.Free.Add(before.Reserved).Add(back) {
		t.Errorf("%s BTT came back of %s", after.Free.Add(after.Reserved).SubFloor(
			before.Free.Add(before.Reserved)), back)
	}
	if sol, err := s.Solvency(t.Context()); err != nil || !sol.Payable.IsZero() {
		t.Errorf("%s BTT are payable and can never be paid (%v)", sol.Payable, err)
	}
}

func TestARevocationEndsTheBountiesThatWouldOutlastTheMandate(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	long := s.post(1)
	l := s.clear(long, s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	short := terms(1)
	short.KeepFor, short.GoodFor = marketplace.Span(10*time.Second), marketplace.Span(time.Second)
	brief := s.postTerms(short)
	ends := s.now.Add(20 * time.Second)
	s.chain(orderbook.ChainEvent{Kind: orderbook.ChainRevoke, Account: poster,
		Mandate: marketplace.Mandate{ID: mandate, Expiry: ends}})
	if m := s.account(poster).Mandates[0]; !m.Expiry.Equal(ends) {
		t.Errorf("the mandate ends %s, revoked for %s", m.Expiry, ends)
	}
	if _, _, err := s.Post(t.Context(), orderbook.Key{Account: poster}, terms(1), s.now); !errors.Is(err,
		marketplace.Insufficient) {
		t.Errorf("posted on a revoked mandate: %v", err)
	}
	if b := s.bounty(brief.ID); b.State != marketplace.Open || b.Reason != "" {
		t.Errorf("a bounty that ends in time is %s: %s", b.State, b.Reason)
	}
	for range 3 {
		s.epoch(nil)
	}
	if b := s.bounty(long.ID); b.State != marketplace.Cancelled ||
		b.Reason != "a poster revoked the mandate that pays for it" || !s.now.Before(ends) {
		t.Errorf("bounty is %s at %s: %s", b.State, s.now, b.Reason)
	}
	if l = s.lease(l.ID); l.State != marketplace.LeaseDone || !l.Held.IsZero() {
		t.Errorf("lease is %s and %s BTT are held back: it kept its word", l.State, l.Held)
	}
	// A later end changes nothing: the vault never gives one.
	s.chain(orderbook.ChainEvent{Kind: orderbook.ChainRevoke, Account: poster,
		Mandate: marketplace.Mandate{ID: mandate, Expiry: ends.Add(time.Hour)}})
	if m := s.account(poster).Mandates[0]; !m.Expiry.Equal(ends) {
		t.Errorf("the mandate ends %s after %s", m.Expiry, ends)
	}
}

// Where the notice would end after the last moment in which pay can still reach the chain, it is
// cut.
func TestNoticeIsNeverLongerThanTheMoneyStays(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	ends := s.now.Add(15 * time.Second) // 8 s of notice, 5 s of epoch and twice 2 s of slack are more
	s.chain(orderbook.ChainEvent{Kind: orderbook.ChainThaw, Account: poster,
		Amount: marketplace.BTT(1000), Ends: ends})
	if got := s.lease(l.ID).EndsAt; !got.Equal(ends.Add(-9 * time.Second)) {
		t.Errorf("the lease ends %s, the thaw %s", got, ends)
	}
}

func TestARedemptionShrinksAThawAsInTheVault(t *testing.T) {
	t.Parallel()
	s := owing(t)
	s.chain(orderbook.ChainEvent{Kind: orderbook.ChainThaw, Account: poster,
		Amount: marketplace.BTT(1000), Ends: s.now.Add(20 * time.Second)})
	r := s.due()[0]
	s.chain(orderbook.ChainEvent{Kind: orderbook.ChainRedeem, Account: poster, To: r.Cheque.To,
		Amount: r.Cheque.Cumulative, Cumulative: r.Cheque.Cumulative,
		Mandate: marketplace.Mandate{ID: mandate}})
	left := marketplace.BTT(1000).Sub(r.Cheque.Cumulative)
	if got := s.account(poster).Thawing; got != left {
		t.Errorf("%s BTT thaw of the %s that are left", got, left)
	}
}

// Of two agents one keeps its word and one does not; the third replica is never taken.
func TestEveryUnitOfABountyIsPaidVestedForfeitedOrRefunded(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(3)
	leases := s.clear(b, s.agent(1), s.agent(2))
	s.fetched(leases...)
	s.epoch(nil)
	s.epoch(nil)
	bad := map[int64]marketplace.Outcome{leases[1].ID: marketplace.BadData}
	for s.bounty(b.ID).State != marketplace.Completed {
		s.epoch(bad)
	}
	kept, failed := s.lease(leases[0].ID), s.lease(leases[1].ID)
	split := s.rules.Split(marketplace.Amount{}, failed.Earned)
	fee := s.rules.Fee(kept.Earned).Add(s.rules.Fee(failed.Earned))
	for who, want := range map[marketplace.Address]marketplace.Amount{
		kept.Payee: kept.Earned, failed.Payee: split.Payable,
	} {
		if a := s.account(who); a.Payable != want || !a.Held.IsZero() {
			t.Errorf("%s is owed %s with %s held back, want %s", who, a.Payable, a.Held, want)
		}
	}
	s.feesAre(fee)
	spent := kept.Earned.Add(split.Payable).Add(fee)
	a := s.account(poster)
	if a.Free != marketplace.BTT(1000).Sub(spent) || !a.Reserved.IsZero() || a.Spent != spent {
		t.Errorf("of 1000 BTT %s are free, %s reserved and %s spent; %s were earned", a.Free,
			a.Reserved, a.Spent, spent)
	}
	if kept.State != marketplace.LeaseDone || failed.State != marketplace.Failed ||
		split.Payable == failed.Earned {
		t.Errorf("leases are %s and %s", kept.State, failed.State)
	}
}
