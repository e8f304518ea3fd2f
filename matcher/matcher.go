package matcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// A Matcher runs calls on the book whenever this process leads. Any number of processes may run
// one; one of them leads.
type Matcher struct {
	Book *orderbook.Book
	Wake <-chan struct{} // may be nil: a wake-up only saves waiting for the tick
	Log  *slog.Logger

	settled marketplace.Hash // input of the newest call, when nothing in it traded
}

// Run waits for the lead and runs calls until ctx is done. While the book is busy a call comes
// every Rules.CallEvery; when it was idle, a wake-up is answered at once.
func (m *Matcher) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		leader, err := m.Book.Lead(ctx, "matcher")
		if err == nil {
			m.Log.InfoContext(ctx, "matcher leads", "fence", leader.Fence())
			m.lead(ctx, leader)
			leader.Resign()
		} else if ctx.Err() == nil {
			m.Log.ErrorContext(ctx, "matcher cannot stand for the lead", "err", err)
		}
		pause(ctx, m.every())
	}
	return nil
}

func (m *Matcher) every() time.Duration { return m.Book.Rules().CallEvery.Duration() }

// pause waits for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// lead runs calls until the lead is lost or ctx is done.
func (m *Matcher) lead(ctx context.Context, leader *orderbook.Leader) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-leader.Lost():
			cancel() // a call under way would be refused anyway: its fence is old
		case <-ctx.Done():
		}
	})
	m.settled = marketplace.Hash{} // another leader may have called since
	for ctx.Err() == nil {
		fills, err := m.Step(ctx, leader.Fence(), time.Now())
		if err != nil && ctx.Err() == nil {
			m.Log.ErrorContext(ctx, "matcher cannot call", "err", err)
		}
		m.wait(ctx, fills == 0 && err == nil)
	}
}

// wait returns when the next call is due: a tick from now, or when idle with the next wake-up. A
// burst of wake-ups is one: a tenth of a tick gathers it.
func (m *Matcher) wait(ctx context.Context, idle bool) {
	gather := m.every() / 10
	pause(ctx, gather)
	tick := time.After(m.every() - gather)
	if !idle {
		select {
		case <-ctx.Done():
		case <-tick:
		}
		return
	}
	select {
	case <-ctx.Done():
	case <-m.Wake:
	case <-tick:
	}
}

// Step runs one call and returns how many replicas it filled. A book that has not changed since
// a call without fills is left alone.
func (m *Matcher) Step(ctx context.Context, fence int64, now time.Time) (int, error) {
	began := time.Now()
	f, err := m.Book.Freeze(ctx, now)
	if err != nil {
		return 0, fmt.Errorf("freeze the book: %w", err)
	}
	input := digest(f, m.Book.Rules())
	if input == m.settled {
		return 0, nil
	}
	call, why := Clear(f, m.Book.Rules())
	keepChanged(why.Bounties, f.Bounties, func(b marketplace.Bounty) (int64, string) {
		return b.ID, b.Reason
	})
	keepChanged(why.Offers, f.Offers, func(o marketplace.Offer) (int64, string) {
		return o.ID, o.Reason
	})
	if len(call.Fills)+len(why.Bounties)+len(why.Offers) > 0 {
		call, err = m.Book.RecordCall(ctx, fence, call, why, now)
		if errors.Is(err, marketplace.Conflict) {
			m.Log.InfoContext(ctx, "call refused", "reason", err.Error())
			return 0, nil // the book moved since it was frozen: the next call sees why
		}
		if err != nil {
			return 0, fmt.Errorf("record the call: %w", err)
		}
	}
	if len(call.Fills) == 0 {
		m.settled = input
		return 0, nil
	}
	m.settled = marketplace.Hash{}
	m.Log.InfoContext(ctx, "call cleared", "call", call.ID, "bounties", call.Bounties, "offers",
		call.Offers, "replicas", len(call.Fills), "took", time.Since(began))
	return len(call.Fills), nil
}

// keepChanged drops reasons that are in the book already.
func keepChanged[T any](reasons map[int64]string, nouns []T, of func(T) (int64, string)) {
	stored := make(map[int64]string, len(nouns))
	for _, n := range nouns {
		id, reason := of(n)
		stored[id] = reason
	}
	maps.DeleteFunc(reasons, func(id int64, reason string) bool { return stored[id] == reason })
}
