package audit_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// unknown asks for blocks whose hashes the auditor does not know.
func unknown(asks []audit.Challenge) (blind []audit.Challenge) {
	for _, c := range asks {
		blind = append(blind, audit.Challenge{Piece: c.Piece, Block: c.Block})
	}
	return blind
}

// over is what a proof costs on the wire, both ways, for pieces of 64 KiB, with both heads.
const over = 2*(4+1+1+1+48) + 3*32

func TestABlockOfAV2OrHybridTorrentIsProvenAloneFromTheFirstDay(t *testing.T) {
	t.Parallel()
	for _, format := range []metainfo.Format{metainfo.V2, metainfo.Hybrid} {
		parent, raw := built(t, format)
		meta, e := parse(t, raw), agent(t, parent, raw)
		asks := blocks(t, parent, meta)
		f := audit.Probe(t.Context(), devnet, 10*time.Second, e.Addr(), meta, unknown(asks), nil)
		if f.Outcome != pass || f.Bytes != meta.Stored() || len(f.Answers) != len(asks) {
			t.Errorf("%s: %s, %d bytes for %+v (%v)", format, f.Outcome, f.Bytes, f.Answers, f.Err)
		}
		for i, a := range f.Answers {
			if a.Block != asks[i].Block || a.Hash != asks[i].Leaf {
				t.Errorf("%s: %+v answers %+v", format, a, asks[i])
			}
		}
		if more := f.Wire - f.Bytes; more > 4000+int64(len(asks))*(40+over) {
			t.Errorf("%s: %d bytes on the wire beside content", format, more)
		}
	}
}

func TestWhoGivesNoProofIsAskedForTheWholePieceAndFoundOut(t *testing.T) {
	t.Parallel()
	for _, format := range []metainfo.Format{metainfo.V2, metainfo.Hybrid} {
		parent, raw := built(t, format)
		meta, e := parse(t, raw), agent(t, parent, raw)
		spoil(t, filepath.Join(parent, "things", "a"), 70_000) // piece 1, block 0
		asks := []audit.Challenge{{Piece: 1, Block: 3}, {Piece: 0, Block: 2}, {Piece: 1, Block: 2}}
		f := audit.Probe(t.Context(), devnet, 10*time.Second, e.Addr(), meta, asks, nil)
		want(t, f, bad, bad, pass) // two blocks of piece 1 are one whole piece
		if f.Answers[0].Block != marketplace.WholePiece || f.Bytes != 64<<10+16<<10 {
			t.Errorf("%s: %d bytes for %+v", format, f.Bytes, f.Answers)
		}
	}
}

// prover is a peer that has it all, answers a hash request as told and never sends a block twice.
func prover(t *testing.T, meta *metainfo.Torrent, all []byte, hello string,
	prove func(request []byte) string,
) netip.AddrPort {
	sent := map[string]bool{}
	return script(t, meta, hello+haveAll+unchoke, func(c net.Conn, kind byte, body []byte) {
		switch {
		case kind == 6 && sent[string(body)]:
			c.Close()
		case kind == 6:
			sent[string(body)] = true
			at := int(binary.BigEndian.Uint32(body))*(64<<10) + int(binary.BigEndian.Uint32(body[4:]))
			n := int(binary.BigEndian.Uint32(body[8:]))
			_, _ = io.WriteString(c, message(7, body[:8], all[at:at+n]))
		case kind == 21 || kind == 20 && body[0] != 0:
			_, _ = io.WriteString(c, prove(append([]byte{kind}, body...)))
		}
	})
}

func TestAPeerThatProvesNothingPassesWithWholePieces(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V2)
	meta := parse(t, raw)
	var all []byte
	for _, name := range []string{"a", "b"} {
		part, err := os.ReadFile(filepath.Join(parent, "things", name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part...)
	}
	plain := "" // no BEP 10 message: BEP 52 at once
	ours := message(20, []byte("\x00d1:md9:es_hashesi9eee"))
	junk := bytes.Repeat([]byte("junk"), 24)
	for name, addr := range map[string]netip.AddrPort{
		"rejects": prover(t, meta, all, plain, func(r []byte) string { return message(23, r[1:]) }),
		"lies": prover(t, meta, all, plain, func(r []byte) string {
			return message(22, r[1:], junk)
		}),
		"says too little": prover(t, meta, all, plain, func(r []byte) string {
			return message(22, r[1:], junk[:32])
		}),
		"says nothing": prover(t, meta, all, plain, func([]byte) string { return "" }),
		"rejects by our messages": prover(t, meta, all, ours, func(r []byte) string {
			if r[0] != 20 || r[1] != 9 || r[2] != 21 {
				t.Errorf("it was asked by %x", r)
			}
			return message(20, []byte{4, 23}, r[3:])
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asks := []audit.Challenge{{Piece: 2, Block: 1}, {Piece: 0, Block: 3}}
			f := audit.Probe(t.Context(), devnet, 4*time.Second, addr, meta, asks, nil)
			want(t, f, pass, pass, pass)
			for i, a := range f.Answers {
				if root, _ := meta.PieceRoot(asks[i].Piece); a.Block >= 0 || a.Hash != root {
					t.Errorf("%+v answers %+v", a, asks[i])
				}
			}
			if f.Bytes != 2*64<<10 {
				t.Errorf("%d bytes came, want two pieces", f.Bytes)
			}
		})
	}
}

