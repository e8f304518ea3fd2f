package audit_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/everseed/everseed/deploy/devstack/line"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
)

func TestAnAgentThatOnlyUTPReachesPasses(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, format := range []metainfo.Format{metainfo.V1, metainfo.V2, metainfo.Hybrid} {
			t.Run(fmt.Sprint(format, " at ", listen), func(t *testing.T) {
				t.Parallel()
				parent, raw := built(t, format)
				meta, e := parse(t, raw), agentAt(t, listen, parent, raw)
				between := &line.Line{Queue: 4096}
				f := audit.Probe(t.Context(), devnet, 30*time.Second, between.Open(t, e.Addr()), meta,
					whole(0, 1, 2, 3, 4), nil)
				want(t, f, pass, pass, pass, pass, pass, pass)
				if f.Over != "utp" || f.Bytes != meta.Stored() || between.Down.Bytes.Load() < f.Bytes {
					t.Errorf("%d bytes over %q, %d on the line", f.Bytes, f.Over, between.Down.Bytes.Load())
				}
				t.Log(f.Took)
			})
		}
	}
}

func TestAnAgentPassesOverWhicheverTransportIsTriedFirst(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V1)
	meta, e := parse(t, raw), agent(t, parent, raw)
	f := audit.ProbeOver(t.Context(), audit.OverUTP, devnet, 30*time.Second, e.Addr(), meta, whole(4, 0), nil)
	if want(t, f, pass, pass, pass); f.Over != "utp" {
		t.Errorf("it was asked over %q", f.Over)
	}
	onTCP := script(t, meta, haveAll+unchoke, func(c net.Conn, kind byte, body []byte) {
		if kind == 6 {
			_, _ = io.WriteString(c, message(16, body)) // it refuses
		}
	})
	f = audit.ProbeOver(t.Context(), audit.OverUTP, devnet, 8*time.Second, onTCP, meta, whole(4), nil)
	if want(t, f, refused, refused); f.Over != "tcp" {
		t.Errorf("it was asked over %q", f.Over)
	}
}

func TestAnAgentPassesOverAHomesLine(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]*line.Line{
		"5 Mbit/s, and 1 of 50 packets is lost": {Rate: 625_000, Queue: 64, Delay: 20 * time.Millisecond,
			Loss: 0.02},
		"2 Mbit/s with a short queue": {Rate: 250_000, Queue: 16, Delay: 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent, raw := built(t, metainfo.V1)
			meta, e := parse(t, raw), agent(t, parent, raw)
			f := audit.Probe(t.Context(), devnet, 4*time.Minute, between.Open(t, e.Addr()), meta,
				whole(0, 1, 2, 3, 4), nil)
			want(t, f, pass, pass, pass, pass, pass, pass)
			ratio := float64(between.Down.Bytes.Load()) / float64(f.Bytes)
			t.Logf("%.2f bytes on the line for each of content, %d packets dropped", ratio,
				between.Down.Dropped.Load())
			if ratio > 1.4 {
				t.Errorf("%.2f bytes on the line for each of content", ratio)
			}
		})
	}
}

func TestAHushedAgentIsUnreachableOverUTPToo(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V1)
	meta, e := parse(t, raw), agent(t, parent, raw)
	between := &line.Line{Queue: 64}
	near := between.Open(t, e.Addr())
	e.Hush(true)
	for _, addr := range []netip.AddrPort{near, e.Addr()} {
		f := audit.ProbeOver(t.Context(), audit.OverUTP, devnet, 2*time.Second, addr, meta, whole(0), nil)
		want(t, f, away, away)
	}
	if n := between.Down.Bytes.Load(); n > 0 || between.Up.Bytes.Load() == 0 {
		t.Errorf("it answered %d bytes", n)
	}
	e.Hush(false)
	f := audit.Probe(t.Context(), devnet, 30*time.Second, near, meta, whole(0), nil)
	want(t, f, pass, pass)
}

func TestLibtorrentPassesOverUTPAlone(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V1)
	meta := parse(t, raw)
	for name, encryption := range map[string]string{
		"plainly":   `'in_enc_policy': 2`,
		"encrypted": `'in_enc_policy': 0, 'allowed_enc_level': 2`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// It hangs up on who comes over TCP, where it listens all the same.
			addr := libtorrent(t, parent, raw, `{'enable_incoming_tcp': False, `+encryption+`}`)
			for _, first := range []audit.Transport{audit.OverTCP, audit.OverUTP} {
				f := audit.ProbeOver(t.Context(), first, devnet, 30*time.Second, addr, meta, whole(4, 0), nil)
				if want(t, f, pass, pass, pass); f.Over != "utp" {
					t.Errorf("it was asked over %q", f.Over)
				}
			}
		})
	}
}

func TestTheGuardHoldsOverUTP(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V1)
	meta, e := parse(t, raw), agent(t, parent, raw)
	between := &line.Line{Queue: 64}
	f := audit.ProbeOver(t.Context(), audit.OverUTP, metainfo.Guard{}, 2*time.Second,
		between.Open(t, e.Addr()), meta, whole(0), nil)
	want(t, f, away, away)
	if n := between.Up.Bytes.Load(); n > 0 {
		t.Errorf("%d bytes were sent to where the guard forbids", n)
	}
}

func TestEachTransportIsFirstAsOftenAsTheOtherAndAnyoneCanTellWhich(t *testing.T) {
	t.Parallel()
	const all = 1000
	n := 0
	for visit := range all / 2 {
		seed := marketplace.Hash{1, byte(visit >> 8), byte(visit)}
		for try := range 2 {
			first := audit.TransportOf(seed, try, nil)
			if first == audit.OverUTP {
				n++
			}
			if first != audit.TransportOf(seed, try, nil) {
				t.Fatal("it is drawn anew")
			}
			if audit.TransportOf(seed, try, &audit.Quiet{}) != audit.OverTCP {
				t.Fatal("measures in quiet windows are of two kinds")
			}
		}
	}
	if n < all*2/5 || n > all*3/5 {
		t.Errorf("%d of %d tries go over uTP first", n, all)
	}
}
