package orderbook_test

import (
	"errors"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// canaryStage has one replica of a canary and one of an honest agent, for an hour.
func canaryStage(t *testing.T) (s *stage, canary marketplace.Lease, secret marketplace.Canaries) {
	t.Helper()
	secret = marketplace.Canaries{Secret: marketplace.Hash{1},
		Agents: []marketplace.Address{person("agent 1")}}
	s = aStage(t, secret)
	s.must(s.ConfigureAuditors(t.Context(), auditors, s.now))
	long := terms(2)
	long.KeepFor = marketplace.Span(time.Hour)
	leases := s.clear(s.postTerms(long), s.agent(1), s.agent(2))
	s.fetched(leases...)
	for _, l := range leases {
		if l.Agent == person("agent 1") {
			canary = l
		}
	}
	return s, canary, secret
}

// watched lives through an epoch whose panel is named by the book. say returns what an auditor
// finds, or nothing.
func (s *stage) watched(say func(who marketplace.Address, l marketplace.Lease) marketplace.Outcome) (
	k int64) {
	s.Helper()
	k = s.rules.EpochAt(s.now)
	_, err := s.NamePanel(s.Context(), k, s.now.Add(-time.Second))
	s.must(err)
	seats, named, err := s.Panel(s.Context(), k)
	s.must(err)
	s.must(s.OpenEpoch(s.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: seats, NamedAt: named},
		s.now))
	e, err := s.AuditEpoch(s.Context(), k)
	s.must(err)
	drawn := s.rules.Draw(e)
	for _, l := range e.Leases {
		for _, who := range drawn[l.ID] {
			found := say(who, l)
			if found == "" {
				continue
			}
			s.must(s.SaveReport(s.Context(), marketplace.Report{Lease: l.ID, Epoch: k, Auditor: who,
				Outcome: found, Tries: []marketplace.Outcome{found}, At: s.now}, s.now))
		}
	}
	s.now = s.rules.EpochStart(k + 1).Add(s.rules.ReportSlack.Duration())
	_, err = s.JudgeEpochs(s.Context(), s.now)
	s.must(err)
	_, err = s.Sweep(s.Context(), s.now)
	s.must(err)
	s.now = s.rules.EpochStart(k + 1)
	return k
}

func (s *stage) standing(who marketplace.Address) marketplace.Standing {
	s.Helper()
	a, err := s.Auditor(s.Context(), who)
	s.must(err)
	return a.Standing
}

func TestAnAuditorThatInventsPassesIsOutByTwoSilencesOfACanary(t *testing.T) {
	t.Parallel()
	s, canary, secret := canaryStage(t)
	liar, silences, lies := auditors[0], 0, map[int64]bool{}
	say := func(who marketplace.Address, l marketplace.Lease) marketplace.Outcome {
		if l.Agent == canary.Agent && who != liar && secret.Silent(s.rules.EpochAt(s.now), l.Agent) {
			return marketplace.Unreachable
		}
		return marketplace.Pass
	}
	for n := 0; s.standing(liar) != marketplace.Disqualified; n++ {
		if n == 60 {
			t.Fatalf("the liar is %s after %d silences", s.standing(liar), silences)
		}
		k := s.watched(say)
		if secret.Silent(k, canary.Agent) {
			silences++
			lies[k] = true
		}
		e, err := s.AuditEpoch(t.Context(), k)
		s.must(err)
		if e.CanarySeal.IsZero() || s.standing(liar) != marketplace.Disqualified && e.Canaries != nil {
			t.Fatalf("epoch %d: seal %s, canaries %v", k, e.CanarySeal, e.Canaries)
		}
	}
	if silences > 3 {
		t.Errorf("it took %d silences", silences)
	}
	s.follows()
	for k := range lies {
		shifts, err := s.Shifts(t.Context(), orderbook.ShiftFilter{Epoch: k, Auditor: liar}, orderbook.Page{})
		if err != nil || len(shifts) != 1 || shifts[0].Lies != 1 || shifts[0].After.Faults == 0 {
			t.Errorf("of its lie in epoch %d is told %+v (%v)", k, shifts, err)
		}
		e, err := s.AuditEpoch(t.Context(), k)
		s.must(err)
		if len(e.Canaries) != 1 || marketplace.Seal(e.Canaries, e.CanarySalt) != e.CanarySeal {
			t.Errorf("epoch %d, in which it lied: %v do not fit the seal", k, e.Canaries)
		}
	}
	if l := s.lease(canary.ID); !l.State.Live() {
		t.Errorf("the canary's lease is %s: %s", l.State, l.Reason)
	}
	if _, sits := s.seated(s.rules.EpochAt(s.now) + 1)[liar]; sits {
		t.Error("who is disqualified has a seat")
	}
	for _, who := range auditors[1:] {
		if got := s.standing(who); got != marketplace.New && got != marketplace.Vetted {
			t.Errorf("the honest %s is %s", who, got)
		}
	}
}

