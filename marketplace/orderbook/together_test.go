package orderbook_test

import (
	"slices"
	"testing"

	"github.com/everseed/everseed/marketplace"
)

func TestTheBookScoresWhoFailsTogether(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	s.chain(deposit(poster, marketplace.BTT(9000)))
	var leases []marketplace.Lease
	var agents []marketplace.Address
	for i := range 3 {
		o, long := s.agent(i), terms(1)
		long.KeepFor = marketplace.Span(marketplace.Day)
		leases = append(leases, s.clear(s.postTerms(long), o)...)
		agents = append(agents, o.Agent)
	}
	s.fetched(leases...)
	s.epoch(nil)
	// The first two are away in the same epochs, and the third one in others.
	for range 4 {
		for _, away := range [][]int{{0, 1}, {2}} {
			found := map[int64]marketplace.Outcome{}
			for _, i := range away {
				found[leases[i].ID] = marketplace.Unreachable
			}
			s.epoch(found)
		}
	}
	one, other, stranger := s.offerOf(agents[0]), s.offerOf(agents[1]), s.offerOf(agents[2])
	if !slices.Equal(one.Together, []marketplace.Partner{{Agent: agents[1], ScoreBps: 10_000}}) ||
		!slices.Equal(other.Together, []marketplace.Partner{{Agent: agents[0], ScoreBps: 10_000}}) ||
		len(stranger.Together) > 0 {
		t.Fatalf("%v, %v and %v", one.Together, other.Together, stranger.Together)
	}
	f, err := s.Freeze(s.Context(), s.now)
	s.must(err)
	if len(f.Together) != 1 {
		t.Fatalf("calls know of %v", f.Together)
	}
	// Where one of them is away alone, the score falls, and calls forget it below the rule's.
	for range 7 {
		s.epoch(map[int64]marketplace.Outcome{leases[0].ID: marketplace.Unreachable})
		s.epoch(nil)
	}
	if one = s.offerOf(agents[0]); len(one.Together) != 1 || one.Together[0].ScoreBps != 4*10_000/11 {
		t.Errorf("later %v", one.Together)
	}
	if f, err = s.Freeze(s.Context(), s.now); err != nil || len(f.Together) > 0 {
		t.Errorf("calls know of %v, %v", f.Together, err)
	}
}

func TestWhatAuditsCostOnTheWireIsCountedByLeaseAndDay(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	leases := s.clear(s.post(2), s.agent(1), s.agent(2))
	s.fetched(leases...)
	k := s.rules.EpochAt(s.now)
	s.must(s.OpenEpoch(s.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, s.now))
	for i, l := range leases[:1] { // nobody reports on the other one: it costs nothing and does not count
		for j, by := range auditors {
			s.must(s.SaveReport(s.Context(), marketplace.Report{Lease: l.ID, Epoch: k, Auditor: by, At: s.now,
				Outcome: marketplace.Pass, Tries: []marketplace.Outcome{marketplace.Pass},
				Wire: int64(1000 * (i + j + 1))}, s.now))
		}
	}
	s.now = s.rules.EpochStart(k + 1).Add(s.rules.ReportSlack.Duration())
	_, err := s.JudgeEpochs(s.Context(), s.now)
	s.must(err)
	if one, other := s.lease(leases[0].ID), s.lease(leases[1].ID); one.Wire != 6000 || one.Audited != 1 ||
		other.Wire != 0 || other.Audited != 0 {
		t.Errorf("%d bytes in %d epochs, and %d in %d", one.Wire, one.Audited, other.Wire, other.Audited)
	}
	m, err := s.Market(s.Context(), s.now)
	s.must(err)
	if want := 6000 * int64(marketplace.Day/s.rules.Epoch.Duration()); m.AuditWire != want {
		t.Errorf("%d bytes a day, want %d", m.AuditWire, want)
	}
}
