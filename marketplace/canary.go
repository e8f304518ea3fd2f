package marketplace

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Canaries are agents of the operator's that are silent in some epochs, so that an auditor which
// says what it did not see is found out. Who they are and when they are silent is a secret that the
// market and these agents share. To everybody else their leases look like any other.
//
// The market commits to an epoch's canaries by one hash when it opens the epoch (Seal), and opens
// the seal later (Rules.CanarySealed), or as soon as an auditor is disqualified for what it said in
// that epoch. A seal that is opened after every epoch would tell auditors whom not to lie about.
type Canaries struct {
	Secret Hash
	Agents []Address
}

// A Canary is a lease whose state in an epoch the market knew.
type Canary struct {
	Lease  int64   `json:"lease"`
	Agent  Address `json:"agent"`
	Silent bool    `json:"silent" doc:"It served nobody; else it was sound"`
}

// On says whether there is a secret to draw from.
func (c Canaries) On() bool { return !c.Secret.IsZero() }

// Silent says whether a canary serves nobody in an epoch: when it draws silence and did not draw it
// for the epoch before. Five draws in 24 are silence, so about one epoch in six is.
//
// Two silent epochs in a row never come. One is within the grace, so that a canary's lease lives; two
// would end it. Its uptime falls as any agent's would, for whoever spared it that would name it: it
// is suspended at times, which costs new leases and none that it has.
func (c Canaries) Silent(epoch int64, agent Address) bool {
	draws := func(k int64) bool {
		sum := c.Secret.MAC("canary", number(k), agent[:])
		return binary.BigEndian.Uint64(sum[:])%24 < 5
	}
	return draws(epoch) && !draws(epoch-1)
}

// Quiet says whether a canary serves nobody at a moment: in its silent epochs, and a little longer,
// so that a last try which begins in one does not end in a sound one. The first tries of an epoch
// come later than that.
func (c Canaries) Quiet(r Rules, agent Address, now time.Time) bool {
	k := r.EpochAt(now)
	after := min(r.Epoch.Duration()/10, time.Minute)
	return c.Silent(k, agent) || c.Silent(k-1, agent) && now.Before(r.EpochStart(k).Add(after))
}

// Table lists the canaries among an epoch's leases.
func (c Canaries) Table(e AuditEpoch) []Canary {
	table := []Canary{}
	for _, l := range e.Leases {
		if c.On() && slices.Contains(c.Agents, l.Agent) {
			table = append(table, Canary{l.ID, l.Agent, c.Silent(e.Epoch, l.Agent)})
		}
	}
	slices.SortFunc(table, func(x, y Canary) int { return cmp.Compare(x.Lease, y.Lease) })
	return table
}

// Salt is what keeps others from trying tables until one fits the seal.
func (c Canaries) Salt(epoch int64) Hash { return c.Secret.MAC("salt", number(epoch)) }

// Seal returns the hash that binds the market to a table: SHA-256 of a line "lease agent sound" or
// "lease agent silent" for each canary, and the salt.
func Seal(table []Canary, salt Hash) Hash {
	var text strings.Builder
	for _, c := range table {
		fmt.Fprintf(&text, "%d %s %s\n", c.Lease, c.Agent, map[bool]string{true: "silent",
			false: "sound"}[c.Silent])
	}
	return sha256.Sum256(append([]byte(text.String()), salt[:]...))
}

// Truths are what honest auditors of canaries may find, by lease ([Rules.Lie]).
func Truths(table []Canary) map[int64]Outcome {
	truths := map[int64]Outcome{}
	for _, c := range table {
		truths[c.Lease] = Pass
		if c.Silent {
			truths[c.Lease] = Unreachable
		}
	}
	return truths
}
