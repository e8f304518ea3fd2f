package swarm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// content writes a folder of random files in several folders and returns its parent and .torrent.
func content(t *testing.T, pieceLength int64, sizes ...int) (parent string, raw []byte) {
	t.Helper()
	parent = t.TempDir()
	random := rand.NewChaCha8(sha256.Sum256([]byte(t.Name())))
	for i, size := range sizes {
		path := filepath.Join(parent, "things", fmt.Sprintf("dir %d", i%3), fmt.Sprintf("file-%d", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, size)
		random.Read(b) // never fails
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := metainfo.Build(t.Context(), filepath.Join(parent, "things"), pieceLength, nil)
	if err != nil {
		t.Fatal(err)
	}
	return parent, raw
}

func parse(t *testing.T, raw []byte) metainfo.Torrent {
	t.Helper()
	meta, err := metainfo.Parse(raw, metainfo.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return meta
}

// config is of an engine for tests on this machine.
func config(dir string) Config {
	return Config{
		Dir: dir, Listen: "127.0.0.1:0", KeepFree: 1, AllowLoopback: true, NoDHT: true,
	}
}

func open1(t *testing.T, c Config) *Engine {
	t.Helper()
	e, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

// seeder serves content that lies in parent.
func seeder(t *testing.T, parent string, raw []byte) *Engine {
	t.Helper()
	e := open1(t, config(t.TempDir()))
	h, err := e.Adopt(raw, parent)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "content is hashed", func() bool {
		s, ok := e.Status(h)
		return ok && !s.Checking
	})
	return e
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

func wait(t *testing.T, e *Engine, h marketplace.Infohash) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := e.Wait(ctx, h); err != nil {
		s, _ := e.Status(h)
		t.Fatalf("%v; stands at %+v", err, s)
	}
}

// same fails unless two folders hold the same files.
func same(t *testing.T, a, b string) {
	t.Helper()
	if x, y := digest(t, a), digest(t, b); x != y {
		t.Fatalf("%s:\n%s\n%s:\n%s", a, x, b, y)
	}
}

func digest(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&all, "%s %d %x\n", rel, len(b), sha256.Sum256(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func (e *Engine) dataOf(h marketplace.Infohash) string {
	return filepath.Join(e.config.Dir, "torrents", h.String(), "data")
}

func TestATorrentTravelsAndIsServedOn(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 32<<10, 300_000, 0, 1, 70_000, 16384, 500_000)
	h := parse(t, raw).Infohash
	first := seeder(t, parent, raw)
	second := open1(t, config(t.TempDir()))
	if err := second.Add(h, raw, []netip.AddrPort{first.Addr()}); err != nil {
		t.Fatal(err)
	}
	wait(t, second, h)
	same(t, parent, second.dataOf(h))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var last Status
	err := Fetch(t.Context(), Download{
		Config: config(dir), Metainfo: raw, Peers: []netip.AddrPort{second.Addr()},
		Progress: func(s Status) { last = s },
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, parent, dir)
	if !last.Complete || last.Bytes != last.Size || last.Size != 886_385 {
		t.Errorf("last progress was %+v", last)
	}
	if s, _ := second.Status(h); !s.Complete || s.Uploaded < 886_385 {
		t.Errorf("the server of it stands at %+v", s)
	}
}

func TestAPeerWithWrongBytesDoesNotTakeTheGoodOnesAlong(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 16<<10, 3_000_000)
	h := parse(t, raw).Infohash
	bad := open1(t, config(t.TempDir()))
	good := seeder(t, parent, raw)
	if err := bad.Add(h, raw, []netip.AddrPort{good.Addr()}); err != nil {
		t.Fatal(err)
	}
	wait(t, bad, h)
	spoil(t, filepath.Join(bad.dataOf(h), "things", "dir 0", "file-0"))
	leecher := open1(t, config(t.TempDir()))
	if err := leecher.Add(h, raw, []netip.AddrPort{bad.Addr()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the liar is found out", func() bool {
		s, _ := leecher.Status(h)
		return s.Downloaded > 0 && s.Peers == 0
	})
	if err := leecher.AddPeers(h, []netip.AddrPort{bad.Addr(), good.Addr()}); err != nil {
		t.Fatal(err)
	}
	wait(t, leecher, h)
	same(t, parent, leecher.dataOf(h))
}

// spoil changes every byte of a file in place.
func spoil(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] ^= 0xff
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRestartKeepsWhatIsTrueAndMendsWhatIsNot(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 16<<10, 400_000, 50_000)
	h := parse(t, raw).Infohash
	source := seeder(t, parent, raw)
	dir := t.TempDir()
	e := open1(t, config(dir))
	if err := e.Add(h, raw, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	wait(t, e, h)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}

	e = open1(t, config(dir))
	if err := e.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, ok := e.Status(h); !ok || !s.Complete || s.Checking {
		t.Fatalf("after a clean stop it stands at %+v, %v", s, ok)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}

	file := filepath.Join(e.dataOf(h), "things", "dir 1", "file-1")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[7]++
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	e = open1(t, config(dir))
	if err := e.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the change is found", func() bool {
		s, _ := e.Status(h)
		return !s.Checking && !s.Complete && s.Bytes > 400_000
	})
	if err := e.AddPeers(h, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the change is mended", func() bool {
		s, _ := e.Status(h)
		return s.Complete
	})
	same(t, parent, e.dataOf(h))
}

