package orderbook_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// A batch is an open epoch of three leases and a report of one auditor on each, which it committed to.
func batch(t *testing.T) (s *stage, k int64, all []marketplace.Report) {
	t.Helper()
	s = aStage(t)
	leases := s.clear(s.post(3), s.agent(1), s.agent(2), s.agent(3))
	s.fetched(leases...)
	k = s.rules.EpochAt(s.now)
	s.must(s.OpenEpoch(t.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, s.now))
	for _, l := range leases {
		all = append(all, s.found(l.ID, k, auditors[0]))
	}
	return s, k, all
}

// seal commits to reports.
func (s *stage) seal(all ...marketplace.Report) []marketplace.NotTaken {
	s.Helper()
	var sealed []marketplace.Commitment
	for _, r := range all {
		sealed = append(sealed, r.Sealed())
	}
	refused, err := s.Commit(s.Context(), all[0].Epoch, sealed, s.now)
	s.must(err)
	return refused
}

func (s *stage) taken(epoch int64) (leases []int64) {
	s.Helper()
	said, err := s.Reports(s.Context(), orderbook.ReportFilter{Epoch: epoch, Reader: auditors[0]},
		orderbook.Page{})
	s.must(err)
	for _, r := range said {
		leases = append(leases, r.Lease)
	}
	slices.Sort(leases)
	return leases
}

func TestWhatIsRefusedOfABatchCostsTheRestNothing(t *testing.T) {
	t.Parallel()
	s, k, all := batch(t)
	stranger := s.found(all[0].Lease, k, poster)
	if no := s.seal(append([]marketplace.Report{stranger}, all[:2]...)...); len(no) != 1 ||
		no[0].Kind != marketplace.Forbidden || no[0].Lease != stranger.Lease {
		t.Fatalf("of a batch with a stranger's commitment is refused: %+v", no)
	}
	other := all[0]
	other.Bytes++ // not what it committed to
	now := s.rules.CommitBy(k)
	for range 2 { // handing in twice is handing in once
		no, err := s.SaveReports(t.Context(), []marketplace.Report{other, all[1], all[2]}, now)
		if err != nil || len(no) != 2 || no[0].Kind != marketplace.Invalid || no[0].Lease != all[0].Lease ||
			no[1].Kind != marketplace.Forbidden || no[1].Lease != all[2].Lease {
			t.Errorf("refused: %+v %v", no, err)
		}
		if got := s.taken(k); !slices.Equal(got, []int64{all[1].Lease}) {
			t.Errorf("taken: %v", got)
		}
	}
}

func TestAReportThatPostgresCannotStoreCostsTheOthersNothing(t *testing.T) {
	t.Parallel()
	s, k, all := batch(t)
	all[1].Outcome = "pa\x00ss" // the door refuses it too
	s.seal(all...)
	no, err := s.SaveReports(t.Context(), all, s.rules.CommitBy(k))
	if err == nil || len(no) > 0 {
		t.Errorf("it was stored: %v, %v", no, err)
	}
	if got := s.taken(k); !slices.Equal(got, []int64{all[0].Lease, all[2].Lease}) {
		t.Errorf("taken: %v", got)
	}
}

func TestABatchOfAnEpochThatTakesNoneHoldsUpNoOtherEpoch(t *testing.T) {
	t.Parallel()
	s, k, all := batch(t)
	s.seal(all...)
	closed := s.found(all[0].Lease, k-1, auditors[0])
	no, err := s.SaveReports(t.Context(), append([]marketplace.Report{closed}, all...),
		s.rules.CommitBy(k))
	if !errors.Is(err, marketplace.Conflict) || len(no) > 0 || len(s.taken(k)) != 3 {
		t.Errorf("taken: %v, refused: %v, %v", s.taken(k), no, err)
	}
}

func TestWhoIsDrawnInNewEpochsIsKeptWhileOldOnesAreLookedAt(t *testing.T) {
	t.Parallel()
	s, first, all := batch(t)
	s.now = s.rules.EpochStart(first + 1)
	for k := first + 1; k < first+8; k++ {
		s.must(s.OpenEpoch(t.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, s.now))
	}
	newest := first + 7
	s.seal(s.found(all[0].Lease, newest, auditors[0]))
	_, err := s.JudgeEpochs(t.Context(), s.rules.ReportBy(first+5)) // only what is closed tells who was drawn
	s.must(err)
	for k := first; k < first+6; k++ {
		_, of, err := s.Trail(t.Context(), all[0].Lease, k)
		if s.must(err); len(of.Drawn) != 3 || of.Lease.ID != all[0].Lease || len(of.Epoch.Leases) != 1 {
			t.Errorf("epoch %d: %+v", k, of)
		}
	}
	// Were it drawn anew, it would be by what is there now.
	s.must(s.Tamper(t.Context(), `UPDATE audit_epochs SET leases = '[]'`))
	if no := s.seal(s.found(all[1].Lease, newest, auditors[0])); len(no) > 0 {
		t.Errorf("the newest epoch was forgotten: %+v", no)
	}
}
