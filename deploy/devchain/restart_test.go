package devchain

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// childDir tells this test's program to be a chain in a folder.
const childDir = "DEVCHAIN_TEST_CHILD_DIR"

// serveUntilKilled prints its address, and never returns.
func serveUntilKilled(dir string) {
	c, err := Start(context.Background(), options(dir))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Addr(), c.ControlAddr())
	select {}
}

// aChild starts a chain in a process of its own.
func aChild(t *testing.T, dir string) (*exec.Cmd, *rig) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var address, control string
	if _, err := fmt.Fscanln(out, &address, &control); err != nil {
		t.Fatal(err)
	}
	r := dial(t, address)
	r.control = control
	return cmd, r
}

func TestAKilledChainLosesNothingThatItAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var sent []*core.Transaction
	want, at := int64(0), []byte(nil)
	for round := range int64(4) {
		cmd, r := aChild(t, dir)
		if round == 0 {
			at = r.deploy(counterCode)
		} else {
			r.call(at, byte(round+1), 100*trx)
		}
		for n := range int64(10) {
			tx := r.transfer(trx + round*100 + n)
			r.mustTake(tx) // the last are in no block yet when it dies
			sent, want = append(sent, tx), want+trx+round*100+n
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
	r := newRig(t, dir)
	for _, tx := range sent {
		r.confirm(tx)
	}
	r.has(bob, want)
	if got := sum(r.call(at, 2, 100*trx)); got != 2+3+4+2 {
		t.Errorf("storage was lost: sum is %d", got)
	}
}

// Reorganisations give transactions back, and a kill may come at any moment of all that.
func TestAKilledChainLosesNothingInAReorganisation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	taken := map[string]*core.Transaction{} // acknowledged
	want := int64(0)
	for round := range int64(6) {
		cmd, r := aChild(t, dir)
		kill := make(chan struct{})
		var hands sync.WaitGroup
		hands.Go(func() {
			for {
				select {
				case <-kill:
					return
				default:
				}
				resp, err := http.Post("http://"+r.control+"/reorg", "application/json",
					strings.NewReader(`{"depth":3}`))
				if err != nil {
					return // it is dead
				}
				_ = resp.Body.Close()
			}
		})
		for n := range 6 + 3*round {
			tx := r.transfer(trx + round*100 + n)
			if r.send(tx).Result {
				id := txID(tx)
				taken[id.Hex()], want = tx, want+trx+round*100+n
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		close(kill)
		hands.Wait()
	}
	r := newRig(t, dir)
	for _, tx := range taken {
		r.confirm(tx)
	}
	r.has(bob, want)
}

func TestARestartedChainHasTheSameBlocks(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.call(r.deploy(counterCode), 7, 100*trx)
	r.must(r.Reorg(2, true))
	r.mustSend(r.transfer(trx))
	r.blocks(1)
	r.Stale(true)
	n, id := r.Head()
	r = r.restart()
	b, err := r.sdk.GetBlockByNum(n)
	r.must(err)
	if string(b.Blockid) != string(id[:]) {
		t.Errorf("block %d was %x and is %x", n, id, b.Blockid)
	}
}

// aLog returns the log of a chain that has done something, and how long it is.
func aLog(t *testing.T) (dir, path string, text []byte) {
	t.Helper()
	r := newRig(t, t.TempDir())
	r.mustSend(r.transfer(2 * trx))
	r.mustSend(r.transfer(3 * trx))
	r.must(r.Close())
	path = filepath.Join(r.opts.Dir, "chain.log")
	text, err := os.ReadFile(path)
	r.must(err)
	return r.opts.Dir, path, text
}

func TestATornTailIsCutOff(t *testing.T) {
	t.Parallel()
	_, _, text := aLog(t)
	for name, tail := range map[string]string{
		"a record without its end": string((record{recordTx, make([]byte, 90)}).encode()[:50]),
		"a head without its end":   "B\x00\x00",
		"zeroes":                   string(make([]byte, 4096)),
		"noise":                    strings.Repeat("\xb5T\x00", 99),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "chain.log")
			torn := append(text[:len(text):len(text)], tail...)
			if err := os.WriteFile(path, torn, 0o600); err != nil {
				t.Fatal(err)
			}
			j, err := openJournal(path, func(record) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			if f, err := j.file.Stat(); err != nil || f.Size() != int64(len(text)) {
				t.Errorf("of %d bytes %d are left (%v)", len(torn), f.Size(), err)
			}
			if err := errors.Join(j.close(), os.WriteFile(path, torn, 0o600)); err != nil {
				t.Fatal(err)
			}
			r := newRig(t, dir)
			r.has(bob, 5*trx)
			r.mustSend(r.transfer(trx))
			r = r.restart()
			r.has(bob, 6*trx)
		})
	}
}

func TestADamagedLogIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir, path, text := aLog(t)
	text[80] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cannotStart(t, Options{Dir: dir}); !strings.Contains(err, "damaged") {
		t.Error(err)
	}
	after, err := os.ReadFile(path)
	if err != nil || string(after) != string(text) {
		t.Errorf("the log of %d bytes has now %d (%v)", len(text), len(after), err)
	}
}

func TestALogOfOtherRulesIsRefused(t *testing.T) {
	t.Parallel()
	dir, path, _ := aLog(t)
	if err := cannotStart(t, Options{Dir: dir, ChainID: 7}); !strings.Contains(err, "chain 33600") {
		t.Error(err)
	}
	j, err := openJournal(path, func(record) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	forged := (&block{number: 1, at: 1 << 50}).record(0, nil)
	if _, err := j.write(forged); err != nil {
		t.Fatal(err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if err := cannotStart(t, Options{Dir: dir}); !strings.Contains(err, "other rules") {
		t.Error(err)
	}
	old := filepath.Join(t.TempDir(), "chain.log")
	for _, kind := range oldFirst {
		text := append([]byte{byte(kind)}, make([]byte, 50)...)
		if err := os.WriteFile(old, text, 0o600); err != nil {
			t.Fatal(err)
		}
		why := cannotStart(t, Options{Dir: filepath.Dir(old)})
		if !strings.Contains(why, "another version") {
			t.Error(why)
		}
		if after, err := os.ReadFile(old); err != nil || string(after) != string(text) {
			t.Errorf("the old log is now %x (%v)", after, err)
		}
	}
}

func TestTwoChainsDoNotWriteOneLog(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	if err := cannotStart(t, options(r.opts.Dir)); !strings.Contains(err, "in use") {
		t.Error(err)
	}
	r.restart()
}

// What cannot be written is not acknowledged, and does not spoil what is written later.
func TestAFailedWriteIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.Stale(true) // so that only the broadcast writes
	whole := r.journal.file
	broken, err := os.Open(whole.Name()) // reads only
	r.must(err)
	r.journal.mu.Lock()
	r.journal.file = broken
	r.journal.mu.Unlock()
	tx := r.transfer(trx)
	if out, err := r.sdk.Client.BroadcastTransaction(t.Context(), tx); err == nil {
		t.Errorf("acknowledged: %v", out)
	}
	// Half of a record stands where the next is written.
	_, err = whole.WriteAt((record{recordTx, make([]byte, 500)}).encode()[:300], r.journal.size)
	r.must(err)
	r.journal.mu.Lock()
	r.journal.file = whole
	r.journal.mu.Unlock()
	r.must(broken.Close())
	r.Stale(false)
	r.mustSend(tx)
	r = r.restart()
	r.has(bob, trx)
}

func TestWhatIsSolidIsOnTheDisk(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.blocks(SolidAfter + 3)
	r.mu.RLock()
	defer r.mu.RUnlock()
	r.journal.mu.Lock()
	defer r.journal.mu.Unlock()
	open := (r.journal.size - r.journal.synced) / int64(len(r.head().record(0, nil).encode()))
	if certain := r.head().number - open; certain < r.settled {
		t.Errorf("block %d is solid, but only %d is on the disk for certain", r.settled, certain)
	}
}
