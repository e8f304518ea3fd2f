package swarm

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/anacrolix/torrent"

	"github.com/everseed/everseed/marketplace/metainfo"
)

// A stock is a plain BitTorrent client, as far as a test needs one.
type stock struct {
	t *testing.T
	net.Conn
}

func meetStock(t *testing.T, e *Engine, meta *metainfo.Torrent) stock {
	t.Helper()
	c, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	hello := append([]byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x00\x00\x04"), meta.Infohash[:]...)
	hello = append(hello, "-XX0001-abcdefghijkl"...)
	if _, err := c.Write(hello); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 68)); err != nil {
		t.Fatal(err)
	}
	return stock{t, c}
}

func (s stock) send(kind byte, payload []byte) {
	s.t.Helper()
	b := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)))
	if _, err := s.Write(append(append(b, kind), payload...)); err != nil {
		s.t.Fatal(err)
	}
}

// until returns the first message of a kind, and which kinds came before it.
func (s stock) until(kind byte) (payload, before []byte) {
	s.t.Helper()
	for {
		var head [4]byte
		if _, err := io.ReadFull(s, head[:]); err != nil {
			s.t.Fatalf("waiting for message %d: %v", kind, err)
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(s, body); err != nil {
			s.t.Fatal(err)
		}
		if len(body) > 0 && body[0] == kind {
			return body[1:], before
		}
		before = append(before, body[:min(1, len(body))]...)
	}
}

func TestWhoAsksForHashesOfBlocksIsNeitherHungUpOnNorToldOthers(t *testing.T) {
	t.Parallel()
	for _, format := range []metainfo.Format{metainfo.V1, metainfo.V2, metainfo.Hybrid} {
		parent, raw := mixed(t, format)
		meta, e := parse(t, raw), seeder(t, parent, raw)
		s := meetStock(t, e, &meta)
		request, _ := meta.AskProof(0, 1)
		s.send(metainfo.HashRequestMessage, request.Append(nil))
		s.send(2, nil)
		_, before := s.until(1)
		s.send(6, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0})
		block, more := s.until(7)
		if len(block) != 8+metainfo.BlockSize {
			t.Errorf("%s: %d bytes came", format, len(block))
		}
		if all := append(before, more...); bytes.IndexByte(all, metainfo.HashesMessage) >= 0 {
			t.Errorf("%s: hashes of pieces came for those of blocks", format)
		}
	}
}

func TestHashesOfPiecesOfAV2TorrentAreStillTheLibrarysToGive(t *testing.T) {
	t.Parallel()
	parent, raw := mixed(t, metainfo.V2)
	meta, e := parse(t, raw), seeder(t, parent, raw)
	s := meetStock(t, e, &meta)
	request, _ := meta.AskProof(0, 0)
	request.Base, request.Index, request.Length, request.Proofs = 2, 0, 4, 0 // pieces of 64 KiB
	s.send(metainfo.HashRequestMessage, request.Append(nil))
	answer, _ := s.until(metainfo.HashesMessage)
	_, hashes, _ := metainfo.ParseHashRequest(answer)
	for piece := range 4 {
		if root, _ := meta.PieceRoot(piece); !bytes.Equal(hashes[32*piece:32*piece+32], root[:]) {
			t.Errorf("piece %d has another hash", piece)
		}
	}
}

func TestPeersThatAskForHashesTakeTurns(t *testing.T) {
	t.Parallel()
	d := &desk{wake: make(chan struct{}, 1),
		waiting: map[*torrent.PeerConn][]metainfo.HashRequest{}}
	greedy, modest := &torrent.PeerConn{}, &torrent.PeerConn{}
	for i := range uint32(1000) {
		d.put(greedy, metainfo.HashRequest{Index: i})
	}
	d.put(modest, metainfo.HashRequest{Index: 7})
	for i := uint32(0); ; i++ {
		peer, request, ok := d.next()
		switch {
		case !ok && i == hashRequestsMax+1:
			return
		case !ok:
			t.Fatalf("%d requests were kept", i)
		case i == 1 && (peer != modest || request.Index != 7):
			t.Error("the modest one waits for more than one of the greedy one's")
		case i != 1 && peer != greedy:
			t.Errorf("request %d is another's", i)
		}
	}
}
