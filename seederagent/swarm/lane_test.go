package swarm

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	utp "github.com/anacrolix/go-utp"

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
			between := &line{queue: 4096}
			if err := leecher.Add(h, raw, []netip.AddrPort{between.open(t, far)}); err != nil {
				t.Fatal(err)
			}
			arrives(t, leecher, h)
			same(t, parent, leecher.dataOf(h))
		})
	}
}

func TestAHomesLineIsFilledBothWaysAndNotFlooded(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]*line{
		"5 Mbit/s": {rate: 625_000, queue: 64, delay: 20 * time.Millisecond},
		"5 Mbit/s, and 1 of 50 packets is lost": {rate: 625_000, queue: 64, delay: 20 * time.Millisecond,
			loss: 0.02},
		"2 Mbit/s with a short queue": {rate: 250_000, queue: 16, delay: 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const size = 1_500_000
			parent, raw := content(t, 64<<10, size)
			other, otherRaw := content(t, 32<<10, size)
			a, b := open1(t, at(t, "127.0.0.1:0")), open1(t, at(t, "127.0.0.1:0"))
			up, down := holds(t, a, parent, raw), holds(t, b, other, otherRaw)
			near := []netip.AddrPort{between.open(t, b.Addr())}
			for _, err := range []error{b.Add(up, raw, nil), a.Add(down, otherRaw, near),
				a.AddPeers(up, near)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			arrives(t, a, down)
			arrives(t, b, up)
			for way, l := range map[string]*oneWay{"up": &between.up, "down": &between.down} {
				ratio := float64(l.bytes.Load()) / size
				t.Logf("%s: %.2f bytes on the line for each of content, %d packets dropped", way, ratio,
					l.dropped.Load())
				if ratio > 1.3 {
					t.Errorf("%s: %.2f bytes on the line for each of content", way, ratio)
				}
			}
		})
	}
}

func TestNothingOfAStreamLeavesAHushedEngine(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 64<<10, 3_000_000)
	source, leecher := open1(t, at(t, "127.0.0.1:0")), open1(t, at(t, "127.0.0.1:0"))
	h := holds(t, source, parent, raw)
	between := &line{rate: 250_000, queue: 64, delay: 5 * time.Millisecond}
	near := between.open(t, source.Addr())
	if err := leecher.Add(h, raw, []netip.AddrPort{near}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the download is under way", func() bool {
		s, _ := leecher.Status(h)
		return s.Downloaded > 300_000
	})
	source.Hush(true)
	asksOn := func() {
		asked := between.up.bytes.Load()
		eventually(t, "the other side asks on", func() bool {
			_ = leecher.AddPeers(h, []netip.AddrPort{near})
			return between.up.bytes.Load() > asked+100
		})
	}
	asksOn() // and what had left the engine is on the line by now
	before := between.down.bytes.Load()
	asksOn()
	if s, _ := leecher.Status(h); s.Complete || between.down.bytes.Load() != before {
		t.Errorf("%d bytes left the engine when it was hushed", between.down.bytes.Load()-before)
	}
	source.Hush(false)
	eventually(t, "peers are served again", func() bool {
		_ = leecher.AddPeers(h, []netip.AddrPort{near})
		s, _ := leecher.Status(h)
		return s.Complete
	})
	same(t, parent, leecher.dataOf(h))
}

func TestAnEngineWithoutUTPAnswersNobodyThere(t *testing.T) {
	t.Parallel()
	d := &door{Listener: listener(t), guard: metainfo.Guard{Loopback: true}}
	lanes, err := openLanes(d, Config{NoUTP: true})
	if err != nil || len(lanes) != 1 {
		t.Fatal(lanes, err)
	}
	defer lanes[0].Close()
	between := &line{queue: 64}
	to := net.UDPAddrFromAddrPort(between.open(t, netip.MustParseAddrPort(d.Addr().String())))
	caller, err := utp.NewSocket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		eventually(t, "it is called twice", func() bool { return between.up.bytes.Load() >= 2*(20+28) })
		cancel()
	}()
	if c, err := caller.DialContext(ctx, "udp4", to.String()); err == nil {
		_ = c.Close()
		t.Error("it answered")
	}
	if _, err := caller.WriteTo([]byte("d1:q4:pinge"), to); err != nil {
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
	if n, _, err := caller.ReadFrom(b); err != nil || string(b[:n]) != "d1:r2:oke" {
		t.Fatalf("%q came back, %v", b[:n], err)
	}
	if between.down.packets.Load() != 1 {
		t.Errorf("%d packets came back, and not the answer alone", between.down.packets.Load())
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
