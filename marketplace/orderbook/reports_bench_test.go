package orderbook_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// manyLeases is an open epoch of 20,000 active leases with three auditors, in a real Postgres.
func manyLeases(b *testing.B) (s *stage, e marketplace.AuditEpoch) {
	b.Helper()
	s = emptyStage(b, b)
	s.chain(deposit(poster, marketplace.BTT(1000)), s.aMandate(poster, auditors, 2))
	l := s.clear(s.post(1), s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.must(s.Tamper(b.Context(), `DROP INDEX leases_apart;
		DO $$ DECLARE names text; BEGIN
			SELECT string_agg(quote_ident(column_name), ',') INTO names FROM information_schema.columns
				WHERE table_name = 'leases' AND table_schema = 'public' AND column_name <> 'id';
			EXECUTE format('INSERT INTO leases (%s) SELECT %s FROM leases, generate_series(2, 20000)',
				names, names);
		END $$`))
	b.Cleanup(func() { // nothing is set aside for them
		s.must(s.Tamper(context.Background(), `UPDATE leases SET state = 'released' WHERE id > 1`))
	})
	k := s.rules.EpochAt(s.now)
	s.must(s.OpenEpoch(b.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, s.now))
	e, err := s.AuditEpoch(b.Context(), k)
	s.must(err)
	if len(e.Leases) != 20_000 {
		b.Fatal(fmt.Sprint(len(e.Leases), " leases"))
	}
	return s, e
}

// found is what an auditor reports of a lease, with as many answers as the rules ask for.
func (s *stage) found(lease, epoch int64, by marketplace.Address) marketplace.Report {
	r := marketplace.Report{Lease: lease, Epoch: epoch, Auditor: by, Outcome: marketplace.Pass,
		Tries: []marketplace.Outcome{marketplace.Pass}, Began: []time.Time{s.now}, At: s.now}
	for piece := range s.rules.Challenges {
		r.Answers = append(r.Answers, marketplace.Answer{Piece: piece, Block: 1,
			Outcome: marketplace.Pass, Hash: marketplace.Hash{1}})
	}
	return r
}

// BenchmarkReportsOfAnEpoch hands in what an auditor found of some of 20,000 leases: commitments by 500,
// reports by 100, as auditors do. Run it once (-benchtime 1x): handed in again they cost less.
func BenchmarkReportsOfAnEpoch(b *testing.B) {
	const committed, revealed = 5000, 1000
	s, e := manyLeases(b)
	var all []marketplace.Report
	for _, l := range e.Leases {
		all = append(all, s.found(l.ID, e.Epoch, auditors[0]))
	}
	var sealing, revealing time.Duration
	for b.Loop() {
		began := time.Now()
		for some := range slices.Chunk(all[:committed], 500) {
			sealed := make([]marketplace.Commitment, len(some))
			for i, r := range some {
				sealed[i] = r.Sealed()
			}
			no, err := s.Commit(b.Context(), e.Epoch, sealed, s.now)
			s.must(errors.Join(err, refusal(no)))
		}
		sealing += time.Since(began)
		began = time.Now()
		for some := range slices.Chunk(all[:revealed], 100) {
			no, err := s.SaveReports(b.Context(), some, s.rules.CommitBy(e.Epoch))
			s.must(errors.Join(err, refusal(no)))
		}
		revealing += time.Since(began)
	}
	began := time.Now()
	for _, l := range e.Leases[:20] {
		_, _, err := s.Trail(b.Context(), l.ID, e.Epoch)
		s.must(err)
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds())/20, "ms/trail")
	b.ReportMetric(float64(sealing.Milliseconds())/(committed/500), "ms/commit-request")
	b.ReportMetric(float64(revealing.Milliseconds())/(revealed/100), "ms/reveal-request")
}
