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
	if s.pieces > 1 {
		return int(t.PieceLength / BlockSize)
	}
	return width(int((t.contentOf(s.piece) + BlockSize - 1) / BlockSize))
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

// AskProof returns what to ask a peer for, so that a block can be checked alone with CheckProof. A
// block that is a tree of its own needs no proof: then Length is 0. It is not ok where the torrent
// tells no root.
func (t *Torrent) AskProof(piece, block int) (r HashRequest, ok bool) {
	s, ok := t.tree(piece)
	if !ok {
		return r, false
	}
	r.Root = marketplace.Hash(s.root)
	wide := t.leavesWide(s)
	if wide == 1 {
		return r, true
	}
	at := (piece-s.piece)*wide + block
	r.Index, r.Length = uint32(at&^1), 2                  // #nosec G115 -- below 2^26 by the limits
	r.Proofs = uint32(bits.TrailingZeros(uint(wide))) - 1 // #nosec G115 -- a width is positive
	return r, true
}

// CheckProof returns the hash that a block must have, if the hashes that a peer sent in answer to
// AskProof lead from it to the piece's root.
func (t *Torrent) CheckProof(piece, block int, hashes []marketplace.Hash) (leaf marketplace.Hash,
	ok bool,
) {
	root, known := t.PieceRoot(piece)
	r, _ := t.AskProof(piece, block)
	switch {
	case !known:
		return leaf, false
	case r.Length == 0:
		return root, true
	case len(hashes) != int(r.Length+r.Proofs):
		return leaf, false
	}
	node := pair(hashes[0], hashes[1])
	for i, uncle := range hashes[2:] {
		if block>>(i+1)&1 == 1 {
			node = pair(uncle, node)
		} else {
			node = pair(node, uncle)
		}
	}
	return hashes[block%2], node == root
}

// Hashes answers a request for hashes of blocks, with uncles up to their piece's root at most:
// what lies above is in the .torrent. It asks leaves for the SHA-256s of a piece's blocks, and
// answers nothing that does not lead to what the torrent says.
func (t *Torrent) Hashes(r HashRequest, leaves func(piece int) ([]marketplace.Hash, error)) (
	[]marketplace.Hash, error,
) {
	i := slices.IndexFunc(t.trees, func(s sumTree) bool { return string(s.root) == string(r.Root[:]) })
	if i < 0 {
		return nil, refuse("has no file with the root %s", r.Root)
	}
	s := t.trees[i]
	wide := uint32(t.leavesWide(s)) // #nosec G115 -- at most 2^11 by the limits
	piece := s.piece + int(r.Index/wide)
	if r.Base != 0 || r.Length < 2 || r.Length > min(wide, HashesMax) || r.Index%r.Length != 0 ||
		bits.OnesCount32(r.Length) != 1 || r.Proofs >= uint32(bits.Len32(wide)-1) || // #nosec G115 -- below 32
		piece >= s.piece+s.pieces {
		return nil, refuse("gives no hashes from %d on", r.Index)
	}
	level, err := leaves(piece)
	if err != nil {
		return nil, err
	}
	if root, _ := t.PieceRoot(piece); len(level) > int(wide) || t.Root(piece, level) != root {
		return nil, refuse("does not have what is stored of piece %d", piece)
	}
	level = append(slices.Clone(level), make([]marketplace.Hash, int(wide)-len(level))...)
	return withUncles(level, int(r.Index%wide), int(r.Length), int(r.Proofs)), nil
}

// withUncles returns length nodes of a level, and the uncles of what they sum up to in the layers
// above. The first log2(length) − 1 layers have none that does not follow from the nodes.
func withUncles(level []marketplace.Hash, at, length, layers int) []marketplace.Hash {
	found := slices.Clone(level[at : at+length])
	for below := length; layers > 0; layers-- {
		next := make([]marketplace.Hash, len(level)/2)
		for i := range next {
			next[i] = pair(level[2*i], level[2*i+1])
		}
		level, at, below = next, at/2, below/2
		if below <= 1 {
			found = append(found, level[at^1])
		}
	}
	return found
}
