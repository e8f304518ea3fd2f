package swarm

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// hybrid writes two files and returns their parent and a torrent that is v1 and v2 at once. Its v2
// roots are not those of the content: agents check pieces by their v1 hashes.
func hybrid(t *testing.T) (parent string, raw []byte) {
	t.Helper()
	parent = t.TempDir()
	a, b := bytes.Repeat([]byte("a lot"), 10_000), bytes.Repeat([]byte("a bit"), 1_000)
	if err := os.Mkdir(filepath.Join(parent, "n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"a": a, "b": b} {
		if err := os.WriteFile(filepath.Join(parent, "n", name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const length = 16 << 10
	pad := 4*length - len(a)
	all := append(append(bytes.Clone(a), make([]byte, pad)...), b...)
	var hashes []byte
	for at := 0; at < len(all); at += length {
		sum := sha1.Sum(all[at:min(len(all), at+length)])
		hashes = append(hashes, sum[:]...)
	}
	root := bytes.Repeat([]byte("r"), 32)
	leaf := func(n int) string {
		return fmt.Sprintf("d0:d6:lengthi%de11:pieces root32:%see", n, root)
	}
	return parent, fmt.Appendf(nil, "d4:infod9:file treed1:a%s1:b%se5:filesl"+
		"d6:lengthi%de4:pathl1:aeed4:attr1:p6:lengthi%de4:pathl4:.pad1:0eed6:lengthi%de4:pathl1:beee"+
		"12:meta versioni2e4:name1:n12:piece lengthi%de6:pieces%d:%see", leaf(len(a)), leaf(len(b)),
		len(a), pad, len(b), length, len(hashes), hashes)
}

func TestAHybridTorrentTravels(t *testing.T) {
	t.Parallel()
	parent, raw := hybrid(t)
	meta := parse(t, raw)
	if !meta.V2 || meta.Pieces != 5 {
		t.Fatalf("%+v", meta)
	}
	source, e := seeder(t, parent, raw), open1(t, config(t.TempDir()))
	if err := e.Add(meta.Infohash, raw, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	wait(t, e, meta.Infohash)
	same(t, parent, e.dataOf(meta.Infohash))
}
