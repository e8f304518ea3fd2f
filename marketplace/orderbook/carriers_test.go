package orderbook_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// carrier puts up an offer that lends its line, seen a while ago.
func (s *stage) carrier(name, peer string, change ...func(*marketplace.OfferTerms)) marketplace.Address {
	s.Helper()
	t := selling(person("payee of "+name), peer)
	t.Carry = true
	for _, c := range change {
		c(&t)
	}
	_, err := s.PutOffer(s.Context(), person(name), t, s.now)
	s.must(err)
	return person(name)
}

// carries asks n times for a carrier and counts who was drawn.
func (s *stage) carries(n int, lease int64, not ...marketplace.Address) map[marketplace.Address]int {
	s.Helper()
	drawn := map[marketplace.Address]int{}
	for range n {
		c, err := s.Carry(s.Context(), marketplace.Carry{Lease: lease, Door: "9.9.9.9:1"},
			marketplace.CarrierWish{Not: not}, s.now)
		s.must(err)
		drawn[c.Agent]++
	}
	return drawn
}

func TestACarrierHasNothingToDoWithWhomItVisits(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	never := func(why string, _ marketplace.Address) { t.Helper(); s.mustNotCarry(l.ID, why) }
	s.mustNotCarry(l.ID, "nobody else is there")
	never("lends nothing", s.carrier("mean", "20.0.1.1:1", func(t *marketplace.OfferTerms) { t.Carry = false }))
	never("is in its network", s.carrier("near", "10.0.1.77:1"))
	never("speaks IPv6", s.carrier("six", "[2001:db8:1::1]:1"))
	never("has its payee", s.carrier("kin", "20.0.2.1:1", func(t *marketplace.OfferTerms) { t.Payee = l.Payee }))
	gone := s.carrier("gone", "20.0.3.1:1")
	s.now = s.now.Add(3 * time.Minute)
	never("is away", gone)
	closed := s.carrier("closed", "20.0.4.1:1")
	_, err := s.SetOfferState(s.Context(), closed, marketplace.OfferClosed, s.now)
	s.must(err)
	never("has closed", closed)
	cheat := s.carrier("cheat", "20.0.6.1:1")
	s.must(s.Tamper(s.Context(), "UPDATE offers SET standing = 'suspended' WHERE agent = '"+cheat.String()+"'"))
	never("is suspended", cheat)
	twins := []string{s.carrier("twin", "20.0.7.1:1").String(), l.Agent.String()}
	slices.Sort(twins)
	s.must(s.Tamper(s.Context(), fmt.Sprintf("INSERT INTO together VALUES ('%s', '%s', 10000, 1)", twins[0], twins[1])))
	never("fails with it", person("twin"))
	good := s.carrier("good", "20.0.5.1:0")
	if drawn := s.carries(3, l.ID); drawn[good] != 3 {
		t.Errorf("drawn: %v, want %s only", drawn, good)
	}
	if _, err := s.Carry(s.Context(), marketplace.Carry{Lease: l.ID},
		marketplace.CarrierWish{Not: []marketplace.Address{good}}, s.now); err == nil {
		t.Error("who is excluded is drawn")
	}
	told, err := s.NoticesAfter(s.Context(), 0, 10)
	s.must(err)
	if len(told) != 3 || told[0].Agent != good || told[0].Kind != marketplace.CarryKind {
		t.Errorf("told: %+v", told)
	}
}

// mustNotCarry wants nobody to be drawn.
func (s *stage) mustNotCarry(lease int64, why string) {
	s.Helper()
	c, err := s.Carry(s.Context(), marketplace.Carry{Lease: lease}, marketplace.CarrierWish{}, s.now)
	if err == nil {
		s.Errorf("%s is drawn, who %s", c.Agent, why)
	}
}

func TestACarrierIsAnotherOneEachTime(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	for i := range 5 {
		s.carrier(fmt.Sprint("carrier ", i), fmt.Sprintf("20.0.%d.1:1", i))
	}
	for round := range 3 { // each of them once in each round
		drawn := map[marketplace.Address]int{}
		for range 5 {
			s.now = s.now.Add(time.Second)
			for who := range s.carries(1, l.ID) {
				drawn[who]++
			}
		}
		if len(drawn) != 5 {
			t.Errorf("round %d: drawn %v", round, drawn)
		}
	}
}

