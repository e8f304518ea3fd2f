package utp

import (
	"encoding/binary"
	"time"
)

// The kinds of packets of BEP 29.
const (
	kindData  = 0
	kindFin   = 1
	kindState = 2
	kindReset = 3
	kindSyn   = 4
)

// Where the head of a packet has what.
const (
	idAt     = 2
	stampAt  = 4
	delayAt  = 8
	windowAt = 12
	seqAt    = 16
	ackAt    = 18
	headSize = 20
)

// selective is the extension that names packets which came out of order.
const selective = 1

// A packet is one of uTP, whose head was looked at.
type packet struct {
	raw   []byte
	kind  byte
	body  int    // where its content begins
	marks []byte // bit i: the packet two and i after the acknowledged one came
}

// parse says whether bytes are a packet of uTP, of which it takes the head apart.
func parse(b []byte) (p packet, ok bool) {
	if len(b) < headSize || b[0]&0xf != 1 || b[0]>>4 > kindSyn {
		return p, false
	}
	p = packet{raw: b, kind: b[0] >> 4, body: headSize}
	for next := b[1]; next != 0; {
		if len(b) < p.body+2 || len(b) < p.body+2+int(b[p.body+1]) {
			return p, false
		}
		end := p.body + 2 + int(b[p.body+1])
		if next == selective {
			p.marks = b[p.body+2 : end]
		}
		next, p.body = b[p.body], end
	}
	return p, true
}

func (p packet) id() uint16     { return binary.BigEndian.Uint16(p.raw[idAt:]) }
func (p packet) delay() uint32  { return binary.BigEndian.Uint32(p.raw[delayAt:]) }
func (p packet) window() uint32 { return binary.BigEndian.Uint32(p.raw[windowAt:]) }
func (p packet) seq() uint16    { return binary.BigEndian.Uint16(p.raw[seqAt:]) }
func (p packet) ack() uint16    { return binary.BigEndian.Uint16(p.raw[ackAt:]) }
func (p packet) size() int      { return len(p.raw) - p.body }

// marked says whether the packet i after the acknowledged one came out of order.
func (p packet) marked(i int) bool {
	i -= 2
	return i >= 0 && i/8 < len(p.marks) && p.marks[i/8]&(1<<(i%8)) != 0
}

// again returns a packet of ours as it is sent once more: what it says of the other direction is
// what we said last.
func (p packet) again(last []byte, now time.Time) []byte {
	b := append(append([]byte(nil), p.raw[:headSize]...), p.raw[p.body:]...)
	b[1] = 0 // no extension
	copy(b[delayAt:seqAt], last[delayAt:seqAt])
	copy(b[ackAt:headSize], last[ackAt:headSize])
	binary.BigEndian.PutUint32(b[stampAt:], uint32(now.UnixMicro())) // #nosec G115 -- it wraps
	return b
}
