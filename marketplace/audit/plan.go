package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
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
	marketplace.Part
}

// Plan draws who audits each lease of an epoch ([marketplace.Rules.Draw]), and when. Where a torrent has a
// quiet window, one auditor of each of its leases comes then with its first try.
//
// Nothing of a plan follows from another part of it: each visit has a seed of its own, and what is drawn for
// several of them, or moved for the sake of others, is told as it came out.
func Plan(r marketplace.Rules, e marketplace.AuditEpoch) map[int64][]Visit {
	plan, drawn := map[int64][]Visit{}, r.Draw(e)
	for _, l := range e.Leases {
		if len(drawn[l.ID]) > 0 {
			plan[l.ID] = PlanOf(r, e, l, drawn[l.ID])
		}
	}
	return plan
}

// PlanOf is the part of Plan that is about one lease, whose auditors are drawn.
func PlanOf(r marketplace.Rules, e marketplace.AuditEpoch, l marketplace.Lease,
	drawn []marketplace.Address) (visits []Visit) {
	seed := e.Seed()
	for i, who := range drawn {
		visits = append(visits, Visit{Auditor: who, Part: partOf(r, e.Epoch, seed, l, drawn, i)})
	}
	return visits
}

// IsCarried draws whether a visit comes by another agent's line, if one is to be had (marketplace.Carry). One
// that shows a ticket does not: it would give the line away.
func IsCarried(r marketplace.Rules, p marketplace.Part) bool {
	return !p.InWindow() && newChance(p.Seed, "carried").below(10_000) < uint64(r.CarriedBps) // #nosec G115 -- a share
}

// partOf draws the ith visit to a lease.
func partOf(r marketplace.Rules, epoch int64, seed marketplace.Hash, l marketplace.Lease,
	drawn []marketplace.Address, i int) marketplace.Part {
	p := marketplace.Part{Lease: l.ID, Seed: visitSeed(seed, l.ID, drawn[i])}
	// Not of its own seed: who knew where a try was drawn could see that a window moved it, and when that is.
	draw := newChance(seed, "time", number(l.ID), drawn[i][:])
	if !hasWindow(r, seed, l.Infohash) {
		p.Tries = tries(r, epoch, draw, draw)
		return p
	}
	quiet := newChance(seed, "window at", l.Infohash[:])
	if newChance(seed, "window by", number(l.ID)).among(len(drawn)) == i {
		p.Burst = seed.MAC("burst", l.Infohash[:])
		p.Tries = tries(r, epoch, quiet, draw)
		return p
	}
	if p.Tries = tries(r, epoch, draw, draw); len(p.Tries) > 0 {
		keepOff(r, p.Tries, tries(r, epoch, quiet, quiet)[0])
	}
	return p
}

// visitSeed is what a visit draws its challenges and transports from.
func visitSeed(seed marketplace.Hash, lease int64, who marketplace.Address) marketplace.Hash {
	return seed.MAC("visit", number(lease), who[:])
}

// PartsOf returns what an epoch asks of one auditor, in the order of its leases, when it is drawn who looks
// at them ([marketplace.Rules.Draw]).
func PartsOf(r marketplace.Rules, e marketplace.AuditEpoch, drawn map[int64][]marketplace.Address,
	who marketplace.Address) (parts []marketplace.Part) {
	seed := e.Seed()
	for _, l := range e.Leases {
		if i := slices.Index(drawn[l.ID], who); i >= 0 {
			parts = append(parts, partOf(r, e.Epoch, seed, l, drawn[l.ID], i))
		}
	}
	return parts
}

// keepOff has tries wait for the end of a quiet window that others are in: the agent would let them wait.
// What is about to end when the window begins loses no more than its length.
func keepOff(r marketplace.Rules, all []time.Time, begins time.Time) {
	ends := begins.Add(r.Quiet.Duration())
	for i, at := range all {
		if i > 0 {
			at = later(at, all[i-1].Add(r.AttemptGap.Duration()))
		}
		if begins.Add(-r.Quiet.Duration()/2).Before(at) && at.Before(ends) {
			at = ends
		}
		all[i] = at
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// hasWindow draws whether a torrent has a quiet window in an epoch: once in QuietEvery on the average.
func hasWindow(r marketplace.Rules, seed marketplace.Hash, h marketplace.Infohash) bool {
	every := uint64(r.QuietEvery.Duration()) // #nosec G115 -- not negative
	return every > 0 && r.Quiet > 0 &&
		newChance(seed, "window", h[:]).below(every) < uint64(r.Epoch.Duration()) // #nosec G115 -- likewise
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
func tries(r marketplace.Rules, epoch int64, first, others *chance) []time.Time {
	length, gap := r.Epoch.Duration(), r.AttemptGap.Duration()
	at := min(length/5, leadMax)
	end := max(at, lastTry(r))
	times := make([]time.Time, 0, r.Attempts)
	for left := r.Attempts - 1; left >= 0; left-- {
		room := end - at - time.Duration(left)*gap
		if room < 0 {
			continue // the epoch is too short for so many
		}
		draw := others
		if len(times) == 0 {
			draw = first
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

// among draws one of n things, each equally likely; of none the first.
func (c *chance) among(n int) int {
	if n == 0 {
		return 0
	}
	return int(c.below(uint64(n))) // #nosec G115 -- below an int
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
