package orderbook_test

import (
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// aV1Stage is a stage on whose torrent six audits in a row must show a root: those of two epochs.
func aV1Stage(t *testing.T) *stage {
	t.Helper()
	s := aStage(t)
	s.rules.Seasoned = 48
	book, err := orderbook.Open(t.Context(), s.url, orderbook.Options{Rules: s.rules, FeePayee: fees})
	s.must(err)
	first := s.Book
	s.Book = book
	t.Cleanup(func() { // what looks at the books in the end uses the first one
		s.Book = first
		book.Close()
	})
	return s
}

// committed brings a reserved lease to proving, with a root.
func (s *stage) committed(l marketplace.Lease, root marketplace.Hash) marketplace.Lease {
	s.Helper()
	_, err := s.Accept(s.Context(), l.Agent, l.ID, s.now)
	s.must(err)
	l, err = s.Ready(s.Context(), l.Agent, l.ID, root, s.now)
	s.must(err)
	return l
}

// silent lives through an epoch in which one audit of each of some leases does not get what it asks for.
func (s *stage) silent(leases ...marketplace.Lease) {
	s.Helper()
	of := map[int64]bool{}
	for _, l := range leases {
		of[l.ID] = true
	}
	s.said(func(lease int64, _ marketplace.Address) []marketplace.Outcome {
		if of[lease] {
			of[lease] = false
			return []marketplace.Outcome{marketplace.Timeout, marketplace.Timeout, marketplace.Timeout}
		}
		return []marketplace.Outcome{marketplace.Pass}
	})
	_, err := s.Sweep(s.Context(), s.now)
	s.must(err)
}

// wantRoot holds a lease's state and how many audits in a row have shown its root against what they should be.
func (s *stage) wantRoot(what string, l marketplace.Lease, state marketplace.LeaseState, clean int) {
	s.Helper()
	if got := s.lease(l.ID); got.State != state || got.Clean != clean || got.CleanMin != 6 {
		s.Errorf("%s: %s, %d of %d audits in a row: %s", what, got.State, got.Clean, got.CleanMin, got.Reason)
	}
}

func TestALeaseOnV1IsPaidWhenAuditsInARowHaveShownItsRoot(t *testing.T) {
	t.Parallel()
	s := aV1Stage(t)
	b := s.post(2)
	l := s.committed(s.clear(b, s.agent(1))[0], marketplace.Hash{1})
	s.epoch(nil)
	s.wantRoot("after an epoch", l, marketplace.Proving, 3)
	if got := s.lease(l.ID); got.Reason != "its root is being checked: 3 of 6 audits in a row have shown it" ||
		!got.Deadline.Equal(s.now.Add(s.rules.ProveDeadline.Duration())) {
		t.Errorf("until %s: %s", got.Deadline, got.Reason)
	}
	s.silent(l)
	s.wantRoot("one audit is silent, and the epoch passes", l, marketplace.Proving, 0)
	s.epoch(nil)
	s.epoch(nil)
	s.wantRoot("two more epochs", l, marketplace.Active, 6)
	k := s.rules.EpochAt(s.now) - 1
	if p := s.proof(l.ID, k); p.Clean != 6 || p.Seconds != 0 || !s.lease(l.ID).Earned.IsZero() {
		t.Errorf("its proof says %+v", p)
	}
	if got := s.lease(l.ID); !got.ActiveAt.Equal(s.now) || got.Passed != 4 {
		t.Errorf("it is active from %s on, after %d passed epochs", got.ActiveAt, got.Passed)
	}
	second := s.committed(s.clear(b, s.agent(2))[1], marketplace.Hash{1})
	s.silent(l, second)
	s.wantRoot("it goes on", l, marketplace.Active, 6)
	s.wantRoot("another one with the same root, at its first pass", second, marketplace.Active, 6)
	if s.lease(l.ID).Earned.IsZero() {
		t.Error("the first one is not paid")
	}
}

func TestLeasesThatDisagreeOnARootEachShowTheirOwn(t *testing.T) {
	t.Parallel()
	s := aV1Stage(t)
	first := s.committed(s.clear(s.post(1), s.agent(1))[0], marketplace.Hash{1})
	s.epoch(nil)
	s.epoch(nil)
	s.wantRoot("the first one", first, marketplace.Active, 6)
	other := s.committed(s.clear(s.post(1), s.agent(2))[0], marketplace.Hash{2})
	later := s.committed(s.clear(s.post(1), s.agent(3))[0], marketplace.Hash{1})
	s.epoch(nil)
	s.wantRoot("another root", other, marketplace.Proving, 3)
	s.wantRoot("the believed one, in dispute", later, marketplace.Proving, 3)
	s.epoch(nil)
	s.wantRoot("another root, shown", other, marketplace.Active, 6)
	s.wantRoot("the believed one, shown anew", later, marketplace.Active, 6)
	s.wantRoot("the first one", first, marketplace.Active, 6)
}

func TestWhoIsSilentAboutWhatItMadeUpIsNeverPaidAndLosesTheLease(t *testing.T) {
	t.Parallel()
	s := aV1Stage(t)
	b := s.post(1)
	l := s.committed(s.clear(b, s.agent(1))[0], marketplace.Hash{1})
	for range 10 {
		if s.lease(l.ID).State.Live() {
			s.silent(l)
		}
	}
	if got := s.lease(l.ID); got.State != marketplace.Failed || got.Cause != marketplace.CauseLate ||
		got.Passed == 0 || got.Missed != 0 || !got.Earned.IsZero() {
		t.Errorf("it passes all epochs by two of three, and is %+v", got)
	}
	f, err := s.Freeze(s.Context(), s.now)
	s.must(err)
	if len(f.Barred) != 1 || f.Barred[0] != (orderbook.Bar{Bounty: b.ID, Agent: l.Agent}) {
		t.Errorf("barred are %v", f.Barred)
	}
}
