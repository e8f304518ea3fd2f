package trial

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A line is a home connection that goes down now and then.
type line struct{ downs []span }

type span struct{ from, to time.Time }

// newLine draws outages: both the times between them and their lengths are exponential.
func newLine(chance *rand.Rand, from, to time.Time, up, down time.Duration) line {
	var l line
	draw := func(mean time.Duration) time.Duration {
		return time.Duration(chance.ExpFloat64() * float64(mean))
	}
	for at := from.Add(draw(up)); at.Before(to); {
		back := at.Add(draw(down))
		l.downs = append(l.downs, span{at, back})
		at = back.Add(draw(up))
	}
	return l
}

// down says whether the line is down at a time.
func (l line) down(at time.Time) bool {
	i, exact := slices.BinarySearchFunc(l.downs, at, func(s span, at time.Time) int {
		return s.from.Compare(at)
	})
	return exact || i > 0 && at.Before(l.downs[i-1].to)
}
