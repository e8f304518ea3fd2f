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

// A sumTree is what a v2 torrent says of one file's content.
type sumTree struct {
	piece  int // the first of the file
	pieces int // of the file
	root   []byte
	hashes []byte // the root of each piece
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
	if !ok {
		return root, false
	}
	return marketplace.Hash(s.hashes[(i-s.piece)*sha256.Size:]), true
}

// Root returns the root over the SHA-256s of piece i's blocks, padding left out: PieceRoot if the
// content is right and the torrent is v2. A v1 torrent has no such hashes, but its content has.
func (t *Torrent) Root(i int, leaves []marketplace.Hash) marketplace.Hash {
	wide := width(len(leaves))
	if s, ok := t.tree(i); ok && s.pieces > 1 {
		wide = int(t.PieceLength / BlockSize)
	}
	return merkle(leaves, wide, marketplace.Hash{})
}
