package audit

import (
	"crypto/sha256"
	"math/bits"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// What a try costs on the wire beside content: the handshakes and greetings, in a quiet window the ticket
// and its answer, and the messages around each block. Tests hold these against the wire.
const (
	meetBytes   = 2500
	ticketBytes = 200
	blockBytes  = 30
)

// A Proof is how blocks are proven by whom they are asked of.
type Proof int

// The ways of proving.
const (
	Unproven  Proof = iota // a v1 torrent, whose agent committed to no root
	ByTorrent              // its .torrent tells the roots of pieces
	ByRoot                 // a v1 torrent, by the root that its agent committed to
)

// lots are the parts that a challenge is counted in: who is asked for lots/2 blocks in each audit is asked
// for one in every second audit, by lot.
const lots = 1 << 16

// A Ration is how much the audits of a replica ask for, so that a day of them costs no more than
// Rules.AuditBps of the content when every audit passes at the first try. It follows from the rules and the
// torrent alone. As long as a root is not believed, and so nobody is paid by it, whole pieces are asked for alone,
// as many as fit into an audit (marketplace.Rules.WholeMax), whatever they cost.
type Ration struct {
	Proof  Proof
	Blocks int64 // in each audit, in lots; in a quiet window each of them twice
	Pieces int64 // whole ones in each audit, in lots
	Burst  int64 // whole pieces of a quiet window
}

// alone says whether blocks of a piece can be asked for alone, because the peer can prove them.
func (s Ration) alone(t *metainfo.Torrent, piece int) bool {
	_, isV2 := t.PieceRoot(piece)
	return isV2 || s.Proof == ByRoot
}

// RationOf returns what is asked of a lease's replica, whose root is believed or not
// (marketplace.AuditEpoch.Believed).
func RationOf(r marketplace.Rules, t *metainfo.Torrent, l marketplace.Lease, believed bool) Ration {
	by := Unproven
	if _, committed := t.Committed(l.Root); committed {
		by = ByRoot
	} else if t.TellsRoots() {
		by = ByTorrent
	}
	if by == ByRoot && !believed {
		return Ration{Proof: by, Pieces: lots * int64(r.WholeMax(t.PieceLength))}
	}
	return ration(r, t.Stored(), t.PieceLength, by)
}

// keptShare is the part of a day's bytes that is kept for whole pieces, or blocks would leave none to a small
// torrent: so much that blocks find a tenth that is missing within the day from 128 MiB on.
const keptShare = 16

// ration shares a day's bytes out: first to blocks, which find what is missing, then to a whole piece every
// Rules.WholeEvery and to the burst of a quiet window.
//
// Each audit asks for a block at least, and on top comes for whole pieces what is kept for them:
// below some size (TestBelowAFloorADayCostsTheSame) a day costs the same whatever the size.
func ration(r marketplace.Rules, size, pieceLength int64, by Proof) Ration {
	c, d := costOf(size, pieceLength, by), dayOf(r)
	each := d.audits*c.block + d.windows*c.warm // for one block in each audit
	left := max(size/10_000*int64(r.AuditBps)-d.audits*meetBytes-d.windows*ticketBytes,
		each*keptShare/(keptShare-1))
	share := Ration{Proof: by}
	share.Blocks = max(lots, fit(left-left/keptShare, each, int64(r.Challenges)))
	left -= each * share.Blocks / lots
	share.Pieces = min(d.wholes, fit(left, d.audits*c.whole, 1))
	left -= d.audits * c.whole * share.Pieces / lots
	if d.windows > 0 {
		share.Burst = min(min(r.BurstMax, size/burstShare)/pieceLength, max(0, left)/(d.windows*c.whole))
	}
	return share
}

// burstShare is what part of a torrent a burst asks for at most.
const burstShare = 512

// times draws how often something is done that is done so many times on the average, in lots.
func (c *chance) times(n int64) int64 {
	whole := n / lots
	if int64(c.below(lots)) < n%lots { // #nosec G115 -- below lots
		whole++
	}
	return whole
}

// fit returns how often something that costs so much fits into some bytes, in lots, and at most so often.
func fit(bytes, cost, most int64) int64 {
	switch {
	case bytes <= 0:
		return 0
	case bytes/cost >= most:
		return most * lots
	default:
		return bytes * lots / cost
	}
}

// A costs are the bytes on the wire, both ways, for what is asked for.
type costs struct {
	block int64 // with its proof; the whole piece where there is none
	warm  int64 // the same block once more
	whole int64 // a piece, with the path that shows that the root has it
}

func costOf(size, pieceLength int64, by Proof) costs {
	piece := min(size, pieceLength)
	c := costs{block: metainfo.BlockSize + blockBytes, warm: metainfo.BlockSize + blockBytes,
		whole: piece + blocksIn(piece)*blockBytes}
	below, above := layersOver(blocksIn(pieceLength)), layersOver((size+pieceLength-1)/pieceLength)
	switch by {
	case Unproven:
		c.block, c.warm = c.whole, 0
	case ByTorrent:
		c.block += proofBytes(below)
	case ByRoot:
		c.block += proofBytes(below + above)
		c.whole += proofBytes(above)
	}
	return c
}

// proofBytes returns what a proof costs on the wire: a request, its answer's head, the pair that what is
// proven is of, and an uncle in each layer between it and a root, so many above it.
func proofBytes(layers int) int64 {
	if layers == 0 {
		return 0
	}
	return int64(2*(4+3+metainfo.HashRequestSize) + (1+layers)*sha256.Size)
}

func layersOver(n int64) int { return bits.Len64(uint64(n - 1)) } // #nosec G115 -- positive

// A day is how often something happens to a replica in one, on the average.
type day struct {
	audits  int64
	windows int64
	wholes  int64 // whole pieces that Rules.WholeEvery asks for, in lots in each audit
}

func dayOf(r marketplace.Rules) day {
	epochs := max(1, int64(marketplace.Day)/int64(r.Epoch))
	d := day{audits: int64(r.Auditors) * epochs}
	if r.QuietEvery > 0 && r.Quiet > 0 {
		d.windows = max(1, min(epochs, int64(marketplace.Day)/int64(r.QuietEvery)))
	}
	if every := r.WholeEvery.Duration().Microseconds() * int64(r.Auditors); every > 0 {
		d.wholes = min(lots, lots*r.Epoch.Duration().Microseconds()/every)
	}
	return d
}
