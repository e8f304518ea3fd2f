package orderbook_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// atOnce runs all, begun together, and returns their errors.
func atOnce(works ...func() error) []error {
	errs := make([]error, len(works))
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i, work := range works {
		wg.Go(func() {
			<-begin
			errs[i] = work()
		})
	}
	close(begin)
	wg.Wait()
	return errs
}

func TestACancelAndACallForTheSameReplicaNeverBothWin(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	lead, err := s.Lead(t.Context(), "matcher")
	s.must(err)
	defer lead.Resign()
	o := s.agent(1)
	for i := range 10 {
		b := s.post(1)
		c := marketplace.Call{Hash: marketplace.Hash{byte(i)}, Fills: []marketplace.Fill{{
			Bounty: b.ID, Offer: o.ID, Price: marketplace.BTT(2000)}}}
		errs := atOnce(func() error {
			_, err := s.RecordCall(t.Context(), lead.Fence(), c, orderbook.Reasons{}, s.now)
			return err
		}, func() error {
			_, _, err := s.Cancel(t.Context(), orderbook.Key{Account: poster}, b.ID, s.now)
			return err
		})
		if errs[1] != nil || errs[0] != nil && !errors.Is(errs[0], marketplace.Conflict) {
			t.Fatalf("call: %v, cancel: %v", errs[0], errs[1])
		}
		// Reserved leases are let go at once, so that either way nothing is left.
		if got := s.bounty(b.ID); got.State != marketplace.Cancelled || got.Leased != 0 ||
			!got.Reserved.IsZero() {
			t.Fatalf("bounty is %s with %d leases and %s reserved", got.State, got.Leased, got.Reserved)
		}
	}
	if got := s.account(poster).Free; got != marketplace.BTT(1000) {
		t.Errorf("%s free", got)
	}
}

func TestOneReplicaIsGivenOnceHoweverManyCallsRace(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	lead, err := s.Lead(t.Context(), "matcher")
	s.must(err)
	defer lead.Resign()
	b := s.post(1)
	var works []func() error
	for i := range 8 {
		o := s.agent(i)
		c := marketplace.Call{Hash: marketplace.Hash{byte(i)}, Fills: []marketplace.Fill{{
			Bounty: b.ID, Offer: o.ID, Price: marketplace.BTT(2000)}}}
		works = append(works, func() error {
			_, err := s.RecordCall(t.Context(), lead.Fence(), c, orderbook.Reasons{}, s.now)
			return err
		})
	}
	won := 0
	for _, err := range atOnce(works...) {
		if err == nil {
			won++
		} else if !errors.Is(err, marketplace.Conflict) {
			t.Error(err)
		}
	}
	if got := s.bounty(b.ID); won != 1 || got.Leased != 1 {
		t.Errorf("%d calls won, %d leases", won, got.Leased)
	}
}

func TestAnEpochIsPaidOnceHoweverManyJudgeIt(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	var offers []marketplace.Offer
	for i := range 3 {
		offers = append(offers, s.agent(i))
	}
	leases := s.clear(s.post(3), offers...)
	s.fetched(leases...)
	s.epoch(nil)
	k := s.rules.EpochAt(s.now)
	s.must(s.OpenEpoch(t.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, s.now))
	for _, l := range leases {
		s.report(l.ID, k, marketplace.Pass)
	}
	s.now = s.rules.EpochStart(k + 1)
	judge := func() error { _, err := s.JudgeEpochs(t.Context(), s.now); return err }
	sweep := func() error { _, err := s.Sweep(t.Context(), s.now); return err }
	for _, err := range atOnce(judge, sweep, judge, judge, sweep, judge) {
		s.must(err)
	}
	want := marketplace.KeepPay(marketplace.BTT(2000), size, 5)
	for _, l := range leases {
		if got := s.lease(l.ID); got.Earned != want || got.Passed != 2 {
			t.Errorf("earned %s in %d epochs, want %s", got.Earned, got.Passed, want)
		}
	}
}

func TestAChequeIsStagedOnceHoweverManySettle(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	s.fetched(s.clear(s.post(1), s.agent(1))...)
	s.epoch(nil)
	s.epoch(nil)
	s.quorum()
	due, err := s.Redeemable(t.Context(), 10)
	s.must(err)
	var works []func() error
	for i := range 6 {
		tx := orderbook.StagedTx{ID: fmt.Sprint(i), Cheque: due[0].ID, Raw: []byte{1},
			Expires: s.now.Add(time.Minute)}
		works = append(works, func() error { return s.StageTx(t.Context(), tx, s.now) })
	}
	won := 0
	for _, err := range atOnce(works...) {
		if err == nil {
			won++
		} else if !errors.Is(err, marketplace.Conflict) {
			t.Error(err)
		}
	}
	if flying, err := s.InFlight(t.Context()); err != nil || won != 1 || len(flying) != 1 {
		t.Errorf("%d staged, %d in flight, %v", won, len(flying), err)
	}
}