func TestVerifyFindsRottenBytesAndFetchesThemAnew(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 16<<10, 200_000)
	h := parse(t, raw).Infohash
	source := seeder(t, parent, raw)
	e := open1(t, config(t.TempDir()))
	if err := e.Add(h, raw, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	wait(t, e, h)
	file := filepath.Join(e.dataOf(h), "things", "dir 0", "file-0")
	spoil(t, file)
	later := time.Now().Add(time.Hour)
	if found, err := e.Scrub(t.Context(), later, 2*time.Hour); found || err != nil {
		t.Fatalf("scrubbed before its time: %v, %v", found, err)
	}
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	if found, err := e.Scrub(t.Context(), later, time.Minute); !found || err != nil {
		t.Fatalf("scrub: %v, %v", found, err)
	}
	if s, _ := e.Status(h); s.Bytes != 0 || s.Complete {
		t.Fatalf("rotten content stands at %+v", s)
	}
	if len(e.Complete()) != 0 || len(e.Torrents()) != 1 {
		t.Fatal("a rotten torrent counts as complete")
	}
	source = seeder(t, parent, raw)
	if err := e.AddPeers(h, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is mended", func() bool { s, _ := e.Status(h); return s.Complete })
	same(t, parent, e.dataOf(h))
}

func TestRemoveFreesTheDisk(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 16<<10, 100_000)
	h := parse(t, raw).Infohash
	source := seeder(t, parent, raw)
	e := open1(t, config(t.TempDir()))
	if err := e.Add(h, raw, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	wait(t, e, h)
	if err := e.Remove(h); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(e.config.Dir, "torrents"))
	if err != nil || len(left) != 0 || len(e.Torrents()) != 0 {
		t.Fatalf("left over: %v, %v", left, err)
	}
	if err := source.Remove(h); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(parent, "things", "dir 0", "file-0")); err != nil {
		t.Fatalf("adopted content is gone: %v", err)
	}
	if err := e.Add(h, raw, nil); err != nil {
		t.Fatalf("adding it again: %v", err)
	}
}

func TestAdoptedContentIsNeverWritten(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 16<<10, 100_000, 40_000)
	good := seeder(t, parent, raw)
	h := parse(t, raw).Infohash
	other := t.TempDir()
	if err := os.CopyFS(other, os.DirFS(parent)); err != nil {
		t.Fatal(err)
	}
	spoil(t, filepath.Join(other, "things", "dir 1", "file-1"))
	before := digest(t, other)
	e := seeder(t, other, raw)
	if err := e.AddPeers(h, []netip.AddrPort{good.Addr()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it meets a peer that has the rest", func() bool {
		s, _ := e.Status(h)
		return s.Peers > 0
	})
	if s, _ := e.Status(h); s.Complete || s.Downloaded != 0 || digest(t, other) != before {
		t.Fatalf("adopted content changed: %+v", s)
	}
}

