package swarm

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	utp "github.com/anacrolix/go-utp"

	"github.com/everseed/everseed/deploy/devstack/line"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// at is a configuration for an engine on another address of this machine.
func at(t *testing.T, listen string) Config {
	c := config(t.TempDir())
	c.Listen = listen
	return c
}

// holds makes an engine hold content that lies in parent.
func holds(t *testing.T, e *Engine, parent string, raw []byte) marketplace.Infohash {
	t.Helper()
	h, err := e.Adopt(raw, parent)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "content is hashed", func() bool {
		s, ok := e.Status(h)
		return ok && !s.Checking
	})
	return h
}

// arrives waits for a torrent over a slow line.
func arrives(t *testing.T, e *Engine, h marketplace.Infohash) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := e.Wait(ctx, h); err != nil {
		s, _ := e.Status(h)
		t.Fatalf("%v; stands at %+v", err, s)
	}
}

func TestAPeerThatTCPDoesNotReachIsMetOverUTP(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		t.Run(listen, func(t *testing.T) {
			t.Parallel()
			parent, raw := content(t, 64<<10, 3_000_000, 500_000)
			source, leecher := open1(t, at(t, listen)), open1(t, at(t, listen))
			h := holds(t, source, parent, raw)
			far := source.Addr()
			if far.Addr().IsUnspecified() {
				far = netip.AddrPortFrom(local, far.Port())
			}
			between := &line.Line{Queue: 4096}
			if err := leecher.Add(h, raw, []netip.AddrPort{between.Open(t, far)}); err != nil {
				t.Fatal(err)
			}
			arrives(t, leecher, h)
			same(t, parent, leecher.dataOf(h))
		})
	}
}

func TestAHomesLineIsFilledBothWaysAndNotFlooded(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]*line.Line{
		"5 Mbit/s": {Rate: 625_000, Queue: 64, Delay: 20 * time.Millisecond},
		"5 Mbit/s, and 1 of 50 packets is lost": {Rate: 625_000, Queue: 64, Delay: 20 * time.Millisecond,
			Loss: 0.02},
		"2 Mbit/s with a short queue": {Rate: 250_000, Queue: 16, Delay: 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const size = 1_500_000
			parent, raw := content(t, 64<<10, size)
			other, otherRaw := content(t, 32<<10, size)
			a, b := open1(t, at(t, "127.0.0.1:0")), open1(t, at(t, "127.0.0.1:0"))
			up, down := holds(t, a, parent, raw), holds(t, b, other, otherRaw)
			near := []netip.AddrPort{between.Open(t, b.Addr())}
			for _, err := range []error{b.Add(up, raw, nil), a.Add(down, otherRaw, near),
				a.AddPeers(up, near)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			arrives(t, a, down)
			arrives(t, b, up)
			for way, l := range map[string]*line.Way{"up": &between.Up, "down": &between.Down} {
				ratio := float64(l.Bytes.Load()) / size
				t.Logf("%s: %.2f bytes on the line for each of content, %d packets dropped", way, ratio,
					l.Dropped.Load())
				if ratio > 1.3 {
					t.Errorf("%s: %.2f bytes on the line for each of content", way, ratio)
				}
			}
		})
	}
}

// shake shakes hands with an engine over uTP, and returns when it serves us.
func shake(t *testing.T, from utp.Socket, to netip.AddrPort, h marketplace.Infohash) {
	t.Helper()
	c, err := from.DialContext(t.Context(), "udp4", to.String())
	if err != nil {
		t.Fatal(err)
	}
	hello := "\x13BitTorrent protocol" + strings.Repeat("\x00", 8) + string(h[:]) + strings.Repeat("x", 20)
	interested := "\x00\x00\x00\x01\x02"
	if _, err := io.WriteString(c, hello+interested); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, len(hello))); err != nil {
		t.Fatal(err)
	}
	for kind := byte(0xff); kind != 1; { // unchoke
		head := make([]byte, 5)
		if _, err := io.ReadFull(c, head); err != nil {
			t.Fatal(err)
		}
		kind = head[4]
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head))-1); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingOfAStreamLeavesAHushedEngine(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 64<<10, 3_000_000)
	source, h := seeder(t, parent, raw), parse(t, raw).Infohash
	between := &line.Line{Queue: 64}
	near := between.Open(t, source.Addr())
	caller, err := utp.NewSocket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	shake(t, caller, near, h)
	before := between.Mark(t, source.lanes[0])
	source.Hush(true) // which closes the connection
	asked := between.Up.Packets.Load()
	ctx, cancel := context.WithCancel(t.Context())
	called := make(chan error, 1)
	go func() {
		_, err := caller.DialContext(ctx, "udp4", near.String())
		called <- err
	}()
	eventually(t, "it is called", func() bool { return between.Up.Packets.Load() > asked })
	if n := between.Mark(t, source.lanes[0]) - before - 1; n > 0 {
		t.Errorf("%d packets left the engine when it was hushed", n)
	}
	cancel()
	if <-called == nil {
		t.Error("it answers a call")
	}
	source.Hush(false)
	shake(t, caller, near, h)
}

func TestAnEngineWithoutUTPAnswersNobodyThere(t *testing.T) {
	t.Parallel()
	d := newDoor(listener(t), metainfo.Guard{Loopback: true}, nil)
	lanes, err := openLanes(d, Config{NoUTP: true})
	if err != nil || len(lanes) != 1 {
		t.Fatal(lanes, err)
	}
	defer lanes[0].Close()
	caller, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(
		netip.MustParseAddrPort(d.Addr().String())))
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	syn := append([]byte{0x41}, make([]byte, 19)...)
	for syn[3] = range byte(100) { // more than the library lets wait
		if _, err := caller.Write(syn); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := caller.Write([]byte("d1:q4:pinge")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, from, err := lanes[0].ReadFrom(b)
	if err != nil || string(b[:n]) != "d1:q4:pinge" {
		t.Fatalf("%q came for the DHT, %v", b[:n], err)
	}
	if n, err := lanes[0].WriteTo([]byte("d1:r2:oke"), from); err != nil {
		t.Fatal(n, err)
	}
	if n, err := caller.Read(b); err != nil || string(b[:n]) != "d1:r2:oke" {
		t.Fatalf("%q came back, %v", b[:n], err)
	}
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// visitOverUTP is visit over uTP, from a socket of its own.
func visitOverUTP(t *testing.T, e *Engine, h marketplace.Infohash) guest {
	t.Helper()
	socket, err := utp.NewSocket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	c, err := socket.DialContext(t.Context(), "udp4", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return meetGuest(t, c, h)
}

func TestAQuietWindowHoldsOverUTP(t *testing.T) {
	t.Parallel()
	e, h := blocks(t, 200)
	e.Admit(always(long))
	first, plain := visitOverUTP(t, e, h), visitOverUTP(t, e, h)
	plain.ask(3)
	plain.take(3)
	first.enter(ticket(1, 5))
	plain.ask(100)
	first.ask(100)
	first.take(100)
	plain.hearsNothing("who was there")
	noon(e, h)
	plain.take(100)
}
