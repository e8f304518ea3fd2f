package audit

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// Commit returns what is published of a secret before the block is known.
func Commit(secret marketplace.Hash) marketplace.Hash { return sha256.Sum256(secret[:]) }

// Seed returns the source of chance for an epoch: nobody who picks the secret knows the block yet,
// and nobody who makes the block knows the secret.
func Seed(epoch int64, secret, block marketplace.Hash) marketplace.Hash {
	h := sha256.New()
	h.Write([]byte("audit"))
	h.Write(number(epoch))
	h.Write(secret[:])
	h.Write(block[:])
	return marketplace.Hash(h.Sum(nil))
}

func number(n int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(n)) // #nosec G115 -- bits of it
}

// A Visit is one auditor's part in the audit of one lease.
type Visit struct {
	Auditor marketplace.Address
	Tries   []time.Time // after a pass the rest is left out
}

// Plan draws who audits a lease in an epoch, and when. The order of auditors does not matter. It
// draws fewer auditors than the rules say when there are fewer.
func Plan(
	r marketplace.Rules, seed marketplace.Hash, epoch, lease int64, auditors []marketplace.Address,
) []Visit {
	type ranked struct {
		who  marketplace.Address
		rank []byte
	}
	all := make([]ranked, len(auditors))
	for i, who := range auditors {
		all[i] = ranked{who, mac(seed, "auditor", number(lease), who[:])}
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(bytes.Compare(a.rank, b.rank), bytes.Compare(a.who[:], b.who[:]))
	})
	visits := make([]Visit, 0, r.Auditors)
	for _, a := range all[:min(len(all), r.Auditors)] {
		visits = append(visits, Visit{Auditor: a.who, Tries: tries(r, seed, epoch, lease, a.who)})
	}
	return visits
}

// leadMax is how long after an epoch's start its first tries may be: the block that seeds it has
// to become solid and known first.
const leadMax = 2 * time.Minute

// tries draws times at least AttemptGap apart. The first is equally likely anywhere that leaves
// room for the others, because mostly it is the only one.
func tries(
	r marketplace.Rules, seed marketplace.Hash, epoch, lease int64, who marketplace.Address,
) []time.Time {
	length, gap := r.Epoch.Duration(), r.AttemptGap.Duration()
	at := min(length/5, leadMax)
	end := max(at, length-min(r.ProbeTimeout.Duration(), length/3))
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

func mac(seed marketplace.Hash, label string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, seed[:])
	h.Write([]byte(label))
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// A chance draws numbers from a seed: HMACs of a label and a counter.
type chance struct {
	key marketplace.Hash
	n   int64
}

func newChance(seed marketplace.Hash, label string, parts ...[]byte) *chance {
	return &chance{key: marketplace.Hash(mac(seed, label, parts...))}
}

// below draws a number from 0 to n-1, each equally likely.
func (c *chance) below(n uint64) uint64 {
	for tooHigh := -n % n; ; { // 2^64 mod n: below it, the lowest numbers would come too often
		c.n++
		if x := binary.BigEndian.Uint64(mac(c.key, "", number(c.n))); x >= tooHigh {
			return x % n
		}
	}
}
