package matcher

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// A fair is a market in a database of its own, with a poster that has money.
type fair struct {
	*orderbook.Book
	t      *testing.T
	url    string
	poster marketplace.Address
	now    time.Time
}

func newFair(t *testing.T) *fair {
	t.Helper()
	f := &fair{t: t, url: devstack.TestDatabase(t), poster: who(posters), now: start}
	f.Book = f.open()
	f.must(f.Apply(t.Context(), []orderbook.ChainBlock{{Number: 1, At: f.now,
		Events: []orderbook.ChainEvent{
			{Kind: orderbook.ChainDeposit, Tx: "1", Account: f.poster, Amount: marketplace.BTT(1000)},
			{Kind: orderbook.ChainMandate, Tx: "2", Account: f.poster, Mandate: marketplace.Mandate{
				ID: marketplace.Hash{1}, Signers: []marketplace.Address{who(9000)}, Threshold: 1,
				Cap: marketplace.BTT(1000), Expiry: f.now.Add(10_000 * marketplace.Day)}},
		}}}, f.now))
	_, err := f.RegisterTorrent(t.Context(), f.poster, marketplace.Torrent{Infohash: torrent,
		Name: "a torrent", Size: 1 << 28, PieceLength: 1 << 26, Pieces: 4, Files: 1}, []byte("d"), f.now)
	f.must(err)
	return f
}

var torrent = marketplace.Infohash{7}

func (f *fair) open() *orderbook.Book {
	f.t.Helper()
	r := marketplace.DevnetRules()
	book, err := orderbook.Open(f.t.Context(), f.url, orderbook.Options{Rules: r, FeePayee: who(9999)})
	f.must(err)
	f.t.Cleanup(book.Close)
	return book
}

func (f *fair) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fair) post(replicas int, price string) marketplace.Bounty {
	f.t.Helper()
	b, _, err := f.Post(f.t.Context(), orderbook.Key{Account: f.poster}, marketplace.BountyTerms{
		Instrument: marketplace.Keepalive, Infohash: torrent, Replicas: replicas,
		PriceMax: marketplace.MustAmount(price), KeepFor: marketplace.Span(marketplace.Day),
		Mandate: marketplace.Hash{1}}, f.now)
	f.must(err)
	return b
}

func (f *fair) offer(n int, price string) marketplace.Offer {
	f.t.Helper()
	o, err := f.PutOffer(f.t.Context(), who(n), marketplace.OfferTerms{Storage: gib, UploadRate: 1000,
		LeasesMax: 3, PriceMin: marketplace.MustAmount(price), TermMax: marketplace.Span(marketplace.Day),
		TorrentMax: gib, Region: "europe", Peer: fmt.Sprintf("127.0.%d.1:7000", n),
		Payee: who(payees + n)}, f.now)
	f.must(err)
	return o
}

// matcher returns one that logs nowhere, and the fence of a lead it holds.
func (f *fair) matcher(b *orderbook.Book) *Matcher {
	return &Matcher{Book: b, Log: slog.New(slog.DiscardHandler)}
}

func (f *fair) lead(b *orderbook.Book) *orderbook.Leader {
	f.t.Helper()
	leader, err := b.Lead(f.t.Context(), "matcher")
	f.must(err)
	f.t.Cleanup(leader.Resign)
	return leader
}

func (f *fair) leases(bounty int64) []marketplace.Lease {
	f.t.Helper()
	all, err := f.Leases(f.t.Context(), orderbook.LeaseFilter{Bounty: bounty}, orderbook.Page{})
	f.must(err)
	return all
}

