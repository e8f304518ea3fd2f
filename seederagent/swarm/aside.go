package swarm

import (
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/anacrolix/torrent/mse"
	pp "github.com/anacrolix/torrent/peer_protocol"
	"golang.org/x/time/rate"

	"github.com/everseed/everseed/marketplace"
)

// Some connections pass the library by: those of visits that the agent carries for others. They are
// counted and guarded at the door and keep to the upload limit, like all.

// CheckPeer says why the engine may not talk to an address.
func (e *Engine) CheckPeer(peer netip.AddrPort) error { return e.door.guard.Check(peer) }

// Call connects to a peer beside the library, over "tcp" or "utp".
func (e *Engine) Call(ctx context.Context, network string, peer netip.AddrPort) (net.Conn, error) {
	if err := e.CheckPeer(peer); err != nil {
		return nil, err
	}
	dial, err := e.dialer(network, peer.Addr())
	if err != nil {
		return nil, err
	}
	c, err := dial(ctx, alias(peer).String())
	if err != nil {
		return nil, err
	}
	if tcp, ok := c.(*conn).Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(-1) // what was written last arrives; it fails on a closed connection only
	}
	return e.lend(c), nil
}

// dialer returns what connects to an address over a network.
func (e *Engine) dialer(network string, ip netip.Addr) (
	func(ctx context.Context, text string) (net.Conn, error), error,
) {
	if network == "tcp" {
		return e.door.Dial, nil
	}
	i := slices.IndexFunc(e.lanes, func(l *lane) bool { return l.leadsTo(ip) })
	if network != "utp" || i < 0 || e.config.NoUTP {
		return nil, marketplace.Unavailable.Errorf("this engine calls nobody at %s over %s", ip, network)
	}
	return e.lanes[i].call, nil
}

// Expect has the engine hand out the next peer that comes for a torrent which it does not hold. The
// connection begins with the peer's handshake of BEP 3, plain also if the peer obfuscated it, and
// nothing was answered yet. The channel is closed when ctx is done or the engine closes; until then
// each peer that comes is heard before the library gets it.
func (e *Engine) Expect(ctx context.Context, h marketplace.Infohash) (<-chan net.Conn, error) {
	if _, held := e.Status(h); held {
		return nil, marketplace.Conflict.Errorf("torrent %s is held: its peers are the library's", h)
	}
	a := awaited{h, make(chan net.Conn, 1)}
	e.door.mu.Lock()
	e.door.awaited = append(e.door.awaited, a)
	e.door.countAwaited()
	e.door.mu.Unlock()
	came := make(chan net.Conn)
	go func() {
		defer close(came)
		defer e.door.forget(a)
		select {
		case c := <-a.came:
			select {
			case came <- e.lend(c):
			case <-ctx.Done():
				_ = c.Close()
			case <-e.door.porch.gone:
				_ = c.Close()
			}
		case <-ctx.Done():
		case <-e.door.porch.gone:
		}
	}()
	return came, nil
}

// An awaited peer is one that somebody waits for.
type awaited struct {
	h    marketplace.Infohash
	came chan net.Conn // has room for it
}

// countAwaited notes how many are waited for. The caller holds mu.
func (d *door) countAwaited() {
	d.awaits.Store(int32(len(d.awaited))) // #nosec G115 -- few visits are carried at a time
}

// forget ends the wait for a peer, and closes the connection that came in the last moment.
func (d *door) forget(a awaited) {
	d.mu.Lock()
	d.awaited = slices.DeleteFunc(d.awaited, func(b awaited) bool { return b == a })
	d.countAwaited()
	d.mu.Unlock()
	select {
	case c := <-a.came:
		_ = c.Close()
	default:
	}
}

// hail hears whom a peer comes for and gives it to who waits for it, or puts it on the porch of the
// library. It is bounded in time as the library's own handshake is.
func (d *door) hail(c net.Conn, to porch) {
	peer, h, err := d.hear(c)
	if err != nil {
		_ = c.Close()
		return
	}
	if !d.handOver(h, peer) {
		to.put(peer)
	}
}

// handOver gives a peer to who waits for it, if anybody does.
func (d *door) handOver(h marketplace.Infohash, peer net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.awaited, func(a awaited) bool { return a.h == h })
	if i < 0 || d.over {
		return false
	}
	d.awaited[i].came <- peer
	d.awaited = slices.Delete(d.awaited, i, i+1)
	d.countAwaited()
	return true
}

// hear returns a connection as it was, or with its obfuscation taken off, and the infohash of the
// handshake that it begins with.
func (d *door) hear(c net.Conn) (peer net.Conn, h marketplace.Infohash, err error) {
	if err := c.SetDeadline(time.Now().Add(strangerMax)); err != nil {
		return nil, h, err
	}
	if peer, err = readAhead(c, len(pp.Protocol)); err != nil {
		return nil, h, err
	}
	if said := peer.(*begun).first; string(said) != pp.Protocol {
		rw, _, err := mse.ReceiveHandshake(context.Background(), peer, d.keys, mse.DefaultCryptoSelector)
		if err != nil {
			return nil, h, err
		}
		peer = revealed{c, rw}
	}
	const until = len(pp.Protocol) + 8 + len(h) // the reserved bits are between
	if peer, err = readAhead(peer, until); err != nil {
		return nil, h, err
	}
	copy(h[:], peer.(*begun).first[until-len(h):])
	return peer, h, c.SetDeadline(time.Time{})
}

// readAhead reads the first bytes of a connection, which begins with them still.
func readAhead(c net.Conn, n int) (net.Conn, error) {
	first := make([]byte, n)
	_, err := io.ReadFull(c, first)
	return &begun{c, first}, err
}

// keys are the infohashes that peers may obfuscate by: those that are waited for, and the library's.
func (d *door) keys(yield func([]byte) bool) {
	d.mu.Lock()
	all := slices.Clone(d.awaited)
	d.mu.Unlock()
	for _, a := range all {
		if !yield(a.h[:]) {
			return
		}
	}
	for _, h := range d.ours() {
		if !yield(h[:]) {
			return
		}
	}
}

// A revealed connection is an obfuscated one, in plain.
type revealed struct {
	net.Conn
	plain io.ReadWriter
}

func (r revealed) Read(b []byte) (int, error)  { return r.plain.Read(b) }
func (r revealed) Write(b []byte) (int, error) { return r.plain.Write(b) }

// lend returns a connection that keeps to the upload limit.
func (e *Engine) lend(c net.Conn) net.Conn {
	open, closed := context.WithCancel(context.Background())
	return &lent{c, e.upload, open, closed}
}

// lentChunk is how much of a lent connection goes out at once; it is below every limiter's burst.
const lentChunk = 16 << 10

type lent struct {
	net.Conn
	upload *rate.Limiter
	open   context.Context // until it is closed
	closed context.CancelFunc
}

func (l *lent) Write(b []byte) (n int, err error) {
	for chunk := range slices.Chunk(b, lentChunk) {
		if err := l.upload.WaitN(l.open, len(chunk)); err != nil {
			return n, net.ErrClosed
		}
		m, err := l.Conn.Write(chunk)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (l *lent) Close() error {
	l.closed()
	return l.Conn.Close()
}
