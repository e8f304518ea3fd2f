// Package utp stands in for github.com/anacrolix/go-utp, which anacrolix/torrent imports and
// which the module proxy does not serve at the version it asks for. It has that package's API
// and no uTP: a socket is a plain UDP socket that never accepts or dials a stream, which is what
// the DHT needs to ride on. Everseed's clients run with DisableUTP for streams, or treat the
// dial error as one more way that did not work.
//
// The module is a leaf. Delete this folder and the replace line in go.mod on the day the real
// one resolves.
//
// # Why there is no uTP
//
// What could be had in pure Go when this was written does not hold up:
//
//   - github.com/anacrolix/utp v0.1.0 has no congestion control: it sends up to 256 packets and
//     again what is late. Over a relay that drops packets by chance 8 MB came intact both ways (1
//     % lost: 1.6 MiB/s; 5 %: 0.7). Over one that does what a home's line does, 5 Mbit/s with a
//     queue of 64 packets and 20 ms each way, 4 MB one way took 18.8 s, three times what the line
//     needs, with 2.8 times the bytes on it; both ways at once it broke off after 0.7 MiB ("timed
//     out waiting for ack"), as it did at 2 Mbit/s after 0.1 MiB. An agent that served like this
//     would take its owner's line from everybody else in the house.
//   - github.com/zen-eth/utp-go has congestion control, but reads a stream only to its end, which
//     is no connection for BitTorrent, and needs go-ethereum.
//   - storj's port of libutp and h2so5/utp are not served by the module proxy either.
//
// Who brings another one holds it against such a line first, both ways at once.
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
