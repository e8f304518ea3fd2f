package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/anacrolix/torrent/mse"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A Lobby is where an auditor waits for agents that nobody can connect to: it knocks, which makes
// the agent connect to it, as any downloader does. Each try has a port of its own, so that whoever
// comes there was told of it. The zero Lobby listens on any port of every address.
type Lobby struct {
	listen netip.Addr // zero: every address
	ports  [2]uint16  // the first and the last; zero: any
	public netip.Addr // what agents are told; zero: the address that the market sees
}

// NewLobby reads where to listen, like 192.0.2.1:7000-7031 or :0, and what address agents are told,
// none for the one that the market sees.
func NewLobby(listen, public string) (l Lobby, err error) {
	wrong := marketplace.Invalid.Errorf("listening address is %.60q; it must be like "+
		"192.0.2.1:7000-7031 or :0", listen)
	host, ports, err := net.SplitHostPort(listen)
	if err != nil {
		return l, wrong
	}
	first, last, many := strings.Cut(ports, "-")
	if !many {
		last = first
	}
	for i, text := range []string{first, last} {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port < uint64(l.ports[0]) {
			return l, wrong
		}
		l.ports[i] = uint16(port) // #nosec G115 -- parsed as 16 bits
	}
	if host != "" {
		if l.listen, err = netip.ParseAddr(host); err != nil {
			return l, wrong
		}
	}
	if public != "" {
		if l.public, err = netip.ParseAddr(public); err != nil {
			return l, marketplace.Invalid.Errorf("public address is %.60q; it must be an ip", public)
		}
	}
	return l, nil
}

// errUnknocked says that the market did not pass a knock on: nothing of the agent.
var errUnknocked = errors.New("market does not pass on that we knock")

// Probe is [Probe] of an agent that comes when knock tells it where to.
func (l *Lobby) Probe(ctx context.Context, timeout time.Duration,
	knock func(ctx context.Context, address string) error, t *metainfo.Torrent, asks []Challenge, in *Quiet,
) Finding {
	return probeBy(ctx, timeout, t, asks, in, func(ctx context.Context, spent *atomic.Int64,
		deadline time.Time,
	) (*wire, bool, error) {
		return l.await(ctx, knock, t, spent, deadline)
	})
}

// await listens, knocks until somebody comes who has the torrent, and shakes hands.
func (l *Lobby) await(ctx context.Context, knock func(context.Context, string) error,
	t *metainfo.Torrent, spent *atomic.Int64, deadline time.Time,
) (w *wire, connected bool, err error) {
	door, err := l.open(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", errUnknocked, err)
	}
	within, cancel := context.WithDeadline(ctx, deadline)
	defer context.AfterFunc(within, func() { _ = door.Close() })()
	defer door.Close()
	knocked := make(chan error, 1)
	go func() {
		defer cancel()
		knocked <- knocking(within, knock, l.told(door), time.Until(deadline)/3)
	}()
	defer func() {
		cancel()
		err = errors.Join(err, <-knocked)
		if w != nil {
			err = nil // that the last knock was cut short does not matter
		}
	}()
	err = os.ErrDeadlineExceeded
	for {
		c, closed := door.Accept()
		if closed != nil {
			return nil, connected, err
		}
		connected = true
		until := time.Now().Add(min(time.Until(deadline), handshakeMax))
		from := netip.MustParseAddrPort(c.RemoteAddr().String()).Addr()
		if w, err = hail(within, meter{c, spent}, from, t, until); err == nil {
			return w, true, c.SetDeadline(deadline)
		}
		_ = c.Close() // it did not speak as it should
	}
}

// knocking repeats a knock: the agent may just have lost its stream.
func knocking(ctx context.Context, knock func(context.Context, string) error, address string,
	every time.Duration,
) error {
	for {
		err := knock(ctx, address)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errUnknocked, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// open listens on a port that is free.
func (l *Lobby) open(ctx context.Context) (door net.Listener, err error) {
	host := ""
	if l.listen.IsValid() {
		host = l.listen.String()
	}
	var config net.ListenConfig
	for port := int(l.ports[0]); port <= int(l.ports[1]); port++ {
		door, err = config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return door, nil
		}
	}
	return nil, fmt.Errorf("listen on ports %d to %d: %w", l.ports[0], l.ports[1], err)
}

// told returns what agents are told of a door.
func (l *Lobby) told(door net.Listener) string {
	host := ""
	if l.public.IsValid() {
		host = l.public.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(door.Addr().(*net.TCPAddr).Port))
}

// hail shakes hands with the peer at an address, which connected to us, obfuscated or plainly as it likes.
func hail(ctx context.Context, c net.Conn, peer netip.Addr, t *metainfo.Torrent, until time.Time) (*wire, error) {
	if err := c.SetDeadline(until); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // wakes us
	defer stop()
	in := bufio.NewReader(c)
	first, err := in.Peek(len(protocol))
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	var rw io.ReadWriter = struct {
		io.Reader
		io.Writer
	}{in, c}
	if string(first) != protocol {
		ours := func(yield func([]byte) bool) { yield(t.Infohash[:]) }
		rw, _, err = mse.ReceiveHandshake(ctx, rw, ours, mse.DefaultCryptoSelector)
		if err != nil {
			return nil, fmt.Errorf("obfuscated handshake: %w", err)
		}
	}
	w := newWire(c, rw)
	if err := w.hear(t); err != nil {
		return nil, err
	}
	if err := w.hello(t); err != nil {
		return nil, err
	}
	return w, w.introduce(t, peer)
}
