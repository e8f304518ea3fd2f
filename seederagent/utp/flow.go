package utp

import (
	"time"
)

const (
	// segment is about what one packet of the library carries.
	segment = 1384
	// windowMin and windowMax bound what may be on its way; the library keeps 256 packets at most.
	windowMin   = 2 * segment
	windowMax   = 256 * segment
	windowFirst = 4 * segment
	// stepMax is by how much the window grows at most while all that fits into it comes.
	stepMax = 3000
	// patienceMin is the least time after which silence counts as loss (BEP 29).
	patienceMin   = 500 * time.Millisecond
	patienceFirst = time.Second
	patienceMax   = 8 * time.Second
	// probeMin is the least time after which the newest packet is sent once more, to learn what became
	// of those before it.
	probeMin = 30 * time.Millisecond
	// skips is how many packets sent later must have come for one to be lost.
	skips = 3
	// giveUp is how long the library sends one packet, and silenceMax how long it keeps a stream that
	// nothing is heard of.
	giveUp     = 15 * time.Second
	silenceMax = 3 * time.Minute
)

// A flow is what we know of one stream's way to its peer.
type flow struct {
	write   func([]byte)
	timer   *time.Timer
	heardAt time.Time
	last    [headSize]byte // the head of our newest packet

	sent  []sending // the first is the oldest that is not acknowledged
	next  uint16    // the number after the last of sent
	begun bool
	turn  uint64 // counts what was sent

	// proven: the peer heard what we sent, so that its address is its own. Who cannot be, and began the
	// stream, is sent nothing twice: it would be a way to have us send to others.
	proven bool

	flight, lost int // bytes: of sent that did not come yet; of these, what is not on its way any more
	room         float64
	threshold    float64 // below it the window grows fast
	hurt         uint64  // what was sent before is of a window that was made smaller already
	ledbat

	rtt, rttVar time.Duration
	patience    time.Duration
	probe       uint64 // the turn of a probe that is on its way
}

// A sending is a packet of ours that waits for its acknowledgement.
type sending struct {
	packet
	first, at time.Time
	turn      uint64 // when it was sent last
	skips     int
	acked     bool
	lost      bool // and not sent again
	again     bool // it was sent more than once
}

func newFlow(write func([]byte)) *flow {
	return &flow{write: write, room: windowFirst, threshold: windowMax, patience: patienceFirst}
}

// sends takes note of a packet that the library sends, and says whether it shall go out. It does not
// when it is sent again: that is for us to decide.
func (f *flow) sends(p packet, now time.Time) bool {
	copy(f.last[:], p.raw)
	if !f.begun {
		f.begun, f.next = true, p.seq()
	}
	if p.kind == kindState {
		return true
	}
	if p.seq() != f.next {
		return false
	}
	f.next++
	p.raw = append([]byte(nil), p.raw...)
	f.turn++
	f.sent = append(f.sent, sending{packet: p, first: now, at: now, turn: f.turn})
	f.flight += p.size()
	if len(f.sent) == 1 {
		f.await()
	}
	return true
}

// window returns what the library is shown of a window that the peer has. It stops when it is
// over by up to one packet.
func (f *flow) window(theirs uint32) uint32 {
	most := min(int64(theirs), int64(f.room)) - segment
	return uint32(max(0, most)) // #nosec G115 -- at most what theirs is
}

// knows says whether a packet acknowledges what we sent; an old one may be late. The first number is
// drawn by lot, so who does not hear us hardly ever knows.
func (f *flow) knows(p packet) bool {
	late := 2 * windowMax / segment
	if !f.proven {
		late = len(f.sent)
	}
	behind := int(f.next - 1 - p.ack())
	return p.kind == kindReset || behind <= late
}

// heard learns from a packet of the peer.
func (f *flow) heard(p packet, now time.Time) {
	f.heardAt, f.proven = now, true
	if len(f.sent) == 0 {
		return
	}
	before := f.flight - f.lost
	first := f.next - uint16(len(f.sent)) // #nosec G115 -- the library keeps few
	came := f.acknowledge(p, first, now)
	if came < 0 {
		return
	}
	f.trim()
	f.sample(p.delay(), now)
	f.grow(came, before)
	f.findLost()
	f.resend(now)
	f.patience, f.probe = f.patienceNow(), 0
	f.await()
}

// await sets the timer for what is on its way.
func (f *flow) await() {
	switch {
	case len(f.sent) == 0:
		f.timer.Stop()
	case f.rtt > 0 && f.probe == 0:
		f.timer.Reset(min(f.patience, max(probeMin, 2*f.rtt)))
	default:
		f.timer.Reset(f.patience)
	}
}

