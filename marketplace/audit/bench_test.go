//go:build unix

package audit_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent/swarm"
)

const agentVariable = "EVERSEED_BENCHMARK_AGENT"

const (
	benchPiece   = 256 << 10
	auditsAtOnce = 8 // an auditor makes 32; an agent takes no more than 10 from one address
)

// TestAgentOfBenchmark is the agent that BenchmarkAudit asks, in a process of its own so that its
// work is not counted. By itself it does nothing.
func TestAgentOfBenchmark(t *testing.T) {
	dir := os.Getenv(agentVariable)
	if dir == "" {
		return
	}
	raw, err := os.ReadFile(filepath.Join(dir, "t.torrent"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("agent at", serve(t, dir, raw))
	_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark is over
}

// serve runs an agent that has content in dir.
func serve(t testing.TB, dir string, raw []byte) netip.AddrPort {
	t.Helper()
	e, err := swarm.Open(swarm.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", KeepFree: 1, AllowLoopback: true, NoDHT: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	h, err := e.Adopt(raw, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Wait(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	return e.Addr()
}

// start runs TestAgentOfBenchmark and returns where it listens.
func start(b *testing.B, dir string) netip.AddrPort {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAgentOfBenchmark$")
	cmd.Env = append(os.Environ(), agentVariable+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = in.Close(), cmd.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if addr, ok := strings.CutPrefix(lines.Text(), "agent at "); ok {
			return netip.MustParseAddrPort(addr)
		}
	}
	b.Fatal("the agent did not start")
	return netip.AddrPort{}
}

// benchContent writes a file of random bytes and its .torrent, and returns its blocks.
func benchContent(b *testing.B) (dir string, raw []byte, blocks []audit.Challenge,
	meta *metainfo.Torrent,
) {
	b.Helper()
	dir = b.TempDir()
	all := make([]byte, 64<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(all) // never fails
	path := filepath.Join(dir, "x")
	if err := os.WriteFile(path, all, 0o600); err != nil {
		b.Fatal(err)
	}
	raw, err := metainfo.Build(b.Context(), path, benchPiece, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "t.torrent"), raw, 0o600); err != nil {
		b.Fatal(err)
	}
	parsed, err := metainfo.Parse(bytes.Clone(raw), metainfo.DefaultLimits())
	if err != nil {
		b.Fatal(err)
	}
	for content := range slices.Chunk(all, metainfo.BlockSize) {
		i := len(blocks)
		blocks = append(blocks, audit.Challenge{Piece: i / 16, Block: i % 16,
			Leaf: sha256.Sum256(content)})
	}
	return dir, raw, blocks, &parsed
}

// BenchmarkAudit reports how many audits a second of CPU time does, each over a connection of its
// own on loopback and obfuscated as our auditors do it, several at a time as they do, and how many
// challenges. The agent works in another process, whose time is not counted, except where the name says so.
func BenchmarkAudit(b *testing.B) {
	dir, raw, blocks, meta := benchContent(b)
	block := func(i int) audit.Challenge { return blocks[i%len(blocks)] }
	piece := func(i int) []audit.Challenge { return whole(i % meta.Pieces) }
	one := func(i int) []audit.Challenge { return []audit.Challenge{block(i)} }
	eight := func(i int) (asks []audit.Challenge) {
		for j := range 8 {
			asks = append(asks, block(i*8+j*521))
		}
		return asks
	}
	apart := start(b, dir)
	for _, bench := range []struct {
		name string
		addr netip.AddrPort
		asks func(int) []audit.Challenge
	}{
		{"piece of 256 KiB", apart, piece}, {"8 blocks", apart, eight}, {"1 block", apart, one},
	} {
		b.Run(bench.name, func(b *testing.B) { benchAudit(b, bench.addr, meta, bench.asks) })
	}
	b.Run("with the agent", func(b *testing.B) {
		within := serve(b, dir, raw)
		b.Run("piece of 256 KiB", func(b *testing.B) { benchAudit(b, within, meta, piece) })
		b.Run("8 blocks", func(b *testing.B) { benchAudit(b, within, meta, eight) })
		b.Run("1 block", func(b *testing.B) { benchAudit(b, within, meta, one) })
	})
}

func benchAudit(b *testing.B, addr netip.AddrPort, meta *metainfo.Torrent,
	asks func(int) []audit.Challenge,
) {
	var audits, challenges atomic.Int64
	began, n := cpu(b), int64(b.N)
	var workers sync.WaitGroup
	for range auditsAtOnce {
		workers.Go(func() {
			for i := audits.Add(1); i <= n; i = audits.Add(1) {
				list := asks(int(i))
				f := audit.Probe(b.Context(), devnet, 10*time.Second, addr, meta, list, nil)
				if f.Outcome != marketplace.Pass {
					b.Error(f.Outcome, f.Err)
					return
				}
				challenges.Add(int64(len(list)))
			}
		})
	}
	workers.Wait()
	spent := (cpu(b) - began).Seconds()
	b.ReportMetric(float64(n)/spent, "audits/s/core")
	b.ReportMetric(float64(challenges.Load())/spent, "challenges/s/core")
}

// cpu returns the CPU time that this process took.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
