package metainfo

import (
	"crypto/sha256"
	"slices"

	"github.com/everseed/everseed/marketplace"
)

// A v1 torrent tells nothing of blocks. But whoever has its content can say what the root of its Merkle
// tree would be, were all of it one v2 file: each piece filled up to PieceLength with zero hashes, and the
// pieces to a power of two, as BEP 52 does. Who has said so can prove every block and every piece by it,
// and all who have the same content say the same.

// TellsRoots says whether the .torrent has Merkle roots of its own: it is v2, or a whole hybrid.
func (t *Torrent) TellsRoots() bool { return len(t.trees) > 0 }

// Committed returns the torrent as it is for whoever asks a peer that committed to such a root: AskProof
// and CheckProof hold for it. It is not ok where the .torrent tells roots itself, or the peer none.
func (t *Torrent) Committed(root marketplace.Hash) (c *Torrent, ok bool) {
	if t.TellsRoots() || root.IsZero() {
		return t, false
	}
	return t.asOne(root, nil), true
}

// Sum returns the root that whoever has the content commits to, and the torrent as it is for those who
// answer with Hashes for it. Pieces are their roots (Root), 32 bytes each. It is not ok where the
// .torrent tells roots itself.
func (t *Torrent) Sum(pieces []byte) (root marketplace.Hash, c *Torrent, ok bool) {
	if t.TellsRoots() || len(pieces) != t.Pieces*sha256.Size {
		return root, t, false
	}
	c = t.asOne(root, slices.Clone(pieces))
	level := c.hashesOfPieces(c.trees[0])
	root = merkle(level, len(level), marketplace.Hash{})
	c.trees[0].root = root[:]
	return root, c, true
}

func (t *Torrent) asOne(root marketplace.Hash, pieces []byte) *Torrent {
	c := *t
	c.trees = []sumTree{{pieces: t.Pieces, root: root[:], hashes: pieces, whole: true}}
	return &c
}
