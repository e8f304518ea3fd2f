package orderbook_test

import (
	"slices"
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// said lives through an epoch in which each auditor finds what is given at its tries.
func (s *stage) said(find func(lease int64, auditor marketplace.Address) []marketplace.Outcome) {
	s.Helper()
	k := s.rules.EpochAt(s.now)
	s.must(s.OpenEpoch(s.Context(), marketplace.AuditEpoch{Epoch: k, Block: s.block,
		Auditors: panel}, s.now))
	e, err := s.AuditEpoch(s.Context(), k)
	s.must(err)
	for _, l := range e.Leases {
		for _, auditor := range s.drawn(l.ID, k) {
			tries := find(l.ID, auditor)
			s.must(s.SaveReport(s.Context(), marketplace.Report{Lease: l.ID, Epoch: k, Auditor: auditor,
				Outcome: marketplace.Settle(tries), Tries: tries, At: s.now}, s.now))
		}
	}
	s.now = s.rules.EpochStart(k + 1)
	_, err = s.JudgeEpochs(s.Context(), s.now)
	s.must(err)
}

// absent lives through an epoch in which no auditor reaches anyone at any try.
func (s *stage) absent() {
	s.Helper()
	away := slices.Repeat([]marketplace.Outcome{marketplace.Unreachable}, s.rules.Attempts)
	s.said(func(int64, marketplace.Address) []marketplace.Outcome { return away })
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
		reports, err := s.Reports(s.Context(), orderbook.ReportFilter{Epoch: k}, orderbook.Page{})
		s.must(err)
		of := map[int64][]marketplace.Report{}
		for _, r := range s.rules.Heard(reports) {
			of[r.Lease] = append(of[r.Lease], r)
		}
		for _, l := range leases {
			rec = s.rules.Record(rec, k, of[l.ID])
			standing = s.rules.Standing(standing, rec, k)
		}
	}
	want, got := s.rules.Outlook(standing, rec), *s.offerOf(o.Agent).Outlook
	if got.Reputation != want.Reputation || got.Uptime != want.Uptime || got.Passed != want.Passed ||
		got.Standing != want.Standing || rec.Faults == 0 || rec.Uptime.Bps() == 10_000 {
		t.Errorf("the book says %+v, the reports %+v", got, want)
	}
}

func TestInventedFaultsEndNoLeaseAndATrueOneDoes(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	offers := []marketplace.Offer{s.agent(1), s.agent(2), s.agent(3), s.agent(4)}
	leases := s.clear(s.post(4), offers...)
	s.fetched(leases...)
	s.epoch(nil)
	liar, second, third := auditors[0], auditors[1], auditors[2]
	count := func(is func(marketplace.Lease) bool) (n int) {
		for _, l := range leases {
			if is(s.lease(l.ID)) {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		what  string
		finds func(lease int64, by marketplace.Address) bool
		heard int // leases that await a hearing afterwards
		ended int // leases that have ended by then
	}{
		{"one auditor accuses all", func(_ int64, by marketplace.Address) bool { return by == liar }, 0, 0},
		{"and another one of them", func(lease int64, by marketplace.Address) bool {
			return by == liar || by == second && lease == leases[3].ID
		}, 1, 0},
		{"at its hearing a third one", func(lease int64, by marketplace.Address) bool {
			return by == third && lease == leases[3].ID
		}, 0, 1},
		{"one auditor accuses one", func(lease int64, by marketplace.Address) bool {
			return by == third && lease == leases[1].ID
		}, 1, 1},
		{"nobody else does", func(int64, marketplace.Address) bool { return false }, 0, 1},
		{"it does so again", func(lease int64, by marketplace.Address) bool {
			return by == third && lease == leases[1].ID
		}, 0, 1},
		{"and then another one", func(lease int64, by marketplace.Address) bool {
			return by == liar && lease == leases[1].ID
		}, 0, 2},
		{"of the last two, all", func(_ int64, by marketplace.Address) bool { return by == liar }, 2, 2},
		{"the others look", func(int64, marketplace.Address) bool { return false }, 0, 2},
	} {
		s.said(func(lease int64, by marketplace.Address) []marketplace.Outcome {
			if c.finds(lease, by) {
				return []marketplace.Outcome{marketplace.BadData}
			}
			return []marketplace.Outcome{marketplace.Pass}
		})
		heard := count(func(l marketplace.Lease) bool { return l.State.Live() && l.Accused.Waits() })
		ended := count(func(l marketplace.Lease) bool { return l.Cause == marketplace.CauseData })
		if heard != c.heard || ended != c.ended {
			t.Fatalf("%s: %d leases wait, %d ended, want %d and %d", c.what, heard, ended, c.heard, c.ended)
		}
		for i, o := range offers {
			lost := s.lease(leases[i].ID).State == marketplace.Failed
			if bps := s.offerOf(o.Agent).Outlook.Reputation.Bps; (bps < 10_000) != lost {
				t.Errorf("%s: agent %d has a reputation of %d", c.what, i+1, bps)
			}
		}
	}
}
