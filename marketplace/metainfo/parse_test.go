package metainfo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	lib "github.com/anacrolix/torrent/metainfo"

	"github.com/everseed/everseed/marketplace"
)

// bt returns the bencoding of a string.
func bt(s string) string { return fmt.Sprintf("%d:%s", len(s), s) }

// info returns a .torrent of one file with the given fields in its info dictionary, in order.
func info(fields ...string) string { return "d4:infod" + strings.Join(fields, "") + "ee" }

func multi(files string, size int) string {
	pieces := strings.Repeat("x", 20*((size+16383)/16384))
	return info(bt("files"), "l"+files+"e", bt("name"), bt("n"), bt("piece length"), "i16384e",
		bt("pieces"), bt(pieces))
}

func file(length int, path ...string) string {
	list := ""
	for _, p := range path {
		list += bt(p)
	}
	return fmt.Sprintf("d6:lengthi%de4:pathl%see", length, list)
}

func single(length, pieceLength, pieces int) string {
	return info(bt("length"), fmt.Sprintf("i%de", length), bt("name"), bt("n"),
		bt("piece length"), fmt.Sprintf("i%de", pieceLength), bt("pieces"),
		bt(strings.Repeat("x", 20*pieces)))
}

func TestParseRefusesWhatCannotBeStoredOrServed(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("l", 2_000_000) + strings.Repeat("e", 2_000_000)
	long := strings.Repeat("a", 256)
	many := strings.Repeat(bt("a"), 101)
	for name, tc := range map[string]struct{ raw, says string }{
		"empty":                 {"", "ends in the middle"},
		"html":                  {"<html>", "not bencoded"},
		"four MB of nesting":    {deep, "nests deeper than 64"},
		"nesting in info":       {"d4:info" + deep + "e", "nests deeper than 64"},
		"huge":                  {strings.Repeat("1", 10_000_001), "at most 10000000"},
		"too many values":       {"l" + strings.Repeat("i0e", 2_500_001) + "e", "more than 2500000 values"},
		"no info":               {"de", "no info dictionary"},
		"info is a list":        {"d4:infolee", "no info dictionary"},
		"cut short":             {single(16384, 16384, 1)[:80], "beyond its end"},
		"trailing bytes":        {single(16384, 16384, 1) + "x", "1 bytes behind its end"},
		"length beyond the end": {"99999999999999999999:a", "beyond its end"},
		"length that overflows": {"d999999999999999999:a", "beyond its end"},
		"leading zero":          {"02:aa", "leading zero"},
		"minus zero":            {"i-0e", "bad integer"},
		"integer too long":      {"i9999999999999999999e", "bad integer"},
		"key twice":             {"d1:a1:b1:a1:be", "out of order or twice"},
		"keys out of order":     {"d1:b1:b1:a1:be", "out of order or twice"},
		"key without value":     {"d1:ae", "key without a value"},
		"2^22 pieces":           {single(1<<36, 16384, 1<<22), "at most 10000000"},
		"2^18+1 pieces":         {single((1<<18+1)*16384, 16384, 1<<18+1), "262145 pieces; at most 262144"},
		"pieces too short":      {single(16384, 8192, 2), "pieces of 8192 bytes"},
		"pieces too long":       {single(1<<26, 1<<26, 1), "16384 to 33554432"},
		"pieces negative":       {single(16384, -1, 1), "pieces of -1 bytes"},
		"hash cut":              {strings.Replace(single(1, 16384, 1), "20:x", "19:", 1), "no multiple of 20"},
		"a piece missing":       {single(16385, 16384, 1), "has 1 pieces, but 16385 bytes"},
		"a piece too many":      {single(16384, 16384, 2), "has 2 pieces"},
		"no content":            {single(0, 16384, 1), "no content"},
		"negative length":       {single(-5, 16384, 1), "a file of -5 bytes"},
		"length beyond the sum": {multi(file(1<<42, "a")+file(1<<59, "b"), 1), "at most"},
		"up and out":            {multi(file(1, "..", "etc", "passwd"), 1), `".." in a path`},
		"here":                  {multi(file(1, "."), 1), `"." in a path`},
		"absolute":              {multi(file(1, "/etc/passwd"), 1), "slash in the name"},
		"backslash":             {multi(file(1, `..\x`), 1), "slash in the name"},
		"nothing":               {multi(file(1, ""), 1), `"" in a path`},
		"NUL":                   {multi(file(1, "a\x00b"), 1), "control characters"},
		"new line":              {multi(file(1, "a\nb"), 1), "control characters"},
		"C1 control":            {multi(file(1, "a\u0085b"), 1), "control characters"},
		"device":                {multi(file(1, "con.txt"), 1), "device on some systems"},
		"port":                  {multi(file(1, "LPT1"), 1), "device on some systems"},
		"drive":                 {multi(file(1, "C:", "x"), 1), "device on some systems"},
		"long name":             {multi(file(1, long), 1), "name of 256 bytes"},
		"deep path":             {multi("d6:lengthi1e4:pathl"+many+"ee", 1), "at most 100 names"},
		"no path":               {multi(file(1), 1), "without a path"},
		"no length":             {multi("d4:pathl1:aee", 1), "without a length"},
		"equal names":           {multi(file(1, "a")+file(1, "a"), 2), `two files "n/a"`},
		"file as folder":        {multi(file(1, "a")+file(1, "a", "b"), 2), "files below it"},
		"folder as file":        {multi(file(1, "a", "b", "c")+file(1, "a", "b"), 2), "files below it"},
		"letter case":           {multi(cased(501), 501), "but for letter case"},
		"bad torrent name":      {strings.Replace(single(1, 16384, 1), "1:n", "2:..", 1), `".." in a path`},
		"v2 only": {info(bt("file tree"), "de", bt("meta version"), "i2e", bt("name"), bt("n"),
			bt("piece length"), "i16384e"), "no content"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(tc.raw), DefaultLimits())
			if !errors.Is(err, marketplace.Invalid) || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("got %v, want a refusal that says %q", err, tc.says)
			}
		})
	}
}

