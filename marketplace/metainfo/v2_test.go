package metainfo

import (
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	lib "github.com/anacrolix/torrent/metainfo"

	"github.com/everseed/everseed/marketplace"
)

// mixed writes files that end inside pieces, on their boundary and before the first one's end.
func mixed(t testing.TB) (folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "mixed")
	random := rand.NewChaCha8([32]byte{7})
	for name, size := range map[string]int{
		"a/1": 200_000, "a/empty": 0, "b": 65536, "c.txt": 20_000, "c/x": 1, "z": 131_073,
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		content := make([]byte, size)
		_, _ = random.Read(content) // never fails
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func build(t testing.TB, f Format, path string) ([]byte, Torrent) {
	t.Helper()
	raw, err := f.Build(t.Context(), path, 65536, []string{"http://t/announce"})
	if err != nil {
		t.Fatal(err)
	}
	tor, err := Parse(raw, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return raw, tor
}

func TestBuildMakesV2AndHybridsThatTheTorrentLibraryReadsAlike(t *testing.T) {
	t.Parallel()
	folder := mixed(t)
	for _, path := range []string{folder, filepath.Join(folder, "a", "1"), filepath.Join(folder, "b")} {
		for _, format := range []Format{V2, Hybrid} {
			raw, tor := build(t, format, path)
			var theirs lib.MetaInfo
			if err := bencode.Unmarshal(raw, &theirs); err != nil {
				t.Fatal(err)
			}
			info, err := theirs.UnmarshalInfo()
			if err != nil {
				t.Fatal(err)
			}
			if !info.HasV2() || info.HasV1() != (format == Hybrid) || info.NumPieces() != tor.Pieces {
				t.Fatalf("%s: the library reads %d pieces, we %d", format, info.NumPieces(), tor.Pieces)
			}
			if err := lib.ValidatePieceLayers(theirs.PieceLayers, &info.FileTree, 65536); err != nil {
				t.Errorf("%s of %s: %v", format, path, err)
			}
			whole := sha256.Sum256(theirs.InfoBytes)
			if format == V2 && string(tor.Infohash[:]) != string(whole[:20]) ||
				format == Hybrid && [20]byte(tor.Infohash) != lib.HashBytes(theirs.InfoBytes) {
				t.Errorf("%s of %s has infohash %s", format, path, tor.Infohash)
			}
		}
	}
}

func TestPieceRootsAreThoseOfTheContent(t *testing.T) {
	t.Parallel()
	folder := mixed(t)
	for _, format := range []Format{V2, Hybrid} {
		_, tor := build(t, format, folder)
		for _, f := range tor.Files {
			if f.Pad {
				continue
			}
			content, err := os.ReadFile(filepath.Join(filepath.Dir(folder), filepath.Join(f.Path...)))
			if err != nil || int64(len(content)) != f.Length {
				t.Fatalf("%s: %d bytes, %v", f.Path, len(content), err)
			}
			piece := int(f.Offset / tor.PieceLength)
			for part := range slices.Chunk(content, int(tor.PieceLength)) {
				var leaves []marketplace.Hash
				for block := range slices.Chunk(part, BlockSize) {
					leaves = append(leaves, sha256.Sum256(block))
				}
				root, ok := tor.PieceRoot(piece)
				if !ok || tor.Root(piece, leaves) != root {
					t.Errorf("%s: piece %d of %s does not have its root", format, piece, f.Path)
				}
				piece++
			}
		}
	}
}

func TestAV1TorrentHasNoPieceRootsButItsContentHas(t *testing.T) {
	t.Parallel()
	_, tor := build(t, V1, mixed(t))
	leaves := []marketplace.Hash{{1}, {2}, {3}}
	if _, ok := tor.PieceRoot(0); ok || tor.Root(0, leaves).IsZero() ||
		tor.Root(0, leaves) == tor.Root(0, leaves[:2]) {
		t.Error("wrong roots of a v1 torrent")
	}
}

func TestV2FilesBeginOnPiecesAndPaddingIsNotStored(t *testing.T) {
	t.Parallel()
	_, tor := build(t, V2, mixed(t))
	stored := int64(0)
	for _, f := range tor.Files {
		if f.Pad {
			continue
		}
		stored += f.Length
		if f.Length > 0 && f.Offset%tor.PieceLength != 0 {
			t.Errorf("%s begins at %d", f.Path, f.Offset)
		}
	}
	if tor.V1 || tor.Stored() != stored || stored != 416_610 || tor.Pieces != 4+1+1+1+3 {
		t.Errorf("%d bytes in %d pieces; files have %d", tor.Stored(), tor.Pieces, stored)
	}
	if last := tor.PieceSize(tor.Pieces - 1); last != 1 {
		t.Errorf("the last piece has %d bytes", last)
	}
}

func TestParseRefusesAV2TorrentWhosePieceHashesDoNotFit(t *testing.T) {
	t.Parallel()
	raw, tor := build(t, V2, mixed(t))
	text := string(raw)
	layer := tor.PieceLayers()
	if len(layer) != 2 {
		t.Fatalf("%d files of more than one piece", len(layer))
	}
	for root, hashes := range layer {
		bad := []byte(hashes)
		bad[40]++
		for name, broken := range map[string]string{
			"a hash changed": strings.Replace(text, hashes, string(bad), 1),
			"no hashes":      strings.Replace(text, "12:piece layers", "12:piece lbyers", 1),
			"another root": strings.Replace(text, "pieces root32:"+root,
				"pieces root32:"+strings.Repeat("r", 32), 1),
			"a root cut": strings.Replace(text, "pieces root32:"+root, "pieces root31:"+root[1:], 1),
			"pieces of 96 KiB": strings.Replace(text, "12:piece lengthi65536e",
				"12:piece lengthi98304e", 1),
		} {
			_, err := Parse([]byte(broken), DefaultLimits())
			if broken == text || !errors.Is(err, marketplace.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestAHybridWithoutPieceLayersIsCheckedByItsSHA1s(t *testing.T) {
	t.Parallel()
	raw, _ := build(t, Hybrid, mixed(t))
	tor, err := Parse([]byte(strings.Replace(string(raw), "12:piece layers", "12:piece lbyers", 1)),
		DefaultLimits())
	if _, ok := tor.PieceRoot(0); err != nil || ok || !tor.V1 || !tor.V2 {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestParseRefusesV2TreesThatAreNone(t *testing.T) {
	t.Parallel()
	leaf := func(n string) string {
		return "d0:d6:length" + n + "11:pieces root32:" +
			strings.Repeat("r", 32) + "ee"
	}
	many := strings.Repeat("d1:a", 63) + strings.Repeat("e", 63)
	for name, tc := range map[string]struct{ tree, says string }{
		"no tree":           {"le", "without a file tree"},
		"nothing":           {"de", "no content"},
		"a file of nothing": {"d1:ad0:d6:lengthi0eeee", "no content"},
		"no length":         {"d1:ad0:deee", "sensible length"},
		"negative":          {"d1:a" + leaf("i-5e") + "e", "sensible length"},
		"huge":              {"d1:a" + leaf("i99999999999999999e") + "e", "sensible length"},
		"no name":           {"d0:d6:lengthi1eee", "sensible length"},
		"up and out":        {"d2:..d1:a" + leaf("i1e") + "ee", "leads elsewhere"},
		"a number":          {"d1:ai0ee", "none at"},
		"file and folder": {"d1:a" + strings.TrimSuffix(leaf("i1e"), "e") +
			"1:b" + leaf("i1e") + "ee", "files below it"},
		"deep":            {many, "deeper than 64"},
		"too many pieces": {"d1:a" + leaf("i5000000000e") + "e", "pieces; at most"},
	} {
		raw := info(bt("file tree"), tc.tree, bt("meta version"), "i2e", bt("name"), bt("n"),
			bt("piece length"), "i16384e")
		_, err := Parse([]byte(raw), DefaultLimits())
		if !errors.Is(err, marketplace.Invalid) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v, want a refusal that says %q", name, err, tc.says)
		}
	}
}
