package orderbook_test

import (
	"errors"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// register lets somebody offer to audit.
func (s *stage) register(name string, capacity int) marketplace.Address {
	s.Helper()
	who := person(name)
	_, err := s.RegisterAuditor(s.Context(), marketplace.AuditorTerms{Auditor: who,
		Capacity: capacity, Payee: person(name + "'s purse"), At: s.now}, s.now)
	s.must(err)
	return who
}

func (s *stage) moveAuditor(who marketplace.Address, to marketplace.AuditorState) {
	s.Helper()
	_, err := s.MoveAuditor(s.Context(), who, to, "", s.now)
	s.must(err)
}

// seated says who has a seat in an epoch that is named now.
func (s *stage) seated(epoch int64) map[marketplace.Address]marketplace.Seat {
	s.Helper()
	_, err := s.NamePanel(s.Context(), epoch, s.now)
	s.must(err)
	seats, _, err := s.Panel(s.Context(), epoch)
	s.must(err)
	all := map[marketplace.Address]marketplace.Seat{}
	for _, seat := range seats {
		all[seat.Auditor] = seat
	}
	return all
}

func TestOnlyAuditorsThatTheOperatorAdmittedGetASeat(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	s.must(s.ConfigureAuditors(t.Context(), auditors, s.now))
	applied, admitted := s.register("applied", 5), s.register("admitted", 7)
	paused, barred, left := s.register("paused", 5), s.register("barred", 5), s.register("left", 5)
	for _, who := range []marketplace.Address{admitted, paused, barred, left} {
		s.moveAuditor(who, marketplace.Admitted)
	}
	s.moveAuditor(paused, marketplace.PausedAuditor)
	s.moveAuditor(barred, marketplace.Barred)
	s.moveAuditor(left, marketplace.LeftAuditor)
	seats := s.seated(s.rules.EpochAt(s.now) + 1)
	want := marketplace.Seat{Auditor: admitted, Capacity: 7, Payee: person("admitted's purse")}
	if len(seats) != len(auditors)+1 || seats[admitted] != want || !seats[auditors[0]].Signs {
		t.Errorf("seats are %v", seats)
	}
	s.now = s.now.Add(time.Second)
	s.register("left", 5) // comes back, and asks again
	s.register("barred", 6)
	for who, want := range map[marketplace.Address]marketplace.AuditorState{
		applied: marketplace.Applied, left: marketplace.Applied, barred: marketplace.Barred} {
		if a, err := s.Auditor(t.Context(), who); err != nil || a.State != want {
			t.Errorf("%s is %s (%v), want %s", who, a.State, err, want)
		}
	}
	_, err := s.MoveAuditor(t.Context(), applied, marketplace.PausedAuditor, "", s.now)
	if !errors.Is(err, marketplace.Conflict) {
		t.Errorf("one that was never admitted pauses: %v", err)
	}
}

func TestAPanelIsNamedOnceAndBeforeItsEpoch(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	s.must(s.ConfigureAuditors(t.Context(), auditors, s.now))
	epoch := s.rules.EpochAt(s.now) + 1
	named, err := s.NamePanel(t.Context(), epoch, s.now)
	s.must(err)
	s.moveAuditor(auditors[0], marketplace.Barred)
	s.now = s.rules.EpochStart(epoch).Add(time.Second)
	again, err := s.NamePanel(t.Context(), epoch, s.now)
	s.must(err)
	seats, at, err := s.Panel(t.Context(), epoch)
	s.must(err)
	if !named || again || len(seats) != 3 || !at.Before(s.rules.EpochStart(epoch)) {
		t.Errorf("%d seats, named at %s", len(seats), at)
	}
	if len(s.seated(epoch+1)) != 2 {
		t.Error("who was barred has a seat in the epoch after")
	}
	told := func() (n int) {
		events, err := s.EventsTail(t.Context(), 100)
		s.must(err)
		for _, e := range events {
			if e.Kind == "panel.named" {
				n++
			}
		}
		return n
	}
	for told() < 2 { // events wait for every transaction of the server that runs
		if t.Context().Err() != nil {
			t.Fatal("not told to everybody")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestWhereNoPanelWasNamedInTimeTheLastOneKeepsItsSeats(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	s.must(s.ConfigureAuditors(t.Context(), auditors, s.now))
	first := s.rules.EpochAt(s.now) + 1
	if _, _, err := s.Panel(t.Context(), first); !errors.Is(err, marketplace.NotFound) {
		t.Errorf("before any is named: %v", err)
	}
	_, err := s.NamePanel(t.Context(), first, s.now)
	s.must(err)
	named := s.now
	s.moveAuditor(auditors[0], marketplace.Barred)
	late := first + 2 // the market comes back in it
	s.now = s.rules.EpochStart(late).Add(time.Second)
	_, err = s.NamePanel(t.Context(), late, s.now)
	s.must(err)
	seats, at, err := s.Panel(t.Context(), late)
	s.must(err)
	if len(seats) != 3 || !at.Equal(named) {
		t.Errorf("%d seats, named at %s", len(seats), at)
	}
	if _, _, err := s.Panel(t.Context(), first-1); !errors.Is(err, marketplace.NotFound) {
		t.Errorf("of the epoch before the first panel: %v", err)
	}
}

func TestAnEpochIsOverWhenWhoWasDrawnHasReported(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	leases := s.clear(s.post(2), s.agent(1), s.agent(2))
	s.fetched(leases...)
	k := s.rules.EpochAt(s.now)
	few := marketplace.SignersPanel(auditors)
	few[2].Capacity = 1 // five visits are left of six, so that both get the quorum
	s.must(s.OpenEpoch(t.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: few}, s.now))
	e, err := s.AuditEpoch(t.Context(), k)
	s.must(err)
	after := s.rules.EpochStart(k + 1)
	for lease, drawn := range s.rules.Draw(e) {
		if n, err := s.JudgeEpochs(t.Context(), after); err != nil || n > 0 {
			t.Fatalf("%d leases judged before all is said (%v)", n, err)
		}
		for _, who := range drawn {
			s.must(s.SaveReport(t.Context(), marketplace.Report{Lease: lease, Epoch: k, Auditor: who,
				Outcome: marketplace.Pass, Tries: []marketplace.Outcome{marketplace.Pass}, At: s.now}, s.now))
		}
	}
	if n, err := s.JudgeEpochs(t.Context(), after); err != nil || n != 2 {
		t.Errorf("%d of two leases judged when all is said (%v)", n, err)
	}
}

func TestWhoseSeatsAreOfTheReleaseBeforeAllSign(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	k := s.rules.EpochAt(s.now)
	s.must(s.OpenEpoch(t.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, s.now))
	s.must(s.Tamper(t.Context(), `UPDATE audit_epochs SET seats = NULL, visits = NULL`))
	e, err := s.AuditEpoch(t.Context(), k)
	s.must(err)
	if len(e.Auditors) != 3 || e.Auditors[0] != panel[0] {
		t.Errorf("%v", e.Auditors)
	}
	_, err = s.JudgeEpochs(t.Context(), s.rules.EpochStart(k+1))
	s.must(err)
}
