package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A Finding is what one try found.
type Finding struct {
	Outcome marketplace.Outcome
	Answers []marketplace.Answer // in the order of the challenges
	Bytes   int64                // of content received
	Wire    int64                // both ways, everything
	Took    time.Duration
	Window  *marketplace.Window // of a try in a quiet window
	Carrier marketplace.Address // whose line it came by; zero: our own
	Over    string              // tcp or utp: for the log, like the following
	Err     error               // what ended it, if it is not a pass: for the log, it proves nothing

	learnt map[int][]marketplace.Hash // hashes of the blocks of whole pieces that passed
}

// Probe puts challenges to a peer and checks the hashes of what comes. It takes no longer than the
// timeout. On the wire it is a downloader that has nothing yet, unless it asks for a quiet window. It
// calls over TCP first, and over uTP if that takes long or fails.
func Probe(ctx context.Context, guard metainfo.Guard, timeout time.Duration, peer netip.AddrPort,
	t *metainfo.Torrent, asks []Challenge, in *Quiet,
) Finding {
	return probeOver(ctx, overTCP, guard, timeout, peer, t, asks, in)
}

func probeOver(ctx context.Context, first transport, guard metainfo.Guard, timeout time.Duration,
	peer netip.AddrPort, t *metainfo.Torrent, asks []Challenge, in *Quiet,
) Finding {
	return probeBy(ctx, timeout, t, asks, in, func(ctx context.Context, spent *atomic.Int64,
		deadline time.Time,
	) (*wire, bool, error) {
		c := caller{guard: guard, first: first, peer: peer, t: t, spent: spent, deadline: deadline}
		w, err := c.greet(ctx)
		return w, c.connected, err
	})
}

// A meeting gets a connection on which hands were shaken, or says whether there was one at all.
type meeting func(ctx context.Context, spent *atomic.Int64, deadline time.Time) (
	w *wire, connected bool, err error)

func probeBy(ctx context.Context, timeout time.Duration, t *metainfo.Torrent, asks []Challenge, in *Quiet,
	meet meeting,
) Finding {
	began := time.Now()
	p := newProbe(t, asks, began)
	p.enter(in)
	err := p.run(ctx, meet, began.Add(timeout))
	sum := p.outcome(ctx, err)
	return Finding{Outcome: sum, Answers: p.report(), Bytes: p.bytes, Err: err,
		Wire: p.wire.Load(), Took: time.Since(began), Window: p.measured(), Over: string(p.carried),
		learnt: p.learnt}
}

// A probe is one try under way.
type probe struct {
	t       *metainfo.Torrent
	asks    []Challenge
	began   time.Time
	answers []marketplace.Answer
	learnt  map[int][]marketplace.Hash
	bytes   int64
	wire    atomic.Int64
	carried transport
	met     bool // the peer said something of this torrent, or let us wait for it

	blocks  []block // of all challenges, in order
	next    int     // the first block that is not hashed
	sum     tally
	early   map[int][]byte // blocks that came before those in front of them
	open    bool           // the peer has unchoked us
	said    bool           // we are interested
	has     map[int]bool   // pieces that the peer says it has
	hasAll  bool
	refused bool

	unproven bool // a path did not come

	in *window // nil outside of a quiet window

	proofs     map[int]*proof // by challenge: what is still wanted
	way        way
	introduced bool // the peer's extended handshake came
	hashesAs   byte // the number of metainfo.HashesExtension there
	patience   time.Time
	left       int64        // bytes that may be asked for in place of what is not proven
	dropped    map[int]bool // challenges for which nothing was left
}

// A block is a part of a piece that is asked for at once, or known to be zeros.
type block struct {
	piece, begin, length int
	of                   int // index of the challenge
	pad                  bool
	asked, done          bool
}

// ahead is how many blocks are asked for at a time: 1 MiB, which is also the most that is held in memory.
const ahead = 64

