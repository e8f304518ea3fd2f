package audit_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent/swarm"
)

func lobby(t *testing.T, listen, public string) *audit.Lobby {
	t.Helper()
	l, err := audit.NewLobby(listen, public)
	if err != nil {
		t.Fatal(err)
	}
	return &l
}

// here is what a market would make of a knock from this machine.
func here(t *testing.T, address string) netip.AddrPort {
	t.Helper()
	to, err := marketplace.Knock{Address: address}.From(marketplace.DevnetRules(),
		netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// opens makes an agent connect to who knocks.
func opens(t *testing.T, e *swarm.Engine, h marketplace.Infohash) func(context.Context, string) error {
	return func(_ context.Context, address string) error {
		return e.AddPeers(h, []netip.AddrPort{here(t, address)})
	}
}

func TestAnAgentThatNobodyCanConnectToPassesWhenOneKnocks(t *testing.T) {
	t.Parallel()
	for _, format := range []metainfo.Format{metainfo.V1, metainfo.V2, metainfo.Hybrid} {
		parent, raw := built(t, format)
		meta, e := parse(t, raw), agent(t, parent, raw)
		for _, listen := range []string{":0", "127.0.0.1:0"} {
			l := lobby(t, listen, "")
			asks := slices.Concat(blocks(t, parent, meta)[:4], whole(4, 2))
			f := l.Probe(t.Context(), 10*time.Second, opens(t, e, meta.Infohash), meta, asks, nil)
			want(t, f, pass, pass, pass, pass, pass, pass, pass)
		}
	}
}

func TestAnAgentThatDoesNotComeIsUnreachable(t *testing.T) {
	t.Parallel()
	_, raw := built(t, metainfo.V1)
	meta := parse(t, raw)
	var mu sync.Mutex
	told := map[string]int{}
	f := lobby(t, "127.0.0.1:0", "").Probe(t.Context(), 900*time.Millisecond,
		func(_ context.Context, address string) error {
			mu.Lock()
			defer mu.Unlock()
			told[address]++
			return nil
		}, meta, whole(0, 1), nil)
	want(t, f, away, away, away)
	mu.Lock()
	defer mu.Unlock()
	for _, n := range told {
		if n < 2 || len(told) != 1 {
			t.Errorf("it knocked as %v; the agent may have missed the first", told)
		}
	}
}

func TestAMarketThatPassesNothingOnSaysNothingOfTheAgent(t *testing.T) {
	t.Parallel()
	_, raw := built(t, metainfo.V1)
	f := lobby(t, "127.0.0.1:0", "").Probe(t.Context(), 20*time.Second,
		func(context.Context, string) error { return errors.New("down") }, parse(t, raw), whole(0), nil)
	want(t, f, marketplace.AuditorFault, marketplace.AuditorFault)
	if f.Took > 5*time.Second {
		t.Errorf("it took %s to find out", f.Took)
	}
}

func TestStrangersAtTheDoorDoNotKeepTheAgentOut(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V1)
	meta, e := parse(t, raw), agent(t, parent, raw)
	strangers := []string{
		"GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n",
		"\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x04another infohash1234-XX0001-567890123456",
		"",
	}
	var once sync.Once
	f := lobby(t, "127.0.0.1:0", "").Probe(t.Context(), 20*time.Second,
		func(_ context.Context, address string) error {
			once.Do(func() {
				for _, says := range strangers {
					c, err := net.Dial("tcp", here(t, address).String())
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = io.WriteString(c, says)
					_ = c.(*net.TCPConn).CloseWrite()
					t.Cleanup(func() { _ = c.Close() })
				}
			})
			return e.AddPeers(meta.Infohash, []netip.AddrPort{here(t, address)})
		}, meta, whole(3), nil)
	want(t, f, pass, pass)
}

func TestALobbySaysWhereItIs(t *testing.T) {
	t.Parallel()
	for _, wrong := range [][2]string{{"7000", ""}, {":x", ""}, {":9-8", ""}, {"name:1", ""}, {":1-70000", ""},
		{":0", "name"}, {"", ""}} {
		if _, err := audit.NewLobby(wrong[0], wrong[1]); !errors.Is(err, marketplace.Invalid) {
			t.Errorf("%q is read: %v", wrong, err)
		}
	}
	_, raw := built(t, metainfo.V1)
	meta := parse(t, raw)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	l := lobby(t, fmt.Sprintf("127.0.0.1:%d-%d", port, port+20), "192.0.2.7")
	f := l.Probe(t.Context(), 300*time.Millisecond, func(_ context.Context, address string) error {
		to := netip.MustParseAddrPort(address)
		if to.Addr() != netip.MustParseAddr("192.0.2.7") || int(to.Port()) <= port ||
			int(to.Port()) > port+20 {
			t.Errorf("agents are told %s", to)
		}
		return nil
	}, meta, whole(0), nil)
	want(t, f, away, away)
}

// TestAPeerThatConnectsWithoutProtocolEncryptionPasses lets a stock client come, one that downloaders
// knock at too.
func TestAPeerThatConnectsWithoutProtocolEncryptionPasses(t *testing.T) {
	t.Parallel()
	_, raw, all := content(t, 64<<10, 200_000, 1)
	meta := parse(t, raw)
	var once sync.Once
	f := lobby(t, "127.0.0.1:0", "").Probe(t.Context(), 20*time.Second,
		func(_ context.Context, address string) error {
			once.Do(func() { go serveAt(t, here(t, address).String(), meta, all) })
			return nil
		}, meta, whole(3, 1), nil)
	want(t, f, pass, pass, pass)
}

// serveAt connects in the open protocol and sends what it is asked for.
func serveAt(t *testing.T, address string, meta *metainfo.Torrent, all []byte) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	fmt.Fprintf(c, "\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x04%s%020d", meta.Infohash[:], 1)
	if _, err := io.ReadFull(c, make([]byte, 68)); err != nil {
		t.Error(err)
		return
	}
	_, _ = io.WriteString(c, haveAll+unchoke)
	for {
		var head [4]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return // the auditor is done
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		if body[0] != 6 {
			continue
		}
		at := int(binary.BigEndian.Uint32(body[1:]))*(64<<10) + int(binary.BigEndian.Uint32(body[5:]))
		n := int(binary.BigEndian.Uint32(body[9:]))
		_, _ = io.WriteString(c, message(7, body[1:9], all[at:at+n]))
	}
}
