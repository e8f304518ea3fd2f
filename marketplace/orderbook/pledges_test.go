package orderbook_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

var (
	second = person("second funder")
	third  = person("third funder")
)

// coStage is a stage on which three have 1000 BTT and a mandate each.
func coStage(t *testing.T) *stage {
	t.Helper()
	s := aStage(t)
	for _, who := range []marketplace.Address{second, third} {
		s.chain(deposit(who, marketplace.BTT(1000)), s.aMandate(who, auditors, 2))
	}
	return s
}

// part posts a bounty whose poster pledges a part of what it can cost.
func (s *stage) part(replicas int, num, den uint64) (marketplace.Bounty, marketplace.Amount) {
	s.Helper()
	t := terms(replicas)
	worst := s.rules.WorstCase(t, size)
	t.Fund = worst.MulDiv(num, den)
	return s.postTerms(t), worst
}

func (s *stage) fund(who marketplace.Address, bounty int64, a marketplace.Amount) (
	marketplace.Bounty, error) {
	b, _, err := s.Fund(s.Context(), orderbook.Key{Account: who}, bounty,
		marketplace.Fund{Amount: a, Mandate: mandate}, s.now)
	return b, err
}

func TestABountyOpensWithTheLastUnitThatItNeeds(t *testing.T) {
	t.Parallel()
	s := coStage(t)
	b, worst := s.part(1, 1, 2)
	if b.State != marketplace.Unfunded || b.Needed != worst.Sub(b.Reserved) || s.wanted() != 0 {
		t.Fatalf("half funded it is %+v, in calls %d", b, s.wanted())
	}
	_, err := s.fund(second, b.ID, b.Needed.Add(marketplace.Units(1)))
	if !errors.Is(err, marketplace.Invalid) || !strings.Contains(err.Error(), b.Needed.String()) {
		t.Errorf("one unit too many: %v", err)
	}
	if _, err := s.fund(second, b.ID, b.Needed.Sub(marketplace.Units(1))); err == nil {
		t.Error("a pledge left one unit for others")
	}
	third1 := b.Needed.MulDiv(1, 3)
	if b, err = s.fund(second, b.ID, third1); err != nil || b.State != marketplace.Unfunded {
		t.Fatal(b.State, err)
	}
	if b, err = s.fund(second, b.ID, third1); err != nil || len(b.Funders) != 2 ||
		b.Funders[1].Pledged != third1.Add(third1) {
		t.Fatalf("raised: %+v, %v", b.Funders, err)
	}
	if b, err = s.fund(third, b.ID, b.Needed); err != nil || b.State != marketplace.Open ||
		!b.Needed.IsZero() || b.Reserved != worst || s.wanted() != 1 {
		t.Fatalf("funded it is %+v, %v", b, err)
	}
	if _, err := s.fund(second, b.ID, worst); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("a pledge to an open bounty: %v", err)
	}
	if _, err := s.TakeBack(t.Context(), second, b.ID, s.now); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("a bound pledge was taken back: %v", err)
	}
}

func TestPledgesGoBackInFullUntilTheBountyOpens(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		do   func(s *stage, id int64) error
		want marketplace.BountyState
	}{
		"cancelled": {func(s *stage, id int64) error {
			_, _, err := s.Cancel(s.Context(), orderbook.Key{Account: poster}, id, s.now)
			return err
		}, marketplace.Cancelled},
		"out of time": {func(s *stage, id int64) error {
			s.now = s.bounty(id).GoodTill
			_, err := s.Sweep(s.Context(), s.now)
			return err
		}, marketplace.Expired},
		"the poster thaws": {func(s *stage, _ int64) error {
			s.chain(orderbook.ChainEvent{Kind: orderbook.ChainThaw, Account: poster,
				Amount: marketplace.BTT(1000), Ends: s.now})
			return nil
		}, marketplace.Cancelled},
		"the funder thaws": {func(s *stage, _ int64) error {
			s.chain(orderbook.ChainEvent{Kind: orderbook.ChainThaw, Account: second,
				Amount: marketplace.BTT(1000), Ends: s.now})
			return nil
		}, marketplace.Unfunded},
		"taken back": {func(s *stage, id int64) error {
			if _, err := s.TakeBack(s.Context(), third, id, s.now); !errors.Is(err, marketplace.NotFound) {
				t.Errorf("who pledged nothing took back: %v", err)
			}
			if _, err := s.TakeBack(s.Context(), poster, id, s.now); !errors.Is(err, marketplace.Conflict) {
				t.Errorf("the poster took its pledge from under the others: %v", err)
			}
			_, err := s.TakeBack(s.Context(), second, id, s.now)
			s.must(err)
			_, err = s.TakeBack(s.Context(), second, id, s.now)
			return err // said twice it is answered twice
		}, marketplace.Unfunded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := coStage(t)
			b, _ := s.part(1, 1, 2)
			_, err := s.fund(second, b.ID, b.Needed.MulDiv(1, 2))
			s.must(err)
			s.must(end.do(s, b.ID))
			after := s.bounty(b.ID)
			if after.State != end.want {
				t.Errorf("it is %s (%s)", after.State, after.Reason)
			}
			if free := s.account(second).Free; free != marketplace.BTT(1000) {
				t.Errorf("the funder has %s", free)
			}
			final := after.State != marketplace.Unfunded
			if free := s.account(poster).Free; (free == marketplace.BTT(1000)) != final {
				t.Errorf("the poster has %s", free)
			}
		})
	}
}