func newProbe(t *metainfo.Torrent, asks []Challenge, began time.Time) *probe {
	p := &probe{
		t: t, asks: slices.Clone(asks), began: began, sum: newTally(),
		learnt: map[int][]marketplace.Hash{}, early: map[int][]byte{}, has: map[int]bool{},
		proofs: map[int]*proof{}, dropped: map[int]bool{}, left: marketplace.AskedMax,
	}
	p.wantProofs()
	for of, c := range p.asks {
		p.answers = append(p.answers, marketplace.Answer{Piece: c.Piece, Block: c.Block})
		p.has[c.Piece] = false
		begin, end := 0, int(p.t.PieceSize(c.Piece))
		if c.Block != marketplace.WholePiece {
			begin = c.Block * metainfo.BlockSize
			end = min(end, begin+metainfo.BlockSize)
		}
		p.left -= int64(end - begin)
		p.cut(c.Piece, begin, end, of)
	}
	return p
}

// cut divides a part of a piece into blocks, at 16 KiB and where padding begins and ends.
func (p *probe) cut(piece, begin, end, of int) {
	start := int64(piece) * p.t.PieceLength
	for begin < end {
		most := min(end, begin/metainfo.BlockSize*metainfo.BlockSize+metainfo.BlockSize)
		pad, until := p.t.Padding(start+int64(begin), start+int64(most))
		to := int(until - start)
		p.blocks = append(p.blocks, block{piece: piece, begin: begin, length: to - begin, of: of,
			pad: pad})
		begin = to
	}
}

func (p *probe) run(ctx context.Context, meet meeting, deadline time.Time) error {
	w, connected, err := meet(ctx, &p.wire, deadline)
	if err != nil {
		p.met = connected && errors.Is(err, os.ErrDeadlineExceeded)
		return fmt.Errorf("meet the agent: %w", err)
	}
	defer w.Close()
	p.carried = w.over
	stop := context.AfterFunc(ctx, func() { _ = w.SetDeadline(time.Unix(1, 0)) }) // wakes us
	defer stop()
	for {
		if err := p.ask(w); err != nil {
			return fmt.Errorf("ask %s: %w", w.RemoteAddr(), err)
		}
		over, err := p.over(ctx, w, deadline)
		if over || err != nil {
			return err
		}
		if came, err := p.idle(ctx, w, deadline); err != nil {
			return fmt.Errorf("listen to %s: %w", w.RemoteAddr(), err)
		} else if !came {
			continue
		}
		kind, payload, err := w.receive()
		p.met = p.met || err == nil || errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil {
			return fmt.Errorf("listen to %s: %w", w.RemoteAddr(), err)
		}
		p.hear(kind, payload)
	}
}

// over says whether everything came. Where only proofs are missing, it waits for them, and in the
// end has whole pieces asked for.
func (p *probe) over(ctx context.Context, w *wire, deadline time.Time) (bool, error) {
	for p.next == len(p.blocks) {
		if len(p.proofs) == 0 {
			return true, p.end()
		}
		until, wait := p.await(deadline)
		if wait {
			came, err := w.wait(ctx, until, deadline)
			if came || err != nil {
				return false, err
			}
			continue
		}
		p.insist()
		if err := p.ask(w); err != nil {
			return false, err
		}
	}
	return false, nil
}

// ask keeps the window full, and asks for proofs beside it.
func (p *probe) ask(w *wire) error {
	if err := p.sayInterested(w); err != nil {
		return err
	}
	if p.in != nil {
		err := p.in.show(w)
		if _, closed := p.in.closed(w, p.introduced); closed || err != nil {
			return err
		}
		if err := p.askAgain(w); err != nil {
			return err
		}
	}
	if err := p.prove(w); err != nil {
		return err
	}
	return p.request(w)
}

func (p *probe) sayInterested(w *wire) error {
	if p.said || !p.hasAll && !p.hasAny() {
		return nil
	}
	p.said = true
	return w.send(msgInterested, nil)
}

// request asks for blocks.
func (p *probe) request(w *wire) error {
	for i := p.next; i < min(len(p.blocks), p.next+ahead); i++ {
		b := &p.blocks[i]
		if b.pad && !b.done {
			p.take(i, make([]byte, b.length))
		}
		if b.asked || b.done || !p.open || !(p.hasAll || p.has[b.piece]) || p.in != nil && p.in.holds(i) {
			continue
		}
		b.asked = true
		p.askedInWindow(i)
		if err := w.request(b.piece, b.begin, b.length); err != nil {
			return err
		}
	}
	return nil
}

