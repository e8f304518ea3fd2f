// Package utp stands in for github.com/anacrolix/go-utp, which anacrolix/torrent imports and
// which the module proxy does not serve at the version it asks for. It has that package's API
// and no uTP: a socket is a plain UDP socket that never accepts or dials a stream, which is what
// the DHT needs to ride on. Everseed's clients run with DisableUTP for streams, or treat the
// dial error as one more way that did not work.
//
// The module is a leaf. Delete this folder and the replace line in go.mod on the day the real
// one resolves.
package utp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
)

// ErrNoUTP is what every dial answers.
var ErrNoUTP = errors.New("uTP is not built in")

// Default names the implementation in messages.
const Default = "no-utp"

// FirewallCallback says whether to refuse a stream from an address. There are none to refuse.
type FirewallCallback func(net.Addr) bool

// Socket is a UDP socket with the methods of a uTP one.
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
	return &socket{PacketConn: pc, closed: make(chan struct{})}, nil
}

type socket struct {
	net.PacketConn
	once   sync.Once
	closed chan struct{}
}

func (s *socket) Addr() net.Addr { return s.LocalAddr() }

func (s *socket) Accept() (net.Conn, error) {
	<-s.closed
	return nil, net.ErrClosed
}

func (s *socket) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, ErrNoUTP
}

func (s *socket) SetFirewallCallback(FirewallCallback) {}

func (s *socket) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.PacketConn.Close()
}
