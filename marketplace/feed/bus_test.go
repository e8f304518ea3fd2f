package feed

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

var quiet = slog.New(slog.DiscardHandler)

func connect(t *testing.T, url string) *Bus {
	t.Helper()
	f, err := Connect(url, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// woken waits for a wake-up that must come.
func woken(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("not woken: %s", what)
	}
}

func asleep(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
		t.Errorf("woken: %s", what)
	default:
	}
}

func event(kind string) marketplace.Event { return marketplace.Event{Kind: kind, ID: "1-1"} }

func wakeOn(t *testing.T, b *Bus, kinds ...string) <-chan struct{} {
	t.Helper()
	c, err := b.Wake(t.Context(), kinds...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWithoutNATSABusServesItsOwnProcess(t *testing.T) {
	t.Parallel()
	b := connect(t, "")
	bounties, leases := wakeOn(t, b, "bounty.>", "offer.>"), wakeOn(t, b, "lease.active")
	all := wakeOn(t, b)
	for range 3 {
		b.tell(event("bounty.open"))
	}
	woken(t, "of its kind", bounties)
	asleep(t, "three knocks are one", bounties)
	woken(t, "of any kind", all)
	asleep(t, "of another kind", leases)
	b.tell(event("lease.actively"))
	b.tell(event("bountylike.open"))
	asleep(t, "of a longer kind", leases)
	asleep(t, "of a longer kind", bounties)
	b.tell(event("lease.active"))
	woken(t, "of exactly its kind", leases)
	woken(t, "of any kind", all)
}

func TestWhoIsGoneIsNotWoken(t *testing.T) {
	t.Parallel()
	b := connect(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	c, err := b.Wake(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for range 1000 { // giving up takes a moment
		b.tell(event("lease.active"))
		time.Sleep(time.Millisecond)
		select {
		case <-c:
		default:
			return
		}
	}
	t.Error("somebody who is gone is still woken")
}

func TestAKindThatCannotHappenIsRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"bounty", "bounty.*", "everseed.events.bounty.>", ">", ""} {
		if _, err := connect(t, "").Wake(t.Context(), kind); !errors.Is(err, marketplace.Invalid) {
			t.Errorf("%q: %v", kind, err)
		}
	}
}

func TestThroughNATSABusWakesOtherProcesses(t *testing.T) {
	t.Parallel()
	server, err := devstack.StartNATS(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	one, two := connect(t, server.URL()), connect(t, server.URL())
	c, leases := wakeOn(t, two, "cheque.>"), wakeOn(t, two, "lease.>")
	tellUntil(t, one, c)
	// The connection wakes everybody who was there before it, once, at a moment of its own.
	select {
	case <-leases:
	case <-time.After(time.Second):
	}
	tellUntil(t, one, c)
	asleep(t, "by another kind", leases)
}

// tellUntil tells of a cheque until it was heard: who is just connecting hears nothing.
func tellUntil(t *testing.T, f *Bus, heard <-chan struct{}) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		f.tell(event("cheque.signed"))
		select {
		case <-heard:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatal("another process is not woken")
}

func TestABusFindsNATSThatComesLater(t *testing.T) {
	t.Parallel()
	first, err := devstack.StartNATS(0)
	if err != nil {
		t.Fatal(err)
	}
	address := first.URL()
	first.Stop()
	port := portOf(t, address)

	one, two := connect(t, address), connect(t, address)
	c := wakeOn(t, two, "cheque.>")
	one.tell(event("cheque.signed")) // lost, and nobody minds
	second, err := devstack.StartNATS(port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Stop)
	woken(t, "because something may have been lost", c)
	tellUntil(t, one, c)
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestANATSAddressThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := Connect("nats://[::1", quiet); err == nil {
		t.Error("connected to nonsense")
	}
}

func TestARelayTellsWhatHappensFromNowOn(t *testing.T) {
	t.Parallel()
	book, err := orderbook.Open(t.Context(), devstack.TestDatabase(t),
		orderbook.Options{Rules: marketplace.DevnetRules()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(book.Close)
	now := time.Now()
	deposit := func(block int64) {
		t.Helper()
		err := book.Apply(t.Context(), []orderbook.ChainBlock{{Number: block, Events: []orderbook.
			ChainEvent{{Kind: orderbook.ChainDeposit, Tx: "1", Index: int(block),
			Account: marketplace.Address{1}, Amount: marketplace.BTT(1)}}}}, now)
		if err != nil {
			t.Fatal(err)
		}
	}
	deposit(1)
	for deadline := time.Now().Add(5 * time.Second); len(tail(t, book)) == 0; {
		if time.Now().After(deadline) { // an older transaction may still hide it
			t.Fatal("the first event does not show")
		}
	}
	b := connect(t, "")
	c := wakeOn(t, b, "account.deposit")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Relay(ctx, book.EventsAfter, tail(t, book)[0].ID) }()
	time.Sleep(2 * relayEvery)
	asleep(t, "by the past", c)
	deposit(2)
	woken(t, "by a deposit", c)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func tail(t *testing.T, b *orderbook.Book) []marketplace.Event {
	t.Helper()
	all, err := b.EventsTail(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