// cased returns n files whose paths differ by letter case only.
func cased(n int) string {
	var all strings.Builder
	for i := range n {
		name := []byte("abcdefghij")
		for bit := range name {
			if i>>bit&1 == 1 {
				name[bit] -= 'a' - 'A'
			}
		}
		all.WriteString(file(1, string(name)))
	}
	return all.String()
}

func TestParseReadsFilesPiecesAndTrackers(t *testing.T) {
	t.Parallel()
	raw := "d8:announce11:http://a/an13:announce-listll11:http://a/an10:udp://b:80el7:ftp://cee" +
		strings.TrimPrefix(multi("d4:attr1:p6:lengthi16383e4:pathl4:.pad5:16383ee"+
			file(16385, "dir", "café"), 32768), "d")
	tor, err := Parse([]byte(raw), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if tor.Size != 32768 || tor.Stored() != 16385 || tor.Pieces != 2 || len(tor.Files) != 2 {
		t.Fatalf("got %+v", tor)
	}
	if f := tor.Files[1]; f.Offset != 16383 || strings.Join(f.Path, "/") != "n/dir/café" || f.Pad {
		t.Fatalf("second file is %+v", f)
	}
	if got := strings.Join(tor.Trackers, " "); got != "http://a/an udp://b:80" {
		t.Fatalf("trackers are %q", got)
	}
	if tor.PieceHash(1) != [20]byte([]byte(strings.Repeat("x", 20))) {
		t.Fatal("wrong hash of a piece")
	}
}

func TestParseAgreesWithTheTorrentLibrary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, size := range map[string]int{"a/1": 70_000, "a/2": 0, "b": 16384, "z z": 1} {
		path := filepath.Join(dir, "content", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Repeat(name[:1], size)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := Build(t.Context(), filepath.Join(dir, "content"), 32768, []string{"http://t/announce"})
	if err != nil {
		t.Fatal(err)
	}
	want := lib.Info{PieceLength: 32768}
	if err := want.BuildFromFilePath(filepath.Join(dir, "content")); err != nil {
		t.Fatal(err)
	}
	wantBytes, err := bencode.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(raw, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if [20]byte(got.Infohash) != lib.HashBytes(wantBytes) {
		t.Fatalf("infohash %s, the library says %s", got.Infohash, lib.HashBytes(wantBytes))
	}
	for i := range got.Pieces {
		if [20]byte(want.Piece(i).V1Hash().Value) != got.PieceHash(i) ||
			want.Piece(i).Length() != got.PieceSize(i) {
			t.Fatalf("piece %d differs", i)
		}
	}
}

func TestBuildMakesTheSameTorrentOfOneFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "one.bin")
	if err := os.WriteFile(path, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := Build(t.Context(), path, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	tor, err := Parse(raw, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if tor.Name != "one.bin" || len(tor.Files) != 1 || tor.Size != 100_000 || tor.Pieces != 7 {
		t.Fatalf("got %+v", tor)
	}
	if _, err := Build(t.Context(), t.TempDir(), 0, nil); !errors.Is(err, marketplace.Invalid) {
		t.Fatalf("an empty folder gave %v", err)
	}
}

func TestParseHybridWantsBothHalvesAlike(t *testing.T) {
	t.Parallel()
	leaf := func(n int) string { return fmt.Sprintf("d0:d6:lengthi%deee", n) }
	hybrid := func(tree string) string {
		v1 := file(10, "a") + "d4:attr1:p6:lengthi16374e4:pathl4:.pad1:0ee" + file(20, "b", "c")
		return info(bt("file tree"), "d"+tree+"e", bt("files"), "l"+v1+"e", bt("meta version"), "i2e",
			bt("name"), bt("n"), bt("piece length"), "i16384e", bt("pieces"),
			bt(strings.Repeat("x", 40)))
	}
	padded := strings.NewReplacer("i16374e", "i32758e", "40:", "60:"+strings.Repeat("x", 20))
	wide := padded.Replace(hybrid("1:a" + leaf(10) + "1:bd1:c" + leaf(20) + "e"))
	if _, err := Parse([]byte(wide), DefaultLimits()); err == nil ||
		!strings.Contains(err.Error(), "3 pieces") && !strings.Contains(err.Error(), "2 pieces") {
		t.Errorf("padding of more than a piece gave %v", err)
	}
	tor, err := Parse([]byte(hybrid("1:a"+leaf(10)+"1:bd1:c"+leaf(20)+"e")), DefaultLimits())
	if err != nil || !tor.V1 || !tor.V2 || tor.Stored() != 30 {
		t.Fatalf("got %+v, %v", tor, err)
	}
	for _, tree := range []string{
		"1:a" + leaf(10),
		"1:a" + leaf(11) + "1:bd1:c" + leaf(20) + "e",
		"1:a" + leaf(10) + "1:bd1:d" + leaf(20) + "e",
		"1:a" + leaf(10) + "1:bd1:c" + leaf(20) + "e1:d" + leaf(0),
		"1:ai0e", leaf(10)[1 : len(leaf(10))-1], "2:..d" + "1:a" + leaf(10) + "e",
	} {
		if _, err := Parse([]byte(hybrid(tree)), DefaultLimits()); !errors.Is(err, marketplace.Invalid) {
			t.Errorf("tree %s gave %v", tree, err)
		}
	}
}

func TestParseMagnet(t *testing.T) {
	t.Parallel()
	const hash = "0123456789abcdef0123456789abcdef01234567"
	m, err := ParseMagnet("magnet:?xt=urn:btih:"+hash+"&dn=A%20b&tr=http://x&tr=http://x",
		DefaultLimits())
	if err != nil || m.Infohash.String() != hash || m.Name != "A b" || len(m.Trackers) != 1 {
		t.Fatalf("got %+v, %v", m, err)
	}
	m, err = ParseMagnet("magnet:?xt=urn:btih:AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH", DefaultLimits())
	if err != nil || m.Infohash.String() != hash {
		t.Fatalf("base32 gave %+v, %v", m, err)
	}
	const v2 = hash + "0123456789abcdef01234567"
	m, err = ParseMagnet("magnet:?xt=urn:btmh:1220"+v2, DefaultLimits())
	if err != nil || m.Infohash.String() != hash {
		t.Fatalf("v2 gave %+v, %v", m, err)
	}
	m, err = ParseMagnet("magnet:?xt=urn:btmh:1220"+hash[4:]+"00ff0123456789abcdef01234567"+
		"&xt=urn:btih:"+hash, DefaultLimits())
	if err != nil || m.Infohash.String() != hash {
		t.Fatalf("hybrid gave %+v, %v", m, err)
	}
	for _, bad := range []string{"", "http://x", "magnet:?", "magnet:?xt=urn:btih:zz",
		"magnet:?xt=urn:btmh:1220" + hash, "magnet:?xt=urn:btmh:1320" + hash + hash[:24]} {
		if _, err := ParseMagnet(bad, DefaultLimits()); !errors.Is(err, marketplace.Invalid) {
			t.Errorf("%q gave %v", bad, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(single(16384, 16384, 1)))
	f.Add([]byte(multi(file(1, "a", "b")+file(16384, "c"), 16385)))
	f.Add([]byte("d4:infod5:filesl" + file(5, "x") + "ee4:name1:nee"))
	for _, format := range []Format{V2, Hybrid} {
		raw, _ := build(f, format, mixed(f))
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		tor, err := Parse(raw, DefaultLimits())
		if err != nil {
			if !errors.Is(err, marketplace.Invalid) {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		sum := int64(0)
		for _, file := range tor.Files {
			if !filepath.IsLocal(filepath.Join(file.Path...)) || file.Offset != sum {
				t.Fatalf("path %q at %d", file.Path, file.Offset)
			}
			sum += file.Length
		}
		if last := tor.PieceSize(tor.Pieces - 1); sum != tor.Size || last <= 0 || last > tor.PieceLength {
			t.Fatalf("sizes do not fit: %+v", tor)
		}
		for piece := range min(tor.Pieces, 100) {
			if _, ok := tor.PieceRoot(piece); !ok && !tor.V1 {
				t.Fatalf("piece %d has no hash at all", piece)
			}
			tor.Root(piece, []marketplace.Hash{{1}, {2}, {3}})
		}
		var theirs lib.Info
		if err := bencode.Unmarshal(tor.Info, &theirs); err != nil {
			t.Fatalf("the library refuses what we accept: %v", err)
		}
		if tor.V2 == theirs.HasV2() && theirs.NumPieces() != tor.Pieces {
			t.Fatalf("%d pieces, the library says %d", tor.Pieces, theirs.NumPieces())
		}
	})
}