func TestNoMoreThanAnAuditTakesIsAskedOfWhoProvesNothing(t *testing.T) {
	t.Parallel()
	const pieces = 5
	parent := t.TempDir()
	if err := os.WriteFile(filepath.Join(parent, "large"), make([]byte, pieces*8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := metainfo.V2.Build(t.Context(), filepath.Join(parent, "large"), 8<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	meta := parse(t, raw)
	addr := script(t, meta, haveAll+unchoke, func(c net.Conn, kind byte, body []byte) {
		switch kind {
		case 6:
			n := int(binary.BigEndian.Uint32(body[8:]))
			_, _ = io.WriteString(c, message(7, body[:8], make([]byte, n)))
		case 21:
			_, _ = io.WriteString(c, message(23, body))
		}
	})
	var asks []audit.Challenge
	for piece := range pieces {
		asks = append(asks, audit.Challenge{Piece: piece, Block: 7})
	}
	f := audit.Probe(t.Context(), devnet, 60*time.Second, addr, meta, asks, nil)
	want(t, f, pass, pass)
	if f.Bytes > 16<<20 {
		t.Errorf("%d bytes were asked for", f.Bytes)
	}
}

// libtorrent seeds content with the Python that Debian's python3-libtorrent is for, with settings of
// its own.
func libtorrent(t *testing.T, parent string, raw []byte, settings string) netip.AddrPort {
	t.Helper()
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import libtorrent").Run() != nil {
		t.Skip("NO INTEROP TESTED: python3-libtorrent is not installed")
	}
	file := filepath.Join(t.TempDir(), "t.torrent")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", seedScript, file, parent, settings)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill() // gone already, mostly
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return netip.MustParseAddrPort(fmt.Sprint("127.0.0.1:", strings.TrimSpace(line)))
}

const seedScript = `
import sys, time, libtorrent as lt
s = lt.session({'listen_interfaces': '127.0.0.1:0', 'enable_dht': False, 'enable_lsd': False,
    'enable_upnp': False, 'enable_natpmp': False, 'allow_multiple_connections_per_ip': True,
    **eval(sys.argv[3])})
h = s.add_torrent({'ti': lt.torrent_info(sys.argv[1]), 'save_path': sys.argv[2]})
while not h.status().is_seeding: time.sleep(0.02)
print(s.listen_port(), flush=True)
sys.stdin.read()
`

func TestLibtorrentProvesBlocksOfAV2TorrentAsBEP52HasIt(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V2)
	meta, addr := parse(t, raw), libtorrent(t, parent, raw, `{}`)
	asks := blocks(t, parent, meta)
	f := audit.Probe(t.Context(), devnet, 20*time.Second, addr, meta, unknown(asks), nil)
	if f.Outcome != pass || f.Bytes != meta.Stored() || len(f.Answers) != len(asks) {
		t.Fatalf("%s, %d bytes for %+v (%v)", f.Outcome, f.Bytes, f.Answers, f.Err)
	}
	for i, a := range f.Answers {
		if a.Block != asks[i].Block || a.Hash != asks[i].Leaf {
			t.Errorf("%+v answers %+v", a, asks[i])
		}
	}
	t.Logf("libtorrent answered in %s", f.Took)
}

func TestLibtorrentPassesWithWholePiecesOfAHybrid(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.Hybrid)
	meta, addr := parse(t, raw), libtorrent(t, parent, raw, `{}`)
	asks := unknown(blocks(t, parent, meta))
	f := audit.Probe(t.Context(), devnet, 20*time.Second, addr, meta, asks, nil)
	want(t, f, pass, pass, pass, pass, pass, pass)
	if f.Bytes != meta.Stored() {
		t.Errorf("%d bytes came, want each block once", f.Bytes)
	}
}

func TestLibtorrentPassesWithAndWithoutProtocolEncryption(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V1)
	meta := parse(t, raw)
	for name, settings := range map[string]string{
		"none":                `{'in_enc_policy': 2}`,
		"RC4":                 `{'in_enc_policy': 0, 'allowed_enc_level': 2}`,
		"of the header alone": `{'in_enc_policy': 0, 'allowed_enc_level': 1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := libtorrent(t, parent, raw, settings)
			f := audit.Probe(t.Context(), devnet, 20*time.Second, addr, meta, whole(4, 0), nil)
			want(t, f, pass, pass, pass)
		})
	}
}