func TestAnEngineKeepsToItsDiskAndQuota(t *testing.T) {
	t.Parallel()
	_, raw := content(t, 16<<10, 100_000)
	h := parse(t, raw).Infohash
	small := config(t.TempDir())
	small.Quota = 99_999
	if err := open1(t, small).Add(h, raw, nil); !errors.Is(err, marketplace.TooMany) {
		t.Errorf("over the quota: %v", err)
	}
	full := config(t.TempDir())
	full.KeepFree = 1 << 60
	if err := open1(t, full).Add(h, raw, nil); !errors.Is(err, marketplace.TooMany) {
		t.Errorf("on a full disk: %v", err)
	}
	e := open1(t, config(t.TempDir()))
	if err := e.Add(marketplace.Infohash{1}, raw, nil); !errors.Is(err, marketplace.Invalid) {
		t.Errorf("under another infohash: %v", err)
	}
	if err := e.AddPeers(h, nil); !errors.Is(err, marketplace.NotFound) {
		t.Errorf("peers of an unknown torrent: %v", err)
	}
}

func TestADownloadThatFillsTheDiskStopsAndGoesOn(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 256<<10, 40_000_000)
	h := parse(t, raw).Infohash
	source := seeder(t, parent, raw)
	e := open1(t, config(t.TempDir()))
	if err := e.Add(h, raw, nil); err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	s := e.torrents[h].store
	e.mu.Unlock()
	full := errors.New("disk is full")
	s.mu.Lock()
	s.room = func() error { return full }
	s.mu.Unlock()
	if err := e.AddPeers(h, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the download stops", func() bool {
		now, _ := e.Status(h)
		return errors.Is(now.Fault, full)
	})
	s.mu.Lock()
	s.room = func() error { return nil }
	s.mu.Unlock()
	eventually(t, "it is whole after the next look at the peers", func() bool {
		if err := e.AddPeers(h, []netip.AddrPort{source.Addr()}); err != nil {
			t.Fatal(err)
		}
		now, _ := e.Status(h)
		return now.Complete
	})
	same(t, parent, e.dataOf(h))
}

func TestNothingIsWrittenOutsideTheFolder(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 16<<10, 50_000)
	h := parse(t, raw).Infohash
	source := seeder(t, parent, raw)
	e := open1(t, config(t.TempDir()))
	outside := t.TempDir()
	data := e.dataOf(h)
	if err := e.Add(h, raw, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(data, "things")); err != nil {
		t.Fatal(err)
	}
	if err := e.AddPeers(h, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the write is refused", func() bool {
		s, _ := e.Status(h)
		return s.Fault != nil
	})
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Fatalf("written outside: %v", left)
	}
}

func TestPeersOnThisMachineAreRefusedUnlessAllowed(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 16<<10, 50_000)
	h := parse(t, raw).Infohash
	source := seeder(t, parent, raw)
	strict := config(t.TempDir())
	strict.AllowLoopback = false
	e := open1(t, strict)
	if err := e.Add(h, raw, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.door.Dial(t.Context(), "127.0.0.5:1"); !errors.Is(err, marketplace.Invalid) {
		t.Errorf("dialling this machine: %v", err)
	}
	if err := source.AddPeers(h, []netip.AddrPort{e.Addr()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the caller is turned away", func() bool {
		s, _ := source.Status(h)
		return s.Peers == 0
	})
	if s, _ := e.Status(h); s.Peers != 0 || s.Bytes != 0 {
		t.Fatalf("a guarded engine stands at %+v", s)
	}
}

