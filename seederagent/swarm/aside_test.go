package swarm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent/mse"

	"github.com/everseed/everseed/deploy/devstack/line"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// handshake is a plain one for a torrent.
func handshake(h marketplace.Infohash) string {
	return "\x13BitTorrent protocol" + strings.Repeat("\x00", 8) + string(h[:]) + strings.Repeat("y", 20)
}

// answers fails unless a peer shakes hands for a torrent.
func answers(t *testing.T, c net.Conn, h marketplace.Infohash) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	theirs := make([]byte, 68)
	if _, err := io.ReadFull(c, theirs); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(theirs[28:48], h[:]) {
		t.Errorf("it shakes hands as %q", theirs)
	}
}

// expects waits for a peer until the test ends.
func expects(t *testing.T, e *Engine, h marketplace.Infohash) <-chan net.Conn {
	t.Helper()
	came, err := e.Expect(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return came
}

func arrival(t *testing.T, came <-chan net.Conn) net.Conn {
	t.Helper()
	select {
	case c, ok := <-came:
		if !ok {
			t.Fatal("the wait is over")
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	case <-time.After(20 * time.Second):
		t.Fatal("nobody came")
		return nil
	}
}

func TestAPeerIsCalledBesideTheLibrary(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		caller := open1(t, at(t, listen))
		parent, raw := content(t, 64<<10, 100_000)
		callee := open1(t, at(t, listen))
		h := holds(t, callee, parent, raw)
		for _, network := range []string{"tcp", "utp"} {
			c, err := caller.Call(t.Context(), network, callee.Addr())
			if err != nil {
				t.Fatalf("%s %s: %v", network, listen, err)
			}
			if _, err := io.WriteString(c, handshake(h)); err != nil {
				t.Fatal(err)
			}
			answers(t, c, h)
			caller.Hush(true)
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("a hushed engine is still connected")
			}
			if _, err := caller.Call(t.Context(), network, callee.Addr()); !errors.Is(err, marketplace.TooMany) {
				t.Errorf("a hushed engine calls: %v", err)
			}
			caller.Hush(false)
		}
	}
}

func TestNobodyIsCalledWhomTheGuardForbidsOrWhereThereIsNoUTP(t *testing.T) {
	t.Parallel()
	careful := at(t, "127.0.0.1:0")
	careful.AllowLoopback, careful.NoUTP = false, true
	e, l := open1(t, careful), listener(t)
	to := netip.MustParseAddrPort(l.Addr().String())
	for text, want := range map[string]marketplace.Kind{to.String(): marketplace.Invalid,
		"192.168.1.1:80": marketplace.Invalid, "169.254.169.254:80": marketplace.Invalid,
		"8.8.8.8:0": marketplace.Invalid} {
		if _, err := e.Call(t.Context(), "tcp", netip.MustParseAddrPort(text)); !errors.Is(err, want) {
			t.Errorf("%s is called: %v", text, err)
		}
	}
	careful.AllowLoopback, careful.Dir = true, t.TempDir()
	if _, err := open1(t, careful).Call(t.Context(), "utp", to); !errors.Is(err, marketplace.Unavailable) {
		t.Errorf("without uTP: %v", err)
	}
}

