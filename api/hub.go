package api

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// logMax is how many of the newest events the hub keeps for streams that are nearly up to date;
// readMax is how many it reads from the book at once.
const (
	logMax  = 4096
	readMax = 500
)

// A hub reads the book's events once for all streams. It keeps the newest of them, so that a
// stream which is a little behind costs no query; one that is further behind reads the book
// until it has caught up. Streams pull: none of them can hold the hub or another one up.
type hub struct {
	book *orderbook.Book
	bell chan struct{} // rung when there is a notice in this process

	mu    sync.Mutex // guards the fields below
	log   []marketplace.Event
	floor string        // the log holds every event after this one
	tail  string        // newest event seen; equals floor while the log is empty
	begun bool          // floor and tail are known
	news  chan struct{} // closed when tail moves
	over  bool          // run has returned

	notices []orderbook.Notice // the newest, for the streams of those they are for
	noticed int64              // id of the newest
}

func newHub(b *orderbook.Book) *hub {
	return &hub{book: b, bell: make(chan struct{}, 1), news: make(chan struct{})}
}

// run reads until ctx is done.
func (h *hub) run(
	ctx context.Context, wake <-chan struct{}, every time.Duration, log *slog.Logger,
) error {
	defer h.end()
	tick := time.NewTicker(every)
	defer tick.Stop()
	down := false
	for {
		err := h.read(ctx)
		if err != nil && !down && ctx.Err() == nil {
			log.ErrorContext(ctx, "events cannot be read", "err", err)
		}
		down = err != nil
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-wake:
			if !open {
				wake = nil
			}
		case <-h.bell:
		case <-tick.C:
		}
	}
}

// read takes everything new out of the book.
func (h *hub) read(ctx context.Context) error {
	if err := h.begin(ctx); err != nil {
		return err
	}
	if err := h.readNotices(ctx); err != nil {
		return err
	}
	for {
		events, _, err := h.book.EventsAfter(ctx, h.at(), nil, readMax)
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		if len(events) == 0 {
			return nil
		}
		h.add(events)
		if len(events) < readMax {
			return nil
		}
	}
}

// begin finds the end of the story once.
func (h *hub) begin(ctx context.Context) error {
	if h.begun { // only run writes it
		return nil
	}
	last, err := h.book.EventsTail(ctx, 1)
	if err != nil {
		return fmt.Errorf("read the newest event: %w", err)
	}
	noticed, err := h.book.LastNotice(ctx)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begun, h.noticed = true, noticed
	if len(last) > 0 {
		h.tail = last[len(last)-1].ID
	}
	h.floor = h.tail
	h.wakeAll()
	return nil
}

func (h *hub) at() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tail
}

func (h *hub) add(events []marketplace.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, events...)
	if extra := len(h.log) - logMax; extra > 0 {
		h.floor = h.log[extra-1].ID
		h.log = slices.Clone(h.log[extra:])
	}
	h.tail = events[len(events)-1].ID
	h.wakeAll()
}

func (h *hub) wakeAll() {
	close(h.news)
	h.news = make(chan struct{})
}

func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	h.wakeAll()
}

// A view is what the hub has for a stream that saw everything up to some event.
type view struct {
	events []marketplace.Event // those after it, if the log reaches back that far
	behind bool                // it does not
	tail   string
	begun  bool
	over   bool
	news   <-chan struct{} // closed when there is more
}

func (h *hub) after(last string) view {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := view{tail: h.tail, begun: h.begun, over: h.over, news: h.news}
	if before(last, h.floor) {
		v.behind = true
		return v
	}
	n, _ := slices.BinarySearchFunc(h.log, last, func(e marketplace.Event, id string) int {
		if before(id, e.ID) {
			return 1 // the first event that is after id
		}
		return -1
	})
	v.events = h.log[n:len(h.log):len(h.log)]
	return v
}

// before says whether one event's id comes before another's. An id is two decimal numbers with a
// dash between, the transaction's and the row's; the empty id is before all.
func before(a, b string) bool {
	aTx, aRow, _ := strings.Cut(a, "-")
	bTx, bRow, _ := strings.Cut(b, "-")
	return cmp.Or(cmp.Compare(len(aTx), len(bTx)), cmp.Compare(aTx, bTx),
		cmp.Compare(len(aRow), len(bRow)), cmp.Compare(aRow, bRow)) < 0
}
