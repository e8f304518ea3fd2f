package audit

import (
	"crypto/sha1" // #nosec G505 -- BitTorrent v1 names pieces by SHA-1
	"crypto/sha256"
	"hash"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A tally hashes what comes for one challenge, in order: all of it as v1 does, and each block as
// v2 does, where padding is left out.
type tally struct {
	piece  hash.Hash // SHA-1
	leaf   hash.Hash // SHA-256 of the block under way
	some   bool      // ... has content
	leaves []marketplace.Hash
}

func newTally() tally {
	return tally{piece: sha1.New(), leaf: sha256.New()} // #nosec G401 -- as above
}

// add takes in a block's content, which is the last of a leaf or not.
func (t *tally) add(b *block, content []byte, last, v1 bool) {
	if v1 {
		t.piece.Write(content)
	}
	if !b.pad {
		t.leaf.Write(content)
		t.some = true
	}
	if !last && (b.begin+b.length)%metainfo.BlockSize != 0 {
		return
	}
	var sum marketplace.Hash // of nothing but padding: BEP 52 has zeros there
	if t.some {
		sum = marketplace.Hash(t.leaf.Sum(nil))
	}
	t.leaves = append(t.leaves, sum)
	t.leaf.Reset()
	t.some = false
}

func (t *tally) reset() {
	t.piece.Reset()
	t.leaf.Reset()
	t.some, t.leaves = false, nil
}

// judge holds what came for a challenge against the torrent, or against the hash that is known.
func (p *probe) judge(of int) {
	c, a := p.asks[of], &p.answers[of]
	leaves := p.sum.leaves
	for len(leaves) > 0 && leaves[len(leaves)-1].IsZero() {
		leaves = leaves[:len(leaves)-1]
	}
	right := false
	switch root, isV2 := p.t.PieceRoot(c.Piece); {
	case c.Block != marketplace.WholePiece:
		if len(leaves) > 0 {
			a.Hash = leaves[0]
		}
		if one := p.proofs[of]; one != nil && !one.path {
			return // it is not known yet what is right
		}
		right = a.Hash == c.Leaf
	case p.t.V1:
		a.Hash = p.t.Root(c.Piece, leaves)
		right = [20]byte(p.sum.piece.Sum(nil)) == p.t.PieceHash(c.Piece)
	default:
		a.Hash = p.t.Root(c.Piece, leaves)
		right = isV2 && a.Hash == root
	}
	if right && c.Block == marketplace.WholePiece {
		p.learnt[c.Piece] = leaves
	}
	switch one := p.proofs[of]; {
	case one != nil && right:
		one.came = true
		p.confirm(of)
	case one != nil:
		delete(p.proofs, of)
		fallthrough
	default:
		p.verdict(of, right)
	}
}

func (p *probe) verdict(of int, right bool) {
	a := &p.answers[of]
	a.Outcome, a.TookMS = marketplace.BadData, time.Since(p.began).Milliseconds()
	if right {
		a.Outcome = marketplace.Pass
	} else {
		delete(p.learnt, a.Piece) // what an auditor knows follows from what passed in its reports
	}
}
