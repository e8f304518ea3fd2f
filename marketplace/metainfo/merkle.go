package metainfo

import (
	"crypto/sha256"
	"math/bits"

	"github.com/everseed/everseed/marketplace"
)

// BlockSize is what peers ask of each other at once, and what one leaf of a v2 tree covers.
const BlockSize = 16 << 10

// merkle returns the root of a tree over nodes, filled up with pad to a width that is a power of
// two (BEP 52).
func merkle(nodes []marketplace.Hash, width int, pad marketplace.Hash) marketplace.Hash {
	level := append([]marketplace.Hash(nil), nodes...)
	for ; width > 1; width /= 2 {
		if len(level)%2 == 1 {
			level = append(level, pad)
		}
		for i := 0; i < len(level); i += 2 {
			level[i/2] = pair(level[i], level[i+1])
		}
		level, pad = level[:len(level)/2], pair(pad, pad)
	}
	if len(level) == 0 {
		return pad
	}
	return level[0]
}

func pair(left, right marketplace.Hash) marketplace.Hash {
	var both [2 * sha256.Size]byte
	copy(both[:], left[:])
	copy(both[sha256.Size:], right[:])
	return sha256.Sum256(both[:])
}

// width returns the smallest power of two that is at least n.
func width(n int) int {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len(uint(n-1)) // #nosec G115 -- positive
}

// wide returns how many leaves the tree of a piece has that is filled up.
func (t *Torrent) wide() int { return width(int((t.PieceLength + BlockSize - 1) / BlockSize)) }

// A sumTree is what a v2 torrent says of one file's content.
type sumTree struct {
	piece  int // the first of the file
	pieces int // of the file
	root   []byte
	hashes []byte // the root of each piece; none: only the file's is known

	whole bool // the file is all of a torrent that says nothing of it (Committed)
}

// tree returns what is known of a piece's v2 hash.
func (t *Torrent) tree(piece int) (s sumTree, ok bool) {
	low, high := 0, len(t.trees)
	for low < high {
		if mid := (low + high) / 2; t.trees[mid].piece+t.trees[mid].pieces <= piece {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == len(t.trees) || t.trees[low].piece > piece {
		return s, false
	}
	return t.trees[low], true
}

// PieceRoot returns the root of piece i's Merkle tree, if the torrent tells it.
func (t *Torrent) PieceRoot(i int) (root marketplace.Hash, ok bool) {
	s, ok := t.tree(i)
	if !ok || s.hashes == nil {
		return root, false
	}
	return marketplace.Hash(s.hashes[(i-s.piece)*sha256.Size:]), true
}

// Root returns the root over the SHA-256s of piece i's blocks, padding left out: PieceRoot if the
// content is right and the torrent is v2. A v1 torrent has no such hashes, but its content has: its
// pieces are filled up to PieceLength, as all but the only piece of a v2 file are.
func (t *Torrent) Root(i int, leaves []marketplace.Hash) marketplace.Hash {
	wide := t.wide()
	if s, ok := t.tree(i); ok && s.pieces == 1 && !s.whole {
		wide = width(len(leaves))
	}
	return merkle(leaves, wide, marketplace.Hash{})
}

// Leaf returns the SHA-256 of a block's content, which begins at an offset in the torrent, padding
// left out; zero if it is nothing but padding.
func (t *Torrent) Leaf(at int64, block []byte) (leaf marketplace.Hash) {
	sum, some := sha256.New(), false
	for i := int64(0); i < int64(len(block)); {
		pad, until := t.Padding(at+i, at+int64(len(block)))
		if !pad {
			sum.Write(block[i : until-at])
			some = true
		}
		i = until - at
	}
	if some {
		leaf = marketplace.Hash(sum.Sum(nil))
	}
	return leaf
}
