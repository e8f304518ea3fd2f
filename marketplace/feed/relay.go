package feed

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// A Relay reads the book's events and tells the feed. It begins with what happens next, and when
// several processes run one, everything is told several times, which does no harm.
type Relay struct {
	// Tail and After are the book's EventsTail and EventsAfter.
	Tail  func(ctx context.Context, n int) ([]marketplace.Event, error)
	After func(ctx context.Context, cursor string, who *marketplace.Address, limit int) (
		[]marketplace.Event, string, error)
	Feed  *Feed
	Every time.Duration // how often to look; 100 ms when zero
	Log   *slog.Logger

	begun  bool
	cursor string
}

// batch is how many events are read at a time.
const batch = 500

// Run relays until ctx is done.
func (r *Relay) Run(ctx context.Context) error {
	every := r.Every
	if every == 0 {
		every = 100 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	down := false
	for {
		_, err := r.Step(ctx, time.Now())
		if err != nil && !down && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "relay cannot read events", "err", err)
		}
		down = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Step tells of every event since the last step and returns how many there were.
func (r *Relay) Step(ctx context.Context, _ time.Time) (n int, err error) {
	if !r.begun {
		last, err := r.Tail(ctx, 1)
		if err != nil {
			return 0, fmt.Errorf("find the newest event: %w", err)
		}
		for _, e := range last {
			r.cursor = e.ID
		}
		r.begun = true
	}
	for {
		events, next, err := r.After(ctx, r.cursor, nil, batch)
		if err != nil {
			return n, fmt.Errorf("read events: %w", err)
		}
		for _, e := range events {
			r.Feed.Tell(e)
		}
		r.cursor = next
		if n += len(events); len(events) < batch {
			return n, nil
		}
	}
}
