package audit

import (
	"slices"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A Challenge is what an auditor asks for: a block, or a whole piece.
type Challenge struct {
	Piece int
	Block int              // in the piece, or marketplace.WholePiece
	Leaf  marketplace.Hash // what must come, if it is a block; zero: the peer is asked for a proof
	Path  bool             // the peer is asked to prove that its root has what came, too
}

// askedMax bounds the bytes of one audit, so that an honest agent behind a slow line can deliver
// them within the time for a try. At least one challenge is always asked.
const askedMax = 16 << 20

// Challenges draws what a visit asks for, from its seed ([marketplace.Part]). Blocks are drawn from all of the
// content, each equally likely. One whose piece has a v2 root in the .torrent, or that the auditor knows
// the hashes of, or of a lease that is rooted (marketplace.Rules.Rooted), is asked for alone; for one in
// another piece the whole piece is, which can always be checked. Once in WholeEvery on the average a
// whole piece comes on top, by lot, so that nobody knows when. Every try of the epoch asks for the same,
// else missing data would be drawn away.
//
// An auditor may ask for a whole piece where a block would do, never the other way round: it does
// where a peer gives no proof of a block.
func Challenges(r marketplace.Rules, seed marketplace.Hash, t *metainfo.Torrent,
	known func(piece int) bool,
) []Challenge {
	l := list{t: t, left: askedMax, seen: map[[2]int]bool{}}
	if piece, ok := wholePiece(r, seed, t); ok {
		l.add(piece, marketplace.WholePiece)
	}
	draw := newChance(seed, "block")
	per := blocksIn(t.PieceLength)
	all := int64(t.Pieces-1)*per + blocksIn(t.PieceSize(t.Pieces-1))
	want := int(min(int64(r.Challenges), all))
	for tries := 64 * want; tries > 0 && len(l.seen) < want; tries-- {
		i := int64(draw.below(uint64(all))) // #nosec G115 -- not negative
		piece, block := int(i/per), int(i%per)
		if !l.fresh(piece, block) {
			continue
		}
		if _, isV2 := t.PieceRoot(piece); !isV2 && !known(piece) {
			block = marketplace.WholePiece
		}
		l.add(piece, block)
	}
	return l.asks
}

// wholePiece draws whether it is time for a whole piece, and which.
func wholePiece(r marketplace.Rules, seed marketplace.Hash, t *metainfo.Torrent) (piece int, ok bool) {
	every := uint64(r.WholeEvery.Duration()) * uint64(r.Auditors) // #nosec G115 -- not negative
	draw := newChance(seed, "whole")
	if every == 0 || draw.below(every) >= uint64(r.Epoch.Duration()) { // #nosec G115 -- likewise
		return 0, false
	}
	return int(draw.below(uint64(t.Pieces))), true // #nosec G115 -- below an int
}

// withPaths asks a lease that has a root for proofs that the root has what comes: of whole pieces always,
// and, as long as it is not rooted, of blocks whose hash is known. What it proves of those that are asked for
// later without either must be of the same tree.
func withPaths(asks []Challenge, l marketplace.Lease, t *metainfo.Torrent, rooted bool) []Challenge {
	_, committed := t.Committed(l.Root)
	for i := range asks {
		asks[i].Path = committed && (isWhole(asks[i]) || !rooted)
	}
	return asks
}

// Again adds to an auditor's challenges the pieces that a lease is accused of, each as a whole: what
// anybody can check who has the torrent. They come first; they are few, and at least one is asked.
func Again(l marketplace.Lease, t *metainfo.Torrent, asks []Challenge) []Challenge {
	if !l.Accused.Waits() {
		return asks
	}
	again := list{t: t, left: askedMax, seen: map[[2]int]bool{}}
	for _, piece := range l.Accused.Pieces {
		if piece >= 0 && piece < t.Pieces {
			again.add(piece, marketplace.WholePiece)
		}
	}
	for _, c := range asks {
		if !again.has(c.Piece, c.Block) {
			again.asks = append(again.asks, c)
		}
	}
	return again.asks
}

// burstShare is what part of a torrent a burst asks for at most: of a day's audit traffic, which shall stay
// below a hundredth of the content, a fifth.
const burstShare = 512

// Burst adds to the challenges of a visit in a quiet window what all replicas of the torrent are asked for in
// it, from the seed that they share ([marketplace.Part]): whole pieces one after the other, from a drawn one on, of which nothing else is asked for. A torrent
// whose pieces are too large for it has none. Blocks come first then, because they are asked for one by one.
func Burst(r marketplace.Rules, seed marketplace.Hash, t *metainfo.Torrent, asks []Challenge) []Challenge {
	n := int(min(r.BurstMax, t.Size/burstShare) / t.PieceLength)
	l := list{t: t, asks: slices.SortedStableFunc(slices.Values(asks), blocksFirst), left: askedMax}
	for _, c := range asks {
		l.left -= l.size(c.Piece, c.Block)
	}
	first := newChance(seed, "first").among(t.Pieces)
	for i := range n {
		piece := (first + i) % t.Pieces
		if !slices.ContainsFunc(asks, func(c Challenge) bool { return c.Piece == piece }) {
			l.add(piece, marketplace.WholePiece)
		}
	}
	return l.asks
}

func blocksFirst(x, y Challenge) int {
	rank := map[bool]int{true: 1}
	return rank[isWhole(x)] - rank[isWhole(y)]
}

// blocksIn returns how many blocks n bytes have.
func blocksIn(n int64) int64 { return (n + metainfo.BlockSize - 1) / metainfo.BlockSize }

// A list gathers challenges, each once and no more bytes than fit.
type list struct {
	t    *metainfo.Torrent
	asks []Challenge
	left int64
	seen map[[2]int]bool // blocks that were drawn
}

// fresh says whether a block is drawn for the first time and has content.
func (l *list) fresh(piece, block int) bool {
	begin := int64(piece)*l.t.PieceLength + int64(block)*metainfo.BlockSize
	end := min(begin+metainfo.BlockSize, int64(piece)*l.t.PieceLength+l.t.PieceSize(piece))
	if pad, until := l.t.Padding(begin, end); l.seen[[2]int{piece, block}] || pad && until == end {
		return false
	}
	l.seen[[2]int{piece, block}] = true
	return true
}

// add asks for something that is not asked for already.
func (l *list) add(piece, block int) {
	bytes := l.size(piece, block)
	if l.has(piece, block) || len(l.asks) > 0 && bytes > l.left {
		return
	}
	l.left -= bytes
	l.asks = append(l.asks, Challenge{Piece: piece, Block: block})
}

// size returns the bytes of something that is asked for.
func (l *list) size(piece, block int) int64 {
	bytes := l.t.PieceSize(piece)
	if block == marketplace.WholePiece {
		return bytes
	}
	return min(metainfo.BlockSize, bytes-int64(block)*metainfo.BlockSize)
}

// has says whether something is asked for already, alone or with its piece.
func (l *list) has(piece, block int) bool {
	return slices.ContainsFunc(l.asks, func(c Challenge) bool {
		return c.Piece == piece && (c.Block == block || c.Block == marketplace.WholePiece)
	})
}
