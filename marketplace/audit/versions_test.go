package audit_test

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent/swarm"
)

// blocks asks for each block that has content, alone.
func blocks(t *testing.T, parent string, meta *metainfo.Torrent) (asks []audit.Challenge) {
	t.Helper()
	for _, file := range meta.Files {
		if file.Pad {
			continue
		}
		f, err := os.Open(filepath.Join(parent, filepath.Join(file.Path...)))
		if err != nil {
			t.Fatal(err)
		}
		for at := file.Offset; at < file.Offset+file.Length; at += metainfo.BlockSize {
			block, err := io.ReadAll(io.LimitReader(f, metainfo.BlockSize))
			if err != nil {
				t.Fatal(err)
			}
			asks = append(asks, audit.Challenge{
				Piece: int(at / meta.PieceLength), Block: int(at%meta.PieceLength) / metainfo.BlockSize,
				Leaf: sha256.Sum256(block),
			})
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return asks
}

// built makes a torrent of two files, the first of which ends on a piece's boundary, so that every
// version cuts blocks alike.
func built(t *testing.T, format metainfo.Format) (parent string, raw []byte) {
	t.Helper()
	parent, _, _ = content(t, 64<<10, 192<<10, 100_000)
	raw, err := format.Build(t.Context(), filepath.Join(parent, "things"), 64<<10, nil)
	if err != nil {
		t.Fatal(err)
	}
	return parent, raw
}

func TestEveryVersionPassesOverIPv4AndIPv6(t *testing.T) {
	t.Parallel()
	for _, format := range []metainfo.Format{metainfo.V1, metainfo.V2, metainfo.Hybrid} {
		parent, raw := built(t, format)
		meta := parse(t, raw)
		for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
			e := agentAt(t, listen, parent, raw)
			for _, asks := range [][]audit.Challenge{blocks(t, parent, meta), whole(4, 3, 2, 1, 0)} {
				f := audit.Probe(t.Context(), devnet, 10*time.Second, e.Addr(), meta, asks, nil)
				checkAll(t, f, meta, asks)
			}
		}
	}
}

// checkAll fails unless everything came, with the right hashes, and little else.
func checkAll(t *testing.T, f audit.Finding, meta *metainfo.Torrent, asks []audit.Challenge) {
	t.Helper()
	if f.Outcome != pass || len(f.Answers) != len(asks) || f.Bytes != meta.Stored() {
		t.Errorf("%s, %d bytes for %+v (%v)", f.Outcome, f.Bytes, f.Answers, f.Err)
	}
	for i, a := range f.Answers {
		if root, ok := meta.PieceRoot(a.Piece); ok && a.Block < 0 && a.Hash != root ||
			a.Block >= 0 && a.Hash != asks[i].Leaf || a.Hash.IsZero() {
			t.Errorf("%+v has another hash", a)
		}
	}
	if over := f.Wire - f.Bytes; over <= 0 || over > 4000+40*19 {
		t.Errorf("%d bytes on the wire beside %d of content", over, f.Bytes)
	}
}

func TestEveryVersionFindsASpoiledByteInItsBlockAndItsPiece(t *testing.T) {
	t.Parallel()
	for _, format := range []metainfo.Format{metainfo.V1, metainfo.V2, metainfo.Hybrid} {
		parent, raw := built(t, format)
		meta := parse(t, raw)
		alone := blocks(t, parent, meta)
		e := agentAt(t, "127.0.0.1:0", parent, raw)
		spoil(t, filepath.Join(parent, "things", "a"), 70_000) // piece 1, block 0
		for _, asks := range [][]audit.Challenge{alone, whole(0, 1, 2, 3, 4)} {
			f := audit.Probe(t.Context(), devnet, 10*time.Second, e.Addr(), meta, asks, nil)
			for _, a := range f.Answers {
				spoilt := a.Piece == 1 && a.Block <= 0
				if spoilt != (a.Outcome == bad) || !spoilt && a.Outcome != pass || a.Hash.IsZero() {
					t.Errorf("%s: %+v (%v)", format, a, f.Err)
				}
			}
			if f.Outcome != bad {
				t.Errorf("%s: in all %s", format, f.Outcome)
			}
		}
	}
}

// TestATryCostsWhatWasReckoned holds what a ration costs against bytes on a real wire.
func TestATryCostsWhatWasReckoned(t *testing.T) {
	t.Parallel()
	r := marketplace.DefaultRules()
	r.QuietEvery = 0
	for by, format := range map[audit.Proof]metainfo.Format{
		audit.ByTorrent: metainfo.V2, audit.ByRoot: metainfo.V1} {
		parent, raw := built(t, format)
		meta := parse(t, raw)
		e, asks := agent(t, parent, raw), unknown(blocks(t, parent, meta)[:8])
		share := audit.Ration{Proof: by, Blocks: int64(len(asks)) * audit.Lots}
		if by == audit.ByRoot {
			meta = committed(t, e, meta)
			asks, share.Pieces = append(asks, withPath(whole(3))...), audit.Lots
		}
		f := audit.Probe(t.Context(), devnet, 10*time.Second, e.Addr(), meta, asks, nil)
		reckoned := audit.Spend(r, share, meta.Size, 64<<10) / 12
		if f.Outcome != pass || f.Wire > reckoned*102/100 || f.Wire < reckoned*98/100 {
			t.Errorf("%s: %s: %d bytes, reckoned were %d", format, f.Outcome, f.Wire, reckoned)
		}
		t.Logf("%s, proven by %d: %d asks took %d bytes, reckoned were %d", format, by, len(asks), f.Wire,
			reckoned)
		if len(f.Answers) != len(asks) {
			t.Errorf("%s: answers %+v", format, f.Answers)
		}
	}
}

// agentAt serves content that lies in parent, at an address.
func agentAt(t *testing.T, listen, parent string, raw []byte) *swarm.Engine {
	t.Helper()
	e, err := swarm.Open(swarm.Config{
		Dir: t.TempDir(), Listen: listen, KeepFree: 1, AllowLoopback: true, NoDHT: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	h, err := e.Adopt(raw, parent)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(20 * time.Second)
	for s, _ := e.Status(h); s.Checking; s, _ = e.Status(h) {
		if time.Now().After(end) {
			t.Fatal("content is never hashed")
		}
		time.Sleep(time.Millisecond)
	}
	return e
}
