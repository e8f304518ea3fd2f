package orderbook_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// dropping is a bounty of one replica whose agent was away for an epoch, and its lease.
func dropping(s *stage) (marketplace.Bounty, marketplace.Lease) {
	s.Helper()
	b := s.post(1)
	l := s.clear(b, s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	s.absent()
	return s.bounty(b.ID), s.lease(l.ID)
}

func TestAReplicaThatIsForecastToDropIsReplacedBeforeItsGraceIsOver(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b, l := dropping(s)
	if l.State != marketplace.Grace || !l.Dropping || b.State != marketplace.Degraded ||
		b.Missing() != 1 {
		t.Fatalf("after an epoch away: %+v; the bounty is %s with %d", l, b.State, b.Leased)
	}
	f, err := s.Freeze(s.Context(), s.now)
	s.must(err)
	if len(f.Lost) != 1 || f.Lost[0].Lease != l.ID || !f.Lost[0].Dropping ||
		!strings.Contains(f.Lost[0].Why, "forecast") {
		t.Fatalf("calls know of %+v", f.Lost)
	}
	next := s.clear(b, s.agent(2))[1]
	if next.Replaces != l.ID || s.bounty(b.ID).State != marketplace.Filled {
		t.Fatalf("the next lease is %+v", next)
	}
	if again, err := s.Freeze(s.Context(), s.now); err != nil || len(again.Lost) > 0 {
		t.Fatalf("one replica is replaced twice: %+v, %v", again.Lost, err)
	}
	s.fetched(next)
	s.said(func(lease int64, _ marketplace.Address) []marketplace.Outcome {
		if lease == next.ID {
			return []marketplace.Outcome{marketplace.Pass}
		}
		return slices.Repeat([]marketplace.Outcome{marketplace.Unreachable}, s.rules.Attempts)
	})
	l, next = s.lease(l.ID), s.lease(next.ID)
	// Two epochs: the last pass, one away, and the first of the replacement.
	if l.Cause != marketplace.CauseAway || next.State != marketplace.Active ||
		next.ReplacedAfter != 2*s.rules.Epoch {
		t.Fatalf("%s (%s); its replacement is %s after %s", l.State, l.Cause, next.State,
			next.ReplacedAfter)
	}
	m, err := s.Market(s.Context(), s.now)
	s.must(err)
	want := marketplace.Replacements{Count: 1, Last: next.ReplacedAfter, Median: next.ReplacedAfter,
		P90: next.ReplacedAfter}
	if m.Replaced != want || s.bounty(b.ID).Replaced != want {
		t.Errorf("figures: %+v and %+v", m.Replaced, s.bounty(b.ID).Replaced)
	}
}

func TestOneThatComesBackKeepsItsReplica(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b, l := dropping(s)
	other := s.agent(2)
	next := s.clear(b, other)[1]
	s.fetched(next)
	spent := s.bounty(b.ID).Spent
	s.epoch(nil) // both pass
	l, next = s.lease(l.ID), s.lease(next.ID)
	if l.State != marketplace.Active || l.Dropping || next.State != marketplace.Released ||
		next.Cause != marketplace.CauseUnneeded || !next.ActiveAt.IsZero() || next.ReplacedAfter != 0 {
		t.Fatalf("%+v and %+v", l, next)
	}
	if got := s.bounty(b.ID); got.State != marketplace.Filled || got.Spent != spent || got.Leased != 1 {
		t.Errorf("the bounty is %s, %d leased, and spent %s, before %s", got.State, got.Leased, got.Spent,
			spent)
	}
	f, err := s.Freeze(s.Context(), s.now)
	s.must(err)
	if slices.Contains(f.Barred, orderbook.Bar{Bounty: b.ID, Agent: other.Agent}) {
		t.Error("who stood in does not get the bounty again")
	}
	s.epoch(nil)
	if got := s.bounty(b.ID).Spent; got.Cmp(spent) <= 0 {
		t.Error("it earns nothing any more")
	}
}

func TestOneThatComesBackSendsItsReplacementHomeAtAnyStage(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b, l := dropping(s)
	next := s.clear(b, s.agent(2))[1]
	_, err := s.Accept(s.Context(), next.Agent, next.ID, s.now) // fetches
	s.must(err)
	s.epoch(nil)
	if l, next = s.lease(l.ID), s.lease(next.ID); l.State != marketplace.Active ||
		next.Cause != marketplace.CauseUnneeded {
		t.Errorf("%s (%s) and %s (%s)", l.State, l.Cause, next.State, next.Cause)
	}
}

func TestAHiccupCallsNobody(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(1)
	l := s.clear(b, s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	s.said(func(_ int64, by marketplace.Address) []marketplace.Outcome {
		if by == auditors[0] {
			return []marketplace.Outcome{marketplace.Pass}
		}
		return slices.Repeat([]marketplace.Outcome{marketplace.Timeout}, s.rules.Attempts)
	})
	if l = s.lease(l.ID); l.State != marketplace.Grace || l.Dropping ||
		s.bounty(b.ID).State != marketplace.Filled {
		t.Errorf("%+v; the bounty is %s", l, s.bounty(b.ID).State)
	}
}

func TestACancelledBountyPaysNoReplacement(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b, l := dropping(s)
	next := s.clear(b, s.agent(2))[1]
	s.fetched(next)
	_, _, err := s.Cancel(s.Context(), orderbook.Key{Account: poster}, b.ID, s.now)
	s.must(err)
	if l, next = s.lease(l.ID), s.lease(next.ID); !l.State.Live() || l.Dropping || next.State.Live() {
		t.Errorf("%+v and %+v", l, next)
	}
}

func TestALeaseLostWithoutAForecastIsReplacedToo(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(2)
	leases := s.clear(b, s.agent(1), s.agent(2))
	s.fetched(leases...)
	s.epoch(nil)
	s.epoch(nil)
	_, err := s.Abandon(s.Context(), leases[0].Agent, leases[0].ID, "enough", s.now)
	s.must(err)
	next := s.clear(s.bounty(b.ID), s.agent(3))[1]
	_, err = s.Decline(s.Context(), next.Agent, next.ID, "no", s.now) // so that another one must come
	s.must(err)
	last := s.clear(s.bounty(b.ID), s.agent(4))[1]
	s.fetched(last)
	s.epoch(nil)
	s.epoch(nil)
	if last = s.lease(last.ID); last.Replaces != leases[0].ID || last.ReplacedAfter != s.rules.Epoch {
		t.Errorf("it replaces %d after %s", last.Replaces, last.ReplacedAfter)
	}
	if got := s.bounty(b.ID).Replaced; got.Count != 1 {
		t.Errorf("figures: %+v", got)
	}
	_, err = s.Abandon(s.Context(), last.Agent, last.ID, "enough", s.now)
	s.must(err)
	f, err := s.Freeze(s.Context(), s.now)
	s.must(err)
	if len(f.Lost) != 1 || f.Lost[0].Lease != last.ID {
		t.Errorf("to be replaced are %+v, want lease %d alone", f.Lost, last.ID)
	}
}

func TestMedianAndNinetiethAreOfWhatWasMeasured(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	s.chain(deposit(poster, marketplace.BTT(9000)))
	sec := func(n int) marketplace.Span { return marketplace.Span(n * int(time.Second)) }
	spans := []int{7, 1, 9, 3, 2, 10, 4, 8, 5, 6} // seconds; the last is the newest
	for i, n := range spans {
		s.clear(s.post(1), s.agent(i))
		s.must(s.Tamper(t.Context(), fmt.Sprintf(`UPDATE leases SET replaced_after = %d,
			active_at = '%s' WHERE id = (SELECT max(id) FROM leases)`, sec(n).Duration().Microseconds(),
			s.now.Add(time.Duration(i)*time.Second).Format(time.RFC3339))))
	}
	m, err := s.Market(s.Context(), s.now)
	s.must(err)
	want := marketplace.Replacements{Count: 10, Last: sec(6), Median: sec(5), P90: sec(9)}
	if m.Replaced != want {
		t.Errorf("%+v, want %+v", m.Replaced, want)
	}
}

func TestABountyWhoseTimeToBeFilledIsOverPaysNoReplacement(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	wants := terms(2)
	wants.GoodFor = marketplace.Span(16 * time.Second)
	b := s.postTerms(wants)
	l := s.clear(b, s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	s.absent()
	next := s.clear(s.bounty(b.ID), s.agent(2))[1]
	s.fetched(next)
	s.now = s.now.Add(2 * time.Second)
	_, err := s.Sweep(s.Context(), s.now)
	s.must(err)
	if l, next = s.lease(l.ID), s.lease(next.ID); l.State != marketplace.Grace || l.Dropping ||
		next.Cause != marketplace.CauseUnneeded {
		t.Errorf("%+v and %+v", l, next)
	}
}
