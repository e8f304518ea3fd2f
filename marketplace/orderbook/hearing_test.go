package orderbook_test

import (
	"slices"
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

func TestAnAccusationIsHeardByOthersOnTheSamePiecesAndUnpaidMeanwhile(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	s.must(s.ConfigureAuditors(t.Context(), auditors, s.now))
	l := s.clear(s.post(1), s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	before := s.lease(l.ID)
	k := s.rules.EpochAt(s.now)
	s.must(s.OpenEpoch(s.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, s.now))
	for i, by := range auditors {
		rep := marketplace.Report{Lease: l.ID, Epoch: k, Auditor: by, Outcome: marketplace.Pass, At: s.now}
		if i == 0 {
			rep.Outcome = marketplace.BadData
			rep.Answers = []marketplace.Answer{{Piece: 3, Block: 1, Outcome: marketplace.Pass},
				{Piece: 17, Block: 2, Outcome: marketplace.BadData}}
		}
		rep.Tries = []marketplace.Outcome{rep.Outcome}
		s.must(s.SaveReport(s.Context(), rep, s.now))
	}
	s.now = s.rules.EpochStart(k + 1)
	_, err := s.JudgeEpochs(s.Context(), s.now)
	s.must(err)
	accused := s.lease(l.ID)
	if accused.State != marketplace.Grace || accused.Cause != marketplace.CauseAccused ||
		accused.Earned != before.Earned || accused.Held.IsZero() || accused.Accused == nil ||
		accused.Accused.Auditor != auditors[0] || !slices.Equal(accused.Accused.Pieces, []int{17}) {
		t.Fatalf("accused: %+v, %+v", accused, accused.Accused)
	}
	if p := s.proof(l.ID, k); p.Verdict != marketplace.VerdictAccused || p.Accuser != auditors[0] ||
		p.Hearing != nil {
		t.Errorf("its proof says %+v", p)
	}
	// The next epoch opens with the accusation, so that everybody can recompute who is asked what;
	// the accuser's report is neither due nor waited for.
	k = s.rules.EpochAt(s.now)
	s.must(s.OpenEpoch(s.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, s.now))
	e, err := s.AuditEpoch(s.Context(), k)
	s.must(err)
	if asked, ok := e.Lease(l.ID); !ok || asked.Asks(auditors[0]) || len(s.rules.Draw(e)[l.ID]) != 2 ||
		!slices.Equal(asked.Accused.Pieces, []int{17}) {
		t.Fatalf("the epoch asks %+v", asked)
	}
	for _, by := range auditors[1:] {
		s.must(s.SaveReport(s.Context(), marketplace.Report{Lease: l.ID, Epoch: k, Auditor: by, At: s.now,
			Outcome: marketplace.Pass, Tries: []marketplace.Outcome{marketplace.Pass}}, s.now))
	}
	s.now = s.rules.EpochStart(k + 1)
	if n, err := s.JudgeEpochs(s.Context(), s.now); n != 1 || err != nil {
		t.Fatalf("an epoch of two reports: %d judged, %v", n, err)
	}
	if cleared := s.lease(l.ID); cleared.State != marketplace.Active || cleared.Earned != before.Earned ||
		cleared.Accused.Refuted != k {
		t.Fatalf("heard: %+v, %+v", cleared, cleared.Accused)
	}
	if p := s.proof(l.ID, k); !p.Accuser.IsZero() || p.Hearing == nil || *p.Hearing !=
		(marketplace.Hearing{Epoch: k - 1, Auditor: auditors[0], Outcome: marketplace.Refuted}) {
		t.Errorf("the proof of its hearing says %+v", p)
	}
	if a, err := s.Auditor(t.Context(), auditors[0]); err != nil || a.Refuted != 1 {
		t.Errorf("its accuser was refuted %d times (%v)", a.Refuted, err)
	}
	s.epoch(nil)
	if paid := s.lease(l.ID); paid.Earned.Cmp(before.Earned) <= 0 || paid.Held.Cmp(before.Held) <= 0 {
		t.Errorf("afterwards it earns nothing: %+v", paid)
	}
}

// proof returns what an epoch came to for a lease.
func (s *stage) proof(lease, epoch int64) (p marketplace.Proof) {
	s.Helper()
	all, err := s.Proofs(s.Context(), orderbook.ProofFilter{Lease: lease}, orderbook.Page{})
	s.must(err)
	i := slices.IndexFunc(all, func(p marketplace.Proof) bool { return p.Epoch == epoch })
	if i < 0 {
		s.Fatal("no proof of the epoch")
	}
	return all[i]
}

func TestAnAgentThatDoesNotPassItsHearingLosesWhatWasHeldBack(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(1)
	l := s.clear(b, s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	s.said(func(_ int64, by marketplace.Address) []marketplace.Outcome {
		if by == auditors[0] {
			return []marketplace.Outcome{marketplace.BadData}
		}
		return []marketplace.Outcome{marketplace.Pass}
	})
	held, free := s.lease(l.ID).Held, s.account(poster).Free
	s.absent()
	if got := s.lease(l.ID); got.State != marketplace.Failed || got.Cause != marketplace.CauseData ||
		!got.Held.IsZero() {
		t.Fatalf("it is %+v", got)
	}
	if got := s.account(poster).Free; got != free.Add(held) {
		t.Errorf("its poster had %s free and has %s; %s were held back", free, got, held)
	}
	if o := s.offerOf(l.Agent); o.Outlook.Reputation.Bps >= 10_000 {
		t.Errorf("its reputation is %d", o.Outlook.Reputation.Bps)
	}
}

// ruined lives through epochs in which two auditors find wrong data of one agent's leases, one
// lease after the other, until it is disqualified. It returns a lease of it that was never at fault.
func ruined(s *stage, o marketplace.Offer, leases []marketplace.Lease) (last marketplace.Lease) {
	s.Helper()
	for _, l := range leases {
		if s.offerOf(o.Agent).Standing == marketplace.Disqualified {
			return s.lease(l.ID)
		}
		s.said(func(lease int64, _ marketplace.Address) []marketplace.Outcome {
			if lease == l.ID {
				return slices.Repeat([]marketplace.Outcome{marketplace.BadData}, 3)
			}
			return []marketplace.Outcome{marketplace.Pass}
		})
	}
	s.Fatal("never disqualified")
	return last
}

func TestADisqualificationEndsAllLeasesAndTakesOnlyWhatFaultsForfeit(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	s.chain(deposit(poster, marketplace.BTT(9000)))
	o := s.agent(1)
	var leases []marketplace.Lease
	var bounties []marketplace.Bounty
	for range 10 {
		b := s.post(1)
		bounties, leases = append(bounties, b), append(leases, s.clear(b, o)...)
	}
	s.fetched(leases...)
	s.epoch(nil)
	s.epoch(nil)
	sound := ruined(s, o, leases)
	if !sound.State.Live() || sound.Held.IsZero() {
		t.Fatalf("before the sweep: %+v", sound)
	}
	_, err := s.Sweep(s.Context(), s.now)
	s.must(err)
	for i, l := range leases {
		got, b := s.lease(l.ID), s.bounty(bounties[i].ID)
		want, state := marketplace.CauseData, marketplace.Failed
		if l.ID >= sound.ID {
			want, state = marketplace.CauseDisqualified, marketplace.Released
		}
		if got.Cause != want || got.State != state || !got.Held.IsZero() ||
			b.State != marketplace.Degraded {
			t.Errorf("lease %d is %s (%s), %s held; bounty %s", l.ID, got.State, got.Cause, got.Held, b.State)
		}
	}
	// What was held back of a sound lease is on the agent's next cheque, to the last unit.
	drafts, err := s.Drafts(s.Context(), auditors[0])
	s.must(err)
	i := slices.IndexFunc(drafts, func(d marketplace.Draft) bool { return d.Cheque.To == o.Agent })
	if i < 0 || s.rules.Owed(drafts[i], fees) != drafts[i].Cheque.Cumulative {
		t.Fatalf("drafts %+v", drafts)
	}
	var vested marketplace.Amount
	for _, l := range drafts[i].Leases {
		if l.ID == sound.ID {
			vested = l.Earned
		}
	}
	if vested.IsZero() {
		t.Error("the sound lease earned nothing")
	}
	// The bounty gets another agent, and never this one again.
	next := s.clear(s.bounty(sound.Bounty), s.agent(2))
	s.fetched(next...)
	spent := s.bounty(sound.Bounty).Spent
	s.epoch(nil)
	if got := s.bounty(sound.Bounty); got.State != marketplace.Filled || got.Spent != spent {
		t.Errorf("the gap cost %s - %s; the bounty is %s", got.Spent, spent, got.State)
	}
	f, err := s.Freeze(s.Context(), s.now)
	s.must(err)
	if !slices.Contains(f.Barred, orderbook.Bar{Bounty: bounties[0].ID, Agent: o.Agent}) {
		t.Errorf("barred are %v", f.Barred)
	}
	s.now = s.now.Add(2 * marketplace.Day)
	_, err = s.JudgeEpochs(s.Context(), s.now)
	s.must(err)
	for range 2 {
		_, err = s.Sweep(s.Context(), s.now)
		s.must(err)
	}
	if got := s.bounty(sound.Bounty); !got.Reserved.IsZero() || got.State != marketplace.Completed {
		t.Errorf("at the end %s are reserved for a bounty that is %s", got.Reserved, got.State)
	}
}

func TestASuspensionLeavesLeasesRunning(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	o := s.agent(1)
	leases := append(s.clear(s.post(1), o), s.clear(s.post(1), o)...)
	s.fetched(leases...)
	s.epoch(nil)
	for range 3 { // one lease cannot be reached, the other one can
		s.said(func(lease int64, _ marketplace.Address) []marketplace.Outcome {
			if lease == leases[0].ID {
				return slices.Repeat([]marketplace.Outcome{marketplace.Unreachable}, 3)
			}
			return []marketplace.Outcome{marketplace.Timeout, marketplace.Pass}
		})
		_, err := s.Sweep(s.Context(), s.now)
		s.must(err)
	}
	if got := s.offerOf(o.Agent).Standing; got != marketplace.Suspended {
		t.Fatalf("it is %s", got)
	}
	if got := s.lease(leases[1].ID); got.State != marketplace.Active {
		t.Errorf("its sound lease is %s: %s", got.State, got.Reason)
	}
}

func TestPassesThatCameBeforeTheHearingPayNothing(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	before := s.lease(l.ID).Earned
	for i := range 3 { // judged late: all three open before the accusation is known
		k := s.rules.EpochAt(s.now)
		s.must(s.OpenEpoch(s.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, s.now))
		for j, by := range auditors {
			o := marketplace.Pass
			if i+j == 0 {
				o = marketplace.BadData
			}
			s.must(s.SaveReport(s.Context(), marketplace.Report{Lease: l.ID, Epoch: k, Auditor: by,
				Outcome: o, Tries: []marketplace.Outcome{o}, At: s.now}, s.now))
		}
		s.now = s.rules.EpochStart(k + 1)
	}
	_, err := s.JudgeEpochs(s.Context(), s.now)
	s.must(err)
	if got := s.lease(l.ID); got.State != marketplace.Grace || got.Earned != before {
		t.Errorf("it is %s and earned %s, before %s", got.State, got.Earned, before)
	}
}
