package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/everseed/everseed/marketplace"
)

// subject is what the subjects of all events begin with; the event's kind follows.
const subject = "everseed.events."

// A Feed passes on that events happened.
type Feed struct {
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

// Connect makes a feed. An empty address makes one without NATS; a server that is not there is
// looked for in the background, now and whenever it is lost.
func Connect(url string, log *slog.Logger) (*Feed, error) {
	f := &Feed{log: log, wakes: map[*wake]bool{}}
	if url == "" {
		return f, nil
	}
	conn, err := nats.Connect(url, nats.Name("everseed"), nats.NoEcho(),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(500*time.Millisecond),
		nats.ReconnectBufSize(-1), // what cannot be sent now need not be sent
		nats.ConnectHandler(func(*nats.Conn) { f.again("connected") }),
		nats.ReconnectHandler(func(*nats.Conn) { f.again("connected again") }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			log.Info("NATS is gone; the market goes on by its ticks", "err", err)
		}))
	if err != nil {
		return nil, marketplace.Invalid.Errorf("NATS address: %v", err)
	}
	f.conn = conn
	if _, err := conn.Subscribe(subject+">", func(m *nats.Msg) {
		f.wake(strings.TrimPrefix(m.Subject, subject))
	}); err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscribe to events: %w", err)
	}
	return f, nil
}

// again wakes everybody: whatever was told meanwhile is lost.
func (f *Feed) again(how string) {
	f.log.Info("NATS is " + how)
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.wakes {
		w.knock()
	}
}

// Close ends the connection. Channels given out stay open and silent.
func (f *Feed) Close() {
	if f.conn != nil {
		f.conn.Close()
	}
}

// Wake returns a channel that receives when events of some kinds happened since it was last
// received from: "bounty" means all of bounty.open, bounty.filled and so on; no kind means all.
// It is given up when ctx is done.
func (f *Feed) Wake(ctx context.Context, kinds ...string) <-chan struct{} {
	w := &wake{kinds: kinds, c: make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wakes[w] = true
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.wakes, w)
	})
	return w.c
}

// Tell wakes whoever waits for the event's kind, here and in other processes. The event's data
// stays in the book.
func (f *Feed) Tell(e marketplace.Event) {
	f.wake(e.Kind)
	if f.conn == nil {
		return
	}
	e.Data = nil
	text, err := json.Marshal(e)
	if err == nil {
		err = f.conn.Publish(subject+e.Kind, text)
	}
	if err != nil && f.conn.IsConnected() {
		f.log.Info("event not told", "kind", e.Kind, "err", err)
	}
}

func (f *Feed) wake(kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.wakes {
		if w.wants(kind) {
			w.knock()
		}
	}
}

func (w *wake) wants(kind string) bool {
	for _, k := range w.kinds {
		if k == kind || strings.HasPrefix(kind, k+".") {
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
