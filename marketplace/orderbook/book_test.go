package orderbook_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

func TestABountyIsFilledProvenPaidAndRefunded(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(2)
	if want := s.rules.WorstCase(terms(2), size); b.Reserved != want {
		t.Fatalf("reserved %s, want %s", b.Reserved, want)
	}
	leases := s.clear(b, s.agent(1), s.agent(2))
	if got := s.bounty(b.ID).State; got != marketplace.Filled {
		t.Fatalf("bounty is %s", got)
	}
	s.fetched(leases...)
	for range 14 { // the first passes, 12 epochs of 5 s fill the minute, one more for the last verdict
		s.epoch(nil)
	}
	s.now = s.now.Add(time.Minute)
	_, err := s.Sweep(t.Context(), s.now)
	s.must(err)
	each := marketplace.KeepPay(marketplace.BTT(2000), size, 60)
	for _, l := range leases {
		l = s.lease(l.ID)
		if l.State != marketplace.LeaseDone || l.Verified != 60 || l.Earned != each || !l.Held.IsZero() {
			t.Errorf("lease %+v; want completed, 60 s, %s", l, each)
		}
		if got := s.account(l.Payee); got.Payable != each || !got.Held.IsZero() {
			t.Errorf("payee has %s payable, %s held; want %s", got.Payable, got.Held, each)
		}
	}
	b = s.bounty(b.ID)
	fee := s.rules.Fee(each).Add(s.rules.Fee(each))
	if b.State != marketplace.Completed || !b.Reserved.IsZero() ||
		b.Spent != each.Add(each).Add(fee) {
		t.Errorf("bounty %+v", b)
	}
	if got := s.account(poster).Free.Add(b.Spent); got != marketplace.BTT(1000) {
		t.Errorf("free and spent add up to %s", got)
	}
	s.feesAre(fee)
}

// feesAre holds what the market and the auditors have against all fees: half is the auditors', who all
// passed all, in equal parts.
func (s *stage) feesAre(all marketplace.Amount) {
	s.Helper()
	each, sum := s.account(auditors[0]).Payable, s.account(fees).Payable
	for _, who := range auditors {
		if got := s.account(who).Payable; got != each {
			s.Errorf("%s has %s, another auditor %s", who, got, each)
		}
		sum = sum.Add(each)
	}
	half, few := all.MulDiv(1, 2), marketplace.Units(1000) // that roundings leave
	if audits := each.Add(each).Add(each); sum != all || audits.Cmp(half) > 0 ||
		audits.Add(few).Cmp(half) < 0 {
		s.Errorf("of %s in fees %s are booked, %s of them to auditors", all, sum, audits)
	}
}

func TestAGapIsNeverPaid(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil) // first pass: active from here on, nothing paid
	s.epoch(nil) // 5 s
	s.epoch(map[int64]marketplace.Outcome{l.ID: marketplace.Unreachable})
	if got := s.lease(l.ID); got.State != marketplace.Grace || got.Verified != 5 {
		t.Fatalf("after a miss: %s, %d s", got.State, got.Verified)
	}
	s.epoch(nil)
	if got := s.lease(l.ID); got.State != marketplace.Active || got.Verified != 5 {
		t.Fatalf("back from grace: %s, %d s; the gap must not be paid", got.State, got.Verified)
	}
}

