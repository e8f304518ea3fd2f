package feed

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/everseed/everseed/marketplace"
)

const (
	subject    = "everseed.events."
	relayEvery = 100 * time.Millisecond
	relayMost  = 1000
)

// A Bus is a connection to NATS that comes back by itself. The zero Bus has none: nothing wakes,
// and Relay waits for the end.
type Bus struct {
	conn *nats.Conn
	log  *slog.Logger
}

// Connect joins the bus at a NATS address, now or whenever it answers; an empty address gives a bus
// without one. An address that cannot be read is Invalid.
func Connect(url string, log *slog.Logger) (*Bus, error) {
	b := &Bus{log: log}
	if url == "" {
		return b, nil
	}
	var err error
	b.conn, err = nats.Connect(url, nats.Name("everseed-market"), nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true), nats.ReconnectWait(time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Info("NATS is gone; the market goes on by its ticks", "err", err)
			}
		}))
	if err != nil {
		return nil, marketplace.Invalid.Errorf("NATS at %q: %v", url, err)
	}
	return b, nil
}

// Close leaves the bus.
func (b *Bus) Close() {
	if b.conn != nil {
		b.conn.Close()
	}
}

// Wake returns a channel that says that events of some kinds came; "lease.>" is every kind of
// lease event, none means all. Many events may be one wake-up. It ends with ctx.
func (b *Bus) Wake(ctx context.Context, kinds ...string) (<-chan struct{}, error) {
	wake := make(chan struct{}, 1)
	if b.conn == nil {
		return wake, nil
	}
	if len(kinds) == 0 {
		kinds = []string{">"}
	}
	var subs []*nats.Subscription
	for _, kind := range kinds {
		sub, err := b.conn.Subscribe(subject+kind, func(*nats.Msg) {
			select {
			case wake <- struct{}{}:
			default: // one is waiting already
			}
		})
		if err != nil {
			return nil, fmt.Errorf("listen for %s: %w", kind, err)
		}
		subs = append(subs, sub)
	}
	context.AfterFunc(ctx, func() {
		for _, sub := range subs {
			_ = sub.Unsubscribe() // the connection may be closed before
		}
	})
	return wake, nil
}

// A Source reads events that follow a cursor, and returns the cursor after them.
type Source func(ctx context.Context, after string, who *marketplace.Address, limit int) (
	[]marketplace.Event, string, error)

// Relay publishes every event that follows a cursor until ctx is done.
func (b *Bus) Relay(ctx context.Context, read Source, after string) error {
	if b.conn == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(relayEvery)
	defer tick.Stop()
	for {
		events, next, err := read(ctx, after, nil, relayMost)
		if err != nil && ctx.Err() == nil {
			b.log.ErrorContext(ctx, "events cannot be relayed", "err", err)
		}
		if err == nil {
			after = next
			b.publish(events)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// publish says each kind once: a wake-up carries no more.
func (b *Bus) publish(events []marketplace.Event) {
	said := map[string]bool{}
	for _, e := range events {
		if said[e.Kind] {
			continue
		}
		said[e.Kind] = true
		if err := b.conn.Publish(subject+strings.ReplaceAll(e.Kind, " ", "_"), nil); err != nil {
			b.log.Info("NATS takes nothing; the market goes on by its ticks", "err", err)
			return
		}
	}
}
