package swarm

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childDir makes the test binary an engine of its own that can be killed: it resumes what is in
// the folder, adds add.torrent if there is one, and says where it listens.
const childDir = "EVERSEED_TEST_ENGINE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func child(dir string) error {
	c := config(dir)
	c.UploadLimit = 1 << 30
	e, err := Open(c)
	if err != nil {
		return err
	}
	if err := e.Resume(context.Background()); err != nil {
		return err
	}
	fmt.Println(e.Addr())
	_, err = os.Stdin.Read(make([]byte, 1)) // until the parent goes away
	return err
}

// process starts an engine in a process of its own.
func process(t *testing.T, dir string) (*exec.Cmd, netip.AddrPort) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill() // gone already, mostly
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("child said nothing: %v", err)
	}
	addr, err := netip.ParseAddrPort(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return cmd, addr
}

func TestAKilledDownloadIsHashedAgain(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 64<<10, 20_000_000)
	h := parse(t, raw).Infohash
	dir := t.TempDir()
	setup := open1(t, config(dir))
	if err := setup.Add(h, raw, nil); err != nil {
		t.Fatal(err)
	}
	if err := setup.Close(); err != nil {
		t.Fatal(err)
	}

	slow := config(t.TempDir())
	slow.UploadLimit = 4_000_000
	source := open1(t, slow)
	if _, err := source.Adopt(raw, parent); err != nil {
		t.Fatal(err)
	}
	victim, addr := process(t, dir)
	if err := source.AddPeers(h, []netip.AddrPort{addr}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(setup.dataOf(h), "things", "dir 0", "file-0")
	eventually(t, "half of it came", func() bool {
		s, _ := source.Status(h)
		return s.Uploaded > 8_000_000
	})
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // killed
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	forge(t, file)

	e := open1(t, config(dir))
	if err := e.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what came before the kill is hashed", func() bool {
		s, _ := e.Status(h)
		return !s.Checking
	})
	s, _ := e.Status(h)
	if s.Bytes == 0 || s.Bytes > 19_000_000 || s.Complete {
		t.Fatalf("after the kill it stands at %+v", s)
	}
	again := seeder(t, parent, raw)
	if err := e.AddPeers(h, []netip.AddrPort{again.Addr()}); err != nil {
		t.Fatal(err)
	}
	wait(t, e, h)
	same(t, parent, e.dataOf(h))
}

// forge makes a file as long as the whole content, with wrong bytes at its end: a library that
// believes sizes would call it complete.
func forge(t *testing.T, file string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 1_000_000), 19_000_000); err != nil {
		t.Fatal(err)
	}
}

func TestAnIdleEngineIsSmall(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	dir := t.TempDir()
	setup := open1(t, config(dir))
	for i := range 20 {
		_, raw := content(t, 16<<10, 50_000+i)
		if err := setup.Add(parse(t, raw).Infohash, raw, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := setup.Close(); err != nil {
		t.Fatal(err)
	}
	cmd, _ := process(t, dir)
	time.Sleep(time.Second) // what it does at its start is over
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			t.Logf("idle with 20 torrents: %d KiB resident", kib)
			if err != nil || kib > 80<<10 {
				t.Errorf("an idle engine takes %d KiB", kib)
			}
		}
	}
}
