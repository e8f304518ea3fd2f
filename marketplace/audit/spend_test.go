package audit

import (
	"crypto/sha256"
	"math/bits"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// What a try costs on the wire beside content: the handshakes and greetings, and the messages
// around each block.
const (
	meetBytes  = 2500
	blockBytes = 30
)

// A Proof is how blocks are proven by whom they are asked of.
type Proof int

// The ways of proving.
const (
	Unproven  Proof = iota // a v1 torrent, or the auditors know their hashes
	ByTorrent              // its .torrent tells the roots of pieces
	ByRoot                 // a v1 torrent, by the root that its agent committed to
)

// proofBytes returns what a proof costs on the wire: a request, its answer's head, the pair that what is
// proven is of, and an uncle in each layer between it and a root, so many above it.
func proofBytes(layers int) float64 {
	if layers == 0 {
		return 0
	}
	return float64(2*(4+3+metainfo.HashRequestSize) + (1+layers)*sha256.Size)
}

func layersOver(n int64) int { return bits.Len64(uint64(n - 1)) } // #nosec G115 -- positive

// Spend estimates the bytes on the wire for one replica and day, when every audit passes at the
// first try, and there is a quiet window in which blocks are asked for twice and a burst on top. Blocks are
// proven by the peer, or the auditors know the hashes of a share of the pieces.
func Spend(r marketplace.Rules, size, pieceLength int64, by Proof, known float64) int64 {
	whole := float64(pieceLength + blocksIn(pieceLength)*blockBytes)
	block := float64(metainfo.BlockSize + blockBytes)
	below, above := layersOver(blocksIn(pieceLength)), layersOver((size+pieceLength-1)/pieceLength)
	switch by {
	case ByTorrent:
		block, known = block+proofBytes(below), 1
	case ByRoot:
		block, known = block+proofBytes(below+above), 1
		whole += proofBytes(above)
	}
	asked := min(float64(r.Challenges)*(known*block+(1-known)*whole), max(askedMax, whole))
	audits := float64(r.Auditors) * float64(24*time.Hour) / float64(r.Epoch)
	sum := audits * (meetBytes + asked)
	if r.WholeEvery > 0 {
		sum += whole * min(audits, float64(24*time.Hour)/float64(r.WholeEvery))
	}
	if r.QuietEvery > 0 {
		burst := float64(min(r.BurstMax, size/burstShare) / pieceLength)
		windows := min(audits, float64(24*time.Hour)/float64(r.QuietEvery))
		sum += windows * (burst*whole + known*float64(r.Challenges)*(metainfo.BlockSize+blockBytes))
	}
	return int64(sum)
}
