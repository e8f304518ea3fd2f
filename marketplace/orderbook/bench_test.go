package orderbook_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// BenchmarkAnEpochOfLeases judges and pays 100 bounties of three replicas each.
func BenchmarkAnEpochOfLeases(b *testing.B) {
	s := emptyStage(b, b)
	s.chain(deposit(poster, marketplace.BTT(1_000_000)), s.aMandate(poster, auditors, 2))
	const bounties = 100
	var leases []marketplace.Lease
	offers := []marketplace.Offer{s.agent(1), s.agent(2), s.agent(3)}
	for _, o := range offers {
		o.Terms.Storage, o.Terms.LeasesMax = 1<<40, 1000
		_, err := s.PutOffer(b.Context(), o.Agent, o.Terms, s.now)
		s.must(err)
	}
	lead, err := s.Lead(b.Context(), "matcher")
	s.must(err)
	defer lead.Resign()
	c := marketplace.Call{Hash: marketplace.Hash{1}}
	for range bounties {
		t := terms(3)
		t.KeepFor, t.PriceMax = marketplace.Span(time.Hour), marketplace.BTT(1000)
		one := s.postTerms(t)
		for _, o := range offers {
			c.Fills = append(c.Fills, marketplace.Fill{Bounty: one.ID, Offer: o.ID,
				Price: marketplace.BTT(1000)})
		}
	}
	began := time.Now()
	_, err = s.RecordCall(b.Context(), lead.Fence(), c, orderbook.Reasons{}, s.now)
	s.must(err)
	b.ReportMetric(float64(time.Since(began).Microseconds())/float64(len(c.Fills)), "µs/fill")
	leases, err = s.Leases(b.Context(), orderbook.LeaseFilter{}, orderbook.Page{Limit: 1000})
	s.must(err)
	s.fetched(leases...)
	for b.Loop() {
		b.StopTimer()
		k := s.rules.EpochAt(s.now)
		s.must(s.OpenEpoch(b.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, s.now))
		for _, l := range leases {
			s.report(l.ID, k, marketplace.Pass)
		}
		s.now = s.rules.EpochStart(k + 1)
		b.StartTimer()
		n, err := s.JudgeEpochs(b.Context(), s.now)
		if s.must(err); n != len(leases) {
			b.Fatal(fmt.Sprint("judged ", n))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(leases)), "µs/lease")
}
