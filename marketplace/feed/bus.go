package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/everseed/everseed/marketplace"
)

// subject is what the subjects of all events begin with; the event's kind follows.
const subject = "everseed.events."

// A Bus passes on that events happened.
type Bus struct {
	conn *nats.Conn // nil without NATS
	log  *slog.Logger

	mu    sync.Mutex // guards the field below
	wakes map[*wake]bool
}

// A wake is somebody's wish to be woken by some kinds of events.
type wake struct {
	kinds []string
	c     chan struct{}
}

// Connect makes a bus. An empty address makes one without NATS; a server that is not there is
// looked for in the background, now and whenever it is lost.
func Connect(url string, log *slog.Logger) (*Bus, error) {
	b := &Bus{log: log, wakes: map[*wake]bool{}}
	if url == "" {
		return b, nil
	}
	conn, err := nats.Connect(url, nats.Name("everseed"), nats.NoEcho(),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(500*time.Millisecond),
		nats.ReconnectBufSize(-1), // what cannot be sent now need not be sent
		nats.ConnectHandler(func(*nats.Conn) { b.again("connected") }),
		nats.ReconnectHandler(func(*nats.Conn) { b.again("connected again") }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			log.Info("NATS is gone; the market goes on by its ticks", "err", err)
		}))
	if err != nil {
		return nil, marketplace.Invalid.Errorf("NATS address: %v", err)
	}
	b.conn = conn
	if _, err := conn.Subscribe(subject+">", func(m *nats.Msg) {
		b.wake(strings.TrimPrefix(m.Subject, subject))
	}); err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscribe to events: %w", err)
	}
	return b, nil
}

// again wakes everybody: whatever was told meanwhile is lost.
func (b *Bus) again(how string) {
	b.log.Info("NATS is " + how)
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := range b.wakes {
		w.knock()
	}
}

// Close ends the connection. Channels given out stay open and silent.
func (b *Bus) Close() {
	if b.conn != nil {
		b.conn.Close()
	}
}

// Wake returns a channel that receives when events of some kinds happened since it was last
// received from. A kind is "lease.active", or "lease.>" for all that begin so; none at all means
// every event. The channel falls silent when ctx is done.
func (b *Bus) Wake(ctx context.Context, kinds ...string) (<-chan struct{}, error) {
	for _, k := range kinds {
		if !kindOf.MatchString(k) {
			return nil, marketplace.Invalid.Errorf("%q is no kind of event", k)
		}
	}
	w := &wake{kinds: kinds, c: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wakes[w] = true
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.wakes, w)
	})
	return w.c, nil
}

var kindOf = regexp.MustCompile(`^[a-z_]+\.([a-z_]+|>)$`)

// tell wakes whoever waits for the event's kind, here and in other processes. The event's data
// stays in the book.
func (b *Bus) tell(e marketplace.Event) {
	b.wake(e.Kind)
	if b.conn == nil {
		return
	}
	e.Data = nil
	text, err := json.Marshal(e)
	if err == nil {
		err = b.conn.Publish(subject+e.Kind, text)
	}
	if err != nil && b.conn.IsConnected() {
		b.log.Info("event not told", "kind", e.Kind, "err", err)
	}
}

func (b *Bus) wake(kind string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := range b.wakes {
		if w.wants(kind) {
			w.knock()
		}
	}
}

func (w *wake) wants(kind string) bool {
	for _, k := range w.kinds {
		begin, all := strings.CutSuffix(k, ">")
		if k == kind || all && strings.HasPrefix(kind, begin) {
			return true
		}
	}
	return len(w.kinds) == 0
}

// knock never waits: one knock that was not heard yet is as good as many.
func (w *wake) knock() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}

// batch is how many events are read at a time.
const batch = 500

// relayEvery is how often the relay looks for events.
const relayEvery = 100 * time.Millisecond

// Relay tells of every event that follows a cursor until ctx is done; read is the book's
// EventsAfter. When several processes relay, everything is told several times, which does no
// harm.
func (b *Bus) Relay(ctx context.Context, read func(
	ctx context.Context, cursor string, who *marketplace.Address, limit int,
) ([]marketplace.Event, string, error), cursor string) error {
	tick := time.NewTicker(relayEvery)
	defer tick.Stop()
	down := false
	for {
		events, next, err := read(ctx, cursor, nil, batch)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !down:
			b.log.ErrorContext(ctx, "relay cannot read events", "err", err)
		case err == nil:
			cursor = next
		}
		down = err != nil
		for _, e := range events {
			b.tell(e)
		}
		if len(events) == batch {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
