package swarm

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// aria2 starts aria2c on a torrent in dir, knowing no way to find peers.
func aria2(t *testing.T, dir string, raw []byte, port int, more ...string) {
	t.Helper()
	path, err := exec.LookPath("aria2c")
	if err != nil {
		t.Skip("NO INTEROP TESTED: aria2c is not installed")
	}
	file := filepath.Join(t.TempDir(), "t.torrent")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{
		"--no-conf=true", "--quiet=true", "--enable-dht=false", "--enable-dht6=false",
		"--bt-enable-lpd=false", "--enable-peer-exchange=false", "--disable-ipv6=true",
		"--interface=127.0.0.1", "--listen-port=" + strconv.Itoa(port), "--dir=" + dir,
		"--seed-ratio=0.0", "--allow-overwrite=true", "--file-allocation=none",
	}, more...)
	cmd := exec.Command(path, append(args, file)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it never ends by itself
		_ = cmd.Wait()
	})
}

// freePort returns a port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	e, err := Open(config(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return int(e.Addr().Port())
}

func TestAria2DownloadsFromAnEngine(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 64<<10, 2_000_000, 300_000, 5)
	h := parse(t, raw).Infohash
	source := seeder(t, parent, raw)
	dir, port, want := t.TempDir(), freePort(t), digest(t, filepath.Join(parent, "things"))
	aria2(t, dir, raw, port)
	peer := netip.AddrPortFrom(local, uint16(port))
	eventually(t, "aria2c has everything", func() bool {
		if err := source.AddPeers(h, []netip.AddrPort{peer}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		_, err := os.Stat(filepath.Join(dir, "things"))
		return err == nil && digest(t, filepath.Join(dir, "things")) == want
	})
}

func TestAnEngineDownloadsFromAria2(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 64<<10, 2_000_000, 300_000, 5)
	port := freePort(t)
	aria2(t, parent, raw, port, "--check-integrity=true", "--seed-time=10")
	h, e := parse(t, raw).Infohash, open1(t, config(t.TempDir()))
	if err := e.Add(h, raw, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the engine has everything", func() bool {
		err := e.AddPeers(h, []netip.AddrPort{netip.AddrPortFrom(local, uint16(port))})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		s, _ := e.Status(h)
		return s.Complete
	})
	same(t, parent, e.dataOf(h))
}
