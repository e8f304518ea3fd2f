package swarm

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anacrolix/torrent/iplist"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// The bounds of connections over all torrents (proof.md, Limits at the door). One address gets few
// of them, so that nobody can keep auditors and customers out by taking all.
const (
	connsMax        = 200
	connsPerAddress = 10
)

const dialTimeout = 10 * time.Second

// A door is how every peer connection comes and goes: it counts them, refuses addresses that the
// guard refuses, and gives each peer on this machine an address of its own (see loopback.go).
type door struct {
	net.Listener
	guard metainfo.Guard
	// meet is told of a peer on this machine that was dialled by its plain address.
	meet func(netip.AddrPort)
	// ours returns the torrents that peers come to the library for.
	ours  func() []marketplace.Infohash
	porch porch // for the library; its end is the door's

	mu   sync.Mutex         // guards the fields below
	all  int                // connections, those under way included
	open map[*conn]bool     // ... that can be closed
	from map[netip.Addr]int // ... by peer
	shut bool               // nobody comes in, and nobody is called
	over bool               // likewise, for good

	awaited []awaited // peers that are waited for

	windows    map[marketplace.Infohash]*window // that are on
	lastWindow map[occasion]int64               // epoch of the newest, also if it is over
	turned     chan struct{}                    // closed, and made anew, when others may write

	quiet  atomic.Int32 // len(windows), for who only asks whether there are any
	awaits atomic.Int32 // len(awaited), likewise
}

func newDoor(l net.Listener, guard metainfo.Guard, meet func(netip.AddrPort)) *door {
	return &door{
		Listener: l, guard: guard, meet: meet, porch: newPorch(),
		open: map[*conn]bool{}, from: map[netip.Addr]int{},
		windows: map[marketplace.Infohash]*window{}, lastWindow: map[occasion]int64{},
		turned: make(chan struct{}),
	}
}

// hush closes the door, and every connection, or opens it again.
func (d *door) hush(shut bool) {
	d.mu.Lock()
	d.shut = shut
	d.mu.Unlock()
	if shut {
		d.closeAll()
	}
}

func (d *door) closeAll() {
	d.mu.Lock()
	all := slices.Collect(maps.Keys(d.open))
	d.mu.Unlock()
	for _, c := range all {
		_ = c.Close() // takes itself off the list
	}
}

// Close ends the listening, every connection and all waiting for peers.
func (d *door) Close() error {
	d.mu.Lock()
	d.over = true
	d.mu.Unlock()
	d.porch.close()
	d.closeAll()
	return d.Listener.Close()
}

// Accept waits for a peer that the guard allows.
func (d *door) Accept() (net.Conn, error) { return d.porch.take() }

// acceptPause is how long the door waits when the system has no room for another connection.
const acceptPause = 100 * time.Millisecond

// welcome lets in who comes over TCP, until the door is closed.
func (d *door) welcome() {
	for {
		c, err := d.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(acceptPause)
		case d.awaits.Load() > 0:
			go d.takeIn(c, d.porch) // it is heard first, and may keep silent
		default:
			d.takeIn(c, d.porch)
		}
	}
}

// takeIn counts in a peer that came and puts it on a porch, unless somebody waits for it, or closes its
// connection.
func (d *door) takeIn(c net.Conn, to porch) {
	addr, err := netip.ParseAddrPort(c.RemoteAddr().String())
	switch {
	case err != nil || d.guard.Check(addr) != nil || !d.enter(alias(addr)):
		_ = c.Close() // refused
	case d.awaits.Load() > 0:
		d.hail(d.wrap(c, alias(addr)), to)
	default:
		to.put(d.wrap(c, alias(addr)))
	}
}

// A porch is where who came stands until the library takes it in.
type porch struct {
	came chan net.Conn
	gone chan struct{} // closed with it
	once *sync.Once
}

func newPorch() porch { return porch{make(chan net.Conn), make(chan struct{}), new(sync.Once)} }

func (p porch) close() { p.once.Do(func() { close(p.gone) }) }

func (p porch) put(c net.Conn) {
	select {
	case p.came <- c:
	case <-p.gone:
		_ = c.Close()
	}
}

func (p porch) take() (net.Conn, error) {
	select {
	case c := <-p.came:
		return c, nil
	case <-p.gone:
		return nil, net.ErrClosed
	}
}

// DialerNetwork names the transport to the library.
func (d *door) DialerNetwork() string { return "tcp" }

// Dial connects to a peer.
func (d *door) Dial(ctx context.Context, text string) (net.Conn, error) {
	return d.call(text, func(addr string) (net.Conn, error) {
		return d.dialer().DialContext(ctx, "tcp", addr)
	})
}

