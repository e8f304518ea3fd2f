package audit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"time"

	utp "github.com/anacrolix/go-utp"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A transport is what carries a try.
type transport string

const (
	overTCP transport = "tcp"
	overUTP transport = "utp"
)

func (t transport) other() transport {
	if t == overTCP {
		return overUTP
	}
	return overTCP
}

// transportOf draws from a visit's seed which transport a try goes over first, each as often as the other: an agent must
// not serve those who come by one of them alone. In a quiet window it is TCP, so that what is
// measured there can be compared.
func transportOf(seed marketplace.Hash, try int, in *Quiet) transport {
	if in == nil && newChance(seed, "transport", number(int64(try))).below(2) == 1 {
		return overUTP
	}
	return overTCP
}

// headStart is how long the second transport waits for the first at most.
const headStart = time.Second

// A detour is another way to a peer than our own line.
type detour interface {
	// leads says whether it carries a transport.
	leads(over transport) bool
	call(ctx context.Context, over transport, peer netip.AddrPort, deadline time.Time) (net.Conn, error)
}

// A caller calls on a peer as downloaders do: over one transport, soon over the other as well, and takes
// what answers first.
type caller struct {
	guard     metainfo.Guard
	by        detour // nil: our own line
	first     transport
	peer      netip.AddrPort
	t         *metainfo.Torrent
	spent     *atomic.Int64
	deadline  time.Time
	connected bool // there was a connection, whatever became of it
}

// greet connects and shakes hands. Who hangs up is called once more over the other transport: some
// listen on both and speak on one.
func (c *caller) greet(ctx context.Context) (*wire, error) {
	order := []transport{c.first, c.first.other()}
	if c.by != nil {
		order = slices.DeleteFunc(order, func(over transport) bool { return !c.by.leads(over) })
	}
	w, over, err := c.shakeOver(ctx, order...)
	if err == nil || over == "" || len(order) == 1 || ctx.Err() != nil || errors.Is(err, errStranger) ||
		errors.Is(err, os.ErrDeadlineExceeded) {
		return w, err
	}
	if w, _, otherErr := c.shakeOver(ctx, over.other()); otherErr == nil {
		return w, nil
	}
	return nil, err
}

// shakeOver shakes hands like our downloaders do: obfuscated first, plainly if that fails. The parts
// share the time that is left until the deadline.
func (c *caller) shakeOver(ctx context.Context, order ...transport) (w *wire, over transport, err error) {
	var conn net.Conn
	for _, obfuscate := range []bool{true, false} {
		until := c.deadline
		if obfuscate {
			until = time.Now().Add(min(time.Until(c.deadline)/2, handshakeMax))
		}
		if conn, over, err = c.reach(ctx, order); err != nil {
			return nil, "", err
		}
		order, c.connected = []transport{over}, true
		conn = meter{conn, c.spent}
		if w, err = shake(ctx, conn, c.peer.Addr(), c.t, obfuscate, until); err == nil {
			w.over = over
			return w, over, conn.SetDeadline(c.deadline)
		}
		_ = conn.Close() // it did not answer as it should
		if ctx.Err() != nil || errors.Is(err, errStranger) {
			break
		}
	}
	return nil, over, err
}

// An answer is what came of a call.
type answer struct {
	conn net.Conn
	over transport
	err  error
}

// reach connects over one of the transports, of which the first has a head start.
func (c *caller) reach(ctx context.Context, order []transport) (net.Conn, transport, error) {
	if err := c.guard.Check(c.peer); err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers, failed := make(chan answer, len(order)), make(chan struct{})
	for i, over := range order {
		go func() {
			if i > 0 {
				select {
				case <-failed:
				case <-time.After(min(time.Until(c.deadline)/8, headStart)):
				case <-ctx.Done():
				}
			}
			conn, err := c.dial(ctx, over)
			answers <- answer{conn, over, err}
			if i == 0 {
				close(failed)
			}
		}()
	}
	var taken answer
	errs := map[transport]error{}
	for range order {
		switch a := <-answers; {
		case a.err != nil:
			errs[a.over] = a.err
		case taken.conn != nil:
			_ = a.conn.Close() // it came too late
		default:
			taken = a
			cancel()
		}
	}
	switch {
	case taken.conn != nil:
		return taken.conn, taken.over, nil
	case errs[overTCP] == nil || errs[overUTP] == nil:
		return nil, "", errors.Join(errs[overTCP], errs[overUTP])
	}
	// What TCP says is what is known of an agent that does not answer: over uTP nobody says no.
	return nil, "", fmt.Errorf("%w; over uTP: %v", errs[overTCP], errs[overUTP])
}

func (c *caller) dial(ctx context.Context, over transport) (net.Conn, error) {
	left := time.Until(c.deadline)
	if c.by != nil {
		return c.by.call(ctx, over, c.peer, c.deadline)
	}
	if over == overTCP {
		return c.guard.Dialer(left).DialContext(ctx, "tcp", c.peer.String())
	}
	ctx, cancel := context.WithTimeout(ctx, min(left/2, handshakeMax))
	defer cancel()
	network := "udp6"
	if c.peer.Addr().Unmap().Is4() {
		network = "udp4"
	}
	socket, err := utp.NewSocket(network, ":0")
	if err != nil {
		return nil, err
	}
	conn, err := socket.DialContext(ctx, network, c.peer.String())
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return ownSocket{conn, socket}, nil
}

// An ownSocket is the one connection of a UDP socket.
type ownSocket struct {
	net.Conn
	socket utp.Socket
}

func (o ownSocket) Close() error { return errors.Join(o.Conn.Close(), o.socket.Close()) }
