package audit_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent/swarm"
)

var devnet = metainfo.Guard{Loopback: true}

// content writes two random files and returns their parent folder, the .torrent and the bytes.
func content(t *testing.T, pieceLength int64, a, b int) (parent string, raw, all []byte) {
	t.Helper()
	parent = t.TempDir()
	random := rand.NewChaCha8([32]byte{byte(a)})
	for name, size := range map[string]int{"a": a, "b": b} {
		part := make([]byte, size)
		random.Read(part) // never fails
		path := filepath.Join(parent, "things", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, part, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "b"} {
		part, err := os.ReadFile(filepath.Join(parent, "things", name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part...)
	}
	raw, err := metainfo.Build(t.Context(), filepath.Join(parent, "things"), pieceLength, nil)
	if err != nil {
		t.Fatal(err)
	}
	return parent, raw, all
}

func parse(t *testing.T, raw []byte) *metainfo.Torrent {
	t.Helper()
	meta, err := metainfo.Parse(raw, metainfo.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return &meta
}

// agent serves content that lies in parent.
func agent(t *testing.T, parent string, raw []byte) *swarm.Engine {
	t.Helper()
	return agentAt(t, "127.0.0.1:0", parent, raw)
}

func spoil(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// whole asks for whole pieces.
func whole(pieces ...int) (asks []audit.Challenge) {
	for _, piece := range pieces {
		asks = append(asks, audit.Challenge{Piece: piece, Block: marketplace.WholePiece})
	}
	return asks
}

// want fails unless the whole and every piece came out as said.
func want(t *testing.T, f audit.Finding, whole marketplace.Outcome, pieces ...marketplace.Outcome) {
	t.Helper()
	var got []marketplace.Outcome
	for _, p := range f.Answers {
		got = append(got, p.Outcome)
	}
	if f.Outcome != whole || !slices.Equal(got, pieces) {
		t.Fatalf("found %s %s after %s (%v), want %s %s", f.Outcome, got, f.Took, f.Err, whole, pieces)
	}
}

const (
	pass    = marketplace.Pass
	bad     = marketplace.BadData
	timeout = marketplace.Timeout
	refused = marketplace.Withheld
	away    = marketplace.Unreachable
)

func TestAnAgentThatHoldsItAllPasses(t *testing.T) {
	t.Parallel()
	parent, raw, all := content(t, 256<<10, 1_500_000, 200_001)
	e, meta := agent(t, parent, raw), parse(t, raw)
	last := meta.Pieces - 1
	f := audit.Probe(t.Context(), devnet, 10*time.Second, e.Addr(), meta, whole(last, 0, 3), nil)
	want(t, f, pass, pass, pass, pass)
	if expect := meta.PieceSize(last) + 2*meta.PieceLength; f.Bytes != expect || len(all) == 0 {
		t.Errorf("%d bytes came, want %d", f.Bytes, expect)
	}
}

func TestOneFlippedBitIsBadData(t *testing.T) {
	t.Parallel()
	parent, raw, _ := content(t, 64<<10, 500_000, 100_000)
	e, meta := agent(t, parent, raw), parse(t, raw)
	spoil(t, filepath.Join(parent, "things", "a"), 3*64<<10+77)
	f := audit.Probe(t.Context(), devnet, 10*time.Second, e.Addr(), meta, whole(1, 3, 2), nil)
	want(t, f, bad, pass, bad, pass)
}

func TestContentThatIsCutOffIsWithheld(t *testing.T) {
	t.Parallel()
	parent, raw, _ := content(t, 64<<10, 500_000, 100_000)
	e, meta := agent(t, parent, raw), parse(t, raw)
	if err := os.Truncate(filepath.Join(parent, "things", "a"), 100_000); err != nil {
		t.Fatal(err)
	}
	f := audit.Probe(t.Context(), devnet, time.Second, e.Addr(), meta, whole(0, 5), nil)
	want(t, f, refused, pass, refused)
	if f.Took > 900*time.Millisecond {
		t.Errorf("a refusal took %s to understand", f.Took)
	}
}

func TestAPeerThatIsGoneIsUnreachable(t *testing.T) {
	t.Parallel()
	parent, raw, _ := content(t, 64<<10, 100_000, 1)
	e, meta := agent(t, parent, raw), parse(t, raw)
	addr := e.Addr()
	want(t, audit.Probe(t.Context(), metainfo.Guard{}, time.Second, addr, meta, whole(0), nil), away, away)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, audit.Probe(t.Context(), devnet, time.Second, addr, meta, whole(0, 1), nil), away, away, away)
}

func TestAPeerWithoutTheTorrentIsUnreachable(t *testing.T) {
	t.Parallel()
	parent, raw, _ := content(t, 64<<10, 100_000, 1)
	e := agent(t, parent, raw)
	_, other, _ := content(t, 64<<10, 100_001, 1)
	meta := parse(t, other)
	f := audit.Probe(t.Context(), devnet, 2*time.Second, e.Addr(), meta, whole(0), nil)
	want(t, f, away, away)
	confused := script(t, parse(t, raw), haveAll+unchoke, func(net.Conn, byte, []byte) {})
	want(t, audit.Probe(t.Context(), devnet, time.Second, confused, meta, whole(0), nil), away, away)
}

func TestAnAuditorThatStopsSaysNothingOfTheAgent(t *testing.T) {
	t.Parallel()
	_, raw, _ := content(t, 64<<10, 100_000, 1)
	addr := peer(t, func(net.Conn) { <-t.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	f := audit.Probe(ctx, devnet, 20*time.Second, addr, parse(t, raw), whole(0), nil)
	want(t, f, marketplace.AuditorFault, marketplace.AuditorFault)
	if time.Since(began) > 5*time.Second {
		t.Errorf("it took %s to stop", time.Since(began))
	}
}

// peer listens and lets serve talk to whoever comes, in the open protocol only.
func peer(t *testing.T, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// script is a peer that shakes hands and then does as it likes with each message.
func script(t *testing.T, meta *metainfo.Torrent, hello string, answer func(c net.Conn, kind byte,
	body []byte),
) netip.AddrPort {
	return peer(t, func(c net.Conn) {
		var theirs [68]byte
		if _, err := io.ReadFull(c, theirs[:]); err != nil || string(theirs[1:20]) != "BitTorrent protocol" {
			return
		}
		fmt.Fprintf(c, "\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x04%s%020d%s", meta.Infohash[:],
			1, hello)
		for {
			var head [4]byte
			if _, err := io.ReadFull(c, head[:]); err != nil {
				return
			}
			body := make([]byte, binary.BigEndian.Uint32(head[:]))
			if _, err := io.ReadFull(c, body); err != nil {
				return
			}
			answer(c, body[0], body[1:])
		}
	})
}

func message(kind byte, parts ...[]byte) string {
	body := append([]byte{kind}, bytes.Join(parts, nil)...)
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + string(body)
}

const haveAll, unchoke = "\x00\x00\x00\x01\x0e", "\x00\x00\x00\x01\x01"

func TestAPeerThatDoesNotDeliverTimesOut(t *testing.T) {
	t.Parallel()
	_, raw, _ := content(t, 64<<10, 200_000, 1)
	meta := parse(t, raw)
	nothing := func(net.Conn, byte, []byte) {}
	for name, addr := range map[string]netip.AddrPort{
		"says nothing at all":         peer(t, func(net.Conn) { <-t.Context().Done() }),
		"says nothing after hello":    script(t, meta, "", nothing),
		"chokes for ever":             script(t, meta, haveAll, nothing),
		"has nothing":                 script(t, meta, "\x00\x00\x00\x01\x0f"+unchoke, nothing),
		"has other pieces":            script(t, meta, message(5, []byte{0x70})+unchoke, nothing),
		"never answers requests":      script(t, meta, haveAll+unchoke, nothing),
		"sends a huge message":        script(t, meta, haveAll+"\x7f\x00\x00\x00", nothing),
		"sends keepalives only":       script(t, meta, "\x00\x00\x00\x00\x00\x00\x00\x00", nothing),
		"sends an unasked piece":      script(t, meta, haveAll+unchoke+message(7, make([]byte, 12)), nothing),
		"sends a piece cut too short": script(t, meta, haveAll+unchoke, cutShort),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := audit.Probe(t.Context(), devnet, 600*time.Millisecond, addr, meta, whole(0), nil)
			want(t, f, timeout, timeout)
			if f.Took > 3*time.Second {
				t.Errorf("it took %s", f.Took)
			}
		})
	}
}

func cutShort(c net.Conn, kind byte, body []byte) {
	if kind == 6 {
		_, _ = io.WriteString(c, message(7, body[:8], make([]byte, 100)))
	}
}

func refuse(c net.Conn, kind byte, body []byte) {
	if kind == 6 {
		_, _ = io.WriteString(c, message(16, body))
	}
}

func TestAPeerThatRefusesAPieceThatItSaysItHasWithholdsIt(t *testing.T) {
	t.Parallel()
	_, raw, _ := content(t, 64<<10, 200_000, 1)
	meta := parse(t, raw)
	addr := script(t, meta, haveAll+unchoke, refuse)
	f := audit.Probe(t.Context(), devnet, 10*time.Second, addr, meta, whole(0, 2), nil)
	want(t, f, refused, refused, refused)
}

func TestBlocksMayComeInAnyOrderAndAfterAChoke(t *testing.T) {
	t.Parallel()
	_, raw, all := content(t, 64<<10, 200_000, 1)
	meta := parse(t, raw)
	var waiting []string
	choked := false
	addr := script(t, meta, message(5, []byte{0x80})+unchoke, func(c net.Conn, kind byte, body []byte) {
		if kind != 6 {
			return
		}
		if !choked {
			choked = true
			_, _ = io.WriteString(c, message(0)+message(16, body)+message(4, []byte{0, 0, 0, 1})+unchoke)
			return
		}
		at := int(binary.BigEndian.Uint32(body))*(64<<10) + int(binary.BigEndian.Uint32(body[4:]))
		n := int(binary.BigEndian.Uint32(body[8:]))
		waiting = append(waiting, message(7, body[:8], all[at:at+n]))
		if len(waiting) < 4 {
			return
		}
		slices.Reverse(waiting)
		for _, m := range waiting {
			_, _ = io.WriteString(c, m+m)
		}
		waiting = nil
	})
	f := audit.Probe(t.Context(), devnet, 5*time.Second, addr, meta, whole(1, 0), nil)
	want(t, f, pass, pass, pass)
}

// hybrid returns a torrent that is v1 and v2 at once, of one file and the padding behind it, and
// the parent of its content.
func hybrid(t *testing.T) (parent string, raw []byte) {
	t.Helper()
	plain := bytes.Repeat([]byte("abc"), 10_000)
	parent = t.TempDir()
	if err := os.MkdirAll(filepath.Join(parent, "n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(parent, "n", "a"), plain, 0o600); err != nil {
		t.Fatal(err)
	}
	first := sha1.Sum(plain[:16384])
	second := sha1.Sum(append(bytes.Clone(plain[16384:]), make([]byte, 2768)...))
	return parent, fmt.Appendf(nil, "d4:infod9:file treed1:ad0:d6:lengthi30000e11:pieces root32:%032dee"+
		"e5:filesld6:lengthi30000e4:pathl1:aeed4:attr1:p6:lengthi2768e4:pathl4:.pad4:2768eee"+
		"12:meta versioni2e4:name1:n12:piece lengthi16384e6:pieces40:%s%see", 0, first[:], second[:])
}

func TestPaddingIsKnownWithoutAsking(t *testing.T) {
	t.Parallel()
	parent, raw := hybrid(t)
	e, meta := agent(t, parent, raw), parse(t, raw)
	f := audit.Probe(t.Context(), devnet, 5*time.Second, e.Addr(), meta, whole(0, 1), nil)
	want(t, f, pass, pass, pass)
	if f.Bytes != 30_000 {
		t.Errorf("%d bytes came, want 30000", f.Bytes)
	}
}

func TestAnAgentServesPaddingToAClientThatDoesNotKnowOfIt(t *testing.T) {
	t.Parallel()
	parent, raw := hybrid(t)
	e, meta := agent(t, parent, raw), parse(t, raw)
	meta.Files[1].Pad = false // as aria2 or an old client reads the torrent
	f := audit.Probe(t.Context(), devnet, 5*time.Second, e.Addr(), meta, whole(0, 1), nil)
	want(t, f, pass, pass, pass)
	if f.Bytes != 32_768 {
		t.Errorf("%d bytes came, want 32768", f.Bytes)
	}
}

func TestAria2PassesAnAudit(t *testing.T) {
	t.Parallel()
	aria2c, err := exec.LookPath("aria2c")
	if err != nil {
		t.Skip("NO INTEROP TESTED: aria2c is not installed")
	}
	parent, raw, _ := content(t, 64<<10, 900_000, 5)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	file := filepath.Join(t.TempDir(), "t.torrent")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(aria2c, "--no-conf=true", "--quiet=true", "--enable-dht=false",
		"--enable-dht6=false", "--bt-enable-lpd=false", "--disable-ipv6=true", "--check-integrity=true",
		"--interface=127.0.0.1", "--listen-port="+strconv.Itoa(int(addr.Port())), "--dir="+parent,
		"--seed-ratio=0.0", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()         // killed
	defer cmd.Process.Kill() // it may be gone
	var f audit.Finding
	for range 300 {
		time.Sleep(50 * time.Millisecond)
		f = audit.Probe(t.Context(), devnet, 10*time.Second, addr, parse(t, raw), whole(2, 13, 0), nil)
		if f.Outcome != away {
			break
		}
	}
	want(t, f, pass, pass, pass, pass)
	t.Logf("aria2c answered in %s", f.Took)
}