func (p *probe) hasAny() bool {
	for _, has := range p.has {
		if has {
			return true
		}
	}
	return false
}

func (p *probe) end() error {
	switch {
	case p.refused:
		return errRefused
	case p.unproven:
		return errUnproven
	}
	return nil
}

var (
	errRefused  = errors.New("peer refuses to send a piece that it says it has")
	errUnproven = errors.New("peer does not prove that the root that it committed to has what it sent")
)

// hear takes in one message.
func (p *probe) hear(kind int, payload []byte) {
	switch kind {
	case msgUnchoke:
		p.open = true
	case msgChoke:
		p.open = false
		for i := range p.blocks {
			p.blocks[i].asked = false // what still comes of it is taken all the same
		}
		if p.in != nil {
			p.in.resent = false
		}
	case msgHaveAll:
		p.hasAll = true
	case msgHave, msgBitfield:
		p.learn(kind, payload)
	case msgPiece:
		p.receive(payload)
	case msgReject:
		if i := p.find(payload); i >= 0 && p.open {
			p.lose(p.blocks[i].of)
		}
	case msgExtended:
		p.hearExtended(payload)
	case metainfo.HashesMessage, metainfo.HashRejectMessage:
		p.hearHashes(kind, payload)
	}
}

func (p *probe) learn(kind int, payload []byte) {
	for piece := range p.has {
		if kind == msgBitfield && piece/8 < len(payload) {
			p.has[piece] = p.has[piece] || payload[piece/8]&(0x80>>(piece%8)) != 0
		}
		if kind == msgHave && len(payload) == 4 && int(binary.BigEndian.Uint32(payload)) == piece {
			p.has[piece] = true
		}
	}
}

// find returns which block within the window a message is about, or -1.
func (p *probe) find(payload []byte) int {
	if len(payload) < 8 {
		return -1
	}
	piece, begin := binary.BigEndian.Uint32(payload), binary.BigEndian.Uint32(payload[4:])
	for i := p.next; i < min(len(p.blocks), p.next+ahead); i++ {
		b := &p.blocks[i]
		if b.piece == int(piece) && b.begin == int(begin) && !b.done {
			return i
		}
	}
	return -1
}

func (p *probe) receive(payload []byte) {
	i := p.find(payload)
	if i >= 0 && len(payload)-8 != p.blocks[i].length {
		return // not asked for
	}
	if p.in != nil && len(payload) > 8 {
		p.tookInWindow(i, payload)
	}
	if i < 0 {
		return // nor this, or to see how long it takes
	}
	p.bytes += int64(len(payload) - 8)
	p.take(i, payload[8:])
}

// take keeps a block's content until those before it are here, then hashes them in order. The
// content is good only until take returns, so what is kept is copied.
func (p *probe) take(i int, content []byte) {
	p.blocks[i].done = true
	p.early[i] = content
	p.drain()
	if kept, waits := p.early[i]; waits {
		p.early[i] = bytes.Clone(kept)
	}
}

func (p *probe) drain() {
	for ; p.next < len(p.blocks); p.next++ {
		b := &p.blocks[p.next]
		lost := p.answers[b.of].Outcome != ""
		content, here := p.early[p.next]
		if !here && !lost {
			return
		}
		delete(p.early, p.next)
		last := p.next+1 == len(p.blocks) || p.blocks[p.next+1].of != b.of
		if one := p.proofs[b.of]; one != nil && !one.path && !b.pad {
			one.content = bytes.Clone(content)
		}
		p.sum.add(b, content, last, p.t.V1)
		if !last {
			continue
		}
		if !lost {
			p.judge(b.of)
		}
		p.sum.reset()
	}
}

// lose gives up a challenge that the peer refuses, and goes on with the others.
func (p *probe) lose(of int) {
	a := &p.answers[of]
	a.Outcome, a.TookMS = marketplace.Withheld, time.Since(p.began).Milliseconds()
	p.refused = true
	delete(p.proofs, of)
	for i := range p.blocks {
		if p.blocks[i].of == of {
			p.blocks[i].done = true
		}
	}
	p.drain()
}
