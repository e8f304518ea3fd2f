package utp

import "time"

const (
	// target is how much longer than alone our packets may wait in the line's queue (BEP 29).
	target = 100 * time.Millisecond
	// samples is how many delays count as now, and minutes how long the least one is remembered: clocks
	// run apart, and ways change.
	samples = 3
	minutes = 10
)

// A ledbat measures the queue that our packets wait in: how much longer they take than they do at
// best. The peer tells for each how long it was on its way, by two clocks that need not agree.
type ledbat struct {
	least   [minutes]uint32 // of each minute, the newest first
	known   int
	since   time.Time
	current [samples]uint32
	taken   int
}

// sample takes in what the peer says of our newest packet's way, in microseconds.
func (l *ledbat) sample(delay uint32, now time.Time) {
	if delay == 0 {
		return // it has none
	}
	l.current[l.taken%samples] = delay
	l.taken++
	switch {
	case l.known == 0 || now.Sub(l.since) > time.Minute:
		copy(l.least[1:], l.least[:])
		l.least[0], l.since = delay, now
		l.known = min(minutes, l.known+1)
	case below(delay, l.least[0]):
		l.least[0] = delay
	}
}

// below compares delays, which wrap.
func below(a, b uint32) bool { return int32(a-b) < 0 } // #nosec G115 -- the distance wraps

// off returns how far the queue is from its target: 1 when there is none, 0 at the target, less when
// it is longer.
func (l *ledbat) off() float64 {
	if l.taken == 0 {
		return 1
	}
	base, now := l.least[0], l.current[0]
	for _, d := range l.least[:l.known] {
		if below(d, base) {
			base = d
		}
	}
	for _, d := range l.current[:min(l.taken, samples)] {
		if below(d, now) {
			now = d
		}
	}
	queue := time.Duration(max(0, int32(now-base))) * time.Microsecond // #nosec G115 -- see below
	return max(-1, 1-float64(queue)/float64(target))
}
