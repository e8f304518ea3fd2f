package swarm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	utp "github.com/anacrolix/go-utp"
	"github.com/anacrolix/torrent"

	"github.com/everseed/everseed/marketplace"
)

// utpAfter is how much earlier a peer is called over TCP: most answer there, and no second call
// goes out.
const utpAfter = time.Second

// A lane is how peers come and go over uTP: a UDP socket of one family, on the port of the door, which
// counts them in as it does others. The DHT shares the socket.
type lane struct {
	utp.Socket
	door    *door
	network string // udp4 or udp6
	node    func() // ends its part in the DHT, if it has one
	porch   porch  // for the library; its end is the lane's
	once    sync.Once

	strangers chan struct{} // holds one for each who has not said anything yet
}

// The bounds of who has not said anything yet. Anybody can call under an invented address, as long
// as nothing has to be heard: so these neither take the places of others nor wait for long.
const (
	strangersMax = 64
	strangerMax  = 4 * time.Second
)

// openLanes opens a lane for each family that the door listens on.
func openLanes(d *door, c Config) (all []*lane, err error) {
	at := d.Addr().(*net.TCPAddr).AddrPort()
	networks := []string{"udp6"}
	switch ip := at.Addr().Unmap(); {
	case ip.Is4():
		networks = []string{"udp4"}
	case ip.IsUnspecified():
		networks = []string{"udp4", "udp6"} // the TCP socket is of both
	}
	for _, network := range networks {
		host := at.Addr().Unmap().String()
		if at.Addr().IsUnspecified() {
			host = ""
		}
		l, err := openLane(d, network, net.JoinHostPort(host, fmt.Sprint(at.Port())), c.NoUTP)
		if err != nil {
			return nil, errors.Join(err, closeLanes(all))
		}
		all = append(all, l)
	}
	return all, nil
}

func openLane(d *door, network, address string, noStreams bool) (*lane, error) {
	pc, err := net.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	l := &lane{door: d, network: network, porch: newPorch(), strangers: make(chan struct{}, strangersMax)}
	if l.Socket, err = utp.NewSocketFromPacketConn(gated{packetConn{pc, d.guard}, d}); err != nil {
		return nil, errors.Join(err, pc.Close())
	}
	l.SetFirewallCallback(func(from net.Addr) bool {
		addr, err := netip.ParseAddrPort(from.String())
		return noStreams || err != nil || d.guard.Check(addr) != nil || d.silent()
	})
	return l, nil
}

func closeLanes(all []*lane) (err error) {
	for _, l := range all {
		err = errors.Join(err, l.Close())
	}
	return err
}

// Accept waits for a peer that the guard allows.
func (l *lane) Accept() (net.Conn, error) { return l.porch.take() }

// welcome lets in who comes, until the lane is closed.
func (l *lane) welcome() {
	for {
		c, err := l.Socket.Accept()
		if err != nil {
			return
		}
		select {
		case l.strangers <- struct{}{}:
			go l.meet(c)
		default:
			_ = c.Close() // refused
		}
	}
}

// meet lets a peer in when it says something.
func (l *lane) meet(c net.Conn) {
	defer func() { <-l.strangers }()
	first, said := l.firstOf(c)
	if !said {
		_ = c.Close()
		return
	}
	l.door.takeIn(&begun{c, []byte{first}}, l.porch)
}

// firstOf waits for the first byte of a stream. Where it returns false, whoever closes the stream
// ends the reading. It does not rely on the lane's end for that: the library loses sight of a stream
// when another one takes its number.
func (l *lane) firstOf(c net.Conn) (first byte, said bool) {
	heard := make(chan byte, 1)
	go func() {
		defer close(heard)
		b := make([]byte, 1)
		if _, err := c.Read(b); err == nil {
			heard <- b[0]
		}
	}()
	select {
	case first, said = <-heard:
	case <-time.After(strangerMax):
	case <-l.porch.gone:
	}
	return first, said
}

// A begun connection is one of which something was read already.
type begun struct {
	net.Conn
	first []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.first)
	b.first = b.first[n:]
	return n, nil
}

// DialerNetwork names the transport to the library.
func (l *lane) DialerNetwork() string { return l.network }

// Dial connects to a peer, after TCP had its time.
func (l *lane) Dial(ctx context.Context, text string) (net.Conn, error) {
	addr, err := netip.ParseAddrPort(text)
	if err != nil || !l.leadsTo(addr.Addr()) {
		return nil, marketplace.Invalid.Errorf("peer address %q is none of %s", text, l.network)
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.porch.gone: // the library calls on after its own end
		return nil, net.ErrClosed
	case <-time.After(utpAfter):
	}
	return l.call(ctx, text)
}

// leadsTo says whether the lane is of an address's family.
func (l *lane) leadsTo(ip netip.Addr) bool { return ip.Unmap().Is4() == (l.network == "udp4") }

// call connects to a peer.
func (l *lane) call(ctx context.Context, text string) (net.Conn, error) {
	return l.door.call(text, func(addr string) (net.Conn, error) {
		within, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		return l.DialContext(within, l.network, addr)
	})
}

// silent says whether the door is closed.
func (d *door) silent() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shut
}

// A gated socket is the UDP socket of a lane. It sends nothing of a stream while the door is closed:
// not even that it is over, as from a machine that is off. Only the DHT goes on, whose packets are
// dictionaries.
type gated struct {
	packetConn
	door *door
}

// SetReadBuffer is asked of a UDP socket by who reads much.
func (g gated) SetReadBuffer(bytes int) error {
	return g.PacketConn.(*net.UDPConn).SetReadBuffer(bytes)
}

func (g gated) WriteTo(b []byte, to net.Addr) (int, error) {
	if len(b) > 0 && b[0] != 'd' && g.door.silent() {
		return len(b), nil
	}
	return g.packetConn.WriteTo(b, to)
}

// join shows the lane to the client, for peers and as a node of the DHT, as far as it shall serve them.
func (l *lane) join(c *torrent.Client, config Config) error {
	if !config.NoUTP {
		go l.welcome()
		c.AddDialer(l)
		c.AddListener(l)
	}
	if config.NoDHT {
		return nil
	}
	node, err := c.NewAnacrolixDhtServer(l.Socket) // which it closes
	if err != nil {
		return fmt.Errorf("join the DHT: %w", err)
	}
	l.node = node.Close
	c.AddDhtServer(torrent.AnacrolixDhtServerWrapper{Server: node})
	return nil
}

// Close ends the streams and the part in the DHT.
func (l *lane) Close() error {
	l.once.Do(func() {
		l.porch.close()
		if l.node != nil {
			l.node()
		}
	})
	return l.Socket.Close()
}