func TestAStepTurnsTheBookIntoLeasesAndReasons(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	m, fence := f.matcher(f.Book), f.lead(f.Book).Fence()
	one, two := f.post(2, "0.5"), f.post(1, "0.1")
	f.offer(1, "0.2")
	f.offer(2, "0.3")
	dear := f.offer(3, "0.9")

	n, err := m.Step(t.Context(), fence, f.now)
	if err != nil || n != 2 {
		t.Fatalf("filled %d: %v", n, err)
	}
	for _, l := range f.leases(one.ID) {
		if l.Price != marketplace.MustAmount("0.3") || l.State != marketplace.Reserved {
			t.Errorf("lease %+v", l)
		}
	}
	got, err := f.Bounty(t.Context(), two.ID)
	if want := "best eligible ask 0.2, you bid 0.1"; err != nil || got.Reason != want {
		t.Errorf("reason %q (%v), want %q", got.Reason, err, want)
	}
	o, err := f.Offer(t.Context(), dear.ID)
	if err != nil || o.Reason == "" {
		t.Errorf("reason %q (%v) of an offer that is too dear", o.Reason, err)
	}
	f.must(err)

	// What no offer can have leaves no calls behind, and the chain of calls goes on.
	for range 3 {
		if n, err = m.Step(t.Context(), fence, f.now); err != nil || n != 0 {
			t.Fatalf("filled %d: %v", n, err)
		}
	}
	f.offer(4, "0.05")
	if n, err = m.Step(t.Context(), fence, f.now); err != nil || n != 1 {
		t.Fatalf("filled %d: %v", n, err)
	}
	calls, err := f.Calls(t.Context(), orderbook.Page{})
	f.must(err)
	if len(calls) != 2 || calls[0].Previous != calls[1].Hash || callHash(calls[0]) != calls[0].Hash {
		t.Errorf("calls %+v", calls)
	}
}

func TestAnAgentMayWorkForNothing(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	f.offer(1, "0")
	b := f.post(1, "0.5")
	m, fence := f.matcher(f.Book), f.lead(f.Book).Fence()
	if n, err := m.Step(t.Context(), fence, f.now); err != nil || n != 1 {
		t.Fatalf("filled %d: %v", n, err)
	}
	if l := f.leases(b.ID); len(l) != 1 || !l[0].Price.IsZero() {
		t.Errorf("leases %+v", l)
	}
}

func TestADeclinedReplicaGoesToSomebodyElse(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	m, fence := f.matcher(f.Book), f.lead(f.Book).Fence()
	b := f.post(1, "0.5")
	f.offer(1, "0.1")
	f.offer(2, "0.4")
	step := func() {
		t.Helper()
		if n, err := m.Step(t.Context(), fence, f.now); err != nil || n != 1 {
			t.Fatalf("filled %d: %v", n, err)
		}
	}
	step()
	_, err := f.Decline(t.Context(), who(1), f.leases(b.ID)[0].ID, "no room after all", f.now)
	f.must(err)
	step()
	if l := f.leases(b.ID)[0]; l.Agent != who(2) {
		t.Errorf("second lease %+v", l)
	}
}

func TestADeposedMatcherFillsNothing(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	old := f.lead(f.Book)
	old.Resign()
	f.lead(f.Book)
	f.post(1, "0.5")
	f.offer(1, "0.1")
	n, err := f.matcher(f.Book).Step(t.Context(), old.Fence(), f.now)
	if err != nil || n != 0 || len(f.leases(0)) != 0 {
		t.Fatalf("filled %d: %v", n, err)
	}
}

func TestWhenOneMatcherEndsTheOtherCalls(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	f.now = time.Now()
	type running struct {
		cancel context.CancelFunc
		done   chan error
		wake   chan struct{}
	}
	run := func() running {
		ctx, cancel := context.WithCancel(t.Context())
		r := running{cancel, make(chan error, 1), make(chan struct{}, 1)}
		m := f.matcher(f.open())
		m.Wake = r.wake
		go func() { r.done <- m.Run(ctx) }()
		t.Cleanup(cancel)
		return r
	}
	filled := func(b marketplace.Bounty) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); len(f.leases(b.ID)) == 0; {
			if time.Now().After(deadline) {
				t.Fatal("nobody calls")
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	first, second := run(), run()
	f.offer(1, "0.1")
	filled(f.post(1, "0.5"))
	first.cancel()
	if err := <-first.done; err != nil {
		t.Error(err)
	}
	b := f.post(1, "0.5")
	second.wake <- struct{}{}
	filled(b)
	second.cancel()
	if err := <-second.done; err != nil {
		t.Error(err)
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if bytes.Contains(stacks, []byte("(*Matcher).lead")) {
		t.Errorf("a matcher that ended left goroutines behind:\n%s", stacks)
	}
}