// dialer connects from the address that the door listens on, if it is a certain one: who binds to one line
// wants nothing to leave by another.
func (d *door) dialer() *net.Dialer {
	dialer := d.guard.Dialer(dialTimeout)
	if at, ok := d.Addr().(*net.TCPAddr); ok && !at.IP.IsUnspecified() {
		dialer.LocalAddr = &net.TCPAddr{IP: at.IP, Zone: at.Zone}
	}
	return dialer
}

// call counts in a peer and connects to it.
func (d *door) call(text string, dial func(addr string) (net.Conn, error)) (net.Conn, error) {
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return nil, marketplace.Invalid.Errorf("peer address %q is not ip:port", text)
	}
	if own := alias(addr); own != addr {
		d.meet(own)
		return nil, marketplace.Invalid.Errorf("%s is dialled as %s", addr, own)
	}
	if !d.enter(addr) {
		return nil, marketplace.TooMany.Errorf("no more than %d connections, or none now", connsMax)
	}
	c, err := dial(unalias(addr).String())
	if err != nil {
		d.leave(addr)
		return nil, err
	}
	return d.wrap(c, addr), nil
}

// enter counts a connection in, if there is room for it.
func (d *door) enter(peer netip.AddrPort) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut || d.over || d.all >= connsMax || d.from[peer.Addr()] >= connsPerAddress {
		return false
	}
	d.all++
	d.from[peer.Addr()]++
	return true
}

func (d *door) leave(peer netip.AddrPort) { d.gone(peer, nil) }

func (d *door) gone(peer netip.AddrPort, c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, c)
	d.all--
	if d.from[peer.Addr()]--; d.from[peer.Addr()] == 0 {
		delete(d.from, peer.Addr())
	}
}

func (d *door) wrap(c net.Conn, remote netip.AddrPort) net.Conn {
	var shown net.Addr = net.UDPAddrFromAddrPort(remote)
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // nothing of a dropped peer is worth waiting for
		shown = net.TCPAddrFromAddrPort(remote)
	}
	w := &conn{Conn: c, door: d, peer: remote, remote: shown,
		closed: make(chan struct{})}
	d.mu.Lock()
	d.open[w] = true
	shut := d.shut || d.over
	d.mu.Unlock()
	if shut { // it was closed while this one came in
		_ = w.Close()
	}
	return w
}

// A conn is a counted connection.
type conn struct {
	net.Conn
	door   *door
	peer   netip.AddrPort
	remote net.Addr // the same
	once   sync.Once
	closed chan struct{}

	pen    sync.Mutex  // held while something is written
	greets atomic.Bool // the next that is written is the first of a torrent

	of      []marketplace.Infohash // torrents that it may be of; this and the following: the door's mu
	tickets int                    // that it showed
}

func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.door.gone(c.peer, c)
	})
	return c.Conn.Close()
}

// The library panics when a deadline cannot be set, and any connection may be closed by hush before it
// comes to that. It finds out by its next read.
func (c *conn) SetDeadline(t time.Time) error      { return unlessClosed(c.Conn.SetDeadline(t)) }
func (c *conn) SetReadDeadline(t time.Time) error  { return unlessClosed(c.Conn.SetReadDeadline(t)) }
func (c *conn) SetWriteDeadline(t time.Time) error { return unlessClosed(c.Conn.SetWriteDeadline(t)) }

func unlessClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// A blocklist shows a guard to the library as a list of ranges that nobody has written down.
type blocklist struct{ guard metainfo.Guard }

func (b blocklist) Lookup(ip net.IP) (iplist.Range, bool) {
	addr, ok := netip.AddrFromSlice(ip)
	if ok && b.guard.Allows(addr) {
		return iplist.Range{}, false
	}
	return iplist.Range{First: ip, Last: ip, Description: "not on the public internet"}, true
}

func (b blocklist) NumRanges() int { return 1 }

// listenPacket opens a UDP socket that sends nothing to where the guard forbids.
func listenPacket(guard metainfo.Guard) func(network, addr string) (net.PacketConn, error) {
	return func(network, addr string) (net.PacketConn, error) {
		pc, err := net.ListenPacket(network, addr)
		if err != nil {
			return nil, err
		}
		return packetConn{pc, guard}, nil
	}
}

type packetConn struct {
	net.PacketConn
	guard metainfo.Guard
}

func (p packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	addr, err := netip.ParseAddrPort(to.String())
	if err != nil {
		return 0, marketplace.Invalid.Errorf("address %q is not ip:port", to)
	}
	if err := p.guard.Check(addr); err != nil {
		return 0, err
	}
	return p.PacketConn.WriteTo(b, to)
}

// usable keeps the trackers that the library shall talk to: no web ones, which need WebRTC.
func usable(trackers []string) (tiers [][]string) {
	for _, t := range trackers {
		if !strings.HasPrefix(t, "wss:") {
			tiers = append(tiers, []string{t})
		}
	}
	return tiers
}
