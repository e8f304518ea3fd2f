package audit

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
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
		if cap(w.buf) > messageMax || len(p.early) > window {
			t.Fatalf("holds %d bytes and %d blocks", cap(w.buf), len(p.early))
		}
	})
}
