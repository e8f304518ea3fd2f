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

// proofBytes returns what the proof of a block costs on the wire: a request, its answer's head, the
// pair that the block is of, and an uncle in each layer between it and the piece's root.
func proofBytes(pieceLength int64) int64 {
	layers := bits.Len64(uint64(blocksIn(pieceLength) - 1)) // #nosec G115 -- not negative
	return int64(2*(4+3+metainfo.HashRequestSize) + (1+layers)*sha256.Size)
}

// Spend estimates the bytes on the wire for one replica and day, when every audit passes at the
// first try, and there is a quiet window in which blocks are asked for twice and a burst on top. Blocks are proven by the peer, or the auditors know the hashes of a share of the
// pieces.
func Spend(r marketplace.Rules, size, pieceLength int64, proven bool, known float64) int64 {
	whole := float64(pieceLength + blocksIn(pieceLength)*blockBytes)
	block := float64(metainfo.BlockSize + blockBytes)
	if proven {
		block, known = block+float64(proofBytes(pieceLength)), 1
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
