package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// Commit returns what is published of a secret before the block is known.
func Commit(secret marketplace.Hash) marketplace.Hash { return sha256.Sum256(secret[:]) }

func number(n int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(n)) // #nosec G115 -- bits of it
}

// A Visit is one auditor's part in the audit of one lease.
type Visit struct {
	Auditor marketplace.Address
	Tries   []time.Time // after a pass the rest is left out
}

// Plan draws who audits each lease of an epoch ([marketplace.Rules.Draw]), and when.
func Plan(r marketplace.Rules, e marketplace.AuditEpoch) map[int64][]Visit {
	seed, plan := e.Seed(), map[int64][]Visit{}
	for lease, drawn := range r.Draw(e) {
		for _, who := range drawn {
			plan[lease] = append(plan[lease], Visit{who, tries(r, seed, e.Epoch, lease, who)})
		}
	}
	return plan
}

// leadMax is how long after an epoch's start its first tries may be: the block that seeds it has
// to become solid and known first.
const leadMax = 2 * time.Minute

// lastTry is how long after an epoch's start the last try that is planned may begin.
func lastTry(r marketplace.Rules) time.Duration {
	return r.Epoch.Duration() - min(r.ProbeTimeout.Duration(), r.Epoch.Duration()/3)
}

// tries draws times at least AttemptGap apart. The first is equally likely anywhere that leaves
// room for the others, because mostly it is the only one.
func tries(
	r marketplace.Rules, seed marketplace.Hash, epoch, lease int64, who marketplace.Address,
) []time.Time {
	length, gap := r.Epoch.Duration(), r.AttemptGap.Duration()
	at := min(length/5, leadMax)
	end := max(at, lastTry(r))
	draw := newChance(seed, "time", number(lease), who[:])
	times := make([]time.Time, 0, r.Attempts)
	for left := r.Attempts - 1; left >= 0; left-- {
		room := end - at - time.Duration(left)*gap
		if room < 0 {
			continue // the epoch is too short for so many
		}
		steps := uint64(room/time.Microsecond) + 1                // #nosec G115 -- not negative
		at += time.Duration(draw.below(steps)) * time.Microsecond // #nosec G115 -- below an epoch
		times = append(times, r.EpochStart(epoch).Add(at))
		at += gap
	}
	return times
}

// A chance draws numbers from a seed: HMACs of a label and a counter.
type chance struct {
	key marketplace.Hash
	n   int64
}

func newChance(seed marketplace.Hash, label string, parts ...[]byte) *chance {
	return &chance{key: seed.MAC(label, parts...)}
}

// below draws a number from 0 to n-1, each equally likely.
func (c *chance) below(n uint64) uint64 {
	for tooHigh := -n % n; ; { // 2^64 mod n: below it, the lowest numbers would come too often
		c.n++
		drawn := c.key.MAC("", number(c.n))
		if x := binary.BigEndian.Uint64(drawn[:]); x >= tooHigh {
			return x % n
		}
	}
}