// TestFundersPayAndGetBackProRata lets three who pledged 1/2, 1/3 and 1/6 pay two agents, one of
// whom abandons, and follows every unit.
func TestFundersPayAndGetBackProRata(t *testing.T) {
	t.Parallel()
	s := coStage(t)
	b, worst := s.part(2, 1, 2)
	_, err := s.fund(second, b.ID, worst.MulDiv(1, 3))
	s.must(err)
	b, err = s.fund(third, b.ID, s.bounty(b.ID).Needed)
	s.must(err)
	leases := s.clear(b, s.agent(1), s.agent(2))
	s.fetched(leases...)
	for range 5 {
		s.epoch(nil)
	}
	held := s.account(leases[1].Payee).Held
	_, err = s.Abandon(t.Context(), leases[1].Agent, leases[1].ID, "moving house", s.now)
	s.must(err)
	for range 10 {
		s.epoch(nil)
	}
	s.quorum()
	b = s.bounty(b.ID)
	if b.State != marketplace.Completed || held.IsZero() {
		t.Fatalf("it is %s, %s were held back", b.State, held)
	}
	var drawn marketplace.Amount
	two := marketplace.Units(2)
	for i, den := range []uint64{2, 3, 6} {
		p := b.Funders[i]
		drawn = drawn.Add(p.Drawn)
		want := b.Spent.MulDiv(1, den)
		if p.State != marketplace.PledgeSettled || p.Drawn.Add(p.Refunded) != p.Pledged ||
			p.Drawn.Add(two).Cmp(want) < 0 || want.Add(two).Cmp(p.Drawn) < 0 {
			t.Errorf("funder %d of 1/%d: %+v; all spent %s", i, den, p, b.Spent)
		}
		a := s.account(p.Poster)
		if a.Free.Add(p.Drawn) != marketplace.BTT(1000) || a.Spent != p.Drawn ||
			a.Mandates[0].Committed != p.Drawn {
			t.Errorf("funder %d drew %s and has %+v", i, p.Drawn, a)
		}
	}
	if drawn != b.Spent {
		t.Errorf("funders gave %s of %s", drawn, b.Spent)
	}
	cheques, err := s.Cheques(t.Context(), orderbook.ChequeFilter{State: marketplace.ChequeSigned},
		orderbook.Page{})
	s.must(err)
	signed := map[marketplace.Address]marketplace.Amount{}
	for _, c := range cheques {
		signed[c.Cheque.From] = signed[c.Cheque.From].Add(c.Cheque.Cumulative)
	}
	for _, p := range b.Funders {
		if signed[p.Poster] != p.Drawn {
			t.Errorf("%s drew %s and signed away %s", p.Poster, p.Drawn, signed[p.Poster])
		}
	}
	if len(cheques) != 18 { // three funders, two agents, three auditors and the fee
		t.Errorf("%d cheques are signed", len(cheques))
	}
}

func TestNoFundersAgentGetsTheLease(t *testing.T) {
	t.Parallel()
	s := coStage(t)
	own := s.agent(1)
	s.chain(deposit(own.Agent, marketplace.BTT(1000)), s.aMandate(own.Agent, auditors, 2))
	b, _ := s.part(1, 1, 2)
	b, err := s.fund(own.Agent, b.ID, b.Needed)
	s.must(err)
	if _, err := s.tryClear(b, own); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("a funder pays itself: %v", err)
	}
	s.clear(b, s.agent(2))
}

