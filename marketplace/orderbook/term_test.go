package orderbook_test

import (
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// sweep ends what is overdue at a time.
func (s *stage) sweep(at time.Time) {
	s.Helper()
	s.now = at
	_, err := s.Sweep(s.Context(), at)
	s.must(err)
}

func (s *stage) wanted() int {
	s.Helper()
	f, err := s.Freeze(s.Context(), s.now)
	s.must(err)
	return len(f.Bounties)
}

func TestABountyThatEverybodyDeclinedExpires(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(1)
	l := s.clear(b, s.agent(1))[0]
	_, err := s.Decline(t.Context(), l.Agent, l.ID, "no", s.now)
	s.must(err)
	if got := s.bounty(b.ID); got.State != marketplace.Degraded || s.wanted() != 1 {
		t.Fatalf("declined: bounty is %s, %d wanted", got.State, s.wanted())
	}
	s.sweep(b.GoodTill)
	if got := s.bounty(b.ID); got.State != marketplace.Expired || !got.Reserved.IsZero() ||
		s.wanted() != 0 {
		t.Errorf("bounty is %s with %s reserved, %d wanted", got.State, got.Reserved, s.wanted())
	}
	if got := s.account(poster).Free; got != marketplace.BTT(1000) {
		t.Errorf("%s free", got)
	}
}

func TestReplicasThatNobodyTookAreRefundedAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	terms := terms(3)
	terms.GoodFor = marketplace.Span(10 * time.Second)
	b := s.postTerms(terms)
	l := s.clear(b, s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil) // 5 s are paid, and the bounty is good no longer
	now, spent := s.bounty(b.ID), marketplace.BTT(1000).Sub(s.account(poster).Free)
	worst := s.rules.WorstLeft(s.lease(l.ID))
	if now.State != marketplace.Open || now.Reserved != worst || spent != now.Spent.Add(worst) {
		t.Fatalf("bounty is %s, %s reserved, can still cost %s", now.State, now.Reserved, worst)
	}
	if s.wanted() != 0 {
		t.Error("it is still offered to the matcher")
	}
	for range 14 {
		s.epoch(nil)
	}
	now = s.bounty(b.ID)
	if now.State != marketplace.Completed || s.lease(l.ID).Verified != 60 || !now.Reserved.IsZero() {
		t.Errorf("at its end: %s, %d s, %s reserved", now.State, s.lease(l.ID).Verified, now.Reserved)
	}
}

func TestABountyThatNeverProvedAnythingIsNotMatchedForEver(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(2)
	leases := s.clear(b, s.agent(1), s.agent(2))
	_, err := s.Accept(t.Context(), leases[0].Agent, leases[0].ID, s.now)
	s.must(err)
	s.sweep(leases[1].Deadline)
	s.now = b.GoodTill
	if s.wanted() != 0 {
		t.Error("a bounty without a proven replica is matched past its time")
	}
	s.sweep(b.GoodTill)
	s.sweep(b.GoodTill)
	if got := s.bounty(b.ID); got.State != marketplace.Expired || !got.Reserved.IsZero() {
		t.Errorf("bounty is %s with %s reserved", got.State, got.Reserved)
	}
}

func TestALeaseIsOverWhenItsLastEpochIsJudged(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	s.fetched(l)
	for range 13 {
		s.epoch(nil)
	}
	if got := s.lease(l.ID); got.EndsAt != s.now || got.Verified != 60 {
		t.Fatalf("ends %s, %d s; now is %s", got.EndsAt, got.Verified, s.now)
	}
	s.sweep(s.now.Add(s.rules.ReportSlack.Duration()))
	if got := s.lease(l.ID); got.State != marketplace.LeaseDone {
		t.Errorf("lease is %s after the verdict of its last epoch", got.State)
	}
}

func TestGraceEndsWithAMissedAuditAndNotByTheClock(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	missed := map[int64]marketplace.Outcome{l.ID: marketplace.Unreachable}
	s.epoch(missed)
	s.sweep(s.now.Add(s.rules.Grace.Duration())) // no audit could find that it is back
	if got := s.lease(l.ID); got.State != marketplace.Grace {
		t.Fatalf("lease is %s before the next verdict", got.State)
	}
	s.epoch(map[int64]marketplace.Outcome{l.ID: marketplace.AuditorFault})
	if got := s.lease(l.ID); got.State != marketplace.Grace {
		t.Fatalf("lease is %s though no auditor looked", got.State)
	}
	s.epoch(nil)
	if got := s.lease(l.ID); got.State != marketplace.Active || got.Held.IsZero() {
		t.Fatalf("back from grace it is %s, %s held", got.State, got.Held)
	}
	s.epoch(missed)
	s.epoch(missed)
	if got := s.lease(l.ID); got.State != marketplace.Failed || !got.Held.IsZero() {
		t.Errorf("after grace and another miss it is %s, %s held", got.State, got.Held)
	}
}

func TestWhomNoAuditorVisitedIsNotToBlame(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(1)
	l := s.clear(b, s.agent(1))[0]
	s.fetched(l)
	s.epoch(map[int64]marketplace.Outcome{l.ID: marketplace.AuditorFault})
	s.sweep(s.lease(l.ID).Deadline)
	f, err := s.Freeze(t.Context(), s.now)
	s.must(err)
	if got := s.lease(l.ID); got.State != marketplace.Released || len(f.Barred) != 0 {
		t.Errorf("lease is %s (%s), barred %v", got.State, got.Reason, f.Barred)
	}
}
