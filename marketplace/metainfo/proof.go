package metainfo

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/everseed/everseed/marketplace"
)

// A HashRequest asks a peer for hashes of a file's Merkle tree (BEP 52).
type HashRequest struct {
	Root   marketplace.Hash // of the file
	Base   uint32           // the layer asked for, counted from the blocks up
	Index  uint32           // the first hash in it, a multiple of Length
	Length uint32           // a power of two
	Proofs uint32           // layers above, whose uncles shall come too
}

// HashRequestSize is the length of a request on the wire, and of the head of both answers to it.
const HashRequestSize = sha256.Size + 4*4

// HashesMax bounds what [Torrent.Hashes] gives at once, uncles left out.
const HashesMax = 512

// Append writes the request as it stands on the wire.
func (r HashRequest) Append(b []byte) []byte {
	b = append(b, r.Root[:]...)
	for _, n := range []uint32{r.Base, r.Index, r.Length, r.Proofs} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// ParseHashRequest reads a request, or the head of an answer, and returns what stands behind it.
func ParseHashRequest(b []byte) (r HashRequest, rest []byte, ok bool) {
	if len(b) < HashRequestSize {
		return r, nil, false
	}
	r.Root = marketplace.Hash(b)
	for i, n := range []*uint32{&r.Base, &r.Index, &r.Length, &r.Proofs} {
		*n = binary.BigEndian.Uint32(b[sha256.Size+4*i:])
	}
	return r, b[HashRequestSize:], true
}

// leavesWide returns how many leaves a piece's tree has below its root.
func (t *Torrent) leavesWide(s sumTree) int {
	if s.pieces > 1 || s.whole {
		return t.wide()
	}
	return width(int((t.contentOf(s.piece) + BlockSize - 1) / BlockSize))
}

// layers returns how many layers a tree has below its pieces' roots, and how many from there up to
// the file's.
func (t *Torrent) layers(s sumTree) (below, above int) {
	return bits.Len(uint(t.leavesWide(s))) - 1, bits.Len(uint(width(s.pieces))) - 1 // #nosec G115 -- positive
}

// contentOf returns the bytes of a piece up to where its file ends: v2 knows no padding.
func (t *Torrent) contentOf(piece int) int64 {
	begin := int64(piece) * t.PieceLength
	end := begin + t.PieceSize(piece)
	if pad, until := t.Padding(begin, end); !pad {
		return until - begin
	}
	return 0
}

// AskProof returns what to ask a peer for, so that a block alone, or the root of a whole piece, can
// be checked with CheckProof. What is a tree of its own, or has its root in the torrent, needs no
// proof: then Length is 0. It is not ok where the torrent tells no root.
func (t *Torrent) AskProof(piece, block int) (r HashRequest, ok bool) {
	s, ok := t.tree(piece)
	if !ok {
		return r, false
	}
	r.Root = marketplace.Hash(s.root)
	base, at, top := t.place(s, piece, block)
	if r.Base = uint32(base); base < top { // #nosec G115 -- a few layers
		r.Index, r.Length = uint32(at&^1), 2 // #nosec G115 -- below 2^30 by the limits
		r.Proofs = uint32(top - base - 1)    // #nosec G115 -- a few layers
	}
	return r, true
}

// place returns where in a tree a block is, or a whole piece, and in which layer above it is the first
// hash that is known.
func (t *Torrent) place(s sumTree, piece, block int) (base, at, top int) {
	below, above := t.layers(s)
	base, at, top = 0, (piece-s.piece)<<below+block, below
	if block == marketplace.WholePiece {
		base, at = below, piece-s.piece
	}
	if s.hashes == nil {
		top += above
	}
	return base, at, top
}

// CheckProof returns the hash that a block must have, or the root of a whole piece, if the hashes
// that a peer sent in answer to AskProof lead from it to what is known.
func (t *Torrent) CheckProof(piece, block int, hashes []marketplace.Hash) (is marketplace.Hash,
	ok bool,
) {
	s, known := t.tree(piece)
	if !known {
		return is, false
	}
	want := marketplace.Hash(s.root)
	if s.hashes != nil {
		want, _ = t.PieceRoot(piece)
	}
	_, at, _ := t.place(s, piece, block)
	switch r, _ := t.AskProof(piece, block); {
	case r.Length == 0:
		return want, true
	case len(hashes) != int(r.Length+r.Proofs):
		return is, false
	}
	node := pair(hashes[0], hashes[1])
	for i, uncle := range hashes[2:] {
		if at>>(i+1)&1 == 1 {
			node = pair(uncle, node)
		} else {
			node = pair(node, uncle)
		}
	}
	return hashes[at%2], node == want
}

// Hashes answers a request for hashes of blocks, with uncles up to their piece's root at most:
// what lies above is in the .torrent. Of a torrent that was summed (Sum) it gives those above, and
// the hashes of pieces, too. It asks leaves for the SHA-256s of a piece's blocks, and answers nothing
// that does not lead to the file's root.
func (t *Torrent) Hashes(r HashRequest, leaves func(piece int) ([]marketplace.Hash, error)) (
	[]marketplace.Hash, error,
) {
	i := slices.IndexFunc(t.trees, func(s sumTree) bool { return string(s.root) == string(r.Root[:]) })
	if i < 0 || t.trees[i].hashes == nil {
		return nil, refuse("has no file with the root %s", r.Root)
	}
	s := t.trees[i]
	below, above := t.layers(s)
	if !s.whole {
		above = 0
	}
	switch {
	case r.Base == 0 && r.fits(below, below+above, s.pieces<<below):
		return t.hashesOfBlocks(r, s, leaves)
	case s.whole && int(r.Base) == below && r.fits(above, above, 1<<above):
		return withUncles(t.hashesOfPieces(s), int(r.Index), int(r.Length), int(r.Proofs)), nil
	}
	return nil, refuse("gives no hashes from %d on", r.Index)
}

// fits says whether a request is for part of a row of n hashes, that lies below one node so many layers
// above it at most, with uncles in so many layers less one.
func (r HashRequest) fits(across, up, n int) bool {
	return r.Length >= 2 && int(r.Length) <= min(1<<across, HashesMax) && bits.OnesCount32(r.Length) == 1 &&
		r.Index%r.Length == 0 && int64(r.Index) < int64(n) && int64(r.Proofs) < int64(up)
}

func (t *Torrent) hashesOfBlocks(r HashRequest, s sumTree,
	leaves func(piece int) ([]marketplace.Hash, error),
) ([]marketplace.Hash, error) {
	below, _ := t.layers(s)
	of := int(r.Index >> below)
	piece := s.piece + of
	level, err := leaves(piece)
	if err != nil {
		return nil, err
	}
	if root, _ := t.PieceRoot(piece); len(level) > 1<<below || t.Root(piece, level) != root {
		return nil, refuse("does not have what is stored of piece %d", piece)
	}
	level = append(slices.Clone(level), make([]marketplace.Hash, 1<<below-len(level))...)
	within := min(int(r.Proofs), below-1)
	found := withUncles(level, int(r.Index)%(1<<below), int(r.Length), within)
	if more := int(r.Proofs) - within; more > 0 {
		found = append(found, uncles(t.hashesOfPieces(s), of, more)...)
	}
	return found, nil
}

// hashesOfPieces returns the layer of a tree's pieces, filled up.
func (t *Torrent) hashesOfPieces(s sumTree) []marketplace.Hash {
	level := make([]marketplace.Hash, width(s.pieces))
	for i := range s.pieces {
		level[i] = marketplace.Hash(s.hashes[i*sha256.Size:])
	}
	if empty := emptyPiece(t.PieceLength); s.pieces < len(level) {
		for i := range level[s.pieces:] {
			level[s.pieces+i] = empty
		}
	}
	return level
}

// withUncles returns length nodes of a level, and the uncles of what they sum up to in the layers
// above. The first log2(length) − 1 layers have none that does not follow from the nodes.
func withUncles(level []marketplace.Hash, at, length, layers int) []marketplace.Hash {
	found := slices.Clone(level[at : at+length])
	for ; length > 1 && layers > 0; length /= 2 {
		level, at, layers = parents(level), at/2, layers-1
	}
	if length == 1 {
		found = append(found, uncles(level, at, layers+1)...)
	}
	return found
}

// uncles returns the siblings of a node and of those above it in so many layers.
func uncles(level []marketplace.Hash, at, layers int) (found []marketplace.Hash) {
	for ; layers > 0; layers-- {
		found = append(found, level[at^1])
		level, at = parents(level), at/2
	}
	return found
}

func parents(level []marketplace.Hash) []marketplace.Hash {
	next := make([]marketplace.Hash, len(level)/2)
	for i := range next {
		next[i] = pair(level[2*i], level[2*i+1])
	}
	return next
}