// Names cost nothing: a hundred behind one line are drawn no more often than one, and whoever was
// audited for long goes before them.
func TestManyNamesBehindOneLineCarryLikeOne(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	for i := range 100 {
		s.carrier(fmt.Sprint("name ", i), fmt.Sprintf("30.0.0.%d:1", 1+i))
	}
	alone := s.carrier("alone", "20.0.5.1:1")
	was := 0
	for range 40 {
		was += s.carries(1, l.ID)[alone]
		s.forgetCarried()
	}
	if was < 8 || was > 32 {
		t.Errorf("the one with a line of its own is drawn %d times of 40", was)
	}
	s.vet(alone)
	if drawn := s.carries(1, l.ID); drawn[alone] != 1 {
		t.Errorf("who is vetted is not drawn first: %v", drawn)
	}
}

func TestWhoAwaitsAnAgentCanBeReachedAndHasNotTheTorrent(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	o := s.agent(1)
	hidden := o.Terms
	hidden.Peer = "10.1.1.1:0"
	o, err := s.PutOffer(s.Context(), o.Agent, hidden, s.now)
	s.must(err)
	l := s.clear(s.post(1), o)[0]
	s.carrier("behind a router too", "20.0.1.1:0")
	s.carrier("holds it", "20.0.2.1:1", func(t *marketplace.OfferTerms) {
		t.Held = []marketplace.Infohash{infohash}
	})
	s.mustNotCarry(l.ID, "cannot await it")
	neighbour := s.agent(2)
	neighbour.Terms.Carry = true
	neighbour, err = s.PutOffer(s.Context(), neighbour.Agent, neighbour.Terms, s.now)
	s.must(err)
	s.clear(s.post(1), neighbour)
	s.mustNotCarry(l.ID, "has a lease on it too")
	good := s.carrier("good", "20.0.3.1:1")
	if drawn := s.carries(2, l.ID); drawn[good] != 2 {
		t.Errorf("drawn: %v", drawn)
	}
}

func (s *stage) forgetCarried() {
	s.Helper()
	s.must(s.Tamper(s.Context(), "DELETE FROM carried"))
}

func (s *stage) vet(agent marketplace.Address) {
	s.Helper()
	s.must(s.Tamper(s.Context(), "UPDATE offers SET standing = 'vetted' WHERE agent = '"+agent.String()+"'"))
}

func TestTheSameCarrierComesAgainWhenItIsWanted(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	for i := range 5 {
		s.carrier(fmt.Sprint("carrier ", i), fmt.Sprintf("20.0.%d.1:1", i))
	}
	again := person("carrier 3")
	w := marketplace.CarrierWish{Again: &again, Not: []marketplace.Address{again}}
	for range 5 { // an auditor cannot choose who never came
		if c, err := s.Carry(s.Context(), marketplace.Carry{Lease: l.ID}, w, s.now); err != nil || c.Agent == again {
			t.Errorf("drawn: %v %v", c, err)
		}
	}
	others := []marketplace.Address{person("carrier 0"), person("carrier 1"), person("carrier 2"), person("carrier 4")}
	if drawn := s.carries(1, l.ID, others...); drawn[again] != 1 {
		t.Fatalf("drawn: %v", drawn)
	}
	for range 3 {
		if c, err := s.Carry(s.Context(), marketplace.Carry{Lease: l.ID}, w, s.now); err != nil || c.Agent != again {
			t.Errorf("drawn: %v %v", c, err)
		}
	}
	_, err := s.SetOfferState(s.Context(), again, marketplace.OfferClosed, s.now)
	s.must(err)
	c, err := s.Carry(s.Context(), marketplace.Carry{Lease: l.ID}, w, s.now)
	if err != nil || c.Agent == again {
		t.Errorf("who is gone is drawn: %v %v", c, err)
	}
}

func TestNobodyIsSentToALeaseThatIsOver(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	s.carrier("good", "20.0.5.1:1")
	s.carries(1, l.ID)
	_, err := s.Decline(s.Context(), l.Agent, l.ID, "no", s.now)
	s.must(err)
	s.mustNotCarry(l.ID, "has nobody to visit")
}
