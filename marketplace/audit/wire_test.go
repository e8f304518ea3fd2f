package audit

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// FuzzPeer lets a peer say anything: nothing of it may crash the auditor, hold more memory than
// the window, or pass without the right content.
func FuzzPeer(f *testing.F) {
	content := bytes.Repeat([]byte("peer"), 10_000)
	var hashes []byte
	for at := 0; at < len(content); at += 32 << 10 {
		sum := sha1.Sum(content[at:min(len(content), at+32<<10)])
		hashes = append(hashes, sum[:]...)
	}
	meta, err := metainfo.Parse(fmt.Appendf(nil, "d4:infod6:lengthi%de4:name1:n12:piece lengthi32768e"+
		"6:pieces%d:%see", len(content), len(hashes), hashes), metainfo.DefaultLimits())
	if err != nil {
		f.Fatal(err)
	}
	say := func(kind byte, parts ...[]byte) []byte {
		body := append([]byte{kind}, bytes.Join(parts, nil)...)
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	at := func(piece, begin uint32) []byte {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, piece), begin)
	}
	good := bytes.Join([][]byte{
		say(msgBitfield, []byte{0xc0}), say(msgUnchoke),
		say(msgPiece, at(0, 16384), content[16384:32768]), say(msgPiece, at(0, 0), content[:16384]),
		say(msgHave, at(1, 0)[:4]), say(msgPiece, at(1, 0), content[32768:]),
	}, nil)
	f.Add(good)
	f.Add(bytes.ReplaceAll(good, content[:4], []byte("pear"))) // all that is due, and wrong
	f.Add(append(say(msgHaveAll), say(msgReject, at(0, 0), []byte{0, 0, 64, 0})...))
	f.Add(append(say(msgChoke), good[:len(good)-7]...))
	f.Add([]byte("\x7f\xff\xff\xff\x07"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x01\x14"))
	whole := []Challenge{{Piece: 0, Block: marketplace.WholePiece}, {Piece: 1, Block: 0}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := newProbe(&meta, whole, time.Now())
		w := &wire{in: bufio.NewReader(bytes.NewReader(raw)), out: bufio.NewWriter(io.Discard)}
		for p.next < len(p.blocks) {
			if err := p.ask(w); err != nil {
				t.Fatal(err)
			}
			kind, payload, err := w.receive()
			if err != nil {
				break
			}
			p.hear(kind, payload)
		}
		sum := p.outcome(t.Context(), nil)
		if sum == marketplace.Pass || p.answers[1].Outcome == marketplace.Pass {
			t.Fatalf("passed a block of which nothing is known: %+v", p.answers)
		}
		if p.answers[0].Outcome == marketplace.Pass && !bytes.Contains(raw, content[:16384]) {
			t.Fatal("passed without content")
		}
		if cap(w.buf) > messageMax || len(p.early) > ahead {
			t.Fatalf("holds %d bytes and %d blocks", cap(w.buf), len(p.early))
		}
	})
}