func TestWrongDataCostsTheLeaseAndItsHoldback(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(1)
	first, second := s.agent(1), s.agent(2)
	l := s.clear(b, first)[0]
	s.fetched(l)
	for range 3 {
		s.epoch(nil)
	}
	held := s.lease(l.ID).Held
	free := s.account(poster).Free
	s.epoch(map[int64]marketplace.Outcome{l.ID: marketplace.BadData})
	l = s.lease(l.ID)
	if l.State != marketplace.Failed || held.IsZero() || !l.Held.IsZero() {
		t.Fatalf("lease %s, held %s of %s", l.State, l.Held, held)
	}
	if got := s.account(poster).Free; got != free.Add(held) {
		t.Errorf("poster got back %s, want %s", got.SubFloor(free), held)
	}
	if got := s.bounty(b.ID).State; got != marketplace.Degraded {
		t.Errorf("bounty is %s", got)
	}
	now := s.bounty(b.ID)
	if a := s.account(poster); a.Free.Add(now.Spent).Add(now.Reserved) != marketplace.BTT(1000) {
		t.Errorf("%s free, %s spent, %s reserved: what was forfeited is not spent", a.Free, now.Spent,
			now.Reserved)
	}
	f, err := s.Freeze(t.Context(), s.now)
	s.must(err)
	if len(f.Bounties) != 1 || len(f.Barred) != 1 || f.Barred[0].Agent != first.Agent {
		t.Errorf("next call sees %d bounties, bars %v", len(f.Bounties), f.Barred)
	}
	o, err := s.OfferOf(t.Context(), first.Agent)
	if err != nil || o.Standing != marketplace.New || o.Outlook.Reputation.Bps >= 10_000 {
		t.Errorf("agent is %s, %+v, %v", o.Standing, o.Outlook, err)
	}
	s.clear(b, second)
	if got := s.bounty(b.ID).State; got != marketplace.Filled {
		t.Errorf("re-matched bounty is %s", got)
	}
}

func TestTheSameKeyPostsOnce(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	key := orderbook.Key{Account: poster, Key: "k", Body: [32]byte{1}}
	var wg sync.WaitGroup
	ids := make([]int64, 16)
	for i := range ids {
		wg.Go(func() {
			b, _, err := s.Post(t.Context(), key, terms(1), s.now)
			if err != nil {
				t.Error(err)
			}
			ids[i] = b.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("posted several: %v", ids)
		}
	}
	key.Body[0] = 2
	if _, _, err := s.Post(t.Context(), key, terms(2), s.now); !errors.Is(err, marketplace.Invalid) {
		t.Errorf("another body under the same key: %v", err)
	}
}

func TestARequestMakesOneKey(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	make := func(k orderbook.Key, secret byte) error {
		_, err := s.CreateKey(t.Context(), k, "bot", []string{"read"}, [32]byte{secret},
			s.now.Add(time.Hour), s.now)
		return err
	}
	key := orderbook.Key{Account: poster, Key: "k", Body: [32]byte{1}}
	s.must(make(key, 1))
	if err := make(key, 2); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("the same request: %v", err)
	}
	key.Body[0] = 2
	if err := make(key, 3); !errors.Is(err, marketplace.Invalid) {
		t.Errorf("another request under the same key: %v", err)
	}
	if all, err := s.Keys(t.Context(), poster); err != nil || len(all) != 1 {
		t.Errorf("%d keys were made (%v)", len(all), err)
	}
}

