package utp

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	stream "github.com/anacrolix/utp"
)

// Default names the implementation in messages.
const Default = "anacrolix/utp with LEDBAT"

// FirewallCallback says whether to refuse a stream from an address.
type FirewallCallback func(net.Addr) bool

// Socket is a UDP socket that accepts and dials uTP streams. What comes and is not uTP is read from
// it as from any UDP socket.
type Socket interface {
	net.PacketConn
	Accept() (net.Conn, error)
	Addr() net.Addr
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	SetFirewallCallback(FirewallCallback)
}

// Option changes how a socket is made. No option changes anything here.
type Option func()

// WithLogger is accepted and ignored: this socket has nothing to say.
func WithLogger(*slog.Logger) Option { return func() {} }

// readBuffer is what may wait until we read it: two windows.
const readBuffer = 1 << 20

// NewSocket listens on a UDP address.
func NewSocket(network, addr string, _ ...Option) (Socket, error) {
	pc, err := net.ListenPacket(network, addr)
	if err != nil {
		return nil, err
	}
	return NewSocketFromPacketConn(pc)
}

// NewSocketFromPacketConn wraps a UDP socket that is already open; Close closes it.
func NewSocketFromPacketConn(pc net.PacketConn, _ ...Option) (Socket, error) {
	if u, ok := pc.(interface{ SetReadBuffer(int) error }); ok {
		_ = u.SetReadBuffer(readBuffer) // the system may give less
	}
	w := newWatch(pc)
	streams, err := stream.NewSocketFromPacketConn(w)
	if err != nil {
		return nil, err
	}
	return &socket{watch: w, streams: streams}, nil
}

// A socket is the library's over the watched UDP socket.
type socket struct {
	*watch
	streams *stream.Socket
	once    sync.Once
}

func (s *socket) Addr() net.Addr { return s.LocalAddr() }

// ReadFrom reads what is not uTP. The library does not see it: its own way of passing it on does not
// end when the socket is closed.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) { return s.others.read(b) }

// WriteTo writes past the library.
func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) { return s.PacketConn.WriteTo(b, to) }

// Deadlines for what is not uTP are not to be had; nobody in a torrent client sets one.
func (s *socket) SetDeadline(time.Time) error     { return os.ErrNoDeadline }
func (s *socket) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

func (s *socket) Accept() (net.Conn, error) { return dress(s.streams.Accept()) }

func (s *socket) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return dress(s.streams.DialContext(ctx, network, addr))
}

// Close ends every stream and closes the UDP socket.
func (s *socket) Close() (err error) {
	s.once.Do(func() { err = s.streams.CloseNow() })
	return err
}

// A conn has addresses and errors as other connections of the standard library do.
type conn struct{ net.Conn }

func dress(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return conn{c}, nil
}

func (c conn) LocalAddr() net.Addr  { return plain(c.Conn.LocalAddr()) }
func (c conn) RemoteAddr() net.Addr { return plain(c.Conn.RemoteAddr()) }

// plain undoes the library's disguise of an address.
func plain(a net.Addr) net.Addr {
	if addr, err := netip.ParseAddrPort(a.String()); err == nil {
		return net.UDPAddrFromAddrPort(addr)
	}
	return a
}

func (c conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, known(err)
}

func (c conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, known(err)
}

// known tells a deadline that passed by the error that everybody knows it by. That a peer does not
// answer any more is another error, which says of itself that it is a time-out, too.
func known(err error) error {
	if err != nil && err.Error() == os.ErrDeadlineExceeded.Error() {
		return os.ErrDeadlineExceeded
	}
	return err
}