func TestOneAddressCannotTakeEveryConnection(t *testing.T) {
	t.Parallel()
	d := newDoor(nil, metainfo.Guard{}, nil)
	one := netip.MustParseAddrPort("1.2.3.4:5")
	for i := range connsPerAddress + 1 {
		if d.enter(one) != (i < connsPerAddress) {
			t.Fatalf("connection %d of one address", i)
		}
	}
	for i := range connsMax {
		other := netip.AddrPortFrom(netip.AddrFrom4([4]byte{2, 2, 2, byte(i)}), 1)
		if d.enter(other) != (i < connsMax-connsPerAddress) {
			t.Fatalf("connection %d in all", connsPerAddress+i)
		}
	}
	d.leave(one)
	if !d.enter(one) || d.enter(one) {
		t.Fatal("who leaves makes room for one")
	}
}

// greet opens a connection and says a handshake; it reports whether one comes back.
func greet(t *testing.T, e *Engine, h marketplace.Infohash) (net.Conn, bool) {
	t.Helper()
	c, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		return nil, false
	}
	t.Cleanup(func() { _ = c.Close() })
	hello := "\x13BitTorrent protocol" + strings.Repeat("\x00", 8) + string(h[:]) + strings.Repeat("x", 20)
	if _, err := c.Write([]byte(hello)); err != nil {
		return nil, false
	}
	_, err = io.ReadFull(c, make([]byte, len(hello)))
	return c, err == nil
}

func TestAHushedEngineServesNobodyAndComesBack(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 16<<10, 50_000)
	h := parse(t, raw).Infohash
	e := seeder(t, parent, raw)
	c, ok := greet(t, e, h)
	if !ok {
		t.Fatal("an engine that is not hushed says nothing")
	}
	e.Hush(true)
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if _, ok := greet(t, e, h); ok {
		t.Error("a hushed engine answers")
	}
	if e.door.enter(netip.MustParseAddrPort("1.2.3.4:5")) {
		t.Error("a hushed engine calls")
	}
	e.Hush(false)
	if _, ok := greet(t, e, h); !ok {
		t.Error("it does not come back")
	}
}

func TestUploadsKeepToTheLimit(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 64<<10, 1_000_000)
	slow := config(t.TempDir())
	slow.UploadLimit = 500_000
	e := open1(t, slow)
	if _, err := e.Adopt(raw, parent); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err := Fetch(t.Context(), Download{
		Config: config(t.TempDir()), Metainfo: raw, Peers: []netip.AddrPort{e.Addr()},
	})
	if took := time.Since(began); err != nil || took < 1500*time.Millisecond {
		t.Fatalf("1 MB at 500 kB/s took %v, %v", took, err)
	}
}

func TestPaddingIsNotStored(t *testing.T) {
	t.Parallel()
	plain, padded := padded(t)
	meta := parse(t, padded)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "n", "a"), plain, 0o600); err != nil {
		t.Fatal(err)
	}
	source := seeder(t, dir, padded)
	e := open1(t, config(t.TempDir()))
	if err := e.Add(meta.Infohash, padded, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	wait(t, e, meta.Infohash)
	same(t, dir, e.dataOf(meta.Infohash))
}

// padded returns the content of a file and a torrent in which zeros fill its last piece.
func padded(t *testing.T) (plain, raw []byte) {
	t.Helper()
	plain = bytes.Repeat([]byte("abc"), 10_000)
	dir := t.TempDir()
	path := filepath.Join(dir, "n")
	if err := os.WriteFile(path, append(bytes.Clone(plain), make([]byte, 2768)...), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := metainfo.Build(t.Context(), path, 16<<10, nil)
	if err != nil {
		t.Fatal(err)
	}
	files := "5:filesld6:lengthi30000e4:pathl1:aeed4:attr1:p6:lengthi2768e4:pathl4:.pad4:2768eee"
	return plain, bytes.Replace(raw, []byte("6:lengthi32768e"), []byte(files), 1)
}
