package devstack

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Both make this test program a process that starts a server and waits to be killed.
const (
	helperVariable = "EVERSEED_TEST_START_POSTGRES_IN"
	removeVariable = "EVERSEED_TEST_REMOVE_AFTER" // a folder, or nothing
)

func TestMain(m *testing.M) {
	if root := os.Getenv(helperVariable); root != "" {
		startAndWait(root)
	}
	os.Exit(m.Run())
}

func startAndWait(root string) {
	p, err := StartPostgres(bg(), PostgresOptions{
		Dir: filepath.Join(root, "data"), removeAfter: os.Getenv(removeVariable)})
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString(strconv.Itoa(p.cmd.Process.Pid) + "\n")
	select {}
}

func TestPostgresEndsWithAProcessThatIsKilled(t *testing.T) {
	t.Parallel()
	startAndKill(t, filepath.Join(t.TempDir(), "root"), "")
}

func TestTheTestsFolderGoesWithTheProcess(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "root")
	startAndKill(t, root, root)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(root); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("its folder was not removed")
		}
	}
}

// startAndKill kills a process that has a server, and waits for the end of the server.
func startAndKill(t *testing.T, root, remove string) {
	t.Helper()
	helper := exec.Command(os.Args[0], "-test.run=^$") // #nosec G204
	helper.Env = append(os.Environ(), helperVariable+"="+root, removeVariable+"="+remove)
	helper.Stderr = os.Stderr
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	family, err := children(pid)
	if err != nil || len(family) == 0 {
		t.Fatalf("its processes: %v, %v", family, err)
	}
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait() // it was killed
	if err := gone(append(family, pid), 20*time.Second); err != nil {
		_ = killFamily(pid)
		t.Fatalf("an orphan: %v", err)
	}
}

func TestAServerThatIsStillEndingIsWaitedFor(t *testing.T) {
	t.Parallel()
	first := start(t, PostgresOptions{})
	second := &Postgres{opts: first.opts, socket: first.socket}
	go func() {
		time.Sleep(300 * time.Millisecond) // the time that a dying server takes
		_ = first.Stop()
	}()
	if err := second.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
}
