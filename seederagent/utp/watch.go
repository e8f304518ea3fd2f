package utp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A watch lies between the library and the UDP socket. It sees every packet of every stream, keeps
// what each stream may have on its way within a window, and sends again what was lost; what the
// library sends again by itself it drops. What is not uTP goes to others.
type watch struct {
	net.PacketConn
	others *mailbox
	refuse atomic.Pointer[FirewallCallback]

	mu    sync.Mutex // guards the fields below and every flow
	flows map[flowKey]*flow
	swept time.Time
	over  bool
}

// A flowKey names a stream: by the peer, the number that we put on packets, and who began, because
// the two sides of a stream use neighbouring numbers.
type flowKey struct {
	peer   netip.AddrPort
	id     uint16
	dialed bool
}

func newWatch(pc net.PacketConn) *watch {
	return &watch{PacketConn: pc, others: newMailbox(), flows: map[flowKey]*flow{}}
}

func (w *watch) SetFirewallCallback(refuse FirewallCallback) { w.refuse.Store(&refuse) }

// ReadFrom is where the library gets packets from.
func (w *watch) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := w.PacketConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		p, ok := parse(b[:n])
		if !ok {
			w.others.put(b[:n], from)
			continue
		}
		if p.kind == kindSyn && w.refused(from) {
			continue
		}
		if w.heard(p, peerOf(from)) {
			return n, from, nil
		}
	}
}

func (w *watch) refused(from net.Addr) bool {
	f := w.refuse.Load()
	return f != nil && *f != nil && (*f)(from)
}

// heard lets the stream learn from a packet, and shows the library no larger window than there is.
// It returns false for a packet that is not of the stream which it claims to be of.
func (w *watch) heard(p packet, from netip.AddrPort) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, key := w.find(p, from)
	switch {
	case f == nil || p.kind == kindSyn:
		return true
	case !f.knows(p):
		return false
	case p.kind == kindReset:
		w.end(key)
		return true
	}
	f.heard(p, time.Now())
	binary.BigEndian.PutUint32(p.raw[windowAt:], f.window(p.window()))
	return true
}

// find returns the stream that a received packet is for.
func (w *watch) find(p packet, from netip.AddrPort) (*flow, flowKey) {
	for _, key := range []flowKey{{from, p.id() + 1, true}, {from, p.id() - 1, false}} {
		if f := w.flows[key]; f != nil {
			return f, key
		}
	}
	return nil, flowKey{}
}

// WriteTo is where the library puts packets.
func (w *watch) WriteTo(b []byte, to net.Addr) (int, error) {
	p, ok := parse(b)
	if !ok || p.kind == kindReset {
		return w.PacketConn.WriteTo(b, to)
	}
	w.mu.Lock()
	send := w.flow(p, to).sends(p, time.Now())
	w.mu.Unlock()
	if !send {
		return len(b), nil
	}
	return w.PacketConn.WriteTo(b, to)
}

// flow returns the stream that a packet of ours belongs to, which may be its first.
func (w *watch) flow(p packet, to net.Addr) *flow {
	peer := peerOf(to)
	keys := []flowKey{{peer, p.id(), true}, {peer, p.id(), false}}
	if p.kind == kindSyn {
		keys = []flowKey{{peer, p.id() + 1, true}}
	}
	for _, key := range keys {
		if f := w.flows[key]; f != nil {
			return f
		}
	}
	now := time.Now()
	w.sweep(now)
	key := keys[len(keys)-1]
	f := newFlow(func(b []byte) { _, _ = w.PacketConn.WriteTo(b, to) }) // UDP: it may be lost anyway
	f.heardAt, f.proven = now, key.dialed
	f.timer = time.AfterFunc(time.Hour, func() { w.ring(key, f) })
	f.timer.Stop()
	w.flows[key] = f
	return f
}

// ring is called when a stream has waited long enough for its peer.
func (w *watch) ring(key flowKey, f *flow) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.flows[key] != f {
		return
	}
	if w.over || !f.expire(time.Now()) {
		w.end(key)
	}
}

// sweep forgets streams that nothing was heard of for longer than the library waits.
func (w *watch) sweep(now time.Time) {
	if now.Sub(w.swept) < time.Minute {
		return
	}
	w.swept = now
	for key, f := range w.flows {
		if now.Sub(f.heardAt) > silenceMax {
			w.end(key)
		}
	}
}

func (w *watch) end(key flowKey) {
	w.flows[key].timer.Stop()
	delete(w.flows, key)
}

func (w *watch) Close() error {
	w.mu.Lock()
	w.over = true
	for key := range w.flows {
		w.end(key)
	}
	w.mu.Unlock()
	w.others.close()
	return w.PacketConn.Close()
}

// peerOf returns the address of a peer.
func peerOf(a net.Addr) netip.AddrPort {
	if u, ok := a.(*net.UDPAddr); ok {
		addr := u.AddrPort()
		return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	addr, _ := netip.ParseAddrPort(a.String())
	return addr
}

// A mailbox holds packets that are not uTP until somebody reads them. The newest is lost when it is
// full.
type mailbox struct {
	mail chan letter
	shut chan struct{}
	once sync.Once
}

type letter struct {
	content []byte
	from    net.Addr
}

func newMailbox() *mailbox {
	return &mailbox{mail: make(chan letter, 128), shut: make(chan struct{})}
}

func (m *mailbox) put(b []byte, from net.Addr) {
	select {
	case m.mail <- letter{append([]byte(nil), b...), from}:
	default:
	}
}

func (m *mailbox) read(b []byte) (int, net.Addr, error) {
	select {
	case l := <-m.mail:
		return copy(b, l.content), l.from, nil
	case <-m.shut:
		return 0, nil, net.ErrClosed
	}
}

func (m *mailbox) close() { m.once.Do(func() { close(m.shut) }) }
