package audit

import (
	"fmt"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A spot is a part of a torrent that can be asked for.
type spot struct {
	infohash     marketplace.Infohash
	piece, block int
}

func spotOf(t *metainfo.Torrent, piece, block int) spot { return spot{t.Infohash, piece, block} }

func (s spot) String() string {
	if s.block == marketplace.WholePiece {
		return fmt.Sprintf("piece %d", s.piece)
	}
	return fmt.Sprintf("block %d of piece %d", s.block, s.piece)
}

// A sighting is what auditors say that they saw at a spot.
type sighting struct {
	good   map[marketplace.Hash]voice // one who says that it is right
	bad    map[marketplace.Hash]voice // ... wrong
	passes int
	told   bool // what is right is known
}

// Told returns the hash of a right answer, if the .torrent tells it: of a whole piece of a v2 torrent,
// and of a block that is all of such a piece. Of a v1 torrent it tells none: SHA-1s are of the content,
// and answers carry SHA-256s.
func Told(t *metainfo.Torrent, piece, block int) (h marketplace.Hash, ok bool) {
	root, isV2 := t.PieceRoot(piece)
	if !isV2 || block == marketplace.WholePiece {
		return root, isV2
	}
	alone := t.Root(piece, []marketplace.Hash{root}) == root // a tree of one leaf
	start := int64(piece) * t.PieceLength
	if next, end := start+metainfo.BlockSize, start+t.PieceSize(piece); next < end {
		pad, until := t.Padding(next, end)
		alone = alone && pad && until == end
	}
	return root, alone && block == 0
}

// right returns the hash of a right answer, from the .torrent or else from a copy of the content.
func (j *judge) right(t *metainfo.Torrent, a marketplace.Answer) (h marketplace.Hash, told bool) {
	if h, told = Told(t, a.Piece, a.Block); told || j.Content[t.Infohash] == nil {
		return h, told
	}
	h, err := j.Content[t.Infohash].Hash(a.Piece, a.Block)
	if err != nil {
		j.unchecked("an answer against your copy: %v", err)
	}
	return h, err == nil
}

// answer holds a hash against the .torrent, and notes it for the comparison with others.
func (j *judge) answer(of voice, a marketplace.Answer, t *metainfo.Torrent) {
	if a.Outcome != marketplace.Pass && a.Outcome != marketplace.BadData {
		return
	}
	at := spotOf(t, a.Piece, a.Block)
	if a.Piece < 0 || a.Piece >= t.Pieces {
		j.fault(BadAnswer, of, "the torrent has no %s", at)
		return
	}
	right, told := j.right(t, a)
	switch passed := a.Outcome == marketplace.Pass; {
	case passed && a.Hash.IsZero():
		j.fault(BadAnswer, of, "passes %s, and nothing came", at)
	case passed && told && a.Hash != right:
		j.fault(BadAnswer, of, "passes %s with hash %s; right is %s", at, a.Hash, right)
	case !passed && told && a.Hash == right:
		j.fault(BadAnswer, of, "finds %s spoiled, and its hash is the right one", at)
	}
	s, seen := j.seen[at]
	if !seen {
		s = sighting{good: map[marketplace.Hash]voice{}, bad: map[marketplace.Hash]voice{}, told: told}
	}
	if a.Outcome == marketplace.Pass {
		s.good[a.Hash] = of
		s.passes++
		if j.Answers++; told {
			j.Proven++
		}
	} else {
		s.bad[a.Hash] = of
	}
	j.seen[at] = s
}

// agree compares what several auditors say of the same spot: it has one right hash, so of two that
// differ one at least is made up.
func (j *judge) agree() {
	for at, s := range j.seen {
		var first voice
		var is marketplace.Hash
		for h, who := range s.good {
			if !first.auditor.IsZero() && !s.told {
				j.fault(BadAnswer, who, "passes %s with hash %s; auditor %s does at lease %d with %s", at, h,
					first.auditor, first.lease, is)
			}
			first, is = who, h
			if other, both := s.bad[h]; both && !s.told {
				j.fault(BadAnswer, other, "finds %s spoiled, with the hash that auditor %s passes it with", at,
					who.auditor)
			}
		}
		if !s.told && len(s.good) == 1 && s.passes > 1 {
			j.Agreed += s.passes
		}
	}
}
