package orderbook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/everseed/everseed/marketplace"
)

// Limits of the writer.
const (
	queueMax   = 4096 // postings that wait; the next caller waits to be let in
	batchMax   = 1024 // postings in one transaction
	writeTries = 12   // of one batch, over about six seconds
	writeMax   = 30 * time.Second
	pauseMax   = time.Second
)

// A writer books what many callers hand in at the same time: it takes what has queued while its
// last transaction committed, without waiting for more, and books it in one transaction.
type writer struct {
	pool    *pgxpool.Pool
	queue   chan *handed
	closing chan struct{}
	once    sync.Once     // guards that closing is closed once
	done    chan struct{} // closed when the writer has ended
}

// A handed posting waits in the queue. Either the writer takes it or the caller takes it back.
type handed struct {
	posting
	taken    atomic.Bool
	err      error         // what became of it; read after answered
	answered chan struct{} // closed after its transaction ended
}

func newWriter(pool *pgxpool.Pool) *writer {
	w := &writer{pool: pool, queue: make(chan *handed, queueMax), closing: make(chan struct{}),
		done: make(chan struct{})}
	go w.run()
	return w
}

// close lets the writer book what is queued, and waits until it has.
func (w *writer) close() {
	w.once.Do(func() { close(w.closing) })
	<-w.done
}

// post books transfers, all or none, and returns after the commit. A caller whose ctx ends before
// the writer took them gets the ctx's error, and nothing is ever booked; one whose ctx ends later
// is told what became of them.
func (w *writer) post(ctx context.Context, now time.Time, transfers ...transfer) error {
	h := &handed{posting: posting{transfers: transfers, at: now.UTC()},
		answered: make(chan struct{})}
	select {
	case <-w.closing:
		return errClosed()
	case <-ctx.Done():
		return ctx.Err()
	case w.queue <- h:
	}
	gone := w.done
	for {
		select {
		case <-h.answered:
			return h.err
		case <-ctx.Done():
			if h.take() {
				return ctx.Err()
			}
			ctx = context.Background()
		case <-gone:
			if h.take() {
				return errClosed()
			}
			gone = nil
		}
	}
}

func errClosed() error { return marketplace.Unavailable.Errorf("the book is closed") }

// take gives the posting to whoever asks first: the writer, or a caller who no longer waits.
func (h *handed) take() bool { return h.taken.CompareAndSwap(false, true) }

// run begins a transaction when there is something to book, and takes what has queued until then.
func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case h := <-w.queue:
			w.book(h)
		case <-w.closing:
			select {
			case h := <-w.queue:
				w.book(h)
			default:
				return
			}
		}
	}
}

// book books a batch that begins with one posting, and answers everyone in it.
func (w *writer) book(first *handed) {
	batch := []*handed{}
	err := w.insist(func() []*posting {
		if len(batch) == 0 {
			batch = w.drain(first)
		}
		postings := make([]*posting, len(batch))
		for i, h := range batch {
			postings[i] = &h.posting
		}
		return postings
	})
	for _, h := range batch {
		if h.err = err; err == nil {
			h.err = h.refusal
		}
		close(h.answered)
	}
}

// drain takes what is queued now.
func (w *writer) drain(h *handed) (batch []*handed) {
	for {
		if h.take() {
			batch = append(batch, h)
		}
		if len(batch) == batchMax {
			return batch
		}
		select {
		case h = <-w.queue:
		default:
			return batch
		}
	}
}

// insist books a batch and tries again when the connection was lost or another transaction won:
// what was booked, though the answer was lost, is known by its ids and absorbed.
func (w *writer) insist(batch func() []*posting) error {
	pause := 5 * time.Millisecond
	for try := 1; ; try++ {
		err := w.transact(batch)
		if err == nil || !passing(err) || try == writeTries {
			return err
		}
		time.Sleep(pause)
		pause = min(2*pause, pauseMax)
	}
}

// transact books a batch, which it asks for when the transaction has begun, in one transaction. The
// commit goes with the last statements, which saves a round trip. A connection that is given back
// in the middle of a transaction is closed by the pool.
func (w *writer) transact(batch func() []*posting) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeMax)
	defer cancel()
	conn, err := w.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return postAll(ctx, conn, batch(), "COMMIT")
}

// passing says whether a batch may be tried again.
func passing(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return !errors.Is(err, marketplace.Insufficient)
	}
	class := pg.Code[:2]
	return lostRace(err) || class == "57" || class == "53" || class == "08"
}
