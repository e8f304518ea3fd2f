package marketplace

import (
	"slices"
	"time"
)

// A Part is what one auditor has to do at one lease in an epoch. It follows from the epoch's secret, and
// nothing of another part follows from it: who passes its own on gives away no more than that.
type Part struct {
	Lease int64       `json:"lease"`
	Seed  Hash        `json:"seed" doc:"What it asks for, and over which transport first, is drawn from it"`
	Tries []time.Time `json:"tries" doc:"Earliest times of its tries; after a pass the rest is left out"`
	Burst Hash        `json:"burst,omitzero" doc:"What all replicas of the torrent are asked for in a quiet window is drawn from it; absent if the first try is in none"`
}

// InWindow says whether the first try is in a quiet window of the torrent.
func (p Part) InWindow() bool { return !p.Burst.IsZero() }

// Is says whether two parts are the same.
func (p Part) Is(other Part) bool {
	return p.Lease == other.Lease && p.Seed == other.Seed && p.Burst == other.Burst &&
		slices.EqualFunc(p.Tries, other.Tries, time.Time.Equal)
}