// follows holds every shift that is told against what follows from the one before.
func (s *stage) follows() {
	s.Helper()
	all, err := s.Shifts(s.Context(), orderbook.ShiftFilter{}, orderbook.Page{Limit: 200})
	s.must(err)
	last, told := map[marketplace.Address]marketplace.Shift{}, 0
	for i := len(all) - 1; i >= 0; i-- {
		is := all[i]
		was, seen := last[is.Auditor]
		if seen && was.Is != is.Was || is.Is == "" {
			s.Errorf("%s was %s after epoch %d and %s before %d", is.Auditor, was.Is, was.Epoch, is.Was, is.Epoch)
		}
		if last[is.Auditor] = is; is.After == nil {
			continue // sealed
		}
		told++
		if r := s.rules.Watch(*is.Before, is.Epoch, is.Duties); r != *is.After {
			s.Errorf("epoch %d: %+v comes to %+v, told is %+v", is.Epoch, is.Duties, r, *is.After)
		}
		if seen && was.After != nil && *was.After != *is.Before {
			s.Errorf("epoch %d begins with %+v, and %d ended with %+v", is.Epoch, *is.Before, was.Epoch,
				*was.After)
		}
	}
	if told == 0 {
		s.Errorf("no record is told")
	}
}

func TestWhatASealHidesOfAShiftIsToldWhenItIsOpen(t *testing.T) {
	t.Parallel()
	s, _, _ := canaryStage(t)
	pass := func(marketplace.Address, marketplace.Lease) marketplace.Outcome { return marketplace.Pass }
	k := s.watched(pass)
	of := orderbook.ShiftFilter{Epoch: k, Auditor: auditors[1]}
	sealed, err := s.Shifts(t.Context(), of, orderbook.Page{})
	s.must(err)
	if len(sealed) != 1 || sealed[0].Done != 2 || sealed[0].Canaries != 0 || sealed[0].After != nil {
		t.Errorf("sealed: %+v", sealed)
	}
	for range 2 + int64(s.rules.CanarySealed.Duration()/s.rules.Epoch.Duration()) {
		s.watched(pass)
	}
	open, err := s.Shifts(t.Context(), of, orderbook.Page{})
	s.must(err)
	if len(open) != 1 || open[0].Canaries != 1 || open[0].After == nil || open[0].After.Passed != 2 {
		t.Errorf("open: %+v", open)
	}
	s.follows()
}

func TestASealIsOpenedWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	s, _, _ := canaryStage(t)
	pass := func(marketplace.Address, marketplace.Lease) marketplace.Outcome { return marketplace.Pass }
	first := s.watched(pass)
	sealed := int64(s.rules.CanarySealed.Duration() / s.rules.Epoch.Duration())
	for range sealed {
		s.watched(pass)
	}
	if e, err := s.AuditEpoch(t.Context(), first); err != nil || e.Canaries != nil {
		t.Errorf("after %d epochs it is open (%v)", sealed, err)
	}
	s.watched(pass)
	e, err := s.AuditEpoch(t.Context(), first)
	s.must(err)
	if len(e.Canaries) != 1 || marketplace.Seal(e.Canaries, e.CanarySalt) != e.CanarySeal {
		t.Errorf("%v", e)
	}
}

func TestAnAuditorThatSleepsLosesItsSeatAndGetsItBack(t *testing.T) {
	t.Parallel()
	s, _, _ := canaryStage(t)
	sleeper := auditors[2]
	say := func(who marketplace.Address, l marketplace.Lease) marketplace.Outcome {
		if who == sleeper {
			return ""
		}
		return marketplace.Pass
	}
	awake := 0
	for s.standing(sleeper) != marketplace.Suspended {
		if awake++; awake > 10 {
			t.Fatal("ten epochs of sleep, and it still has a seat")
		}
		s.watched(say)
	}
	a, err := s.Auditor(t.Context(), sleeper)
	s.must(err)
	if a.Due < 10 || a.Done != 0 || a.LastEpoch != 0 || a.Outlook == nil || len(a.Outlook.Warnings) == 0 {
		t.Errorf("%d of %d done, told %+v", a.Done, a.Due, a.Outlook)
	}
	asleep := 0
	for s.standing(sleeper) == marketplace.Suspended {
		if asleep++; asleep > 10 {
			t.Fatal("it never gets its seat back")
		}
		s.watched(say)
	}
	if a, err := s.Auditor(t.Context(), auditors[0]); err != nil || a.Done != a.Due || a.Done == 0 ||
		a.LastEpoch != s.rules.EpochAt(s.now)-1 {
		t.Errorf("the honest one did %d of %d, last in epoch %d (%v)", a.Done, a.Due, a.LastEpoch, err)
	}
}

// The door refuses them too; what lies behind it does not rely on that.
func TestTheBookTakesCommitmentsOfWhoWasDrawnOnly(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	leases := s.clear(s.post(1), s.agent(1))
	s.fetched(leases...)
	k := s.rules.EpochAt(s.now)
	s.must(s.OpenEpoch(t.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, s.now))
	stranger := marketplace.Report{Lease: leases[0].ID, Epoch: k, Auditor: poster}
	for name, c := range map[string]marketplace.Commitment{
		"of a stranger":    stranger.Sealed(),
		"on another lease": {Lease: leases[0].ID + 1, Epoch: k, Auditor: auditors[0]},
	} {
		no, err := s.Commit(t.Context(), k, []marketplace.Commitment{c}, s.now)
		if err != nil || !errors.Is(refusal(no), marketplace.Forbidden) {
			t.Errorf("a commitment %s: %v, %v", name, no, err)
		}
	}
}