func TestNobodyPostsMoreThanIsFree(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	dear := terms(10)
	dear.PriceMax = marketplace.BTT(1_000_000)
	worst := s.rules.WorstCase(dear, size)
	var wg sync.WaitGroup
	var mu sync.Mutex
	reserved := marketplace.Amount{}
	for range 8 {
		wg.Go(func() {
			_, _, err := s.Post(t.Context(), orderbook.Key{Account: poster}, dear, s.now)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				reserved = reserved.Add(worst)
			} else if !errors.Is(err, marketplace.Insufficient) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if reserved.Cmp(marketplace.BTT(1000)) > 0 || reserved.IsZero() {
		t.Errorf("%s BTT reserved of 1000", reserved)
	}
	if got := s.account(poster); got.Free.Add(reserved) != marketplace.BTT(1000) {
		t.Errorf("%s free and %s reserved", got.Free, reserved)
	}
}

func TestRefusalsNameWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	for name, c := range map[string]struct {
		change func(*marketplace.BountyTerms)
		want   marketplace.Kind
	}{
		"unknown torrent": {func(b *marketplace.BountyTerms) { b.Infohash[0] ^= 1 }, marketplace.NotFound},
		"no mandate":      {func(b *marketplace.BountyTerms) { b.Mandate[0] ^= 1 }, marketplace.Insufficient},
		"mandate too short": {func(b *marketplace.BountyTerms) {
			b.KeepFor = marketplace.Span(500 * marketplace.Day)
			b.PriceMax = marketplace.BTT(1)
		}, marketplace.Insufficient},
		"worth nothing": {func(b *marketplace.BountyTerms) { b.PriceMax = marketplace.Tick },
			marketplace.Invalid},
	} {
		b := terms(1)
		c.change(&b)
		if _, _, err := s.Post(t.Context(), orderbook.Key{Account: poster}, b, s.now); !errors.Is(err,
			c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	stranger := orderbook.Key{Account: person("stranger")}
	if _, _, err := s.Post(t.Context(), stranger, terms(1), s.now); !errors.Is(err,
		marketplace.Insufficient) {
		t.Errorf("no money: %v", err)
	}
	b := s.post(1)
	if _, _, err := s.Cancel(t.Context(), stranger, b.ID, s.now); !errors.Is(err, marketplace.Forbidden) {
		t.Errorf("somebody else's bounty: %v", err)
	}
}

func TestCancelBeforeAMatchRefundsAtOnceAndAfterItPaysTheNotice(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(1)
	b, _, err := s.Cancel(t.Context(), orderbook.Key{Account: poster}, b.ID, s.now)
	s.must(err)
	if b.State != marketplace.Cancelled || s.account(poster).Free != marketplace.BTT(1000) {
		t.Fatalf("before a match: %s, %s free", b.State, s.account(poster).Free)
	}
	b = s.post(2)
	l := s.clear(b, s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	reserved := s.bounty(b.ID).Reserved
	b, _, err = s.Cancel(t.Context(), orderbook.Key{Account: poster}, b.ID, s.now)
	s.must(err)
	if b.State != marketplace.Open || b.Reserved.Cmp(reserved) >= 0 || b.Reserved.IsZero() {
		t.Fatalf("under notice: %s, %s of %s reserved", b.State, b.Reserved, reserved)
	}
	for range 5 {
		s.epoch(nil)
	}
	l, b = s.lease(l.ID), s.bounty(b.ID)
	if l.State != marketplace.LeaseDone || l.Verified != 5+8 { // notice is 8 s
		t.Errorf("lease is %s with %d s", l.State, l.Verified)
	}
	if b.State != marketplace.Cancelled || s.account(poster).Free.Add(b.Spent) != marketplace.BTT(1000) {
		t.Errorf("bounty is %s, free %s, spent %s", b.State, s.account(poster).Free, b.Spent)
	}
}

func TestAThawBeyondFreeMoneyIsACancel(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(1)
	l := s.clear(b, s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	s.chain(orderbook.ChainEvent{Kind: orderbook.ChainThaw, Account: poster,
		Amount: marketplace.BTT(1000), Ends: s.now.Add(20 * time.Second)})
	if _, _, err := s.Post(t.Context(), orderbook.Key{Account: poster}, terms(1), s.now); !errors.Is(err,
		marketplace.Insufficient) {
		t.Errorf("posted with thawing money: %v", err)
	}
	for range 4 {
		s.epoch(nil)
	}
	if got := s.bounty(b.ID); got.State != marketplace.Cancelled || got.Spent.IsZero() {
		t.Errorf("bounty is %s, spent %s", got.State, got.Spent)
	}
	left := s.account(poster).Free
	s.chain(orderbook.ChainEvent{Kind: orderbook.ChainWithdraw, Account: poster, Amount: left})
	if got := s.account(poster); !got.Free.IsZero() || !got.Thawing.IsZero() {
		t.Errorf("after the withdrawal: %s free, %s thawing", got.Free, got.Thawing)
	}
}

func TestAChequeIsRedeemedOnceWhoeverSendsIt(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	s.fetched(l)
	for range 3 {
		s.epoch(nil)
	}
	s.quorum()
	open, err := s.Redeemable(t.Context(), 10)
	s.must(err)
	if len(open) != 2+len(auditors) { // the agent's, the fee's and the auditors'
		t.Fatalf("%d cheques to redeem", len(open))
	}
	r := open[slices.IndexFunc(open, func(r orderbook.Redemption) bool { return r.Cheque.To == l.Payee })]
	tx := orderbook.StagedTx{ID: "a", Cheque: r.ID, Raw: []byte{1}, Expires: s.now.Add(time.Minute)}
	s.must(s.StageTx(t.Context(), tx, s.now))
	tx.ID = "b"
	if err := s.StageTx(t.Context(), tx, s.now); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("a second transaction for one cheque: %v", err)
	}
	redeem := orderbook.ChainEvent{Kind: orderbook.ChainRedeem, Account: poster, To: l.Payee,
		Mandate: marketplace.Mandate{ID: mandate}, Amount: r.Cheque.Cumulative,
		Cumulative: r.Cheque.Cumulative}
	s.chain(redeem)
	s.must(s.SettleTx(t.Context(), "a", s.now))
	if got := s.account(l.Payee); got.Redeemed != r.Cheque.Cumulative || !got.Payable.IsZero() {
		t.Errorf("payee: %s redeemed, %s payable", got.Redeemed, got.Payable)
	}
	if got, err := s.Cheque(t.Context(), r.ID); err != nil || got.State != marketplace.ChequeSolid {
		t.Errorf("cheque is %s, %v", got.State, err)
	}
	if open, err = s.Redeemable(t.Context(), 10); err != nil ||
		len(open) != 1+len(auditors) {
		t.Errorf("%d cheques left to redeem, %v", len(open), err)
	}
}

func TestALapsedTransactionMayBeBuiltAgain(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	s.quorum()
	open, err := s.Redeemable(t.Context(), 1)
	s.must(err)
	tx := orderbook.StagedTx{ID: "a", Cheque: open[0].ID, Raw: []byte{1}, Expires: s.now}
	s.must(s.StageTx(t.Context(), tx, s.now))
	s.must(s.Unstage(t.Context(), "a", nil, s.now))
	tx.ID = "b"
	s.must(s.StageTx(t.Context(), tx, s.now))
	if flying, err := s.InFlight(t.Context()); err != nil || len(flying) != 1 || flying[0].ID != "b" {
		t.Errorf("in flight: %v, %v", flying, err)
	}
}

func TestADifferenceFreezesRedemptions(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	l := s.clear(s.post(1), s.agent(1))[0]
	s.fetched(l)
	s.epoch(nil)
	s.epoch(nil)
	s.quorum()
	s.must(s.RecordSolvency(t.Context(), marketplace.Solvency{Difference: "1 BTT is missing"}, s.now))
	since := s.now
	open, err := s.Redeemable(t.Context(), 1)
	s.must(err)
	tx := orderbook.StagedTx{ID: "a", Cheque: open[0].ID, Raw: []byte{1}, Expires: s.now}
	if err := s.StageTx(t.Context(), tx, s.now); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("a redemption was written down while frozen: %v", err)
	}
	s.now = s.now.Add(time.Minute)
	s.must(s.RecordSolvency(t.Context(), marketplace.Solvency{Difference: "2 BTT"}, s.now))
	if now, err := s.Solvency(t.Context()); err != nil || !now.FrozenSince.Equal(since) {
		t.Errorf("frozen since %s, it was %s (%v)", now.FrozenSince, since, err)
	}
	s.must(s.RecordSolvency(t.Context(), marketplace.Solvency{}, s.now))
	s.must(s.StageTx(t.Context(), tx, s.now))
	if now, err := s.Solvency(t.Context()); err != nil || now.Frozen || !now.FrozenSince.IsZero() {
		t.Errorf("mended, and still frozen since %s (%v)", now.FrozenSince, err)
	}
}

func TestABlockIsAppliedOnce(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	block := orderbook.ChainBlock{Number: s.block, Events: []orderbook.ChainEvent{{
		Kind: orderbook.ChainDeposit, Tx: "again", Account: poster, Amount: marketplace.BTT(1)}}}
	if err := s.Apply(t.Context(), []orderbook.ChainBlock{block}, s.now); !errors.Is(err,
		marketplace.Conflict) {
		t.Errorf("applied twice: %v", err)
	}
	if got := s.account(poster).Free; got != marketplace.BTT(1000) {
		t.Errorf("poster has %s", got)
	}
}

func TestOnlyTheNewestLeaderMayRecordACall(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b, o := s.post(1), s.agent(1)
	old, err := s.Lead(t.Context(), "matcher")
	s.must(err)
	old.Resign()
	next, err := s.Lead(t.Context(), "matcher")
	s.must(err)
	defer next.Resign()
	c := marketplace.Call{Fills: []marketplace.Fill{{Bounty: b.ID, Offer: o.ID,
		Price: marketplace.BTT(2000)}}}
	if _, err := s.RecordCall(t.Context(), old.Fence(), c, orderbook.Reasons{}, s.now); !errors.Is(err,
		marketplace.Conflict) {
		t.Errorf("the old leader recorded: %v", err)
	}
	if _, err := s.RecordCall(t.Context(), next.Fence(), c, orderbook.Reasons{}, s.now); err != nil {
		t.Error(err)
	}
}

func TestNobodyWorksBelowTheirPriceWhateverTheCallSays(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b, o := s.post(1), s.agent(1)
	o.Terms.PriceMin = marketplace.BTT(3000)
	_, err := s.PutOffer(t.Context(), o.Agent, o.Terms, s.now)
	s.must(err)
	if _, err := s.tryClear(b, o); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("filled at 2000 an offer of 3000: %v", err)
	}
}

func TestADeclinedLeaseGoesToSomebodyElse(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(1)
	l := s.clear(b, s.agent(1))[0]
	if _, err := s.Decline(t.Context(), person("stranger"), l.ID, "mine", s.now); !errors.Is(err,
		marketplace.Forbidden) {
		t.Errorf("a stranger declined: %v", err)
	}
	_, err := s.Decline(t.Context(), l.Agent, l.ID, "disk is full", s.now)
	s.must(err)
	if got := s.lease(l.ID); got.State != marketplace.Released || got.Reason != "declined: disk is full" {
		t.Errorf("lease is %s: %s", got.State, got.Reason)
	}
	f, err := s.Freeze(t.Context(), s.now)
	s.must(err)
	if len(f.Bounties) != 1 || len(f.Barred) != 1 {
		t.Errorf("next call sees %d bounties and %d bars", len(f.Bounties), len(f.Barred))
	}
}

func TestNobodyTakesItInTime(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	b := s.post(1)
	s.now = s.now.Add(time.Hour)
	_, err := s.Sweep(t.Context(), s.now)
	s.must(err)
	if got := s.bounty(b.ID); got.State != marketplace.Expired || !got.Reserved.IsZero() {
		t.Errorf("bounty is %s with %s reserved", got.State, got.Reserved)
	}
}

func TestNoEventIsPassedOverWhileWritersRace(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	const writers, each = 8, 20
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				_, _, err := s.Post(t.Context(), orderbook.Key{Account: poster}, terms(1), s.now)
				if err != nil && !errors.Is(err, marketplace.TooMany) {
					t.Error(err)
				}
			}
		})
	}
	seen, cursor := 0, ""
	read := func() {
		for {
			events, next, err := s.EventsAfter(t.Context(), cursor, nil, 7)
			s.must(err)
			if len(events) == 0 {
				return
			}
			cursor = next
			for _, e := range events {
				if e.Kind == "bounty.open" {
					seen++
				}
			}
		}
	}
	posted := make(chan struct{})
	go func() { wg.Wait(); close(posted) }()
	for running := true; running; {
		read()
		select {
		case <-posted:
			running = false
		default:
		}
	}
	open, err := s.Bounties(t.Context(), orderbook.BountyFilter{}, orderbook.Page{Limit: 1000})
	s.must(err)
	// Transactions of other tests on the same server hold readers back for a moment.
	for until := time.Now().Add(20 * time.Second); seen < len(open) && time.Now().Before(until); {
		read()
	}
	if seen != len(open) || seen == 0 {
		t.Errorf("saw %d of %d events", seen, len(open))
	}
}
