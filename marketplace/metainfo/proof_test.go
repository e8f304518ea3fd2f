package metainfo

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/everseed/everseed/marketplace"
)

// leavesOf hashes the blocks of each piece from disk.
func leavesOf(t *testing.T, folder string, tor *Torrent) map[int][]marketplace.Hash {
	t.Helper()
	all := map[int][]marketplace.Hash{}
	for _, f := range tor.Files {
		if f.Pad {
			continue
		}
		content, err := os.ReadFile(filepath.Join(filepath.Dir(folder), filepath.Join(f.Path...)))
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(content); at += BlockSize {
			piece := int((f.Offset + int64(at)) / tor.PieceLength)
			sum := sha256.Sum256(content[at:min(len(content), at+BlockSize)])
			all[piece] = append(all[piece], sum)
		}
	}
	return all
}

func TestEveryBlockIsProvenByItsHashesAndNoOtherIs(t *testing.T) {
	t.Parallel()
	folder := mixed(t)
	for _, format := range []Format{V2, Hybrid} {
		_, tor := build(t, format, folder)
		known := leavesOf(t, folder, &tor)
		for piece := range tor.Pieces {
			for block, want := range known[piece] {
				r, ok := tor.AskProof(piece, block)
				var hashes []marketplace.Hash
				if r.Length > 0 {
					var err error
					hashes, err = tor.Hashes(r, func(i int) ([]marketplace.Hash, error) {
						return known[i], nil
					})
					if err != nil {
						t.Fatalf("%s: piece %d block %d: %v", format, piece, block, err)
					}
				}
				leaf, right := tor.CheckProof(piece, block, hashes)
				if !ok || !right || leaf != want {
					t.Fatalf("%s: piece %d block %d is not proven by %d hashes", format, piece, block,
						len(hashes))
				}
				for i := range hashes {
					hashes[i][7] ^= 1
					if _, right := tor.CheckProof(piece, block, hashes); right {
						t.Fatalf("%s: piece %d block %d is proven with hash %d spoilt", format, piece, block, i)
					}
					hashes[i][7] ^= 1
				}
				if len(hashes) > 0 {
					if _, right := tor.CheckProof(piece, block^2, hashes); right && len(hashes) > 2 {
						t.Fatalf("%s: piece %d block %d is proven as another", format, piece, block)
					}
					if _, right := tor.CheckProof(piece, block, hashes[1:]); right {
						t.Fatalf("%s: piece %d block %d is proven by too few", format, piece, block)
					}
				}
			}
		}
	}
}

func TestNoHashesAreGivenThatWereNotAskedForAsBEP52HasIt(t *testing.T) {
	t.Parallel()
	folder := mixed(t)
	_, tor := build(t, V2, folder)
	known := leavesOf(t, folder, &tor)
	good, _ := tor.AskProof(0, 2)
	give := func(i int) ([]marketplace.Hash, error) { return known[i], nil }
	if hashes, err := tor.Hashes(good, give); err != nil || len(hashes) != 3 {
		t.Fatalf("%d hashes for %+v: %v", len(hashes), good, err)
	}
	whole := good
	whole.Index, whole.Length, whole.Proofs = 0, 4, 1
	if hashes, err := tor.Hashes(whole, give); err != nil || len(hashes) != 4 {
		t.Fatalf("%d hashes for %+v: %v", len(hashes), whole, err)
	}
	for name, spoil := range map[string]func(r *HashRequest){
		"root":     func(r *HashRequest) { r.Root[0]++ },
		"base":     func(r *HashRequest) { r.Base = 1 },
		"index":    func(r *HashRequest) { r.Index = 1 },
		"one":      func(r *HashRequest) { r.Length = 1 },
		"three":    func(r *HashRequest) { r.Length, r.Index = 3, 3 },
		"more":     func(r *HashRequest) { r.Length, r.Index = 8, 0 },
		"proofs":   func(r *HashRequest) { r.Proofs = 2 },
		"far":      func(r *HashRequest) { r.Index = 16 },
		"furthest": func(r *HashRequest) { r.Index, r.Length, r.Proofs = 1<<32-2, 2, 1<<32-1 },
	} {
		r := good
		spoil(&r)
		if hashes, err := tor.Hashes(r, give); !errors.Is(err, marketplace.Invalid) {
			t.Errorf("%s: %d hashes for %+v: %v", name, len(hashes), r, err)
		}
	}
	known[0][1][0] ^= 1
	if _, err := tor.Hashes(good, give); !errors.Is(err, marketplace.Invalid) {
		t.Errorf("hashes of spoilt content are given: %v", err)
	}
}

func TestAHashRequestTravels(t *testing.T) {
	t.Parallel()
	want := HashRequest{marketplace.Hash{1, 2}, 3, 4, 5, 6}
	raw := append(want.Append(nil), "rest"...)
	got, rest, ok := ParseHashRequest(raw)
	if !ok || got != want || string(rest) != "rest" || len(raw) != HashRequestSize+4 {
		t.Errorf("%+v, %q, %v", got, rest, ok)
	}
	if _, _, ok := ParseHashRequest(raw[:HashRequestSize-1]); ok {
		t.Error("half a request is read")
	}
}

// FuzzHashRequest asks for anything: what is given leads to the file's root, and nothing crashes.
func FuzzHashRequest(f *testing.F) {
	path := filepath.Join(f.TempDir(), "n")
	if err := os.WriteFile(path, make([]byte, 200_001), 0o600); err != nil {
		f.Fatal(err)
	}
	_, tor := build(f, V2, path)
	leaf := marketplace.Hash(sha256.Sum256(make([]byte, BlockSize)))
	whole := []marketplace.Hash{leaf, leaf, leaf, leaf}
	good, _ := tor.AskProof(1, 1)
	f.Add(good.Append(nil))
	good.Index, good.Length, good.Proofs = 0, 4, 1
	f.Add(good.Append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, _, ok := ParseHashRequest(raw)
		if !ok {
			return
		}
		hashes, err := tor.Hashes(r, func(int) ([]marketplace.Hash, error) { return whole, nil })
		most := int(r.Length) + 2
		if err == nil && (len(hashes) < int(r.Length) || len(hashes) > most || r.Base != 0) {
			t.Fatalf("%d hashes for %+v", len(hashes), r)
		}
	})
}
