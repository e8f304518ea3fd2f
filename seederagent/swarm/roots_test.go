package swarm

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// rootOf waits for the root of a torrent that is whole.
func rootOf(t *testing.T, e *Engine, h marketplace.Infohash) marketplace.Hash {
	t.Helper()
	wait(t, e, h)
	root, err := e.Root(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// reopened closes an engine and resumes what is in its folder.
func reopened(t *testing.T, e *Engine, dir string) *Engine {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	again := open1(t, config(dir))
	if err := again.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	return again
}

func TestWhoFetchedAdoptedOrResumedAV1TorrentCommitsToTheSameRoot(t *testing.T) {
	t.Parallel()
	parent, raw := mixed(t, metainfo.V1)
	h := parse(t, raw).Infohash
	source, dir := seeder(t, parent, raw), t.TempDir()
	adopted := rootOf(t, source, h)
	if adopted.IsZero() {
		t.Fatal("adopted content has no root")
	}
	e := open1(t, config(dir))
	if err := e.Add(h, raw, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	if got := rootOf(t, e, h); got != adopted {
		t.Errorf("fetched it has the root %s, adopted %s", got, adopted)
	}
	file := filepath.Join(dir, "torrents", h.String(), rootsName)
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := append([]byte{kept[0] ^ 1}, kept[1:]...)
	for name, left := range map[string][]byte{"as it was": kept, "spoilt": spoilt, "cut off": kept[:40],
		"empty": {}, "gone": nil} {
		if err := os.WriteFile(file, left, 0o600); err != nil {
			t.Fatal(err)
		}
		if left == nil {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		e = reopened(t, e, dir)
		if got := rootOf(t, e, h); got != adopted {
			t.Errorf("with what was kept %s it has the root %s, before %s", name, got, adopted)
		}
		if now, err := os.ReadFile(file); err != nil || string(now) != string(kept) {
			t.Errorf("with what was kept %s, something else is now: %v", name, err)
		}
	}
}

func TestTorrentsThatTellTheirRootsAreNotCommittedTo(t *testing.T) {
	t.Parallel()
	for _, format := range []metainfo.Format{metainfo.V2, metainfo.Hybrid} {
		parent, raw := mixed(t, format)
		e, h := seeder(t, parent, raw), parse(t, raw).Infohash
		if got := rootOf(t, e, h); !got.IsZero() {
			t.Errorf("%s: root %s", format, got)
		}
	}
}

func TestNobodyCommitsToContentThatHasRottenSinceItWasVerified(t *testing.T) {
	t.Parallel()
	parent, raw := mixed(t, metainfo.V1)
	h := parse(t, raw).Infohash
	source, dir := seeder(t, parent, raw), t.TempDir()
	e := open1(t, config(dir))
	if err := e.Add(h, raw, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	rootOf(t, e, h)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "torrents", h.String(), rootsName)); err != nil {
		t.Fatal(err)
	}
	rot(t, filepath.Join(dir, "torrents", h.String(), "data", "mixed", "b"))
	e = open1(t, config(dir))
	if err := e.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := rootOf(t, e, h); !got.IsZero() {
		t.Errorf("it commits to %s", got)
	}
}

// rot changes a byte of a file, which keeps its time: what a disk does and no program.
func rot(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte{0xff}, 1000)
	if err := errors.Join(err, f.Close(), os.Chtimes(file, info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
}

func TestTheRootOfATorrentThatIsNotHeldIsNotFound(t *testing.T) {
	t.Parallel()
	e := open1(t, config(t.TempDir()))
	if _, err := e.Root(t.Context(), marketplace.Infohash{1}); !errors.Is(err, marketplace.NotFound) {
		t.Errorf("said %v", err)
	}
}
