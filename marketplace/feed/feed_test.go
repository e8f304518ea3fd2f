package feed_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/feed"
)

// stories serves events from a channel as the book does from its table.
func stories(events <-chan string) feed.Source {
	return func(_ context.Context, after string, _ *marketplace.Address, _ int) (
		[]marketplace.Event, string, error) {
		select {
		case kind := <-events:
			return []marketplace.Event{{Kind: kind}, {Kind: kind}}, after + "+", nil
		default:
			return nil, after, nil
		}
	}
}

func connect(t *testing.T, url string) *feed.Bus {
	t.Helper()
	b, err := feed.Connect(url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func wake(t *testing.T, b *feed.Bus, kinds ...string) <-chan struct{} {
	t.Helper()
	w, err := b.Wake(t.Context(), kinds...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestOnlyThoseWhoAskedAreWoken(t *testing.T) {
	t.Parallel()
	server, err := devstack.StartNATS(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	b := connect(t, server.URL())
	leases, bounties, all := wake(t, b, "lease.>"), wake(t, b, "bounty.>"), wake(t, b)
	events := make(chan string, 1)
	done := make(chan error, 1)
	go func() { done <- b.Relay(t.Context(), stories(events), "") }()
	events <- "lease.active"
	for _, w := range []<-chan struct{}{leases, all} {
		select {
		case <-w:
		case <-time.After(10 * time.Second):
			t.Fatal("nobody woke")
		}
	}
	select {
	case <-bounties:
		t.Error("a lease woke who waits for bounties")
	default:
	}
}

func TestTheMarketGoesOnWithoutNATS(t *testing.T) {
	t.Parallel()
	server, err := devstack.StartNATS(0)
	if err != nil {
		t.Fatal(err)
	}
	url := server.URL()
	server.Stop()
	for _, b := range []*feed.Bus{connect(t, url), connect(t, "")} {
		ctx, cancel := context.WithCancel(t.Context())
		events := make(chan string, 1)
		events <- "lease.active"
		w := wake(t, b)
		done := make(chan error, 1)
		go func() { done <- b.Relay(ctx, stories(events), "") }()
		select {
		case <-w:
			t.Error("woken by nobody")
		case <-time.After(300 * time.Millisecond):
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