func TestAPeerThatIsWaitedForIsHandedOutAndItsObfuscationTakenOff(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 64<<10, 100_000)
	peer, h := seeder(t, parent, raw), parse(t, raw).Infohash
	stranger := func(t *testing.T, e *Engine, obfuscate func(io.ReadWriter) (io.ReadWriter, error)) {
		c, err := net.Dial("tcp", e.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		rw, err := obfuscate(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(rw, handshake(h)); err != nil {
			t.Fatal(err)
		}
	}
	by := func(method mse.CryptoMethod) func(io.ReadWriter) (io.ReadWriter, error) {
		return func(c io.ReadWriter) (io.ReadWriter, error) {
			rw, _, err := mse.InitiateHandshake(c, h[:], nil, method)
			return rw, err
		}
	}
	for name, comes := range map[string]func(t *testing.T, e *Engine){
		"a stranger, plainly": func(t *testing.T, e *Engine) {
			stranger(t, e, func(c io.ReadWriter) (io.ReadWriter, error) { return c, nil })
		},
		"a stranger, its head obfuscated": func(t *testing.T, e *Engine) {
			stranger(t, e, by(mse.CryptoMethodPlaintext))
		},
		"a stranger, obfuscated": func(t *testing.T, e *Engine) { stranger(t, e, by(mse.CryptoMethodRC4)) },
		"an engine, over TCP": func(t *testing.T, e *Engine) {
			if err := peer.AddPeers(h, []netip.AddrPort{e.Addr()}); err != nil {
				t.Fatal(err)
			}
		},
		"an engine, over uTP": func(t *testing.T, e *Engine) {
			between := &line.Line{Queue: 64}
			if err := peer.AddPeers(h, []netip.AddrPort{between.Open(t, e.Addr())}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open1(t, at(t, "127.0.0.1:0"))
			came := expects(t, e, h)
			comes(t, e)
			c := arrival(t, came)
			answers(t, c, h)
			if n := e.door.awaits.Load(); n != 0 {
				t.Errorf("%d are waited for still", n)
			}
			if strings.HasPrefix(name, "a stranger") {
				return // nobody would answer
			}
			if _, err := io.WriteString(c, handshake(h)+"\x00\x00\x00\x01\x02"); err != nil {
				t.Fatal(err)
			}
			stock{t, c}.until(1) // unchoke
		})
	}
}

func TestWhoComesForAnotherTorrentMeanwhileIsTheLibrarysAsAlways(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, metainfo.BlockSize, 200*metainfo.BlockSize)
	e, h := seeder(t, parent, raw), parse(t, raw).Infohash
	came := expects(t, e, marketplace.Infohash{7})
	silent, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	e.Admit(always(long))
	c, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	rw, _, err := mse.InitiateHandshake(c, h[:], nil, mse.CryptoMethodRC4)
	if err != nil {
		t.Fatal(err)
	}
	plain, obfuscated, auditor := visit(t, e, h), meetGuest(t, revealed{c, rw}, h), visit(t, e, h)
	others := map[string]guest{"a plain peer": plain, "an obfuscated peer": obfuscated}
	for _, g := range others {
		g.ask(3)
		g.take(3)
	}
	auditor.enter(ticket(1, 5))
	auditor.ask(100)
	auditor.take(100)
	for who, g := range others {
		g.ask(100)
		g.hearsNothing(who)
	}
	noon(e, h)
	for _, g := range others {
		g.take(100)
	}

	// Engines come obfuscated.
	between := &line.Line{Queue: 4096}
	for _, from := range []netip.AddrPort{e.Addr(), between.Open(t, e.Addr())} {
		leecher := open1(t, at(t, "127.0.0.1:0"))
		if err := leecher.Add(h, raw, []netip.AddrPort{from}); err != nil {
			t.Fatal(err)
		}
		arrives(t, leecher, h)
	}
	select {
	case <-came:
		t.Error("somebody was handed out")
	default:
	}
}

func TestAWaitForAPeerEndsWithItsContextOrTheEngine(t *testing.T) {
	t.Parallel()
	e, h := blocks(t, 1)
	if _, err := e.Expect(t.Context(), h); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("a peer of a torrent that is held is waited for: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	came, err := e.Expect(ctx, marketplace.Infohash{7})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if _, ok := <-came; ok {
		t.Error("a peer came from nowhere")
	}
	eventually(t, "nobody is waited for", func() bool { return e.door.awaits.Load() == 0 })
	came = expects(t, e, marketplace.Infohash{8})
	called, err := e.Call(t.Context(), "tcp", netip.MustParseAddrPort(listener(t).Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-came; ok {
		t.Error("a peer came to a closed engine")
	}
	if _, err := called.Read(make([]byte, 1)); err == nil {
		t.Error("a closed engine still talks")
	}
	e.door.mu.Lock()
	defer e.door.mu.Unlock()
	if e.door.all != 0 || len(e.door.open) != 0 {
		t.Errorf("%d connections are counted", e.door.all)
	}
}

func TestSilentStrangersAreCountedAndGoBeforeLong(t *testing.T) {
	t.Parallel()
	e := open1(t, at(t, "127.0.0.1:0"))
	h := marketplace.Infohash{7}
	came := expects(t, e, h)
	for range connsMax {
		c, err := net.Dial("tcp", e.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	full := func() bool {
		e.door.mu.Lock()
		defer e.door.mu.Unlock()
		return e.door.all == connsMax
	}
	eventually(t, "all places are taken", full)
	more, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer more.Close()
	if _, err := more.Read(make([]byte, 1)); err == nil {
		t.Error("one more is let in")
	}
	eventually(t, "they are gone", func() bool { return !full() })
	c, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, handshake(h)); err != nil {
		t.Fatal(err)
	}
	answers(t, arrival(t, came), h)
}

func TestWhatPassesBesideTheLibraryKeepsToTheUploadLimit(t *testing.T) {
	t.Parallel()
	c := at(t, "127.0.0.1:0")
	c.UploadLimit = 200_000
	e, l := open1(t, c), listener(t)
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, in) }()
		}
	}()
	out, err := e.Call(t.Context(), "tcp", netip.MustParseAddrPort(l.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := out.Write(make([]byte, 300_000)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("300 kB at 200 kB/s took %s", took)
	}
	time.AfterFunc(100*time.Millisecond, func() { _ = out.Close() })
	if _, err := out.Write(make([]byte, 20_000_000)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write goes on after its end: %v", err)
	}
}
