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
	Path  bool             // nothing passes that the peer does not prove to be of its root
}

// Challenges draws what a visit asks for, from its seed ([marketplace.Part]): as many whole pieces and blocks
// as its ration has, where a part of one is by lot. Both are drawn from all of the content, each equally likely. A
// block is asked for alone where the ration has a proof of it or the auditor knows its hash; else its
// whole piece is, which can always be checked. Every try of the epoch asks for the same, else missing data
// would be drawn away.
//
// An auditor may ask for a whole piece where a block would do, never the other way round: it does
// where a peer gives no proof of a block.
func Challenges(share Ration, seed marketplace.Hash, t *metainfo.Torrent, known func(piece int) bool) []Challenge {
	l := list{t: t, left: marketplace.AskedMax, seen: map[[2]int]bool{}}
	l.wholePieces(share, newChance(seed, "whole"))
	draw := newChance(seed, "block")
	per := blocksIn(t.PieceLength)
	all := int64(t.Pieces-1)*per + blocksIn(t.PieceSize(t.Pieces-1))
	want := int(min(draw.times(share.Blocks), all))
	for tries := 64 * want; tries > 0 && len(l.seen) < want; tries-- {
		i := int64(draw.below(uint64(all))) // #nosec G115 -- not negative
		piece, block := int(i/per), int(i%per)
		if l.has(piece, marketplace.WholePiece) || !l.fresh(piece, block) {
			continue
		}
		if !share.alone(t, piece) && !known(piece) {
			block = marketplace.WholePiece
		}
		l.add(piece, block)
	}
	return withPaths(l.asks, share)
}

// wholePieces draws how many whole pieces are asked for, and which.
func (l *list) wholePieces(share Ration, draw *chance) {
	want := int(min(draw.times(share.Pieces), int64(l.t.Pieces)))
	for tries := 64 * want; tries > 0 && len(l.asks) < want; tries-- {
		l.add(int(draw.below(uint64(l.t.Pieces))), marketplace.WholePiece) // #nosec G115 -- below an int
	}
}

// withPaths asks a lease that has a root for proofs that the root has the whole pieces that come. What it
// proves of blocks must be of the same tree.
func withPaths(asks []Challenge, share Ration) []Challenge {
	for i := range asks {
		asks[i].Path = share.Proof == ByRoot && isWhole(asks[i])
	}
	return asks
}

// Again adds to an auditor's challenges the pieces that a lease is accused of, each as a whole: what
// anybody can check who has the torrent. They come first; they are few, and at least one is asked. A hearing
// is rare, and beside the ration.
func Again(share Ration, l marketplace.Lease, t *metainfo.Torrent, asks []Challenge) []Challenge {
	if !l.Accused.Waits() {
		return asks
	}
	again := list{t: t, left: marketplace.AskedMax, seen: map[[2]int]bool{}}
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
	return withPaths(again.asks, share)
}

// Burst adds to the challenges of a visit in a quiet window what all replicas of the torrent are asked for in
// it, from the seed that they share ([marketplace.Part]): whole pieces one after the other, from a drawn one
// on, of which nothing else is asked for. A torrent whose pieces are too large for it has none. Blocks come first then,
// because they are asked for one by one.
func Burst(share Ration, seed marketplace.Hash, t *metainfo.Torrent, asks []Challenge) []Challenge {
	l := list{t: t, asks: slices.SortedStableFunc(slices.Values(asks), blocksFirst), left: marketplace.AskedMax}
	for _, c := range asks {
		if isWhole(c) {
			l.left -= t.PieceSize(c.Piece)
		}
	}
	first := newChance(seed, "first").among(t.Pieces)
	for i := range int(share.Burst) {
		piece := (first + i) % t.Pieces
		if !slices.ContainsFunc(asks, func(c Challenge) bool { return c.Piece == piece }) {
			l.add(piece, marketplace.WholePiece)
		}
	}
	return withPaths(l.asks, share)
}

func blocksFirst(x, y Challenge) int {
	rank := map[bool]int{true: 1}
	return rank[isWhole(x)] - rank[isWhole(y)]
}

// blocksIn returns how many blocks n bytes have.
func blocksIn(n int64) int64 { return (n + metainfo.BlockSize - 1) / metainfo.BlockSize }

// A list gathers challenges, each once and no more whole pieces than fit.
type list struct {
	t    *metainfo.Torrent
	asks []Challenge
	left int64           // bytes of whole pieces
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
	if l.has(piece, block) {
		return
	}
	if block == marketplace.WholePiece {
		bytes := l.t.PieceSize(piece)
		if bytes > l.left && slices.ContainsFunc(l.asks, isWhole) {
			return
		}
		l.left -= bytes
	}
	l.asks = append(l.asks, Challenge{Piece: piece, Block: block})
}

// has says whether something is asked for already, alone or with its piece.
func (l *list) has(piece, block int) bool {
	return slices.ContainsFunc(l.asks, func(c Challenge) bool {
		return c.Piece == piece && (c.Block == block || c.Block == marketplace.WholePiece)
	})
}