// acknowledge marks what came, and returns how many bytes that are, or less than 0 for nothing new.
func (f *flow) acknowledge(p packet, first uint16, now time.Time) (bytes int) {
	bytes = -1
	upTo := int(int16(p.ack() - first)) // #nosec G115 -- the distance wraps
	if upTo >= len(f.sent) {
		return -1 // of what we never sent
	}
	for i := range f.sent {
		s := &f.sent[i]
		if s.acked || i > upTo && !p.marked(i-upTo) {
			continue
		}
		s.acked = true
		bytes = max(bytes, 0) + s.size()
		f.flight -= s.size()
		if s.lost {
			s.lost = false
			f.lost -= s.size()
		}
		if !s.again {
			f.measure(now.Sub(s.at))
		}
		f.skip(s.turn)
	}
	return bytes
}

// skip counts for each packet that did not come one that was sent later and did. A probe is sent so
// much later that it counts for all.
func (f *flow) skip(turn uint64) {
	by := 1
	if turn == f.probe {
		by = skips
	}
	for i := range f.sent {
		if s := &f.sent[i]; !s.acked && s.turn < turn {
			s.skips += by
		}
	}
}

func (f *flow) trim() {
	for len(f.sent) > 0 && f.sent[0].acked {
		f.sent = f.sent[1:]
	}
}

// measure takes in how long a packet was on its way and back (RFC 6298).
func (f *flow) measure(rtt time.Duration) {
	if f.rtt == 0 {
		f.rtt, f.rttVar = rtt, rtt/2
		return
	}
	f.rttVar += (max(f.rtt-rtt, rtt-f.rtt) - f.rttVar) / 4
	f.rtt += (rtt - f.rtt) / 8
}

func (f *flow) patienceNow() time.Duration {
	if f.rtt == 0 {
		return patienceFirst
	}
	return min(patienceMax, max(patienceMin, f.rtt+4*f.rttVar))
}

// grow moves the window after bytes came: fast until there is a queue, then by LEDBAT. It does not
// grow when it was not used.
func (f *flow) grow(came, before int) {
	off := f.off()
	switch {
	case off < 0:
		f.threshold = min(f.threshold, f.room)
	case float64(before) < f.room/2:
		return
	case f.room < f.threshold && off > 0.5:
		f.room = min(windowMax, f.room+float64(came))
		return
	default:
		f.threshold = min(f.threshold, f.room)
	}
	step := off * float64(came) * stepMax / f.room
	f.room = min(windowMax, max(windowMin, f.room+step))
}

// findLost marks what later packets overtook, and makes the window smaller once for all that was on
// its way.
func (f *flow) findLost() {
	for i := range f.sent {
		s := &f.sent[i]
		if s.acked || s.lost || s.skips < skips {
			continue
		}
		s.lost = true
		f.lost += s.size()
		if s.turn > f.hurt {
			f.hurt = f.turn
			f.room = max(windowMin, f.room/2)
			f.threshold = f.room
		}
	}
}

// resend sends what is lost, as far as the window has room for it.
func (f *flow) resend(now time.Time) {
	for i := range f.sent {
		s := &f.sent[i]
		if !s.lost {
			continue
		}
		if on := f.flight - f.lost; on > 0 && float64(on+s.size()) > f.room {
			return
		}
		s.lost = false
		f.lost -= s.size()
		f.repeat(s, now)
	}
}

func (f *flow) repeat(s *sending, now time.Time) {
	f.turn++
	s.again, s.skips, s.at, s.turn = true, 0, now, f.turn
	f.write(s.packet.again(f.last[:], now))
}

// expire is called after silence. At first the newest packet is sent once more, because nothing that
// was sent later tells of the last ones of a burst (RFC 8985, TLP); then all that is on its way
// counts as lost, and the window begins anew. It returns false when the peer is gone.
func (f *flow) expire(now time.Time) bool {
	if len(f.sent) == 0 {
		return true
	}
	if !f.proven {
		return false
	}
	if newest := &f.sent[len(f.sent)-1]; f.rtt > 0 && f.probe == 0 && !newest.lost && !newest.acked {
		f.repeat(newest, now)
		f.probe = f.turn
		f.await()
		return true
	}
	if now.Sub(f.sent[0].first) > giveUp && now.Sub(f.heardAt) > giveUp {
		return false
	}
	for i := range f.sent {
		if s := &f.sent[i]; !s.acked && !s.lost {
			s.lost = true
			f.lost += s.size()
		}
	}
	f.threshold = max(windowMin, float64(f.flight)/2)
	f.hurt, f.room = f.turn, segment
	f.resend(now)
	f.patience, f.probe = min(patienceMax, 2*f.patience), f.turn
	f.await()
	return true
}
