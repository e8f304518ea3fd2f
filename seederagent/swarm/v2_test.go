package swarm

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace/metainfo"
)

// mixed builds a torrent of files that end inside pieces, on their boundary and before the first
// one's end.
func mixed(t *testing.T, format metainfo.Format) (parent string, raw []byte) {
	t.Helper()
	parent = t.TempDir()
	for name, size := range map[string]int{
		"a/1": 200_000, "a/empty": 0, "b": 65_536, "c.txt": 20_000, "c/x": 1, "z": 131_073,
	} {
		path := filepath.Join(parent, "mixed", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(i*i>>7) + name[0]
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := format.Build(t.Context(), filepath.Join(parent, "mixed"), 65_536, nil)
	if err != nil {
		t.Fatal(err)
	}
	return parent, raw
}

func TestTorrentsOfEveryVersionTravelAndAreThereAfterARestart(t *testing.T) {
	t.Parallel()
	for _, format := range []metainfo.Format{metainfo.V1, metainfo.V2, metainfo.Hybrid} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			parent, raw := mixed(t, format)
			meta := parse(t, raw)
			source, dir := seeder(t, parent, raw), t.TempDir()
			e := open1(t, config(dir))
			if err := e.Add(meta.Infohash, raw, []netip.AddrPort{source.Addr()}); err != nil {
				t.Fatal(err)
			}
			wait(t, e, meta.Infohash)
			same(t, parent, e.dataOf(meta.Infohash))
			if s, _ := e.Status(meta.Infohash); s.Bytes != meta.Size {
				t.Errorf("%d bytes verified of %d", s.Bytes, meta.Size)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			again := open1(t, config(dir))
			if err := again.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			wait(t, again, meta.Infohash)
			if err := again.Verify(t.Context(), meta.Infohash, time.Now()); err != nil {
				t.Fatal(err)
			}
			wait(t, again, meta.Infohash)
		})
	}
}

func TestRotIsFoundInATorrentThatIsV2Only(t *testing.T) {
	t.Parallel()
	parent, raw := mixed(t, metainfo.V2)
	meta := parse(t, raw)
	path := filepath.Join(parent, "mixed", "z")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[131_072] ^= 1 // in the last piece, of one byte
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	e := open1(t, config(t.TempDir()))
	if _, err := e.Adopt(raw, parent); err != nil {
		t.Fatal(err)
	}
	var s Status
	eventually(t, "content is hashed", func() bool {
		s, _ = e.Status(meta.Infohash)
		return !s.Checking
	})
	if s.Complete || s.Bytes != meta.Size-1 {
		t.Errorf("%d bytes of %d are said to be good", s.Bytes, meta.Size)
	}
}
