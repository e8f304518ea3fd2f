package orderbook_test

import (
	"slices"
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// absent lives through an epoch in which no auditor reaches anyone at any try.
func (s *stage) absent() {
	s.Helper()
	k := s.rules.EpochAt(s.now)
	s.must(s.OpenEpoch(s.Context(), marketplace.AuditEpoch{Epoch: k, Block: s.block,
		Auditors: auditors}, s.now))
	e, err := s.AuditEpoch(s.Context(), k)
	s.must(err)
	away := slices.Repeat([]marketplace.Outcome{marketplace.Unreachable}, s.rules.Attempts)
	for _, l := range e.Leases {
		for _, auditor := range auditors {
			s.must(s.SaveReport(s.Context(), marketplace.Report{Lease: l.ID, Epoch: k, Auditor: auditor,
				Outcome: marketplace.Unreachable, Tries: away, At: s.now}, s.now))
		}
	}
	s.now = s.rules.EpochStart(k + 1)
	_, err = s.JudgeEpochs(s.Context(), s.now)
	s.must(err)
}

func (s *stage) offerOf(agent marketplace.Address) marketplace.Offer {
	s.Helper()
	o, err := s.OfferOf(s.Context(), agent)
	s.must(err)
	return o
}

func TestAnAgentThatIsAwayIsWarnedThenSuspendedAndComesBack(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	o := s.agent(1)
	s.fetched(s.clear(s.post(1), o)...)
	s.epoch(nil)
	s.absent()
	o = s.offerOf(o.Agent)
	if o.Standing != marketplace.New || len(o.Outlook.Warnings) != 1 ||
		o.Outlook.Warnings[0].Kind != marketplace.WarnUptime {
		t.Fatalf("after an epoch away: %s, %+v", o.Standing, o.Outlook)
	}
	s.absent()
	if o = s.offerOf(o.Agent); o.Standing != marketplace.Suspended || o.Leases > 0 ||
		o.Outlook.Reputation.Bps < 9999 {
		t.Fatalf("after two: %s with %d leases, %+v", o.Standing, o.Leases, o.Outlook)
	}
	epochs := 0
	for ; o.Standing == marketplace.Suspended && epochs < 50; epochs++ {
		s.absent() // nobody is asked
		o = s.offerOf(o.Agent)
	}
	if o.Standing != marketplace.New || epochs < 5 || epochs > 20 {
		t.Errorf("%s after %d epochs without a lease: %+v", o.Standing, epochs, o.Outlook)
	}
}

func TestAnyoneReckonsAStandingFromThePublicReports(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	o := s.agent(1)
	leases := append(s.clear(s.post(1), o), s.clear(s.post(1), o)...)
	s.fetched(leases...)
	began := s.rules.EpochAt(s.now)
	seen := s.now
	s.epoch(nil)
	s.epoch(map[int64]marketplace.Outcome{leases[0].ID: marketplace.Timeout})
	s.epoch(map[int64]marketplace.Outcome{leases[1].ID: marketplace.BadData})
	s.epoch(nil)
	rec, standing := s.rules.NewRecord(seen), marketplace.New
	for k := began; k < s.rules.EpochAt(s.now); k++ {
		for _, l := range leases {
			reports, err := s.Reports(s.Context(), orderbook.ReportFilter{Lease: l.ID, Epoch: k},
				orderbook.Page{})
			s.must(err)
			rec = s.rules.Record(rec, k, reports)
			standing = s.rules.Standing(standing, rec, k)
		}
	}
	want, got := s.rules.Outlook(standing, rec), *s.offerOf(o.Agent).Outlook
	if got.Reputation != want.Reputation || got.Uptime != want.Uptime || got.Passed != want.Passed ||
		got.Standing != want.Standing || rec.Faults == 0 || rec.Uptime.Bps() == 10_000 {
		t.Errorf("the book says %+v, the reports %+v", got, want)
	}
}