// FuzzProver lets a peer of a v2 torrent say anything: no block passes unless its content came, however
// many hashes did.
func FuzzProver(f *testing.F) {
	content := bytes.Repeat([]byte("prover"), 20_000)
	path := filepath.Join(f.TempDir(), "n")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		f.Fatal(err)
	}
	raw, err := metainfo.V2.Build(f.Context(), path, 64<<10, nil)
	if err != nil {
		f.Fatal(err)
	}
	meta, err := metainfo.Parse(raw, metainfo.DefaultLimits())
	if err != nil {
		f.Fatal(err)
	}
	var leaves []marketplace.Hash
	for at := 0; at < 64<<10; at += metainfo.BlockSize {
		leaves = append(leaves, sha256.Sum256(content[at:at+metainfo.BlockSize]))
	}
	request, _ := meta.AskProof(0, 2)
	hashes, err := meta.Hashes(request, func(int) ([]marketplace.Hash, error) { return leaves, nil })
	if err != nil {
		f.Fatal(err)
	}
	proof := request.Append(nil)
	for _, h := range hashes {
		proof = append(proof, h[:]...)
	}
	say := func(kind byte, parts ...[]byte) []byte {
		body := append([]byte{kind}, bytes.Join(parts, nil)...)
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	block := say(msgPiece, []byte{0, 0, 0, 0, 0, 0, 0x80, 0}, content[32<<10:48<<10])
	begin := append(say(msgHaveAll), say(msgUnchoke)...)
	f.Add(slices.Concat(begin, block, say(metainfo.HashesMessage, proof)))
	f.Add(slices.Concat(begin, say(metainfo.HashesMessage, proof), block))
	f.Add(slices.Concat(begin, say(metainfo.HashRejectMessage, request.Append(nil)), block))
	f.Add(slices.Concat(say(msgExtended, []byte("\x00d1:md9:es_hashesi7eee")), begin,
		say(msgExtended, []byte{ourHashes, metainfo.HashesMessage}, proof), block))
	f.Add(say(metainfo.HashesMessage, proof[:40]))
	// Another block with the right proof, and with one that was made for it.
	spoilt := bytes.Replace(block, []byte("prover"), []byte("forger"), 1)
	forged := sha256.Sum256(spoilt[13:])
	own := bytes.Replace(proof, leaves[2][:], forged[:], 1)
	f.Add(slices.Concat(begin, spoilt, say(metainfo.HashesMessage, proof)))
	f.Add(slices.Concat(begin, say(metainfo.HashesMessage, proof), spoilt))
	f.Add(slices.Concat(begin, spoilt, say(metainfo.HashesMessage, own)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, patient := range []bool{true, false} { // waits for proofs, or asks for the piece at once
			p := newProbe(&meta, []Challenge{{Piece: 0, Block: 2}}, time.Now())
			w := &wire{in: bufio.NewReader(bytes.NewReader(raw)), out: bufio.NewWriter(io.Discard), ext: true}
			for range 10_000 {
				if err := p.ask(w); err != nil {
					t.Fatal(err)
				}
				if p.next == len(p.blocks) && len(p.proofs) > 0 && !patient {
					p.insist()
					continue
				}
				kind, payload, err := w.receive()
				if err != nil || p.next == len(p.blocks) && len(p.proofs) == 0 {
					break
				}
				p.hear(kind, payload)
			}
			sum := p.outcome(t.Context(), nil)
			if sum == marketplace.Pass && !bytes.Contains(raw, content[32<<10:48<<10]) {
				t.Fatalf("passed without content: %+v", p.answers)
			}
		}
	})
}

// The example of BEP 6.
func TestWhatAChokedPeerMayAskFor(t *testing.T) {
	t.Parallel()
	meta := &metainfo.Torrent{V1: true, Pieces: 1313, Infohash: marketplace.Infohash(bytes.Repeat([]byte{0xaa}, 20))}
	want := []uint32{1059, 431, 808, 1217, 287, 376, 1188, 353, 508}
	if got := allowedFast(meta, netip.MustParseAddr("80.4.4.200")); len(got) != 10 || !slices.Equal(got[:9], want) {
		t.Errorf("it may ask for %d", got)
	}
	if got := allowedFast(meta, netip.MustParseAddr("::ffff:80.4.4.200")); len(got) != 10 {
		t.Errorf("by another name it may ask for %d", got)
	}
	for name, got := range map[string][]uint32{
		"over IPv6": allowedFast(meta, netip.MustParseAddr("2001:db8::1")),
		"of v2":     allowedFast(&metainfo.Torrent{Pieces: 9}, netip.MustParseAddr("80.4.4.200")),
	} {
		if got != nil {
			t.Errorf("%s it may ask for %d", name, got)
		}
	}
	meta.Pieces = 3
	if got := allowedFast(meta, netip.MustParseAddr("80.4.4.200")); len(got) != 3 {
		t.Errorf("of three pieces it may ask for %d", got)
	}
}
