package metainfo

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/everseed/everseed/marketplace"
)

// summed returns a v1 torrent of a file or folder with the root of its content, and the hashes of its
// blocks.
func summed(t *testing.T, path string, pieceLength int64) (plain *Torrent, root marketplace.Hash,
	with *Torrent, known map[int][]marketplace.Hash,
) {
	t.Helper()
	raw, err := V1.Build(t.Context(), path, pieceLength, nil)
	if err != nil {
		t.Fatal(err)
	}
	tor, err := Parse(raw, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, f := range tor.Files {
		part, err := os.ReadFile(filepath.Join(filepath.Dir(path), filepath.Join(f.Path...)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part...)
	}
	known = map[int][]marketplace.Hash{}
	var pieces []byte
	for piece := range tor.Pieces {
		begin := int64(piece) * pieceLength
		content := all[begin : begin+tor.PieceSize(piece)]
		for at := 0; at < len(content); at += BlockSize {
			known[piece] = append(known[piece], tor.Leaf(begin+int64(at),
				content[at:min(len(content), at+BlockSize)]))
		}
		h := tor.Root(piece, known[piece])
		pieces = append(pieces, h[:]...)
	}
	root, with, ok := tor.Sum(pieces)
	if !ok || root.IsZero() {
		t.Fatal("the pieces of a v1 torrent are not summed")
	}
	return &tor, root, with, known
}

func TestTheRootOfAV1TorrentIsThatOfOneV2FileWithAllOfItsContent(t *testing.T) {
	t.Parallel()
	for _, size := range []int{131_073, 65_536*4 + 1, 65_536 * 8} {
		path := filepath.Join(t.TempDir(), "n")
		if err := os.WriteFile(path, bytes.Repeat([]byte{7, 8, 9}, size)[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		_, root, _, _ := summed(t, path, 65_536)
		if _, v2 := build(t, V2, path); string(v2.trees[0].root) != string(root[:]) {
			t.Errorf("%d bytes: root %s, BEP 52 has %x", size, root, v2.trees[0].root)
		}
	}
}

func TestEveryBlockAndPieceOfAV1TorrentIsProvenByARootAndNoOtherIs(t *testing.T) {
	t.Parallel()
	folder := mixed(t)
	for name, of := range map[string]struct {
		path   string
		length int64
	}{
		"many pieces": {folder, 65_536}, "blocks that are pieces": {folder, 16 << 10},
		"pieces of no power of two": {folder, 48 << 10}, "pieces of no whole block": {folder, 40_000},
		"one piece": {filepath.Join(folder, "c.txt"), 65_536},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain, root, with, known := summed(t, of.path, of.length)
			c, ok := plain.Committed(root)
			if _, told := c.PieceRoot(0); !ok || told {
				t.Fatal("what was committed to tells the roots of pieces")
			}
			flat := make([]marketplace.Hash, width(plain.Pieces)*plain.wide())
			for piece, leaves := range known {
				copy(flat[piece*plain.wide():], leaves)
			}
			if merkle(flat, len(flat), marketplace.Hash{}) != root {
				t.Error("the root is not that of the blocks with zeros between")
			}
			for piece := range plain.Pieces {
				proven(t, c, with, known, piece, marketplace.WholePiece, plain.Root(piece, known[piece]))
				for block, leaf := range known[piece] {
					proven(t, c, with, known, piece, block, leaf)
				}
			}
		})
	}
}

// proven asks for the proof of a block or a piece and spoils it in every way.
func proven(t *testing.T, c, with *Torrent, known map[int][]marketplace.Hash, piece, block int,
	want marketplace.Hash,
) {
	t.Helper()
	r, ok := c.AskProof(piece, block)
	hashes, err := with.Hashes(r, func(i int) ([]marketplace.Hash, error) { return known[i], nil })
	if r.Length == 0 {
		hashes, err = nil, nil
	}
	is, right := c.CheckProof(piece, block, hashes)
	if !ok || !right || err != nil || is != want {
		t.Fatalf("piece %d block %d is not proven by %d hashes: %v", piece, block, len(hashes), err)
	}
	for i := range hashes {
		hashes[i][7] ^= 1
		if _, right := c.CheckProof(piece, block, hashes); right {
			t.Fatalf("piece %d block %d is proven with hash %d spoilt", piece, block, i)
		}
		hashes[i][7] ^= 1
	}
	if len(hashes) == 0 {
		return
	}
	if _, right := c.CheckProof(piece, block, hashes[:len(hashes)-1]); right {
		t.Fatalf("piece %d block %d is proven by too few", piece, block)
	}
	if _, right := c.CheckProof(piece^2, block, hashes); right && len(hashes) > 3 {
		t.Fatalf("piece %d block %d is proven as of another piece", piece, block)
	}
}

func TestNoHashesAreGivenForARootThatTheContentDoesNotHave(t *testing.T) {
	t.Parallel()
	plain, root, with, known := summed(t, mixed(t), 65_536)
	give := func(i int) ([]marketplace.Hash, error) { return known[i], nil }
	good, _ := with.Committed(root)
	if good != with {
		t.Error("what is summed is committed to another root")
	}
	c, _ := plain.Committed(root)
	path, _ := c.AskProof(0, marketplace.WholePiece)
	for name, spoil := range map[string]func(r *HashRequest){
		"another root": func(r *HashRequest) { r.Root[0]++ },
		"a layer that is neither of blocks nor of pieces": func(r *HashRequest) { r.Base = 1 },
		"an odd place":               func(r *HashRequest) { r.Index = 1 },
		"uncles of the root":         func(r *HashRequest) { r.Proofs++ },
		"a place behind the end":     func(r *HashRequest) { r.Index = 8 },
		"more than there are":        func(r *HashRequest) { r.Length = 16 },
		"blocks behind the last one": func(r *HashRequest) { r.Base, r.Index = 0, uint32(plain.Pieces)<<2 },
	} {
		r := path
		spoil(&r)
		if hashes, err := with.Hashes(r, give); !errors.Is(err, marketplace.Invalid) {
			t.Errorf("%s: %d hashes for %+v: %v", name, len(hashes), r, err)
		}
	}
	if _, err := plain.Hashes(path, give); !errors.Is(err, marketplace.Invalid) {
		t.Errorf("a torrent that was not summed gives hashes: %v", err)
	}
	if _, err := c.Hashes(path, give); !errors.Is(err, marketplace.Invalid) {
		t.Errorf("who knows nothing but a root gives hashes: %v", err)
	}
	block, _ := c.AskProof(1, 0)
	known[1][1][0] ^= 1
	if _, err := with.Hashes(block, give); !errors.Is(err, marketplace.Invalid) {
		t.Errorf("hashes of spoilt content are given: %v", err)
	}
}

func TestOnlyTorrentsThatTellNoRootsAreCommittedTo(t *testing.T) {
	t.Parallel()
	folder := mixed(t)
	for _, format := range []Format{V2, Hybrid} {
		_, tor := build(t, format, folder)
		if c, ok := tor.Committed(marketplace.Hash{1}); ok || c != &tor {
			t.Errorf("%s: a root beside those of the .torrent", format)
		}
		if _, _, ok := tor.Sum(make([]byte, 32*tor.Pieces)); ok {
			t.Errorf("%s: its pieces are summed", format)
		}
	}
	_, tor := build(t, V1, folder)
	if _, ok := tor.Committed(marketplace.Hash{}); ok {
		t.Error("no root is one")
	}
	if _, _, ok := tor.Sum(make([]byte, 32)); ok {
		t.Error("too few pieces are summed")
	}
}

func TestPaddingIsNoPartOfALeaf(t *testing.T) {
	t.Parallel()
	tor := Torrent{PieceLength: 64 << 10, Pieces: 1, Size: 30, Files: []File{
		{Path: []string{"a"}, Length: 10}, {Path: []string{".pad"}, Length: 10, Offset: 10, Pad: true},
		{Path: []string{"b"}, Length: 10, Offset: 20},
	}}
	block := []byte("0123456789----------abcdefghij")
	other := bytes.ReplaceAll(block, []byte("-"), []byte("+"))
	if tor.Leaf(0, block) != tor.Leaf(0, other) || tor.Leaf(0, block) == tor.Leaf(0, block[:20]) {
		t.Error("padding counts, or content does not")
	}
	if !tor.Leaf(10, block[10:20]).IsZero() {
		t.Error("nothing but padding has a hash")
	}
}
