package audit

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A Quiet is what a try in a quiet window has beside its challenges.
type Quiet struct {
	Ticket marketplace.Ticket
	// Opens is when asking begins: until then the auditors of the torrent's other replicas show their
	// tickets, and no agent but the one it is asked of learns what will be asked.
	Opens time.Time
	// Closes is when the first agent may serve others again. What comes later shows nothing.
	Closes time.Time
}

// ourQuiet is the number under which we want metainfo.QuietExtension.
const ourQuiet = 5

// A window is a probe's part in a quiet window. It asks for blocks one at a time and each of them twice, and
// for whole pieces when that is done.
type window struct {
	Quiet
	patience time.Time // until when the peer may introduce itself
	peerAs   byte      // the number of metainfo.QuietExtension there
	shown    bool
	answered bool

	turns  []int // blocks that are yet to be asked for alone, the present one in front
	again  bool  // the present one came, and is asked for once more
	resent bool  // ... has been
	asked  time.Time
	cold   []time.Duration
	warm   []time.Duration
	burst  time.Time // when the first block of a whole piece was asked for

	found marketplace.Window
}

// enter prepares for a quiet window.
func (p *probe) enter(q *Quiet) {
	if q == nil {
		return
	}
	p.in = &window{Quiet: *q}
	for i := range p.blocks {
		if b := &p.blocks[i]; !b.pad && !isWhole(p.asks[b.of]) {
			p.in.turns = append(p.in.turns, i)
		}
	}
}

// hear takes in the answer to a ticket.
func (in *window) hear(payload []byte) {
	if len(payload) == 1 && in.shown && !in.answered {
		in.answered, in.found.Quiet = true, payload[0] == metainfo.QuietMessage
	}
}

// show shows the ticket, as soon as the peer says where to.
func (in *window) show(w *wire) error {
	if in.shown || in.peerAs == 0 {
		return nil
	}
	in.shown = true
	return w.send(msgExtended, metainfo.AppendTicket([]byte{in.peerAs, metainfo.TicketMessage}, in.Ticket))
}

// introduction is how long a peer that we met late may take to say what it knows.
const introduction = time.Second

// closed says until when it is too early to ask for anything. A peer that does not know quiet windows is asked
// at once, and as always.
func (in *window) closed(w *wire, introduced bool) (until time.Time, closed bool) {
	if in.patience.IsZero() {
		if in.patience = time.Now().Add(introduction); in.patience.Before(in.Opens) {
			in.patience = in.Opens
		}
	}
	switch {
	case in.peerAs != 0:
		until = in.Opens
	case w.ext && !introduced:
		until = in.patience
	}
	if closed = time.Now().Before(until); !closed && in.peerAs == 0 {
		in.turns = nil
	}
	return until, closed
}

// idle waits for a message while a quiet window is not open, and says whether one may have come.
func (p *probe) idle(ctx context.Context, w *wire, deadline time.Time) (came bool, err error) {
	if p.in == nil {
		return true, nil
	}
	until, closed := p.in.closed(w, p.introduced)
	if !closed {
		return true, nil
	}
	if came, err = w.wait(ctx, until, deadline); !came && err == nil {
		p.met, p.began = true, time.Now() // answers are timed from here on
	}
	return came, err
}

// holds says whether a block must wait for others.
func (in *window) holds(i int) bool {
	return len(in.turns) > 0 && i != in.turns[0]
}

// tookInWindow measures a block that came, i, or -1 where it is none that is waited for.
func (p *probe) tookInWindow(i int, payload []byte) {
	in, length := p.in, len(payload)-8
	switch {
	case i < 0:
		if in.again && in.resent && p.isTurn(payload, length) {
			in.warm = append(in.warm, time.Since(in.asked))
			p.bytes += int64(length)
			p.nextTurn()
		}
	case len(in.turns) > 0 && i == in.turns[0]:
		in.cold = append(in.cold, time.Since(in.asked))
		in.again, in.resent = true, false
	case isWhole(p.asks[p.blocks[i].of]) && !in.burst.IsZero():
		in.found.Bytes += int64(length)
		in.found.TookUS = time.Since(in.burst).Microseconds()
	}
}

func (p *probe) isTurn(payload []byte, length int) bool {
	b := &p.blocks[p.in.turns[0]]
	return b.piece == int(binary.BigEndian.Uint32(payload)) &&
		b.begin == int(binary.BigEndian.Uint32(payload[4:])) && b.length == length
}

func (p *probe) nextTurn() {
	p.in.turns, p.in.again, p.in.resent = p.in.turns[1:], false, false
}

// askAgain asks once more for a block that came, and passes over those that never will.
func (p *probe) askAgain(w *wire) error {
	in := p.in
	for len(in.turns) > 0 && !in.again && p.blocks[in.turns[0]].done {
		p.nextTurn() // the peer refuses it
	}
	if !in.again || in.resent || !p.open {
		return nil
	}
	in.resent, in.asked = true, time.Now()
	b := &p.blocks[in.turns[0]]
	return w.request(b.piece, b.begin, b.length)
}

// askedInWindow notes when a block was asked for.
func (p *probe) askedInWindow(i int) {
	switch in := p.in; {
	case in == nil:
	case len(in.turns) > 0:
		in.asked = time.Now()
	case in.burst.IsZero() && isWhole(p.asks[p.blocks[i].of]):
		in.burst = time.Now()
	}
}

// measured returns what a quiet window showed, nil outside of one.
func (p *probe) measured() *marketplace.Window {
	if p.in == nil {
		return nil
	}
	found := p.in.found
	found.ColdUS, found.WarmUS = median(p.in.cold), median(p.in.warm)
	found.Served = found.Quiet && p.servedBy(p.in.Closes)
	return &found
}

// servedBy says whether all blocks that were asked for alone were here by a time, or a whole piece where none
// was: a slow line need not bring the burst as well.
func (p *probe) servedBy(closes time.Time) bool {
	blocks, late, pieces := 0, 0, 0
	for i, a := range p.answers {
		inTime := a.Outcome == marketplace.Pass &&
			!p.began.Add(time.Duration(a.TookMS)*time.Millisecond).After(closes)
		switch {
		case isWhole(p.asks[i]) && inTime:
			pieces++
		case !isWhole(p.asks[i]) && inTime:
			blocks++
		case !isWhole(p.asks[i]):
			late++
		}
	}
	return late == 0 && blocks+pieces > 0
}

// median returns the middle of some times in microseconds, the lower of two; of none zero.
func median(all []time.Duration) int64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)-1)/2].Microseconds()
}