func TestAThawOfOneFunderEndsTheBountyWithNotice(t *testing.T) {
	t.Parallel()
	s := coStage(t)
	b, _ := s.part(1, 1, 2)
	b, err := s.fund(second, b.ID, b.Needed)
	s.must(err)
	leases := s.clear(b, s.agent(1))
	s.fetched(leases...)
	s.epoch(nil)
	s.chain(orderbook.ChainEvent{Kind: orderbook.ChainThaw, Account: second,
		Amount: marketplace.BTT(1000), Ends: s.now.Add(3 * s.rules.Notice.Duration())})
	l := s.lease(leases[0].ID)
	if b = s.bounty(b.ID); !l.State.Live() || l.EndsAt.After(s.now.Add(s.rules.Notice.Duration())) ||
		b.Reserved.Cmp(s.rules.WorstLeft(l)) < 0 || s.wanted() != 0 {
		t.Errorf("the lease is %s until %s, its bounty %s with %s reserved", l.State, l.EndsAt, b.State,
			b.Reserved)
	}
	for range 4 {
		s.epoch(nil)
	}
	if b = s.bounty(b.ID); b.State != marketplace.Cancelled || b.Spent.IsZero() {
		t.Errorf("it is %s and spent %s", b.State, b.Spent)
	}
}

func TestPledgesThatRaceNeverAddUpToTooMuch(t *testing.T) {
	t.Parallel()
	s := coStage(t)
	b, worst := s.part(1, 1, 2)
	once := orderbook.Key{Account: second, Key: "once"}
	half := marketplace.Fund{Amount: b.Needed.MulDiv(1, 2), Mandate: mandate}
	var all errgroup.Group
	for range 8 {
		all.Go(func() error {
			_, _, err := s.Fund(t.Context(), once, b.ID, half, s.now)
			return err // a repeat is answered
		})
	}
	s.must(all.Wait())
	b = s.bounty(b.ID)
	if len(b.Funders) != 2 || b.Funders[1].Pledged != half.Amount {
		t.Fatalf("one key pledged %+v", b.Funders)
	}
	won := make(chan error, 16)
	for i := range cap(won) {
		who := []marketplace.Address{second, third}[i%2]
		go func() { _, err := s.fund(who, b.ID, b.Needed); won <- err }()
	}
	n := 0
	for range cap(won) {
		if err := <-won; err == nil {
			n++
		} else if !errors.Is(err, marketplace.Conflict) {
			t.Error(err)
		}
	}
	if b = s.bounty(b.ID); n != 1 || b.State != marketplace.Open || b.Reserved != worst {
		t.Errorf("%d pledged the last part; %s of %s", n, b.Reserved, worst)
	}
}

// TestAStuckLeaseHoldsUpNobodyButItself spoils the row of one pledge, so that its bounty cannot pay.
func TestAStuckLeaseHoldsUpNobodyButItself(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	offers := []marketplace.Offer{s.agent(1), s.agent(2), s.agent(3)}
	var leases []marketplace.Lease
	for _, o := range offers {
		leases = append(leases, s.clear(s.post(1), o)...)
	}
	s.fetched(leases...)
	s.epoch(nil)
	conn, err := pgx.Connect(t.Context(), s.url)
	s.must(err)
	defer conn.Close(t.Context())
	spoil := func(sql string) {
		_, err := conn.Exec(t.Context(), sql, leases[1].Bounty)
		s.must(err)
	}
	spoil(`UPDATE pledges SET refunded = pledged WHERE bounty = $1`)
	k := s.rules.EpochAt(s.now)
	s.must(s.OpenEpoch(t.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, s.now))
	for _, l := range leases {
		s.report(l.ID, k, marketplace.Pass)
	}
	s.now = s.rules.EpochStart(k + 1)
	n, err := s.JudgeEpochs(t.Context(), s.now)
	if n != 2 || err == nil {
		t.Errorf("judged %d beside the stuck one: %v", n, err)
	}
	for i, l := range leases {
		if earned := s.lease(l.ID).Earned; earned.IsZero() != (i == 1) {
			t.Errorf("lease %d earned %s", l.ID, earned)
		}
	}
	spoil(`UPDATE pledges SET refunded = 0 WHERE bounty = $1`)
	n, err = s.JudgeEpochs(t.Context(), s.now)
	if n != 1 || err != nil || s.lease(leases[1].ID).Earned.IsZero() {
		t.Errorf("mended, it judged %d: %v", n, err)
	}
}
