package audit

import (
	"bytes"
	"context"
	"crypto/sha1" // #nosec G505 -- BitTorrent v1 names pieces by SHA-1
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A Finding is what one try found.
type Finding struct {
	Outcome marketplace.Outcome
	Pieces  []PieceFinding // in the order they were asked for
	Bytes   int64          // of content received
	Took    time.Duration
	Err     error // what ended it, if it is not a pass: for the log, it proves nothing
}

// A PieceFinding is what became of one piece.
type PieceFinding struct {
	Piece   int
	Outcome marketplace.Outcome
	Took    time.Duration // since the try began
}

// Probe asks a peer for whole pieces of a torrent and checks their hashes. It takes no longer than
// the timeout. On the wire it is a downloader that has nothing yet.
func Probe(ctx context.Context, guard metainfo.Guard, timeout time.Duration, peer netip.AddrPort,
	t *metainfo.Torrent, pieces []int,
) Finding {
	began := time.Now()
	p := newProbe(t, pieces, began)
	err := p.run(ctx, guard, peer, began.Add(timeout))
	f := Finding{Outcome: p.outcome(ctx, err), Pieces: p.found, Bytes: p.bytes, Err: err}
	f.Took = time.Since(began)
	return f
}

// A probe is one try under way.
type probe struct {
	t     *metainfo.Torrent
	began time.Time
	found []PieceFinding
	bytes int64
	met   bool // the peer said something of this torrent, or let us wait for it

	blocks  []block // of all pieces, in order
	next    int     // the first block that is not hashed
	hash    hash.Hash
	early   map[int][]byte // blocks that came before those in front of them
	open    bool           // the peer has unchoked us
	said    bool           // we are interested
	has     map[int]bool   // pieces that the peer says it has
	hasAll  bool
	refused bool
}

// A block is a part of a piece that is asked for at once, or known to be zeros.
type block struct {
	piece, begin, length int
	of                   int // index in found
	pad                  bool
	asked, done          bool
}

const (
	blockSize = 16 << 10
	// window is how many blocks are asked for ahead: 1 MiB, which is also the most that is held
	// in memory.
	window = 64
)

func newProbe(t *metainfo.Torrent, pieces []int, began time.Time) *probe {
	p := &probe{
		t: t, began: began, hash: sha1.New(), // #nosec G401 -- as above
		early: map[int][]byte{}, has: map[int]bool{},
	}
	for of, piece := range pieces {
		p.found = append(p.found, PieceFinding{Piece: piece})
		p.has[piece] = false
		p.cut(piece, of)
	}
	return p
}

// cut divides a piece into blocks, at 16 KiB and where padding begins and ends.
func (p *probe) cut(piece, of int) {
	size := int(p.t.PieceSize(piece))
	for begin := 0; begin < size; {
		end := min(size, begin/blockSize*blockSize+blockSize)
		pad, until := p.padding(int64(piece)*p.t.PieceLength + int64(begin))
		end = int(min(int64(end), until-int64(piece)*p.t.PieceLength))
		p.blocks = append(p.blocks, block{piece: piece, begin: begin, length: end - begin, of: of,
			pad: pad})
		begin = end
	}
}

// padding says whether an offset of the torrent is in padding, and until where that holds.
func (p *probe) padding(at int64) (pad bool, until int64) {
	until = p.t.Size
	for _, f := range p.t.Files {
		switch {
		case !f.Pad || f.Length == 0 || f.Offset+f.Length <= at:
		case f.Offset <= at:
			return true, f.Offset + f.Length
		default:
			return false, f.Offset
		}
	}
	return false, until
}

func (p *probe) run(ctx context.Context, guard metainfo.Guard, peer netip.AddrPort,
	deadline time.Time,
) error {
	w, connected, err := greet(ctx, guard, peer, p.t, deadline)
	if err != nil {
		p.met = connected && errors.Is(err, os.ErrDeadlineExceeded)
		return fmt.Errorf("meet %s: %w", peer, err)
	}
	defer w.Close()
	stop := context.AfterFunc(ctx, func() { _ = w.SetDeadline(time.Unix(1, 0)) }) // wakes us
	defer stop()
	for {
		if err := p.ask(w); err != nil {
			return fmt.Errorf("ask %s: %w", peer, err)
		}
		if p.next == len(p.blocks) {
			return p.end()
		}
		kind, payload, err := w.receive()
		p.met = p.met || err == nil || errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil {
			return fmt.Errorf("listen to %s: %w", peer, err)
		}
		p.hear(kind, payload)
	}
}

// ask keeps the window full.
func (p *probe) ask(w *wire) error {
	if !p.said && (p.hasAll || len(p.has) > 0 && p.hasAny()) {
		p.said = true
		if err := w.send(msgInterested, nil); err != nil {
			return err
		}
	}
	for i := p.next; i < min(len(p.blocks), p.next+window); i++ {
		b := &p.blocks[i]
		if b.pad && !b.done {
			p.take(i, make([]byte, b.length))
		}
		if b.asked || b.done || !p.open || !(p.hasAll || p.has[b.piece]) {
			continue
		}
		b.asked = true
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
	if p.refused {
		return errRefused
	}
	return nil
}

var errRefused = errors.New("peer refuses to send a piece that it says it has")

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
	for i := p.next; i < min(len(p.blocks), p.next+window); i++ {
		b := &p.blocks[i]
		if b.piece == int(piece) && b.begin == int(begin) && !b.done {
			return i
		}
	}
	return -1
}

func (p *probe) receive(payload []byte) {
	i := p.find(payload)
	if i < 0 || len(payload)-8 != p.blocks[i].length {
		return // not asked for
	}
	p.bytes += int64(len(payload) - 8)
	p.take(i, payload[8:])
}

// take keeps a block's content until those before it are here, then hashes them in order.
func (p *probe) take(i int, content []byte) {
	p.blocks[i].done = true
	p.early[i] = bytes.Clone(content)
	p.drain()
}

func (p *probe) drain() {
	for ; p.next < len(p.blocks); p.next++ {
		of := p.blocks[p.next].of
		lost := p.found[of].Outcome != ""
		content, here := p.early[p.next]
		if !here && !lost {
			return
		}
		delete(p.early, p.next)
		p.hash.Write(content)
		if p.next+1 < len(p.blocks) && p.blocks[p.next+1].of == of {
			continue
		}
		if !lost {
			p.judge(of)
		}
		p.hash.Reset()
	}
}

// lose gives up a piece that the peer refuses, and goes on with the others.
func (p *probe) lose(of int) {
	p.found[of].Outcome, p.found[of].Took = marketplace.Withheld, time.Since(p.began)
	p.refused = true
	for i := range p.blocks {
		if p.blocks[i].of == of {
			p.blocks[i].done = true
		}
	}
	p.drain()
}

func (p *probe) judge(of int) {
	f := &p.found[of]
	f.Outcome, f.Took = marketplace.Pass, time.Since(p.began)
	if [20]byte(p.hash.Sum(nil)) != p.t.PieceHash(f.Piece) {
		f.Outcome = marketplace.BadData
	}
}

// outcome sums up, and names what became of pieces that never came.
func (p *probe) outcome(ctx context.Context, err error) marketplace.Outcome {
	missing := marketplace.Unreachable
	switch {
	case ctx.Err() != nil || ourFault(err):
		missing = marketplace.AuditorFault
	case p.met:
		missing = marketplace.Timeout
	}
	sum := marketplace.Pass
	for i := range p.found {
		f := &p.found[i]
		if f.Outcome == "" {
			f.Outcome, f.Took = missing, time.Since(p.began)
		}
		if slices.Index(gravity, f.Outcome) > slices.Index(gravity, sum) {
			sum = f.Outcome
		}
	}
	return sum
}

// gravity orders what may become of a piece: the gravest sums up a try.
var gravity = []marketplace.Outcome{marketplace.Pass, marketplace.AuditorFault,
	marketplace.Unreachable, marketplace.Timeout, marketplace.Withheld, marketplace.BadData}

// ourFault knows errors that say something of this machine and nothing of the peer.
func ourFault(err error) bool {
	for _, ours := range []error{syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EMFILE, syscall.ENFILE,
		syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EACCES, syscall.EPERM} {
		if errors.Is(err, ours) {
			return true
		}
	}
	return false
}
